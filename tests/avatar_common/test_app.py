from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from avatar_common.commands import Command, CommonOptions, explain_dry_run, main
from avatar_common.commands.app import run_handler
from avatar_common.errors import Unavailable, UserError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """Do it."""

    limit: int = 3
    """How many."""


def raise_this(error: BaseException) -> None:
    raise error


def run(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    module = types.ModuleType("failing_handler")
    module.handle = lambda options: raise_this(error)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_handler", module)
    return run_handler(Command(Options, "failing_handler:handle", ""), Options())


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("bad cell", where="a.csv:3", hint="mend it"), 2, "a.csv:3: bad cell (mend it)"),
        (Unavailable("no network"), 3, "no network"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "no space left"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.png"), 2, "x.png: no such file"),
        (ImportError("libGL.so.1: cannot open shared object file"), 3, "apt-get install libgl1"),
        (
            ModuleNotFoundError("No module named 'fastapi'", name="fastapi"),
            3,
            "pip install -e '.[serve]",
        ),
    ],
)
def test_an_error_is_one_line_and_a_code(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(error, monkeypatch) == code
    logged = capfd.readouterr().err
    assert line in logged
    assert "Traceback" not in logged


@pytest.mark.parametrize("resumes", [True, False])
def test_only_a_command_that_resumes_says_so(
    resumes: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("failing_handler")
    module.handle = lambda options: raise_this(KeyboardInterrupt())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_handler", module)
    run_handler(Command(Options, "failing_handler:handle", "", resumes=resumes), Options())
    assert ("continues where it stopped" in capfd.readouterr().err) is resumes


@dataclass(frozen=True, kw_only=True)
class FreshOptions(Options):
    fresh: bool = False


@pytest.mark.parametrize(("fresh", "line"), [(True, "command without --fresh"), (False, "command")])
def test_a_fresh_run_goes_on_without_the_option(
    fresh: bool, line: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("failing_handler")
    module.handle = lambda options: raise_this(KeyboardInterrupt())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing_handler", module)
    command = Command(FreshOptions, "failing_handler:handle", "", resumes=True)
    run_handler(command, FreshOptions(fresh=fresh))
    assert f"the same {line} continues where it stopped" in capfd.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError(), monkeypatch)


def test_sigterm_has_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("killing_handler")
    module.handle = lambda options: os.kill(os.getpid(), signal.SIGTERM)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "killing_handler", module)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run_handler(Command(Options, "killing_handler:handle", ""), Options()) == 143
    finally:
        signal.signal(signal.SIGTERM, before)


def test_dry_run_shows_options(capsys: pytest.CaptureFixture[str]) -> None:
    explain_dry_run(Options(limit=7), ["fetch 7 posts"])
    shown, line = capsys.readouterr().out.rsplit("would ", 1)
    assert json.loads(shown)["limit"] == 7
    assert line == "fetch 7 posts\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fech"], "did you mean 'fetch'?"),
        (["zzz"], "one of: fetch"),
        (["fetch", "--dry-rum"], "--dry-run"),
    ],
)
def test_did_you_mean(arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crawler", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert message in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("package", "arguments", "message"),
    [
        ("crawler", "fetch --limit", "--limit needs a value (a whole number)"),
        ("crawler", "plan --tags --dry-run", "--tags needs a value (a text)"),
        ("crawler", "fetch --timeout= --dry-run", "--timeout needs a value (a number)"),
        ("crawler", "fetch --dry-run --kind", "one of: auto, danbooru, moebooru, gelbooru"),
        ("crawler", "fetch --rating --dry-run", "or several, with spaces between"),
        ("crawler", "forget --tag", "--tag needs a value"),
        ("crawler", "fetch --quiet yes --dry-run", "--quiet is a switch and takes no value"),
        ("crawler", "fetch --dry-run=no", "--dry-run is a switch and takes no value"),
        ("preprocess", "tag --vocabulary --dry-run", "--vocabulary needs a value (a path)"),
        ("demo", "--workspace", "--workspace needs a value (a path)"),
    ],
)
def test_an_option_without_its_value(
    package: str, arguments: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    commands = importlib.import_module(f"{package}.__main__").COMMANDS
    with pytest.raises(SystemExit) as stop:
        main(package, commands, arguments.split())
    assert stop.value.code == 2
    said = capfd.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_options_with_values_are_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    commands = importlib.import_module("crawler.__main__").COMMANDS
    given = ["fetch", "--dry-run", "--quiet", "--limit=3", "--rating", "general", "explicit",
             "--site", "https://x.example", "--kind", "danbooru", "--tags", ""]  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main("crawler", commands, given)
    assert stop.value.code == 0
    assert '"limit": 3' in capfd.readouterr().out
