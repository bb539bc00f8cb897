"""How different are faces asked for with the same labels? Fakes beside the reals, both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from eval.cache import ArrayCache
from eval.drawer import Drawer, draw_all
from eval.msssim import ENLARGED, MsSsimSetting, native_setting, pair_scores
from manifest.vocabulary import UNKNOWN, Vocabulary

Keys = npt.NDArray[np.int64]

PRIMARY = ("hair_color", "eye_color")
MIN_FACES = 6
PAIRS_PER_CLASS = 100
MAX_PAIRS = 4000
MAX_ENLARGED_PAIRS = 240
Z_PAIRS = 200


@dataclass(frozen=True)
class Classes:
    """What counts as one class for diversity: a combination of groups, and its name."""

    groups: tuple[str, ...]
    names: dict[int, str]
    fake_rows: dict[int, npt.NDArray[np.int64]]
    real_rows: dict[int, npt.NDArray[np.int64]]


def choose_classes(vocabulary: Vocabulary, columns: list[int], fake: Keys, real: Keys) -> Classes:
    """Combinations of the two colours where enough faces have both, else the first group alone.

    `fake` and `real` are label tables int64 [N, A]; a class needs `MIN_FACES` of each.
    """
    first = [column for column in columns if vocabulary.names[column] in PRIMARY] or columns[:1]
    for chosen in (first, first[:1]) if len(first) > 1 else (first,):
        fake_rows, real_rows = _rows_by_class(fake, chosen), _rows_by_class(real, chosen)
        shared = sorted(
            key
            for key, rows in fake_rows.items()
            if len(rows) >= MIN_FACES and len(real_rows.get(key, ())) >= MIN_FACES
        )
        covered = sum(len(fake_rows[key]) for key in shared)
        known = sum(len(rows) for rows in fake_rows.values())
        if len(chosen) == 1 or covered > 0.5 * known:
            break
    return Classes(
        tuple(vocabulary.names[column] for column in chosen),
        {key: _class_name(vocabulary, chosen, fake[fake_rows[key][0]]) for key in shared},
        {key: fake_rows[key] for key in shared},
        {key: real_rows[key] for key in shared},
    )


def _rows_by_class(labels: Keys, columns: list[int]) -> dict[int, npt.NDArray[np.int64]]:
    known = np.flatnonzero((labels[:, columns] != UNKNOWN).all(1))
    keys = np.zeros(len(known), dtype=np.int64)
    for column in columns:
        keys = keys * 1000 + labels[known, column]
    return {int(key): known[keys == key] for key in np.unique(keys)}


def _class_name(vocabulary: Vocabulary, columns: list[int], row: Keys) -> str:
    return " / ".join(vocabulary.groups[column].classes[row[column]] for column in columns)


def random_pairs(
    rows: npt.NDArray[np.int64], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """At most `count` distinct unordered pairs [P, 2] of different rows."""
    upper, lower = np.triu_indices(len(rows), k=1)
    chosen = rng.permutation(len(upper))[:count]
    return np.stack([rows[upper[chosen]], rows[lower[chosen]]], axis=1)


@dataclass(frozen=True)
class ClassDiversity:
    """One class: mean MS-SSIM of its fakes and of its reals, each with its standard error."""

    key: int
    name: str
    fake: float
    real: float
    fake_error: float
    real_error: float
    pairs: int


def class_diversity(
    fakes: npt.NDArray[np.uint8],
    reals: npt.NDArray[np.uint8],
    classes: Classes,
    setting: MsSsimSetting,
    *,
    max_pairs: int,
    seed: int,
    device: torch.device,
    cache: ArrayCache,
) -> list[ClassDiversity]:
    """Mean MS-SSIM over random pairs within each class (Odena et al. 2017, section 4.2)."""
    if not classes.names:
        return []
    rng = np.random.default_rng(seed)
    names = classes.names
    if 2 * len(names) > max_pairs:
        kept = np.sort(rng.permutation(list(names))[: max_pairs // 2]).tolist()
        names = {key: names[key] for key in kept}
    per_class = max(2, min(PAIRS_PER_CLASS, max_pairs // len(names)))
    scores: list[list[npt.NDArray[np.float32]]] = []
    for pictures, rows in ((fakes, classes.fake_rows), (reals, classes.real_rows)):
        pairs = [random_pairs(rows[key], per_class, rng) for key in names]
        flat = pair_scores(pictures, np.concatenate(pairs), setting, device=device, cache=cache)
        scores.append(np.split(flat, np.cumsum([len(piece) for piece in pairs])[:-1]))
    return [
        ClassDiversity(
            key,
            name,
            float(fake.mean()),
            float(real.mean()),
            _standard_error(fake),
            _standard_error(real),
            len(fake),
        )
        for (key, name), fake, real in zip(names.items(), *scores, strict=True)
    ]


def _standard_error(scores: npt.NDArray[np.float32]) -> float:
    return float(scores.std(ddof=1) / math.sqrt(len(scores))) if len(scores) > 1 else math.nan


@dataclass(frozen=True)
class Diversity:
    """MS-SSIM per class, at native size and (when asked for) enlarged to 256 px."""

    groups: tuple[str, ...]
    setting: MsSsimSetting
    classes: list[ClassDiversity]
    enlarged: list[ClassDiversity]

    @property
    def fake(self) -> float:
        return _mean([found.fake for found in self.classes])

    @property
    def real(self) -> float:
        return _mean([found.real for found in self.classes])

    @property
    def error(self) -> float:
        """Standard error of the mean difference of fakes and reals over the classes."""
        gaps = [found.fake - found.real for found in self.classes]
        return float(np.std(gaps, ddof=1) / math.sqrt(len(gaps))) if len(gaps) > 1 else math.nan

    @property
    def share_within_reals(self) -> float:
        """Share of classes whose fakes are at most as alike as the most uniform real class.

        The analogue of the paper's 84.7% of classes.
        """
        if not self.classes:
            return math.nan
        limit = max(found.real for found in self.classes)
        return _mean([float(found.fake <= limit) for found in self.classes])

    @property
    def share_identical(self) -> float:
        """Share of classes whose fakes are all but the same picture (MS-SSIM above 0.97)."""
        return _mean([float(found.fake > 0.97) for found in self.classes])

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "fake": self.fake,
            "real": self.real,
            "class_of": "+".join(self.groups),
            "setting": self.setting.describe(),
            "classes": len(self.classes),
            "share_within_reals": self.share_within_reals,
            "share_identical": self.share_identical,
            "standard_error": self.error,
            "per_class": {
                found.name: {"fake": found.fake, "real": found.real, "pairs": found.pairs}
                for found in self.classes
            },
        }
        if self.enlarged:
            content["enlarged"] = {
                "fake": _mean([found.fake for found in self.enlarged]),
                "real": _mean([found.real for found in self.enlarged]),
                "setting": ENLARGED.describe(),
            }
        return content


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def measure_diversity(
    fakes: npt.NDArray[np.uint8],
    reals: npt.NDArray[np.uint8],
    classes: Classes,
    *,
    enlarge: bool,
    seed: int,
    device: torch.device,
    cache: ArrayCache,
) -> Diversity:
    """MS-SSIM within each class at native size, and on fewer pairs enlarged to 256 px."""

    def at(setting: MsSsimSetting, max_pairs: int) -> list[ClassDiversity]:
        return class_diversity(
            fakes,
            reals,
            classes,
            setting,
            max_pairs=max_pairs,
            seed=seed,
            device=device,
            cache=cache,
        )

    setting = native_setting(fakes.shape[-1])
    return Diversity(
        classes.groups,
        setting,
        at(setting, MAX_PAIRS),
        at(ENLARGED, MAX_ENLARGED_PAIRS) if enlarge else [],
    )


@dataclass(frozen=True)
class PairDistance:
    """Mean absolute pixel difference (0..1) of two pictures with the same labels."""

    fake: float
    real: float

    @property
    def sensitivity(self) -> float:
        """z-sensitivity: the fakes' over the reals'; 0 for a generator that ignores z."""
        return self.fake / self.real if self.real else math.nan


def same_label_distance(
    drawer: Drawer,
    asked: Keys,
    reals: npt.NDArray[np.uint8],
    classes: Classes,
    *,
    seed: int,
) -> PairDistance:
    """Two latents for the same label row beside two reals of the same class.

    `asked` is int64 [N, A] in the drawer's own groups.
    """
    rng = np.random.default_rng(seed)
    rows = torch.from_numpy(asked[rng.integers(0, len(asked), Z_PAIRS)])
    z = drawer.random_z(2 * Z_PAIRS, seed + 1)
    left, right = (draw_all(drawer, half, rows).numpy() for half in z.split(Z_PAIRS))
    fake = mean_difference(left, right)
    keys = list(classes.real_rows)
    if not keys:
        return PairDistance(fake, math.nan)
    per_class = max(1, -(-Z_PAIRS // len(keys)))
    pairs = np.concatenate([random_pairs(classes.real_rows[key], per_class, rng) for key in keys])
    return PairDistance(fake, mean_difference(reals[pairs[:, 0]], reals[pairs[:, 1]]))


def mean_difference(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> float:
    """Mean L1 difference of two stacks of pictures, in units of the full range."""
    return float(np.abs(left.astype(np.int16) - right.astype(np.int16)).mean() / 255)
