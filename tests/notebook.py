"""Execute a notebook's cells in this process, as Jupyter would show them.

`python -m tests.notebook docs/faces-to-avatars.ipynb` renews its outputs.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def run_cell(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """Run one cell in the namespace `names`: what it printed, and its last line's value."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return printed.getvalue(), value


def shown(value: Any) -> dict[str, Any]:
    """A value as the notebook format keeps it, by kind of medium."""
    media: dict[str, Any] = {"text/plain": [repr(value)]}
    if isinstance(value, Image.Image):
        file = io.BytesIO()
        value.quantize(128).save(file, "PNG", optimize=True)  # a third of the size
        media = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": ["<image>"]}
    elif hasattr(value, "to_html"):
        media["text/html"] = value.to_html().splitlines(keepends=True)
        media["text/plain"] = value.to_string().splitlines(keepends=True)
    return media


def run_notebook(content: dict[str, Any], **constants: str) -> dict[str, Any]:
    """The notebook with the outputs of all its cells; `constants` replace `NAME = ...` lines."""
    names: dict[str, Any] = {"__name__": "notebook"}
    count = 0
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        source = "".join(cell["source"])
        for name, text in constants.items():
            source = re.sub(rf"^{name} = .*$", f"{name} = {text}", source, flags=re.M)
        printed, value = run_cell(source, names)
        cell["execution_count"], cell["outputs"] = count, []
        if printed:
            lines = printed.splitlines(keepends=True)
            cell["outputs"].append({"name": "stdout", "output_type": "stream", "text": lines})
        if value is not None:
            cell["outputs"].append(
                {
                    "data": shown(value),
                    "execution_count": count,
                    "metadata": {},
                    "output_type": "execute_result",
                }
            )
    return content


if __name__ == "__main__":
    path = Path(sys.argv[1])
    made = run_notebook(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
