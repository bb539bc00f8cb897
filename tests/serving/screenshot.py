"""A picture of the page with one face chosen: `python -m tests.serving.screenshot URL FILE.png`.

Further words: `phone` takes a phone's window, `dark` dark colours, `whole` all of the page. Needs
Chromium and its driver.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from tests.serving.visitor import visiting


def main(url: str, file: Path, *words: str) -> None:
    size = "phone" if "phone" in words else "desktop"
    with (
        tempfile.TemporaryDirectory() as folder,
        visiting(url, size, Path(folder), dark="dark" in words) as visitor,
    ):
        visitor.open()
        visitor.wish("hair_color", "blue")
        visitor.choose(0)
        visitor.js("scrollTo(0, 0); document.activeElement.blur()")
        shot = {"format": "png", "captureBeyondViewport": "whole" in words}
        if "whole" in words:
            height = visitor.js("return document.documentElement.scrollHeight")
            width = visitor.js("return innerWidth")
            shot["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = visitor.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
        file.write_bytes(base64.b64decode(data))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
