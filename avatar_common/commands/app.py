"""The entry point of every package: parse options, run the handler, turn errors into one line.

A package's `__main__` names its commands as options dataclass + "module:function"; the handler's
module (torch, OpenCV and all) is imported only when the command runs, so `--help` stays fast.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import logging
import os
import signal
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import tyro

from avatar_common.commands.options import CommonOptions
from avatar_common.commands.output import set_up_logging
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

EXTRAS = {
    "fastapi": "serve",
    "uvicorn": "serve",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "ray": "ray",
}


@dataclass(frozen=True)
class Command:
    """One command: its options dataclass, its handler ("module:function"), its one-line help.

    `resumes`: after a stop the same command continues; said to whoever stops it.
    """

    options: type[CommonOptions]
    handler: str
    help: str
    resumes: bool = False


class Terminated(KeyboardInterrupt):
    """SIGTERM: handled like Ctrl-C, with its own exit code."""


def main(
    package: str, commands: Mapping[str, Command], argv: Sequence[str] | None = None
) -> NoReturn:
    """Run one command of a package and exit.

    Exit codes: 0 done, 2 the user's mistake, 3 something missing, 130 and 143 stopped.

    A package with a single command of the package's own name takes its options directly.
    """
    options = _parse(package, commands, list(sys.argv[1:] if argv is None else argv))
    command = next(found for found in commands.values() if found.options is type(options))
    sys.exit(run_handler(command, options))


def run_handler(command: Command, options: CommonOptions) -> int:
    """Import and run the handler; the exit code. Never a traceback for what a user can cause."""
    set_up_logging(quiet=options.quiet)
    signal.signal(signal.SIGTERM, _raise_terminated)
    going_on = ""
    if command.resumes:
        without = " without --fresh" if getattr(options, "fresh", False) else ""
        going_on = f"; the same command{without} continues where it stopped"
    try:
        module, function = command.handler.split(":")
        getattr(importlib.import_module(module), function)(options)
        sys.stdout.flush()
    except UserError as error:
        log.error("%s", error)
        return error.exit_code
    except Terminated:
        log.error("terminated%s", going_on)
        return 143
    except KeyboardInterrupt:
        log.error("interrupted%s", going_on)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _report_os_error(error)
    except ImportError as error:
        return _report_import_error(error)
    return 0


def _parse(package: str, commands: Mapping[str, Command], argv: list[str]) -> CommonOptions:
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    prog = f"python -m {package}"
    if list(commands) == [package]:
        single = commands[package]
        _check_values(single.options, argv)
        return tyro.cli(
            single.options, prog=prog, description=single.help, args=argv, config=config
        )
    _check_command_name(prog, commands, argv)
    if argv and argv[0] in commands:
        _check_values(commands[argv[0]].options, argv[1:])
    subcommands: Any = Union[  # noqa: UP007  (built at run time)
        tuple(
            Annotated[
                command.options,
                tyro.conf.subcommand(name=name, description=command.help, prefix_name=False),
            ]
            for name, command in commands.items()
        )
    ]
    options: CommonOptions = tyro.cli(subcommands, prog=prog, args=argv, config=config)
    return options


def _check_command_name(prog: str, commands: Mapping[str, Command], argv: list[str]) -> None:
    if not argv or argv[0].startswith("-") or argv[0] in commands:
        return
    close = difflib.get_close_matches(argv[0], commands, n=1)
    question = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(commands)}"
    _stop(UserError(f"{prog} has no command {argv[0]!r}", hint=question))


def _check_values(options: type[CommonOptions], argv: Sequence[str]) -> None:
    """Stop at an option without its value, or at a switch with one, and say what is wanted."""
    kinds = get_type_hints(options, include_extras=False)
    for place, argument in enumerate(argv):
        name, equals, given = argument.removeprefix("--").partition("=")
        kind = kinds.get(name.replace("-", "_"))
        if kind is None or not argument.startswith("--") or argument == "--":
            continue
        following = argv[place + 1] if place + 1 < len(argv) else None
        empty = equals and not given and kind in (int, float, Path)
        bare = empty or (not equals and (following is None or following.startswith("--")))
        if kind is bool:
            if equals or following in _YES_AND_NO:
                value = given if equals else following
                _stop(UserError(f"--{name} is a switch and takes no value ({value!r})"))
        elif bare:
            _stop(UserError(f"--{name} needs a value", hint=_wanted(kind)))


_YES_AND_NO = ("yes", "no", "true", "false", "True", "False", "on", "off")


def _wanted(kind: Any) -> str:
    """What an option takes, for people."""
    choices, plain = get_args(kind), {int: "a whole number", float: "a number", Path: "a path"}
    if get_origin(kind) is Literal:
        return f"one of: {', '.join(map(str, choices))}"
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_wanted(choice) for choice in choices if choice is not types.NoneType)
    if get_origin(kind) is tuple:
        return f"{_wanted(choices[0])}; or several, with spaces between"
    return plain.get(kind, "a text")


def _stop(error: UserError) -> NoReturn:
    set_up_logging(quiet=False)
    log.error("%s", error)
    sys.exit(error.exit_code)


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _report_os_error(error: OSError) -> int:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        log.error("no space left on the disk; free some, then run the same command")
        return 3
    if error.filename is not None and error.strerror:
        log.error("%s: %s", error.filename, error.strerror.lower())
        return 2
    raise error


def _report_import_error(error: ImportError) -> int:
    message = str(error)
    if "libGL" in message or "libgthread" in message:
        log.error(
            "OpenCV needs the system library libGL (Debian: apt-get install libgl1 libglib2.0-0), "
            "or put opencv-python-headless in opencv-python's place"
        )
        return 3
    missing = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(missing)
    if extra:
        log.error("%s is not installed; run: pip install -e '.[%s]'", missing, extra)
        return 3
    raise error
