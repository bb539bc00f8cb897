"""The averaged generator: what is sampled and saved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from acgan.training.plan import Plan
    from acgan.training.state import Nets

log = logging.getLogger(__name__)

COMPARED = 400
COMPARED_CHUNK = 50


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


@torch.inference_mode()
def best_average(nets: Nets, plan: Plan) -> nn.Module:
    """The average whose faces look most like the training faces to the frozen network.

    Memories of several lengths are kept, because which one serves best depends on how long and how
    steadily a run trained, and is only seen at its end (Karras et al., 2312.02696, section 3).
    Compared by the Fréchet distance of pooled features, which is the smaller the better; without a
    frozen network the first is taken.
    """
    if len(nets.averages) == 1 or nets.features is None:
        return nets.average
    random = np.random.default_rng(0)
    rows = random.integers(len(plan.faces), size=min(COMPARED, len(plan.faces)))
    labels = torch.from_numpy(plan.faces.labels[rows][:, : len(plan.sizes)]).to(nets.device)
    z = torch.randn(len(rows), plan.settings.z_dim, generator=torch.Generator().manual_seed(0))
    z = z.to(nets.device)
    faces = torch.from_numpy(np.asarray(plan.faces.images[rows]))
    real = [
        pooled(nets.features, part.to(nets.device).float() / 127.5 - 1)
        for part in faces.split(COMPARED_CHUNK)
    ]
    distances = []
    for average in nets.averages:
        drawn = [
            pooled(nets.features, average(z_part, labels_part))
            for z_part, labels_part in zip(
                z.split(COMPARED_CHUNK), labels.split(COMPARED_CHUNK), strict=True
            )
        ]
        distances.append(frechet_distance(torch.cat(drawn), torch.cat(real)))
    best = int(np.argmin(distances))
    named = ", ".join(
        f"{half_life:g} kimg {distance:.3g}"
        for (half_life, _), distance in zip(plan.settings.averages, distances, strict=True)
    )
    log.info("averages (half-life, distance from the reals): %s; taken: %d.", named, best + 1)
    return nets.averages[best]


def pooled(features: nn.Module, images: Tensor) -> Tensor:
    """The last map's mean over its places, float64 [N,C] on the CPU."""
    return features(images)[-1].double().mean(dim=(2, 3)).cpu()


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Between the normal distributions of features [N,C] and [M,C] (1706.08500, eq. 6)."""
    covariance_a, covariance_b = a.T.cov(), b.T.cov()
    # The trace of the root of a product is the sum of the roots of its eigenvalues.
    roots = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0).sqrt().sum()
    gap = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(gap + covariance_a.trace() + covariance_b.trace() - 2 * roots)
