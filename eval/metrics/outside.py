"""Are they drawn like the reals? Networks that know nothing of this project say so.

Per network (`eval/networks.py`), fakes beside held-out reals: Fréchet and kernel distance,
precision, recall, density, coverage, and `clean`, the share of faces whose mean distance to the 5
nearest reals lies within that of 95% of other reals. The reals' own value comes from their two
halves at the same counts, near-twins left out (`eval/twins.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from avatar_common.errors import UserError
from avatar_common.pictures import PicturesNCHW
from eval.figures import data_uri, grid
from eval.metric import Case, Metric, Result, Results
from eval.network_scores import JPEG_QUALITY, NetworkScores, crowds_of, score_crowd
from eval.networks import SCORING, Network, refuse_trained
from eval.page_parts import Bar, Figure, Row, Section, Table, number, percent, words
from eval.verdicts import Check, Verdict

SHOWN = 8

# Of the means over the networks, fakes and reals saved alike.
NOT_FACES = 0.1  # clean
RATIO_POOR, CLEAN_POOR = 4.0, 0.75
RATIO_FLAWED, CLEAN_FLAWED = 1.5, 0.87
RECALL_LOW = 0.5  # over the reals', in the network that is milder

BY_CLASS = ("frechet_ratio", "clean")


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

    @property
    def is_narrow(self) -> bool:
        """Whether its faces lie among the reals surely more often than other reals do.

        Then a distance to the reals comes from what it does not draw, not from how it draws.
        """
        precision = [found.values["precision"] for found in self.networks]
        clean = [found.values["clean"] for found in self.networks]
        return all(value.low > value.real for value in (*precision, *clean))

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
        elif ratio > RATIO_FLAWED and clean >= CLEAN_FLAWED and self.is_narrow:
            text = f"Its faces are the usual ones, drawn well, and few unusual ones: {text}"
            verdicts.append(Verdict("narrow", "flawed", text, numbers, brief))
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
    crowds = crowds_of(case)
    networks = []
    for network in allowed:
        case.note(f"scoring network {network.name}")
        networks.append(score_crowd(case, network, crowds))
    twins = len(case.reals.test_pictures) - len(crowds.rows)
    return Outside(networks, refused, twins, crowds.rows[crowds.halves[1]])


def allowed_networks(case: Case) -> tuple[list[Network], dict[str, str]]:
    """The networks that may score this model."""
    networks, refused = refuse_trained(SCORING, case.used_networks)
    if not networks:
        raise UserError(
            "every scoring network had a part in training this model", hint="train with another one"
        )
    return networks, refused


METRIC = Metric("outside", measure_outside)
