"""Where to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from avatar_common.errors import Unavailable, UserError

if TYPE_CHECKING:  # `import acgan` must not bring the options parser
    from avatar_common.devices import Device


def choose_device(wanted: Device, threads: int | None = None) -> torch.device:
    """The device for `--device` and `--threads`. Raises `Unavailable` when it is not there."""
    if threads is not None:
        if threads < 1:
            raise UserError("--threads must be at least 1")
        torch.set_num_threads(threads)
    match wanted:
        case "auto":
            if torch.cuda.is_available():
                return torch.device("cuda")
            return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
        case "cpu":
            return torch.device("cpu")
        case "cuda":
            if not torch.cuda.is_available():
                raise Unavailable("no CUDA device here", hint="use --device cpu")
            return torch.device("cuda")
        case "mps":
            if not torch.backends.mps.is_available():
                raise Unavailable("no MPS device here", hint="use --device cpu")
            return torch.device("mps")
        case _:
            raise UserError(f"no device {str(wanted)[:40]!r}", hint="auto, cpu, cuda or mps")
