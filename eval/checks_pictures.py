"""Checks on pictures: are they faces, different ones, of all kinds, and its own?"""

from __future__ import annotations

import math

from eval.scores import Scores
from eval.verdicts import Check, Verdict, percent

Z_IGNORED, Z_WEAK = 0.05, 0.5  # z-sensitivity
IDENTICAL_CLASSES = 0.5  # share of classes whose faces are all but one picture
ALIKE_GAP = 0.08  # MS-SSIM from the reals', and three standard errors
VARIETY_LOST = 0.6  # share of the way from the reals' MS-SSIM to 1
COPIED, RATIO_MEMORISED = 0.1, 0.8
SOFT, SOFT_BROKEN = 0.75, 0.6  # fine detail over the reals'
NOISY, NOISY_BROKEN = 1.8, 2.5
PRECISION_LOST, PRECISION_LOW = 0.2, 0.6  # over the reals' own
STRANGE_BROKEN, STRANGE = 0.6, 0.2  # share odder than 95 of 100 real faces
RECALL_LOW = 0.5
FRECHET_FAR = 0.6  # over the reals' total variance


def check_realism(scores: Scores) -> Check:
    """Do single faces look real: within the reals' region, and as sharp?"""
    manifold, detail = scores.manifold, scores.detail
    precision = manifold.ratio("precision")
    far = scores.distances[0].over_variance
    numbers = {"precision": precision, "frechet_over_variance": far, "detail": detail}
    strange = scores.strangeness.share
    numbers["strange_share"] = strange
    among = f"{percent(strange)} look odd (of real faces 5%)"
    if precision < PRECISION_LOW:
        among += (
            f", and {percent(manifold.fake.precision)} lie among real faces "
            f"(of other real ones {percent(manifold.real.precision)})"
        )
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
    off_crowd = precision < PRECISION_LOST or (precision < PRECISION_LOW and far > FRECHET_FAR)
    if off_crowd or strange > STRANGE_BROKEN:
        verdicts.append(
            Verdict(
                "not_faces",
                "broken",
                f"Its pictures are not faces: {among}.",
                numbers,
            )
        )
    elif precision < PRECISION_LOW or strange > STRANGE:
        verdicts.append(
            Verdict(
                "low_precision",
                "flawed",
                f"Many of its pictures do not look like real faces: {among}.",
                numbers,
            )
        )
    number = f"{percent(strange)} look odd (of real faces 5%)"
    return Check("Do they look like real faces?", number, verdicts)


def check_variety(scores: Scores) -> Check:
    """Two faces with the same labels: as different as two real ones?"""
    sensitivity, diversity = scores.pairs.sensitivity, scores.diversity
    gap = diversity.fake - diversity.real
    lost = gap / max(1 - diversity.real, 1e-6)
    sure = not math.isnan(diversity.error) and abs(gap) > 3 * diversity.error
    numbers = {
        "z_sensitivity": sensitivity,
        "ms_ssim_fake": diversity.fake,
        "ms_ssim_real": diversity.real,
        "variety_lost": lost,
        "share_identical": diversity.share_identical,
    }
    alike = (
        f"likeness {diversity.fake:.2f}, of real faces {diversity.real:.2f}; 1 is the same picture"
    )
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
                "broken" if lost > VARIETY_LOST else "flawed",
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


def check_range(scores: Scores) -> Check:
    """Does it draw the whole range of the reals?"""
    recall, coverage = scores.manifold.ratio("recall"), scores.manifold.ratio("coverage")
    own, real = scores.manifold.fake, scores.manifold.real
    numbers = {"recall": recall, "coverage": coverage}
    verdicts = []
    if recall < RECALL_LOW:
        verdicts.append(
            Verdict(
                "low_recall",
                "flawed",
                f"It draws only some kinds of faces: {percent(own.recall)} of real faces have a "
                f"drawn one like them; {percent(real.recall)} have another real one (recall).",
                numbers,
            )
        )
    number = (
        f"{percent(own.recall)} of real faces have a drawn one like them "
        f"(another real one: {percent(real.recall)})"
    )
    return Check("Does it draw all kinds of faces?", number, verdicts)


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
