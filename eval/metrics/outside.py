"""Are they drawn like the reals? Networks that know nothing of this project say so.

Per network (`eval/networks.py`), fakes beside held-out reals: Fréchet and kernel distance,
precision, recall, density, coverage, and `clean`, the share of faces whose mean distance to the 5
nearest reals lies within that of 95% of other reals. The reals' own value comes from their two
halves at the same counts, near-twins left out (`eval/twins.py`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from avatar_common.errors import UserError
from avatar_common.frechet import frechet_distance
from avatar_common.pictures import PicturesNCHW
from eval.distance import (
    kernel_distance,
    kernel_distance_of_subsets,
    leading_directions,
)
from eval.figures import data_uri, grid
from eval.intervals import Value, around, bootstrap, of_mean
from eval.metric import Case, Metric, Result, Results
from eval.neighbours import NEAREST_K, mean_nearest, memberships, real_halves
from eval.networks import SCORING, Features, Network, refuse_trained
from eval.page_parts import Bar, Figure, Row, Section, Table, number, percent, words
from eval.twins import without_twins
from eval.verdicts import Check, Verdict

CLEAN_QUANTILE = 0.95  # of other reals' distances
BROKEN_QUANTILE = 0.99
JPEG_QUALITY = 50  # poor
FRECHET_RESAMPLES = 40
MIN_PER_CLASS = 40
MOST_IN_HALF = 1300
CARRIED_TO = 1000
SHOWN = 8

# Of the means over the networks, fakes and reals saved alike.
NOT_FACES = 0.1  # clean
RATIO_POOR, CLEAN_POOR = 4.0, 0.75
RATIO_FLAWED, CLEAN_FLAWED = 1.5, 0.87
RECALL_LOW = 0.5  # over the reals', in the network that is milder

TITLES = {
    "frechet": "Fréchet distance",
    "frechet_ratio": "Fréchet distance over the reals' own",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "clean": "clean: as close to reals as 95% of reals",
}
DIGITS = {"frechet": 1, "frechet_ratio": 1}
BY_CLASS = ("frechet_ratio", "clean")


@dataclass(frozen=True)
class NetworkScores:
    """What one network says.

    `to_reals` float64 [N] is each fake's mean distance to the 5 nearest reals of one half, `own`
    that of each real of the other half.
    """

    network: Network
    values: dict[str, Value]
    broken: float
    saved_again: dict[str, float]
    alike: dict[str, float]
    per_class: dict[str, dict[str, dict[str, float]]]
    to_reals: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    count: int

    def drawn(self, name: str) -> float:
        """The fakes' value."""
        return self.values[name].drawn

    @property
    def sure_ratio(self) -> float:
        """The least that the Fréchet ratio, both saved alike, surely is, at `CARRIED_TO` faces."""
        value = self.values["frechet_ratio"]
        least = self.alike["frechet_ratio"] * value.low / value.drawn
        return carried(max(1.0, least), self.count)

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.title,
            "package": self.network.package,
            "sha256": self.network.sha256,
            "resize": self.network.resize,
            **{name: value.to_json() for name, value in self.values.items()},
            "broken": self.broken,
            "reals_saved_again": self.saved_again,
            "all_saved_alike": self.alike | {"sure_ratio": self.sure_ratio},
            "per_class": self.per_class,
            "n_drawn": len(self.to_reals),
            "half_count": self.count,
            "k": NEAREST_K,
        }

    def summary(self) -> dict[str, float]:
        flat = {}
        for name, value in self.values.items():
            flat[f"{self.network.name}_{name}"] = value.drawn
            flat[f"{self.network.name}_{name}_real"] = value.real
        return flat

    def rows(self) -> list[Row]:
        how = f"{self.network.title} ({self.network.sha256[:8]})"
        found = []
        for name, value in self.values.items():
            drawn, low, high, real = (
                f"{x:.3g}" if name == "kernel" else number(x, DIGITS.get(name, 2))
                for x in (value.drawn, value.low, value.high, value.real)
            )
            found.append(Row(TITLES[name], f"{drawn} ({low} to {high})", real, how))
        alike, again = (
            f"{number(pair['frechet_ratio'], 1)}, {percent(pair['clean'])}"
            for pair in (self.alike, self.saved_again)
        )
        return [
            *found,
            Row(
                f"ratio and clean, both saved as JPEG {JPEG_QUALITY}",
                alike,
                f"1.0, {percent(CLEAN_QUANTILE)}",
                f"{how}: what is left when the file format is the same",
            ),
            Row(
                f"ratio and clean of real faces saved as JPEG {JPEG_QUALITY}",
                "–",
                again,
                f"{how}: what a file format alone does",
            ),
        ]


