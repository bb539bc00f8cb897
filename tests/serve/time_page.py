"""How fast the page draws: `python -m tests.serve.time_page URL`; the last line is JSON.

`first_face_ms` runs from the start of the navigation to the first grid of faces, `face_ms` is the
median of single faces after that, both with one processor and nothing cached.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from cli import emit_json
from tests.serve.visitor import visiting

FACES = """
const done = arguments[0];
(async () => {
  const draws = document.documentElement.dataset.draws;
  const { drawer } = await import(new URL(`${draws}.js`, location));
  const { ask } = await import(new URL("portrait.js", location));
  const model = await drawer.describe((await drawer.models())[0].name);
  model.name ??= model.snapshot_name;
  const times = [];
  for (let i = 0; i < 60; i++) {
    const portraits = ask(model, {}, i, 1).flat();
    const started = performance.now();
    await drawer.draw(model, portraits);
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  done(times[30]);
})();
"""


def main(url: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder, visiting(url, "desktop", Path(folder)) as visitor:
        visitor.open()
        ready = visitor.js("return performance.getEntriesByName('ready')[0].startTime")
        visitor.driver.set_script_timeout(120)
        face = visitor.driver.execute_async_script(FACES)
    emit_json({"first_faces_ms": round(ready), "face_ms": round(face, 1)})


if __name__ == "__main__":
    main(sys.argv[1])
