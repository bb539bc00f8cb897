"""The docs say what works: marked examples run, commands parse, links lead somewhere.

A fenced block under `<!-- run -->` is executed in an empty folder; `<!-- run: COMMAND -->` executes
the command first. `sh` blocks may hold `python -m PACKAGE ...` lines only.
"""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from avatar_common.commands import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ("README.md", "CONTRIBUTING.md", "data/README.md", "preprocess/models/README.md", *(
    path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))
))  # fmt: skip
PACKAGES = ("crawler", "preprocess", "acgan", "eval", "bench", "demo")
BLOCK = re.compile(
    r"(?:^<!-- run(?P<first>:[^\n]*)? -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)|src=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its text, what to run before; is it marked?"""

    where: str
    language: str
    text: str
    first: str
    marked: bool


def blocks_of(name: str) -> Iterator[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        marked = found[0].startswith("<!-- run")
        first = (found["first"] or "").strip(": ")
        yield Block(f"{name}:{line}", found["language"], found["text"], first, marked)


BLOCKS = [block for name in DOCS for block in blocks_of(name)]
MARKED = [block for block in BLOCKS if block.marked]


def commands_in(text: str) -> list[list[str]]:
    """The arguments of every `python -m` line, comments and environment left out."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if "-m" in words and words[words.index("-m") - 1].endswith(("python", "torchrun", "2")):
            words = words[words.index("-m") + 1 :]
            found.append([word for word in words if word != "&"])
    return found


def run_command(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `python -m ARGUMENTS` in this process; it must not fail."""
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.delitem(sys.modules, f"{arguments[0]}.__main__", raising=False)  # or runpy warns
    with pytest.raises(SystemExit) as stop:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=False)
    assert stop.value.code in (0, None), arguments


def run_block(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for command in commands_in(block.first):
        run_command(command, monkeypatch)
    if block.language == "python":
        exec(compile(block.text, block.where, "exec"), {"__name__": "example"})
        return
    lines = [line for line in block.text.splitlines() if line.strip()]
    commands = commands_in(block.text)
    assert len(commands) == len(lines), "only `python -m ...` lines can be run"
    for command in commands:
        run_command(command, monkeypatch)


def test_some_examples_are_marked() -> None:
    names = {block.where.partition(":")[0] for block in MARKED}
    assert {"README.md", "docs/making-pictures.md"} <= names
    assert {block.language for block in MARKED} == {"sh", "python"}


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            block,
            id=block.where,
            marks=[pytest.mark.slow] if block.language == "sh" or block.first else [],
        )
        for block in MARKED
    ],
)
def test_an_example_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_block(block, tmp_path, monkeypatch)


def test_an_example_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_block(Block("x:1", "python", "1 / 0\n", "", True), tmp_path, monkeypatch)
    text = "python -m acgan generate --hair-color no-such-colour\n"
    with pytest.raises(AssertionError, match="no-such-colour"):
        run_block(Block("x:1", "sh", text, "", True), tmp_path, monkeypatch)


COMMANDS = [
    (block.where, command)
    for block in BLOCKS
    for command in commands_in(block.text if block.language in ("", "sh") else "")
    if command[0] in PACKAGES
]


@pytest.mark.parametrize(
    "where", sorted({where.partition(":")[0] for where, _ in COMMANDS}), ids=str
)
def test_every_command_in_the_docs_is_understood(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options and their values are read as the program reads them; nothing runs."""
    monkeypatch.setattr(app, "run_handler", lambda command, options: 0)
    for place, command in COMMANDS:
        if place.startswith(f"{where}:"):
            try:
                run_command(command, monkeypatch)
            except AssertionError:
                pytest.fail(f"{place}: python -m {shlex.join(command)}")


@pytest.mark.parametrize("name", DOCS)
def test_links_lead_somewhere(name: str) -> None:
    text = BLOCK.sub("", (ROOT / name).read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        path, anchor = found[1] or found[3] or "", (found[2] or "").lstrip("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), f"{name}: {path}"
        if anchor:
            assert anchor in anchors_of(target), f"{name}: {path}#{anchor}"


def anchors_of(path: Path) -> set[str]:
    """The anchors that a Markdown file's headings get."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
