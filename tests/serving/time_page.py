"""How fast the page draws: `python -m tests.serving.time_page URL`; the last line is JSON.

`first_face_ms` and `grid_ms` run from the start of the navigation to the first face and to all 16,
`face_ms` is the median of single faces after that; with one processor and nothing cached.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from avatar_common.commands import emit_json
from tests.serving.visitor import visiting

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
        mark = "return performance.getEntriesByName(arguments[0])[0].startTime"
        first, all_faces = (visitor.js(mark, name) for name in ("first-face", "ready"))
        visitor.driver.set_script_timeout(120)
        face = visitor.driver.execute_async_script(FACES)
    emit_json(
        {
            "first_face_ms": round(first),
            "grid_ms": round(all_faces),
            "face_ms": round(face, 1),
        }
    )


if __name__ == "__main__":
    main(sys.argv[1])
