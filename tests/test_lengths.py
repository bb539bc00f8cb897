"""Limits on size that keep files and functions readable; ruff holds those on branches."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60
LONGER_FUNCTIONS = {
    # One loop in the order of events reads better than its parts would.
    ("acgan/training/train.py", "train"),
}
LONGER_FILES: set[str] = set()
SHIPPED = ("crawler", "preprocess", "acgan", "eval", "avatar_common", "demo")
FOLDERS = (*("acgan", "avatar_common", "bench", "crawler", "demo", "eval", "preprocess", "tests"),)


def files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and length of each function of more than the lines allowed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield node.name, length


def test_no_file_is_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in files()
    }
    long = {name: length for name, length in lengths.items() if length > MOST_FILE_LINES}
    assert not {name: length for name, length in long.items() if name not in LONGER_FILES}
    assert set(long) == LONGER_FILES, "no longer an exception"


def test_no_function_is_long() -> None:
    long = {
        (path.relative_to(ROOT).as_posix(), name): length
        for path in files()
        for name, length in long_functions(path.read_text(encoding="utf-8"))
    }
    assert set(long) == LONGER_FUNCTIONS, long


@pytest.mark.parametrize(("lines", "found"), [(59, []), (60, [("f", 61)])])
def test_a_long_function_is_found(lines: int, found: list[tuple[str, int]]) -> None:
    assert list(long_functions("def f():\n" + "    x = 1\n" * lines)) == found


def test_a_wheel_holds_what_a_user_needs() -> None:
    """The folders that setuptools finds are the user's, the shared one and demo; no tests."""
    code = (
        "import tomllib, setuptools\n"
        "find = tomllib.load(open('pyproject.toml', 'rb'))['tool']['setuptools']['packages']\n"
        "found = setuptools.find_namespace_packages('.', **find['find'])\n"
        "print(*sorted({name.partition('.')[0] for name in found}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [
        "acgan",
        "avatar_common",
        "crawler",
        "demo",
        "eval",
        "preprocess",
    ]
