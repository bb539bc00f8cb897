"""The averaged generator: what is sampled and saved."""

from __future__ import annotations

import torch
from torch import nn


def ema_decay(batch: int, nimg: int, half_life_kimg: float, ramp: float) -> float:
    """The decay of one update: half of the past is forgotten every half-life.

    The half-life is `half_life_kimg`, but at most the share `ramp` of the images seen so far, so
    that a short run does not average over its beginning. 0 when averaging is off.
    """
    half_life = min(half_life_kimg * 1000, ramp * nimg)
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * current, BatchNorm's statistics included."""
    ours = [t for t in average.state_dict().values() if t.is_floating_point()]
    theirs = [t for t in current.state_dict().values() if t.is_floating_point()]
    torch._foreach_lerp_(ours, theirs, 1 - decay)
