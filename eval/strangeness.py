"""Do single pictures look like no real face? A net that knows real faces from spoiled ones says.

It learns from the real train split alone: half of what it sees are faces as they are, half the same
faces spoiled (`eval.spoiled`). It has never met a generator, so none has learned to please it; and
it is asked for no attribute, so that a label drawn well cannot hide a face drawn badly. Outlier
exposure: Hendrycks, Mazeika, Dietterich 2019.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from eval import classifier, spoiled
from eval.cache import ArrayCache, code_hash, content_hash
from eval.classifier import Judge, initialise, shrink
from eval.reals import Pictures, Reals

STEPS = 1000
BATCH = 32
LEARNING_RATE = 2e-3
HIDDEN = 128
SEED = 3
QUANTILE = 0.95


@dataclass(frozen=True)
class Strangeness:
    """`share` of the fakes look odder than `QUANTILE` of held-out reals: 0.05 is as good as real.

    The medians are of the log-odds of being spoiled.
    """

    share: float
    median: float
    real_median: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure_strangeness(
    fakes: Pictures, reals: Reals, *, device: torch.device, cache: ArrayCache
) -> Strangeness:
    """Train the net (or read it from the cache) and look at fakes and held-out reals."""
    code = code_hash(__file__, classifier.__file__, spoiled.__file__)
    key = f"strangeness-{reals.dataset_id}-{reals.image_size}-{STEPS}-{code}"
    net = Judge(reals.image_size, (2,), HIDDEN)
    state = cache.arrays(key, lambda: [part.numpy() for part in train(reals).state_dict().values()])
    net.load_state_dict(
        dict(zip(net.state_dict(), map(torch.from_numpy, state), strict=True)), strict=True
    )
    net.to(device).eval()

    def odds(pictures: Pictures) -> npt.NDArray[np.float32]:
        name = f"{key}-{content_hash(pictures)}"
        return cache.arrays(name, lambda: [spoiled_odds(net, pictures, device)])[0]

    fake, real = odds(fakes), odds(reals.test_pictures)
    return Strangeness(
        float((fake > np.quantile(real, QUANTILE)).mean()),
        float(np.median(fake)),
        float(np.median(real)),
    )


def train(reals: Reals) -> Judge:
    """The net, trained on the CPU: the same seed gives the same net wherever it is used."""
    generator = torch.Generator().manual_seed(SEED)
    net = Judge(reals.image_size, (2,), HIDDEN)
    initialise(net, generator)
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=STEPS + 1)
    half = BATCH // 2
    labels = torch.arange(BATCH) // half
    for _ in range(STEPS):
        rows = torch.randint(len(reals.train_labels), (BATCH,), generator=generator).numpy()
        faces = torch.from_numpy(np.ascontiguousarray(reals.train_pictures[rows]))
        mirrored = torch.rand(BATCH, 1, 1, 1, generator=generator) < 0.5
        faces = shrink(torch.where(mirrored, faces.flip(-1), faces), net.side)
        spoilt = spoiled.spoil(faces[half:], generator)
        logits = net(torch.cat([faces[:half], spoilt]))[1][0]
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(logits, labels).backward()
        optimiser.step()
        schedule.step()
    return net.eval()


@torch.inference_mode()
def spoiled_odds(
    net: Judge, pictures: Pictures, device: torch.device, batch: int = 250
) -> npt.NDArray[np.float32]:
    """Log-odds float32 [N] that a picture uint8 [N, 3, S, S] is a spoiled face."""
    found = []
    for start in range(0, len(pictures), batch):
        logits = net(torch.from_numpy(pictures[start : start + batch]).to(device))[1][0]
        found.append((logits[:, 1] - logits[:, 0]).cpu().numpy())
    return np.concatenate(found)
