"""What all commands share: the entry point, errors as one line, logging, progress and output."""

from cli.app import Command, main
from cli.options import CommonOptions
from cli.output import emit_json, explain_dry_run, next_step, say
from cli.progress import progress

__all__ = [
    "Command",
    "CommonOptions",
    "emit_json",
    "explain_dry_run",
    "main",
    "next_step",
    "progress",
    "say",
]
