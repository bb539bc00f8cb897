"""A picture of the page with one face chosen: `python -m tests.serve.screenshot URL FILE.png`.

A third argument `phone` takes a phone's window. Needs Chromium and its driver.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.serve.test_page import SIZES, Visitor, browser


def main(url: str, file: Path, size: str = "desktop") -> None:
    driver = browser(*SIZES[size], file.parent.resolve())
    try:
        visitor = Visitor(driver, url, file.parent)
        visitor.open()
        visitor.set_option(0, "blue")
        visitor.choose(0)
        driver.execute_script("scrollTo(0, 0)")
        file.write_bytes(driver.get_screenshot_as_png())
    finally:
        driver.quit()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
