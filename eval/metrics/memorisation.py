"""Does the generator draw, or does it repeat training faces?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from avatar_common.neighbours import CHUNK, nearest, squared_distances
from avatar_common.pictures import PicturesNCHW
from eval.cache import ArrayCache, content_hash
from eval.figures import data_uri, grid
from eval.metric import Case, Metric, Result, Results
from eval.page_parts import Figure, Section, number, percent
from eval.reals import Reals
from eval.twins import SIDE, mirrored, thumbnails, twin_limit
from eval.verdicts import Check, Verdict

Features = npt.NDArray[np.float32]

MEMORISATION_VERSION = 2  # raise it when the distances below change
SHOWN = 8
MAX_FAKES = 2000
CLOSE_QUANTILE = 0.01
CLOSE_SHARE = 0.5
COPIED, RATIO_MEMORISED = 0.1, 0.8


@dataclass(frozen=True)
class Memorisation(Result):
    """Nearest-neighbour distances in 16 px thumbnails, mirrored faces included.

    `ratio` compares the medians of the distances to equally many train and held-out faces: about 1
    when the generator knows the train faces no better than faces it never saw. Crawled sets hold
    twins on both sides of the split, so the held-out faces' own share of copies is taken off.
    """

    ratio: float
    copied_share: float
    real_copied_share: float
    train_median: float
    held_out_median: float
    real_to_train_median: float
    reference_count: int
    closest_fakes: npt.NDArray[np.int64]
    closest_train: npt.NDArray[np.int64]
    closest_held_out: npt.NDArray[np.int64]
    closest_distances: Features

    def to_json(self) -> dict[str, Any]:
        return {
            "ratio": self.ratio,
            "copied_share": self.copied_share,
            "copied_share_real": self.real_copied_share,
            "nearest_train": self.train_median,
            "nearest_held_out": self.held_out_median,
            "held_out_to_train": self.real_to_train_median,
            "reference_count": self.reference_count,
            "space": f"RGB thumbnails of {SIDE} px, L2, mirrored too",
        }

    def summary(self) -> dict[str, float]:
        return {"copied_share": self.copied_share, "copied_share_real": self.real_copied_share}

    def checks(self, results: Results) -> list[Check]:
        own = self.real_copied_share
        numbers = {"copied_share": self.copied_share, "real": own, "ratio": self.ratio}
        verdicts = []
        both = f"{percent(self.copied_share)} copies (unseen real faces: {percent(own)})"
        if self.copied_share - own > COPIED:
            text = f"It copies training faces: {both}."
            verdicts.append(Verdict("copies_training", "broken", text, numbers))
        elif self.ratio < RATIO_MEMORISED:
            text = (
                "Its faces keep closer to training faces than to unseen ones "
                f"({self.ratio:.2f} of the distance)."
            )
            verdicts.append(Verdict("near_training", "flawed", text, numbers))
        return [Check("Does it invent, or copy?", both, verdicts, needs_faces=True)]

    def sections(self, case: Case) -> list[Section]:
        figures = []
        for fake, train, held_out in zip(
            self.closest_fakes, self.closest_train, self.closest_held_out, strict=True
        ):
            three = np.concatenate(
                [
                    case.pictures[[fake]],
                    case.reals.train_pictures[[train]],
                    case.reals.test_pictures[[held_out]],
                ]
            )
            figures.append(Figure(data_uri(grid(three, 3)), "drawn · training · unseen"))
        intro = (
            f"{percent(self.copied_share, 1)} of the drawn faces repeat a training face, as do "
            f"{percent(self.real_copied_share, 1)} of the unseen real ones. Drawn faces lie "
            f"{number(self.ratio)} times as far from training faces as from faces never trained "
            "on (1: no difference). The closest:"
        )
        return [Section("Does it copy?", intro, figures=figures)]


def measure_memorisation(
    fakes: PicturesNCHW, reals: Reals, seed: int, cache: ArrayCache
) -> Memorisation:
    """Fakes uint8 [N, 3, S, S], of which at most `MAX_FAKES` are looked up."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(fakes))[:MAX_FAKES])
    fake, known = thumbnails(fakes[rows]), thumbnails(reals.train_pictures)
    unseen = thumbnails(reals.test_pictures)
    to_train, train_rows = nearest_mirrored(fake, known)
    to_held_out, held_out_rows = nearest_mirrored(fake, unseen)
    key = f"held-out-to-train-v{MEMORISATION_VERSION}-{reals.key}-{content_hash(unseen)}"
    real_to_train, real_to_others = cache.arrays(
        key, lambda: [nearest_mirrored(unseen, known)[0], nearest_others(unseen)]
    )
    count = min(len(known), len(unseen))
    sample = np.sort(rng.permutation(len(known))[:count])
    to_sample, _ = nearest_mirrored(fake, known[sample])
    # A copy is closer to a train face than all but 1% of the held-out faces are, and much closer
    # than to any held-out face: blurred faces are near to everything and are no copies. Held-out
    # faces that are twins of train faces themselves say nothing of how close that is.
    apart = real_to_train / np.sqrt(known.shape[1])  # root mean square
    limit = float(np.quantile(real_to_train[apart >= twin_limit(apart)], CLOSE_QUANTILE))

    def copied_share(to_train: Features, to_others: Features) -> float:
        return float(((to_train <= limit) & (to_train < CLOSE_SHARE * to_others)).mean())

    shown = np.argsort(to_train / np.maximum(to_held_out, 1e-6))[:SHOWN]
    held_out_median = float(np.median(to_held_out))
    return Memorisation(
        ratio=float(np.median(to_sample)) / held_out_median if held_out_median > 0 else np.nan,
        copied_share=copied_share(to_train, to_held_out),
        real_copied_share=copied_share(real_to_train, real_to_others),
        train_median=float(np.median(to_train)),
        held_out_median=held_out_median,
        real_to_train_median=float(np.median(real_to_train)),
        reference_count=count,
        closest_fakes=rows[shown],
        closest_train=train_rows[shown],
        closest_held_out=held_out_rows[shown],
        closest_distances=to_train[shown],
    )


def nearest_mirrored(
    queries: Features, references: Features
) -> tuple[Features, npt.NDArray[np.int64]]:
    """The nearest reference of each query or of its mirror image."""
    plain, plain_rows = nearest(queries, references)
    turned, turned_rows = nearest(mirrored(queries), references)
    return np.minimum(plain, turned), np.where(turned < plain, turned_rows, plain_rows)


def nearest_others(rows: Features) -> Features:
    """Distance [N] of each thumbnail to the nearest other one or its mirror image."""
    found = np.empty(len(rows), np.float32)
    turned = mirrored(rows)
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        apart = np.minimum(squared_distances(part, rows), squared_distances(part, turned))
        apart[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + CHUNK] = np.sqrt(apart.min(1))
    return found


def measure(case: Case) -> Result:
    """How near the fakes are to training faces, beside held-out faces."""
    case.note("memorisation")
    return measure_memorisation(case.pictures, case.reals, case.seed, case.cache)


METRIC = Metric("memorisation", measure)
