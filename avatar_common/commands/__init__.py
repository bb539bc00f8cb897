"""What all commands share: the entry point, errors as one line, logging, progress and output."""

import os

# OpenMP threads spin while they wait for each other. Where other processes want the same cores,
# the one waited for stands still meanwhile: a step of two threads has taken 15 times as long.
# libgomp reads this when torch is imported, and every command comes through here before that.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

from avatar_common.commands.app import Command, main
from avatar_common.commands.options import CommonOptions, DeviceOptions
from avatar_common.commands.output import emit_json, explain_dry_run, next_step, say
from avatar_common.commands.progress import progress

__all__ = [
    "Command",
    "CommonOptions",
    "DeviceOptions",
    "emit_json",
    "explain_dry_run",
    "main",
    "next_step",
    "progress",
    "say",
]