@dataclass(frozen=True)
class Outside(Result):
    """Every network's scores; `real_rows` are the held-out rows behind each `own`."""

    networks: list[NetworkScores]
    refused: dict[str, str]
    twins: int
    real_rows: npt.NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        return {
            **{found.network.name: found.to_json() for found in self.networks},
            "near_twins_left_out": self.twins,
        }

    def summary(self) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for found in self.networks:
            flat |= found.summary()
        return flat

    def left_out(self) -> dict[str, str]:
        return self.refused

    def each(self, name: str) -> list[float]:
        """The fakes' value in every network."""
        return [found.drawn(name) for found in self.networks]

    @property
    def oddness(self) -> npt.NDArray[np.float64]:
        """Per fake [N], how unlike real it is over the reals' median, mean over the networks."""
        return np.asarray(
            np.mean([one.to_reals / np.median(one.own) for one in self.networks], axis=0)
        )

    @property
    def real_oddness(self) -> npt.NDArray[np.float64]:
        """The same of the reals `real_rows`."""
        return np.asarray(np.mean([one.own / np.median(one.own) for one in self.networks], axis=0))

    def in_words(self) -> str:
        """The numbers that lead the report."""
        ratios = " and ".join(number(value, 1) for value in self.each("frechet_ratio"))
        clean = " and ".join(percent(value) for value in self.each("clean"))
        alike = " and ".join(number(one.alike["frechet_ratio"], 1) for one in self.networks)
        return (
            f"they lie {ratios} times as far from real faces as real faces from one another "
            f"({alike} when both are saved as JPEG {JPEG_QUALITY}); "
            f"{clean} are as close to real ones as 95% of real ones are"
        )

    def in_brief(self) -> str:
        """The same for the headline."""
        ratios = " and ".join(number(value, 1) for value in self.each("frechet_ratio"))
        clean = " and ".join(percent(value) for value in self.each("clean"))
        return f"{ratios} times the distance of real faces, {clean} clean"

    def checks(self, results: Results) -> list[Check]:
        return [self._realism(), self._range()]

    def _realism(self) -> Check:
        found = self.networks
        # Both saved alike: a poor file format is no fault of drawing, on either side.
        ratio = float(np.exp(np.mean([np.log(one.sure_ratio) for one in found])))
        clean = float(np.mean([one.alike["clean"] for one in found]))
        numbers = {
            f"{one.network.name}_{name}": one.drawn(name)
            for one in found
            for name in ("frechet_ratio", "precision", "clean")
        }
        brief, text = self.in_brief(), f"{self.in_words()}."
        verdicts = []
        if clean < NOT_FACES:
            text = f"Its pictures do not look like faces: {text}"
            verdicts.append(Verdict("not_faces", "broken", text, numbers, brief))
        elif ratio > RATIO_POOR or clean < CLEAN_POOR:
            text = f"Its faces are drawn poorly: {text}"
            verdicts.append(Verdict("poor_drawing", "broken", text, numbers, brief))
        elif ratio > RATIO_FLAWED or clean < CLEAN_FLAWED:
            text = f"Its faces can be told from real ones: {text}"
            verdicts.append(Verdict("rough_drawing", "flawed", text, numbers, brief))
        return Check("Are they drawn like real faces?", self.in_words(), verdicts)

    def _range(self) -> Check:
        recall = [found.values["recall"] for found in self.networks]
        own = " and ".join(percent(value.drawn) for value in recall)
        real = " and ".join(percent(value.real) for value in recall)
        text = f"{own} of real faces have a drawn one like them (another real one: {real})"
        numbers = {f"{f.network.name}_recall": f.values["recall"].drawn for f in self.networks}
        sentence = f"It draws only some kinds of faces: {text}."
        lost = max(value.drawn / max(value.real, 1e-9) for value in recall) < RECALL_LOW
        verdicts = [Verdict("low_recall", "flawed", sentence, numbers)] if lost else []
        return Check("Does it draw all kinds of faces?", text, verdicts, needs_faces=True)

    def rows(self) -> list[Row]:
        return [row for one in self.networks for row in one.rows()]

    def sections(self, case: Case) -> list[Section]:
        order, real_order = np.argsort(self.oddness), np.argsort(self.real_oddness)
        middle = len(order) // 2
        reals = case.reals.test_pictures[self.real_rows]

        def sheet(pictures: PicturesNCHW, caption: str) -> Figure:
            return Figure(data_uri(grid(pictures, SHOWN)), caption)

        broken = " and ".join(percent(found.broken, 1) for found in self.networks)
        return [
            Section(
                "The best, the middle and the worst",
                "Faces in the order of their distance to the nearest real ones, mean over the "
                f"networks. Farther off than 99% of real faces: {broken} of the drawn ones.",
                figures=[
                    sheet(case.pictures[order[:SHOWN]], "drawn, the best"),
                    sheet(case.pictures[order[middle : middle + SHOWN]], "drawn, in the middle"),
                    sheet(case.pictures[order[-SHOWN:]], "drawn, the worst"),
                    sheet(reals[real_order[-SHOWN:]], "real, the worst"),
                ],
                tables=[self._class_table(group) for group in self.networks[0].per_class],
            )
        ]

    def _class_table(self, group: str) -> Table:
        head = ("class", *(f"{o.network.name}: {name}" for o in self.networks for name in BY_CLASS))
        rows: list[tuple[str | Bar, ...]] = [
            (
                name,
                *(
                    number(one.per_class[group][name][value])
                    for one in self.networks
                    for value in BY_CLASS
                ),
            )
            for name in self.networks[0].per_class[group]
        ]
        return Table(head, rows, caption=f"{words(group)}, class by class", folded=True)


