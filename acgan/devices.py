"""Where to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch

from acgan.presets import Precision
from manifest.errors import Unavailable, UserError

if TYPE_CHECKING:  # `import acgan` must not bring the options parser
    from acgan.options import Device


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
            assert_never(wanted)


def computes_in_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16: where the hardware has instructions for it.

    Elsewhere bfloat16 is emulated and several times slower than float32.
    """
    match precision:
        case "float32":
            return False
        case "bfloat16":
            return True
        case "auto":
            if device.type == "cpu":
                found = torch.cpu.get_capabilities()
                return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
            return device.type == "cuda" and torch.cuda.is_bf16_supported()
        case _:
            assert_never(precision)
