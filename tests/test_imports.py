"""The import arrows: which package may import which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("crawler", "preprocess", "acgan", "eval", "avatar_common", "demo", "bench")
ARROWS = {
    "avatar_common": set(),
    "crawler": {"avatar_common"},
    "preprocess": {"avatar_common"},
    "acgan": {"avatar_common"},
    "eval": {
        *("avatar_common", "acgan.nets.snapshot", "acgan.dataset", "acgan.devices"),
        *("acgan.nets.pretrained", "acgan.nets.realness", "acgan.msssim"),
        "acgan.drawing.best_of",
    },
    "demo": set(PACKAGES),
    "bench": set(PACKAGES),
}
PLAIN_PACKAGES = ("avatar_common",)
PLAIN_LIBRARIES = {"pandas", "numpy", "rich", "tyro"}
TORCH_PACKAGES = (
    "acgan",
    "eval",
    "bench",
    "preprocess/detector_training",
    "preprocess/reader/network",
    "preprocess/reader/train",
)
OPENCV_PACKAGES = ("preprocess", "demo", "bench")


def imports_of(source: str) -> set[str]:
    """Absolute names of all modules imported in `source`, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def wrong_arrows(package: str, path: str, source: str) -> list[str]:
    """What is imported in `path` against the rules."""
    wrong = []
    for name in imports_of(source):
        top = name.partition(".")[0]
        if top in PACKAGES:
            allowed = {package, *ARROWS[package]}
            if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed):
                wrong.append(name)
        elif package in PLAIN_PACKAGES:
            if top not in sys.stdlib_module_names | PLAIN_LIBRARIES:
                wrong.append(name)
        elif (top in ("torch", "torchvision") and not path.startswith(TORCH_PACKAGES)) or (
            top == "cv2" and not path.startswith(OPENCV_PACKAGES)
        ):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        relative = path.relative_to(ROOT).as_posix()
        assert wrong_arrows(package, relative, path.read_text(encoding="utf-8")) == [], relative


def test_the_drawn_arrows_are_these() -> None:
    """The diagram of docs/architecture.md shows the same arrows."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    diagram = re.search(r"```mermaid\n(.*?)```", text, re.S)
    assert diagram is not None
    drawn: dict[str, set[str]] = {}
    for line in diagram[1].splitlines():
        if found := re.match(r"\s*(\w+) (?:-- \"(.*)\" )?--> (.*)$", line):
            package, parts, targets = found.groups()
            for target in re.split(r" & ", re.sub(r"\[.*", "", targets)):
                names = re.split(r",\s*(?:<br>)?", parts) if parts else [""]
                drawn.setdefault(package, set()).update(f"{target}.{n}".rstrip(".") for n in names)
    assert drawn["eval"] == ARROWS["eval"]
    for package in ("crawler", "preprocess", "acgan"):
        assert drawn[package] == ARROWS[package]


def test_a_wrong_arrow_is_found() -> None:
    assert wrong_arrows("crawler", "crawler/x.py", "from acgan import nets") == ["acgan.nets"]
    assert wrong_arrows("eval", "eval/x.py", "from acgan.training import losses") == [
        "acgan.training.losses"
    ]
    assert wrong_arrows("eval", "eval/x.py", "from acgan.nets.snapshot import load_snapshot") == []
    assert wrong_arrows("avatar_common", "avatar_common/x.py", "def f():\n    import torch") == [
        "torch"
    ]
    assert wrong_arrows("crawler", "crawler/x.py", "import cv2") == ["cv2"]


@pytest.mark.parametrize("package", ["crawler", "preprocess", "acgan", "eval", "demo", "bench"])
def test_help_is_light(package: str) -> None:
    """`--help` imports neither torch nor OpenCV nor pandas."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{package}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('{package}', run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'cv2', 'pandas', 'skimage', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