def measure_outside(case: Case) -> Result:
    """Raises `UserError` when no network is left that had no part in training."""
    allowed, refused = allowed_networks(case)
    reals = case.reals.test_pictures
    rows = without_twins(reals, case.cache)
    halves = real_halves(len(rows), min(len(case.pictures), MOST_IN_HALF), case.seed)
    crowds = Crowds(
        rows,
        halves,
        saved_again(reals, JPEG_QUALITY),
        saved_again(case.pictures[halves[2]], JPEG_QUALITY),
    )
    networks = []
    for network in allowed:
        case.note(f"scoring network {network.name}")
        networks.append(score_crowd(case, network, crowds))
    return Outside(networks, refused, len(reals) - len(rows), rows[halves[1]])


@dataclass(frozen=True)
class Crowds:
    """What every network looks at.

    `rows` are the held-out faces without twins, `halves` two halves of these and as many rows of
    the fakes; all held-out faces, and those fakes, saved as poor JPEGs.
    """

    rows: npt.NDArray[np.int64]
    halves: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
    reals_again: PicturesNCHW
    fakes_again: PicturesNCHW


def allowed_networks(case: Case) -> tuple[list[Network], dict[str, str]]:
    """The networks that may score this model."""
    networks, refused = refuse_trained(SCORING, case.used_networks)
    if not networks:
        raise UserError(
            "every scoring network had a part in training this model", hint="train with another one"
        )
    return networks, refused


def score_crowd(case: Case, network: Network, crowds: Crowds) -> NetworkScores:
    """One network on all fakes and on the held-out faces."""
    cache, seed, rows = case.cache, case.seed, crowds.rows
    fake = network.features(case.pictures, cache)
    real = network.features(case.reals.test_pictures, cache)[rows]
    first, second, drawn = crowds.halves
    base = frechet_distance(real[second], real[first])
    halves = Halves(real[first], real[second])
    again = network.features(crowds.reals_again, cache)[rows]
    fake_again = network.features(crowds.fakes_again, cache)
    to_reals, own = mean_nearest(fake, halves.first), mean_nearest(halves.second, halves.first)
    limit = float(np.quantile(own, CLEAN_QUANTILE))
    values = {
        **crowd_distances(fake, real, fake[drawn], halves, base, seed),
        **shares(fake[drawn], halves, seed),
        "clean": clean_value(to_reals, own, seed),
    }
    return NetworkScores(
        network,
        values,
        float((to_reals > np.quantile(own, BROKEN_QUANTILE)).mean()),
        ratio_and_clean(again[second], halves),
        ratio_and_clean(fake_again, Halves(again[first], again[second])),
        by_class(case, fake, real, rows, to_reals <= limit),
        to_reals,
        own,
        len(first),
    )


@dataclass(frozen=True)
class Halves:
    """Features of two disjoint halves of the reals, float32 [n, F] each."""

    first: Features
    second: Features


def carried(ratio: float, count: int) -> float:
    """A Fréchet ratio at `count` faces a side, carried to `CARRIED_TO`.

    The distance of two crowds of real faces falls as one over their count, that of two kinds of
    faces does not: so the ratio's excess over 1 grows with the count.
    """
    return 1 + (ratio - 1) * CARRIED_TO / count


