"""The questions of a report, and where each number becomes a verdict.

Checks are two-sided where both sides are failures: pictures too alike or too unlike, too soft or
too noisy, accuracy too low or above the reals. docs/scores.md explains the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from eval.accuracy import GroupAccuracy
from eval.scores import Scores
from eval.verdicts import Check, Verdict, percent

LIFT_BROKEN = 0.25  # share of the way from chance to the reals' accuracy
RATIO_FLAWED = 0.9  # fake over real accuracy
CLASS_LOST = 0.5  # a class read right less often than this share of its real accuracy
CLASSES_LOST_BROKEN = 1 / 3  # share of a group's classes lost
CLASS_MIN = 8  # faces asked of a class before it is judged
OVER_EASY, OVER_EASY_Z = 1.015, 4.0  # fake over real accuracy, and its z score
Z_IGNORED, Z_WEAK = 0.05, 0.5  # z-sensitivity
IDENTICAL_CLASSES = 0.5  # share of classes whose faces are all but one picture
ALIKE_GAP = 0.08  # MS-SSIM from the reals', and three standard errors
LABEL_EFFECT = 0.1  # change of a picture under labels over that under z
COPIED, RATIO_MEMORISED = 0.1, 0.8
SOFT, SOFT_BROKEN, NOISY = 0.75, 0.6, 1.8  # fine detail over the reals'
NOISY_BROKEN = 2.5
PRECISION_LOST, PRECISION_LOW = 0.2, 0.6  # over the reals' own
RECALL_LOW = 0.5
FRECHET_FAR = 0.6  # over the reals' total variance
JUDGES_APART = 0.15
KEPT_LOW = 0.7


def run_checks(scores: Scores) -> list[Check]:
    """Every question, in the order in which a person would ask."""
    return [check(scores) for check in CHECKS]


def _words(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def check_labels(scores: Scores) -> Check:
    """Are the asked attributes in the picture at all, and in every class?"""
    groups = scores.accuracy
    lift = float(np.nanmean([group.lift for group in groups]))
    numbers = {"lift": lift, "label_effect": scores.control.label_effect}
    fake = float(np.mean([group.fake.accuracy for group in groups]))
    real = float(np.mean([group.real.accuracy for group in groups]))
    number = f"right for {percent(fake)} of the faces, real ones {percent(real)}"
    verdicts = []
    if lift < LIFT_BROKEN and scores.control.label_effect < LABEL_EFFECT:
        verdicts.append(
            Verdict(
                "ignores_labels",
                "broken",
                "It ignores what you ask for: another label with the same z gives the same picture "
                f"(changes {percent(scores.control.label_effect)} as much as another z does), "
                f"attributes are right for {percent(fake)}.",
                numbers,
            )
        )
    elif lift < LIFT_BROKEN:
        mixed = max(group.fake.association for group in groups)
        how = (
            "asked for one class it reliably shows another"
            if mixed > 0.5
            else "the picture changes with the labels, but not to what they say"
        )
        verdicts.append(
            Verdict(
                "labels_shuffled",
                "broken",
                f"What it draws has nothing to do with what you ask for: {how} "
                f"(right for {percent(fake)}, real faces {percent(real)}).",
                {**numbers, "association": mixed},
            )
        )
    else:
        verdicts += [*_lost_classes(scores), *_missed(scores)]
    return Check("Does it draw what you ask for?", number, verdicts)


def lost_classes(group: GroupAccuracy) -> list[str]:
    """Classes that the fakes show less than `CLASS_LOST` as often as the reals."""
    asked = group.fake.confusion.sum(1)
    there = group.real.confusion.sum(1)
    fake, real = group.fake.per_class, group.real.per_class
    return [
        name
        for index, name in enumerate(group.classes)
        if asked[index] >= CLASS_MIN
        and there[index] >= CLASS_MIN
        and real[index] >= 0.5
        and fake[index] < CLASS_LOST * real[index]
    ]


def _lost_classes(scores: Scores) -> list[Verdict]:
    found = []
    for group in scores.accuracy:
        lost = lost_classes(group)
        if not lost:
            continue
        judged = int((group.fake.confusion.sum(1) >= CLASS_MIN).sum())
        share = len(lost) / judged
        found.append(
            Verdict(
                "classes_missing",
                "broken" if share >= CLASSES_LOST_BROKEN and judged > 2 else "flawed",
                f"It cannot draw {len(lost)} of {judged} classes of "
                f"{group.name.replace('_', ' ')}: {_words(lost)}.",
                {"lost": float(len(lost)), "classes": float(judged)},
            )
        )
    return found


def _missed(scores: Scores) -> list[Verdict]:
    missed = sorted(
        (
            group
            for group in scores.accuracy
            if group.ratio < RATIO_FLAWED and -group.z_above_real > 3
        ),
        key=lambda group: group.ratio,
    )
    if not missed:
        return []
    worst = missed[0]
    return [
        Verdict(
            "attributes_missed",
            "flawed",
            f"It often misses {_words([group.name for group in missed])}: "
            f"{worst.name.replace('_', ' ')} is right for {percent(worst.fake.accuracy)}, "
            f"in real faces for {percent(worst.real.accuracy)}.",
            {group.name: group.ratio for group in missed},
        )
    ]


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
    ratio = max((group.ratio for group in scores.accuracy), default=math.nan)
    verdicts = []
    if easy:
        top = max(easy, key=lambda group: group.ratio)
        verdicts.append(
            Verdict(
                "over_easy",
                "flawed",
                f"Its faces are easier to read than real ones ({top.name.replace('_', ' ')} "
                f"{percent(top.fake.accuracy)}, real {percent(top.real.accuracy)}): it draws "
                "the textbook case of a class and leaves out the ambiguous ones.",
                {group.name: group.ratio for group in easy},
            )
        )
    if apart:
        verdicts.append(apart)
    return Check(
        "Is its accuracy honest?", f"at most {ratio:.2f} of the accuracy on real faces", verdicts
    )


def _judges_apart(scores: Scores) -> Verdict | None:
    second = {group.name: group for group in scores.second}
    gaps = {
        group.name: group.ratio - second[group.name].ratio
        for group in scores.accuracy
        if group.name in second and second[group.name].lift > 0 and group.ratio > RATIO_FLAWED
    }
    name = max(gaps, key=lambda key: gaps[key], default=None)
    if name is None or gaps[name] < JUDGES_APART:
        return None
    return Verdict(
        "judges_disagree",
        "flawed",
        f"A second judge of another kind does not see {name.replace('_', ' ')} as well: its "
        f"accuracy over that on real faces is {gaps[name]:.2f} lower.",
        {name: gaps[name]},
    )


def check_variety(scores: Scores) -> Check:
    """Two faces with the same labels: as different as two real ones?"""
    sensitivity, diversity = scores.pairs.sensitivity, scores.diversity
    gap = diversity.fake - diversity.real
    sure = not math.isnan(diversity.error) and abs(gap) > 3 * diversity.error
    numbers = {
        "z_sensitivity": sensitivity,
        "ms_ssim_fake": diversity.fake,
        "ms_ssim_real": diversity.real,
        "share_identical": diversity.share_identical,
    }
    alike = f"MS-SSIM {diversity.fake:.2f}, real faces {diversity.real:.2f}"
    verdicts = []
    if sensitivity < Z_IGNORED:
        verdicts.append(
            Verdict(
                "ignores_z",
                "broken",
                "The same labels always give the same face: two draws differ "
                f"{percent(sensitivity)} as much as two real faces do.",
                numbers,
            )
        )
    if diversity.share_identical > IDENTICAL_CLASSES:
        verdicts.append(
            Verdict(
                "one_picture_per_class",
                "broken",
                f"It has one picture per class: in {percent(diversity.share_identical)} of the "
                f"classes all faces are the same ({alike}).",
                numbers,
            )
        )
    if not verdicts and (sensitivity < Z_WEAK or (gap > ALIKE_GAP and sure)):
        verdicts.append(
            Verdict(
                "low_variety",
                "flawed",
                "Faces with the same labels are too alike: two draws differ "
                f"{percent(sensitivity)} as much as two real faces do ({alike}).",
                numbers,
            )
        )
    if gap < -ALIKE_GAP and sure:
        verdicts.append(
            Verdict(
                "too_unlike",
                "flawed",
                f"Faces with the same labels have less in common than real ones ({alike}).",
                numbers,
            )
        )
    number = f"two draws differ {percent(sensitivity)} as much as two real faces"
    return Check("Are its faces different from one another?", number, verdicts)


def check_realism(scores: Scores) -> Check:
    """Do single faces look real: within the reals' region, and as sharp?"""
    manifold, detail = scores.manifold, scores.detail
    precision = manifold.ratio("precision")
    far = scores.distances[0].over_variance
    numbers = {"precision": precision, "frechet_over_variance": far, "detail": detail}
    verdicts = []
    if detail > NOISY:
        verdicts.append(
            Verdict(
                "noise",
                "broken" if detail > NOISY_BROKEN else "flawed",
                f"Its pictures are noise or full of it: {detail:.1f} times the fine detail of real "
                "faces.",
                numbers,
            )
        )
    elif detail < SOFT:
        verdicts.append(
            Verdict(
                "blurred",
                "broken" if detail < SOFT_BROKEN else "flawed",
                f"Its faces are blurred: {percent(detail)} of the fine detail of real faces.",
                numbers,
            )
        )
    if precision < PRECISION_LOST or (precision < PRECISION_LOW and far > FRECHET_FAR):
        verdicts.append(
            Verdict(
                "not_faces",
                "broken",
                f"Most of its pictures are unlike any real face: {percent(precision)} as many as "
                "of other real ones fall where real faces lie (Fréchet distance "
                f"{far:.2f} of the variance).",
                numbers,
            )
        )
    elif precision < PRECISION_LOW:
        verdicts.append(
            Verdict(
                "low_precision",
                "flawed",
                "Many of its pictures are unlike any real face: "
                f"{percent(precision)} as many as of other real faces fall where real faces lie.",
                numbers,
            )
        )
    number = f"{percent(min(precision, 1))} as often like real faces as other real faces are"
    return Check("Do they look like real faces?", number, verdicts)


