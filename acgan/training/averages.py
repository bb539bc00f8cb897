"""The averaged generator: what is sampled and saved."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from avatar_common.frechet import frechet_distance

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


class AverageChooser:
    """Takes the average whose faces look most like the training faces to the frozen network.

    Memories of several lengths are kept, because which one serves best depends on how long and how
    steadily a run trained, and is only seen at its end (Karras et al., 2312.02696, section 3).
    Compared by the Fréchet distance of pooled features, which is the smaller the better; without a
    frozen network the first is taken.
    """

    def __init__(self, nets: Nets, plan: Plan) -> None:
        self._nets, self._plan = nets, plan

    @torch.inference_mode()
    def best(self) -> nn.Module:
        """The average to save now."""
        nets = self._nets
        if len(nets.averages) == 1 or nets.features is None:
            return nets.average
        distances = [frechet_distance(self._drawn(one), self._real) for one in nets.averages]
        best = int(np.argmin(distances))
        named = ", ".join(
            f"{half_life:g} kimg {distance:.3g}"
            for (half_life, _), distance in zip(
                self._plan.settings.averages, distances, strict=True
            )
        )
        log.info("averages (half-life, distance from the reals): %s; taken: %d.", named, best + 1)
        return nets.averages[best]

    @cached_property
    def _rows(self) -> npt.NDArray[np.int64]:
        count = len(self._plan.faces)
        return np.random.default_rng(0).integers(count, size=min(COMPARED, count))

    @cached_property
    def _real(self) -> npt.NDArray[np.float64]:
        """The training faces' features [N, C]: neither they nor the network change in a run."""
        faces = torch.from_numpy(np.asarray(self._plan.faces.images[self._rows]))
        parts = (part.to(self._nets.device) for part in faces.split(COMPARED_CHUNK))
        return self._pooled(part.float() / 127.5 - 1 for part in parts)

    def _drawn(self, average: nn.Module) -> npt.NDArray[np.float64]:
        """The features [N, C] of faces with the labels of `_rows`."""
        plan, device = self._plan, self._nets.device
        labels = torch.from_numpy(plan.faces.labels[self._rows][:, : len(plan.sizes)]).to(device)
        random = torch.Generator().manual_seed(0)
        z = torch.randn(len(labels), plan.settings.z_dim, generator=random).to(device)
        parts = zip(z.split(COMPARED_CHUNK), labels.split(COMPARED_CHUNK), strict=True)
        return self._pooled(average(z_part, labels_part) for z_part, labels_part in parts)

    def _pooled(self, batches: Iterable[Tensor]) -> npt.NDArray[np.float64]:
        """The last map's mean over its places, [N, C] of pictures in -1..1."""
        assert self._nets.features is not None
        means = [self._nets.features(batch)[-1].double().mean(dim=(2, 3)) for batch in batches]
        return torch.cat(means).cpu().numpy()
