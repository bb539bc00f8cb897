"""The entry point of every room: parse options, run the handler, turn errors into one line.

A room's `__main__` names its commands as options dataclass + "module:function"; the handler's
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Any, NoReturn, Union

import tyro

from cli.options import CommonOptions
from cli.output import set_up_logging
from manifest.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """One command: its options dataclass, its handler ("module:function"), its one-line help.

    `resumes`: after a stop the same command goes on; said to whoever stops it.
    """

    options: type[CommonOptions]
    handler: str
    help: str
    resumes: bool = False


class Terminated(KeyboardInterrupt):
    """SIGTERM: handled like Ctrl-C, with its own exit code."""


def main(room: str, commands: Mapping[str, Command], argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command of a room and exit.

    Exit codes: 0 done, 2 the user's mistake, 3 something missing, 130 and 143 stopped.

    A room with a single command of the room's own name takes its options directly.
    """
    options = _parse(room, commands, list(sys.argv[1:] if argv is None else argv))
    command = next(found for found in commands.values() if found.options is type(options))
    sys.exit(run_handler(command, options))


def run_handler(command: Command, options: CommonOptions) -> int:
    """Import and run the handler; the exit code. Never a traceback for what a user can cause."""
    set_up_logging(quiet=options.quiet)
    signal.signal(signal.SIGTERM, _raise_terminated)
    going_on = "; the same command goes on where it stopped" if command.resumes else ""
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


def _parse(room: str, commands: Mapping[str, Command], argv: list[str]) -> CommonOptions:
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    prog = f"python -m {room}"
    if list(commands) == [room]:
        single = commands[room]
        return tyro.cli(
            single.options, prog=prog, description=single.help, args=argv, config=config
        )
    _check_command_name(prog, commands, argv)
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
    set_up_logging(quiet=False)
    log.error("%s has no command %r (%s)", prog, argv[0], question)
    sys.exit(2)


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
    extra = {"gradio": "ui", "onnx": "onnx", "onnxruntime": "onnx", "ray": "ray"}.get(missing)
    if extra:
        log.error("%s is not installed; run: pip install -e '.[%s]'", missing, extra)
        return 3
    raise error