def check_range(scores: Scores) -> Check:
    """Does it draw the whole range of the reals?"""
    recall, coverage = scores.manifold.ratio("recall"), scores.manifold.ratio("coverage")
    numbers = {"recall": recall, "coverage": coverage}
    verdicts = []
    if recall < RECALL_LOW:
        verdicts.append(
            Verdict(
                "low_recall",
                "flawed",
                f"It draws only part of what real faces show: {percent(recall)} of their range "
                "(recall over the reals' own).",
                numbers,
            )
        )
    return Check(
        "Does it draw all kinds of faces?", f"{percent(min(recall, 1))} of the range", verdicts
    )


def check_memory(scores: Scores) -> Check:
    """Does it invent faces, or repeat those it was trained on?"""
    memory = scores.memorisation
    numbers = {"copied_share": memory.copied_share, "ratio": memory.ratio}
    verdicts = []
    if memory.copied_share > COPIED:
        verdicts.append(
            Verdict(
                "copies_training",
                "broken",
                f"It copies: {percent(memory.copied_share)} of its faces are training faces.",
                numbers,
            )
        )
    elif memory.ratio < RATIO_MEMORISED:
        verdicts.append(
            Verdict(
                "near_training",
                "flawed",
                f"Its faces keep closer to training faces than to unseen ones "
                f"({memory.ratio:.2f} of the distance).",
                numbers,
            )
        )
    return Check(
        "Does it invent, or copy?", f"{percent(memory.copied_share)} copies of training", verdicts
    )


def check_control(scores: Scores) -> Check:
    """Does changing one attribute leave the others alone?"""
    kept = [switch.kept for switch in scores.control.switches if not math.isnan(switch.kept)]
    changed = [switch.changed for switch in scores.control.switches]
    mean_kept = float(np.mean(kept)) if kept else math.nan
    mean_changed = float(np.mean(changed)) if changed else math.nan
    labels_work = np.nanmean([group.lift for group in scores.accuracy]) >= LIFT_BROKEN
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
    number = f"asked one changes {percent(mean_changed)}, others stay {percent(mean_kept)}"
    return Check("Can you change one attribute alone?", number, verdicts)


CHECKS: tuple[Callable[[Scores], Check], ...] = (
    check_realism,
    check_labels,
    check_variety,
    check_range,
    check_memory,
    check_over_easy,
    check_control,
)