def ratio_and_clean(crowd: Features, halves: Halves) -> dict[str, float]:
    """The two numbers that a verdict rests on, of any crowd against two halves of the reals."""
    limit = np.quantile(mean_nearest(halves.second, halves.first), CLEAN_QUANTILE)
    base = max(frechet_distance(halves.second, halves.first), 1e-12)
    return {
        "frechet_ratio": frechet_distance(crowd, halves.first) / base,
        "clean": float((mean_nearest(crowd, halves.first) <= limit).mean()),
        "jpeg_quality": JPEG_QUALITY,
    }


def crowd_distances(
    fake: Features, real: Features, drawn: Features, halves: Halves, base: float, seed: int
) -> dict[str, Value]:
    """Fréchet distance of all fakes to all reals, over the halves' own at equal counts; kernel.

    The ratio's interval comes from resampled rows in the directions in which the reals vary most.
    """
    ratio = frechet_distance(drawn, halves.first) / max(base, 1e-12)
    low, high = around_ratio(ratio, drawn, halves, seed)
    frechet = frechet_distance(fake, real)
    kernel, error, _ = kernel_distance_of_subsets(fake, real, seed)
    size = 1000
    return {
        "frechet_ratio": Value(ratio, low, high, 1.0),
        "frechet": Value(frechet, frechet * low / ratio, frechet * high / ratio, base),
        "kernel": Value(
            kernel,
            kernel - 1.96 * error,
            kernel + 1.96 * error,
            kernel_distance(halves.second[:size], halves.first[:size]),
        ),
    }


def around_ratio(ratio: float, drawn: Features, halves: Halves, seed: int) -> tuple[float, float]:
    """The 95% interval of the Fréchet ratio, symmetric in its logarithm."""
    directions = leading_directions(halves.first)
    fake, first, second = (part @ directions for part in (drawn, halves.first, halves.second))

    def statistic(
        a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], c: npt.NDArray[np.int64]
    ) -> float:
        over = max(frechet_distance(second[c], first[b]), 1e-12)
        return float(np.log(max(frechet_distance(fake[a], first[b]), 1e-12) / over))

    sizes = (len(fake), len(first), len(second))
    low, high = around(
        float(np.log(max(ratio, 1e-12))), bootstrap(sizes, statistic, seed, FRECHET_RESAMPLES)
    )
    return float(np.exp(low)), float(np.exp(high))


def shares(drawn: Features, halves: Halves, seed: int) -> dict[str, Value]:
    """Precision, recall, density and coverage against the first half, the second half's beside."""
    own = memberships(halves.first, halves.second).parts()
    found = memberships(halves.first, drawn).parts()
    return {
        name: Value(float(values.mean()), *of_mean(values, seed), float(own[name].mean()))
        for name, values in found.items()
    }


def clean_value(
    to_reals: npt.NDArray[np.float64], own: npt.NDArray[np.float64], seed: int
) -> Value:
    """The share within the reals' 95% quantile; fakes and reals are resampled for the interval."""

    def statistic(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> float:
        return float((to_reals[a] <= np.quantile(own[b], CLEAN_QUANTILE)).mean())

    found = bootstrap((len(to_reals), len(own)), statistic, seed)
    limit = np.quantile(own, CLEAN_QUANTILE)
    low, high = np.quantile(found, [0.025, 0.975])
    return Value(
        float((to_reals <= limit).mean()), float(low), float(high), float((own <= limit).mean())
    )


def by_class(
    case: Case,
    fake: Features,
    real: Features,
    rows: npt.NDArray[np.int64],
    clean: npt.NDArray[np.bool_],
) -> dict[str, dict[str, dict[str, float]]]:
    """Per group and class: clean share, and Fréchet distance over the class's own halves."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    real_labels = case.reals.test_labels[rows]
    for column in case.scored:
        group = case.reals.vocabulary.groups[column]
        for index, name in enumerate(group.classes):
            own = np.flatnonzero(real_labels[:, column] == index)
            drawn = np.flatnonzero(case.labels[:, column] == index)
            if min(len(own), len(drawn)) < MIN_PER_CLASS:
                continue
            first, second, some = real_halves(len(own), len(drawn), case.seed)
            half, base = real[own[first]], real[own[second]]
            found.setdefault(group.name, {})[name] = {
                "frechet_ratio": frechet_distance(fake[drawn[some]], half)
                / max(frechet_distance(base, half), 1e-12),
                "clean": float(clean[drawn].mean()),
                "count": float(len(first)),
            }
    return found


def saved_again(pictures: PicturesNCHW, quality: int) -> PicturesNCHW:
    """uint8 [N, 3, S, S] through JPEG: what the file format alone changes."""
    found = np.empty_like(pictures)
    for place, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
        found[place] = np.asarray(Image.open(file)).transpose(2, 0, 1)
    return found


METRIC = Metric("outside", measure_outside)
