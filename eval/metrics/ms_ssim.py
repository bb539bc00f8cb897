"""How different are faces asked for with the same labels? Fakes beside the reals, both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from acgan.msssim import MsSsimSetting, native_setting
from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary
from eval.cache import ArrayCache
from eval.metric import Case, Metric, Result, Results
from eval.msssim import ENLARGED, pair_scores
from eval.page_parts import Row, Section, Table, number, percent
from eval.verdicts import Check, Verdict

Keys = npt.NDArray[np.int64]

PRIMARY = ("hair_color", "eye_color")
MIN_FACES = 6
PAIRS_PER_CLASS = 100
MAX_PAIRS = 4000
MAX_ENLARGED_PAIRS = 240

ALIKE_GAP = 0.08  # MS-SSIM from the reals', and three standard errors
VARIETY_LOST = 0.6  # share of the way from the reals' MS-SSIM to 1
SHOWN_CLASSES = 12
IDENTICAL = 0.97
IDENTICAL_CLASSES = 0.5  # share of classes whose faces are all but one picture


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
class Diversity(Result):
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
        return _mean([float(found.fake > IDENTICAL) for found in self.classes])

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

    def summary(self) -> dict[str, Any]:
        return {
            "ms_ssim": self.fake,
            "ms_ssim_real": self.real,
            "ms_ssim_within": "+".join(self.groups),
        }

    def checks(self, results: Results) -> list[Check]:
        """Two faces of one class: as different as two real ones? Both sides are failures."""
        if not self.classes:
            return []
        gap = self.fake - self.real
        lost = gap / max(1 - self.real, 1e-6)
        sure = not math.isnan(self.error) and abs(gap) > 3 * self.error
        numbers = {
            "ms_ssim_fake": self.fake,
            "ms_ssim_real": self.real,
            "variety_lost": lost,
            "share_identical": self.share_identical,
        }
        alike = f"likeness {self.fake:.2f}, of real faces {self.real:.2f}; 1 is the same picture"
        verdicts = []
        if self.share_identical > IDENTICAL_CLASSES:
            verdicts.append(
                Verdict(
                    "one_picture_per_class",
                    "broken",
                    f"It has one picture per class: in {percent(self.share_identical)} of the "
                    f"classes all faces are the same ({alike}).",
                    numbers,
                )
            )
        elif gap > ALIKE_GAP and sure:
            verdicts.append(
                Verdict(
                    "low_variety",
                    "broken" if lost > VARIETY_LOST else "flawed",
                    f"Faces of one class are too alike ({alike}).",
                    numbers,
                )
            )
        elif gap < -ALIKE_GAP and sure:
            verdicts.append(
                Verdict(
                    "too_unlike",
                    "flawed",
                    f"Faces of one class have less in common than real ones ({alike}).",
                    numbers,
                )
            )
        return [Check("Are faces of one class different?", alike, verdicts, needs_faces=True)]

    def rows(self) -> list[Row]:
        if not self.classes:
            return []
        within = f"{len(self.classes)} classes of {'+'.join(self.groups)}"
        found = [
            Row(
                "MS-SSIM within a class (1: all the same)",
                number(self.fake, 3),
                number(self.real, 3),
                f"{self.setting.describe()}; {within}",
            )
        ]
        if self.enlarged:
            fake, real = (_mean([getattr(c, of) for c in self.enlarged]) for of in ("fake", "real"))
            found.append(
                Row("the same, enlarged", number(fake, 3), number(real, 3), ENLARGED.describe())
            )
        found.append(
            Row(
                "classes no more alike than the most uniform real one",
                percent(self.share_within_reals),
                "–",
                "the paper: 84.7% on ImageNet",
            )
        )
        return found

    def sections(self, case: Case) -> list[Section]:
        rows = sorted(self.classes, key=lambda found: found.real - found.fake)[:SHOWN_CLASSES]
        if not rows:
            return []
        table = Table(
            ("class", "drawn", "real", "pairs"),
            [(c.name, number(c.fake, 3), number(c.real, 3), str(c.pairs)) for c in rows],
            caption="the classes whose faces are most alike",
            folded=True,
        )
        return [Section("Likeness class by class", "MS-SSIM within a class.", tables=[table])]


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


def class_of(case: Case) -> Classes:
    """What counts as one class in this report."""
    return choose_classes(case.reals.vocabulary, case.scored, case.labels, case.reals.test_labels)


def measure(case: Case) -> Result | str:
    """MS-SSIM within classes, in fakes and in reals, or why it cannot be said."""
    case.note("diversity")
    classes = class_of(case)
    if not classes.names:
        return "no class has enough faces on both sides"
    return measure_diversity(
        case.pictures,
        case.reals.test_pictures,
        classes,
        enlarge=case.plan.depth == "full",
        seed=case.seed,
        device=case.device,
        cache=case.cache,
    )


METRIC = Metric("ms_ssim", measure, labelled=True)
