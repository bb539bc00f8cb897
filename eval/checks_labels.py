"""Checks on labels: does it draw what is asked, honestly, and can one attribute change alone?"""

from __future__ import annotations

import math

import numpy as np

from eval.accuracy import GroupAccuracy
from eval.scores import Scores
from eval.verdicts import Check, Verdict, percent

LIFT_BROKEN = 0.25  # share of the way from chance to the reals' balanced accuracy
LABEL_EFFECT = 0.1  # change of a picture under labels over that under z
RATIO_FLAWED = 0.9  # fake over real accuracy
CLASS_LOST = 0.5  # a class read right less often than this share of its real accuracy
CLASSES_LOST_BROKEN = 1 / 3  # share of a group's classes lost
CLASS_MIN = 8  # faces asked of a class before it is judged
SURE_Z = 3.0
OVER_EASY, OVER_EASY_Z = 1.015, 4.0  # fake over real accuracy, and its z score
JUDGES_APART = 0.15
KEPT_LOW = 0.7
Z_IGNORED = 0.05  # z-sensitivity


def mean_lift(scores: Scores) -> float:
    """From chance (0) to the reals' accuracy (1), over the groups that the judge can read."""
    lifts = [group.lift for group in scores.accuracy if not math.isnan(group.lift)]
    return float(np.mean(np.clip(lifts, -1, 1.5))) if lifts else math.nan


def check_labels(scores: Scores) -> Check:
    """Are the asked attributes in the picture at all, and in every class?"""
    fake = float(np.mean([group.fake.accuracy for group in scores.accuracy]))
    real = float(np.mean([group.real.accuracy for group in scores.accuracy]))
    number = f"right for {percent(fake)} of its attributes, for {percent(real)} in real faces"
    if mean_lift(scores) < LIFT_BROKEN:
        verdicts = [_labels_lost(scores)]
    else:
        verdicts = [*_lost_classes(scores), *_missed(scores)]
    return Check("Does it draw what you ask for?", number, verdicts)


def _labels_lost(scores: Scores) -> Verdict:
    clearest = max(scores.accuracy, key=lambda group: group.real.accuracy - group.real.chance)
    example = (
        f"{_words([clearest.name])} is right for {percent(clearest.fake.accuracy)}, "
        f"in real faces for {percent(clearest.real.accuracy)}"
    )
    effect = scores.control.label_effect
    numbers = {"lift": mean_lift(scores), "label_effect": effect}
    if effect < LABEL_EFFECT:
        return Verdict(
            "ignores_labels",
            "broken",
            "It ignores what you ask for: another label with the same z gives the same picture "
            f"({example}).",
            numbers,
        )
    mixed = max(group.fake.association for group in scores.accuracy)
    how = (
        "asked for one class it reliably shows another"
        if mixed > 0.5
        else "other labels give other pictures, but not what the labels say"
    )
    return Verdict(
        "labels_shuffled",
        "broken",
        f"What it draws has nothing to do with what you ask for: {how} ({example}).",
        {**numbers, "association": mixed},
    )


def lost_classes(group: GroupAccuracy) -> list[str]:
    """Classes that the fakes show less than `CLASS_LOST` as often as the reals do."""
    asked, there = group.fake.confusion.sum(1), group.real.confusion.sum(1)
    fake, real = group.fake.per_class, group.real.per_class
    return [
        name
        for index, name in enumerate(group.classes)
        if min(asked[index], there[index]) >= CLASS_MIN
        and real[index] >= 0.5
        and fake[index] < CLASS_LOST * real[index]
    ]


def _lost_classes(scores: Scores) -> list[Verdict]:
    found, flags = [], {}
    for group in scores.accuracy:
        lost = lost_classes(group)
        if lost and group.classes == ("0", "1"):
            flags[group.name] = float(group.fake.per_class[1])
        elif lost:
            judged = int((group.fake.confusion.sum(1) >= CLASS_MIN).sum())
            found.append(
                Verdict(
                    "classes_missing",
                    "broken" if len(lost) / judged >= CLASSES_LOST_BROKEN else "flawed",
                    f"It cannot draw {len(lost)} of {judged} classes of {_words([group.name])}: "
                    f"{_words(lost)}.",
                    {"lost": float(len(lost)), "classes": float(judged)},
                )
            )
    if flags:
        text = f"Asked for with or without, it makes no difference: {_words(list(flags))}."
        found.append(Verdict("flags_missing", "flawed", text, flags))
    return found


