"""stdout carries the result, stderr the log."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from avatar_common.commands.options import CommonOptions

stderr = Console(stderr=True)
log = logging.getLogger("next")


def set_up_logging(*, quiet: bool) -> None:
    """Log to stderr: coloured on a terminal, plain lines otherwise; warnings only when quiet."""
    level = logging.WARNING if quiet else logging.INFO
    handler: logging.Handler
    if stderr.is_terminal:
        handler = RichHandler(console=stderr, show_time=False, show_path=False, markup=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("urllib3", "PIL", "matplotlib", "httpx", "tensorboard"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def say(text: str) -> None:
    """Write one line of result to stdout."""
    sys.stdout.write(text + "\n")


def emit_json(content: Mapping[str, Any]) -> None:
    """Write the machine-readable result to stdout: one JSON object on one line."""
    say(json.dumps(content, ensure_ascii=False, default=str))


def next_step(command: str) -> None:
    """Say (in the log) which command comes next."""
    log.info("next: %s", command)


def explain_dry_run(options: CommonOptions, plan: Iterable[str]) -> None:
    """Print the resolved options as JSON, then one line per thing that would happen."""
    say(json.dumps(asdict(options), indent=2, default=str))
    for line in plan:
        say(f"would {line}")