def _missed(scores: Scores) -> list[Verdict]:
    missed = [
        group
        for group in sorted(scores.accuracy, key=lambda group: group.ratio)
        if group.ratio < RATIO_FLAWED and -group.z_above_real > SURE_Z
    ]
    if not missed:
        return []
    worst = missed[0]
    return [
        Verdict(
            "attributes_missed",
            "flawed",
            f"It often misses {_words([group.name for group in missed])}: "
            f"{_words([worst.name])} is right for {percent(worst.fake.accuracy)}, "
            f"in real faces for {percent(worst.real.accuracy)}.",
            {group.name: group.ratio for group in missed},
        )
    ]


def _words(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def check_over_easy(scores: Scores) -> Check:
    """Accuracy above the reals: faces drawn for the classifier, not like the reals."""
    easy = [
        group
        for group in scores.accuracy
        if group.ratio > OVER_EASY and group.z_above_real > OVER_EASY_Z
    ]
    if scores.pairs.sensitivity < Z_IGNORED:
        easy = []  # the same few pictures again and again: their accuracy has no spread to judge
    apart = _judges_apart(scores)
    ratio = float(np.mean([group.ratio for group in scores.accuracy]))
    verdicts = []
    if easy:
        top = max(easy, key=lambda group: group.ratio)
        verdicts.append(
            Verdict(
                "over_easy",
                "flawed",
                f"Its faces are easier to read than real ones ({_words([top.name])} "
                f"{percent(top.fake.accuracy)}, real {percent(top.real.accuracy)}): it draws "
                "the textbook case of a class and leaves out the ambiguous ones.",
                {group.name: group.ratio for group in easy},
            )
        )
    if apart:
        verdicts.append(apart)
    return Check(
        "Is its accuracy honest?",
        f"{ratio:.2f} of the accuracy on real faces",
        verdicts,
        judged=bool(verdicts) or mean_lift(scores) >= LIFT_BROKEN,
    )


def _judges_apart(scores: Scores) -> Verdict | None:
    second = {group.name: group for group in scores.second}
    gaps = {
        group.name: group.ratio - second[group.name].ratio
        for group in scores.accuracy
        if group.name in second
        and group.ratio > RATIO_FLAWED
        and group.lift > LIFT_BROKEN
        and not math.isnan(second[group.name].lift)
        and second[group.name].z_above_real < -SURE_Z
    }
    name = max(gaps, key=lambda key: gaps[key], default=None)
    if name is None or gaps[name] < JUDGES_APART:
        return None
    return Verdict(
        "judges_disagree",
        "flawed",
        f"A second judge of another kind does not see {_words([name])} as well: its "
        f"accuracy over that on real faces is {gaps[name]:.2f} lower.",
        {name: gaps[name]},
    )


def check_control(scores: Scores) -> Check:
    """Does changing one attribute leave the others alone?"""
    kept = [switch.kept for switch in scores.control.switches if not math.isnan(switch.kept)]
    changed = [switch.changed for switch in scores.control.switches]
    mean_kept = float(np.mean(kept)) if kept else math.nan
    mean_changed = float(np.mean(changed)) if changed else math.nan
    labels_work = mean_lift(scores) >= LIFT_BROKEN
    verdicts = []
    if labels_work and mean_kept < KEPT_LOW:
        verdicts.append(
            Verdict(
                "entangled",
                "flawed",
                f"Changing one attribute often changes others too (kept {percent(mean_kept)}).",
                {"others_kept": mean_kept, "changed": mean_changed},
            )
        )
    number = (
        f"{percent(mean_kept)} of the others stay; the changed one shows in {percent(mean_changed)}"
    )
    return Check(
        "Do the others stay when one attribute changes?", number, verdicts, judged=labels_work
    )
