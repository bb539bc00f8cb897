"""Whether a preset's values can be trained with at all: asked before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from acgan.training.presets import PRESETS, Preset
from avatar_common.errors import UserError

STAGES = 7  # of the frozen network
MOST = 1e6
BOUNDS: dict[str, tuple[float, float]] = {
    "z_dim": (1, 4096),
    "penalty_interval": (1, MOST),
    "generator_every": (1, MOST),
    "rate_g": (1e-8, 1),
    "rate_d": (1e-8, 1),
    "helper_rate": (1e-8, 1),
    "pretrained_shift": (0, 15),
    "beta1": (0, 0.9999),
    "beta2": (0, 0.99999),
    "augmentation_probability": (0, 1),
    "label_drop": (0, 1),
    "kept_share": (0.01, 1),
    "temper": (0, 10),
}


def check_preset(settings: Preset) -> None:
    """Raise `UserError` for a field whose value is of another form, or that no run can have."""
    types = get_type_hints(Preset)
    for field in fields(Preset):
        name, value = field.name, getattr(settings, field.name)
        if not has_form(value, types[name]):
            raise UserError(f"{name} cannot be {value!r}", hint=f"it is {form_of(types[name])}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            least, most = BOUNDS.get(name, (0, MOST))
            if not least <= value <= most:
                raise UserError(f"{name} must be {least:g} to {most:g}, not {value:g}")
    kinds = sorted({preset.nets for preset in PRESETS.values()})
    if settings.nets not in kinds:
        raise UserError(f"there are no nets {settings.nets!r}", hint=f"one of: {', '.join(kinds)}")
    if not settings.averages or min(map(min, settings.averages)) < 0:
        raise UserError("averages wants pairs like ((4.4, 0.05),), none of them negative")
    start, end = settings.redraw_fade
    if not 0 <= start < end <= 1:
        raise UserError("redraw_fade wants two shares of the run, the first the smaller one")
    for name in ("perceptual_stages", "helper_stages") if settings.has_helper else ():
        stages = getattr(settings, name)
        if not stages or not 0 <= min(stages) <= max(stages) < STAGES:
            raise UserError(f"{name} wants some of 0 to {STAGES - 1}, not {stages!r}")


def has_form(value: Any, kind: Any) -> bool:
    """Whether a value, as Python reads it, is what the field's annotation says."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        wanted = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(value) == len(wanted) and all(map(has_form, value, wanted))
    if origin is Mapping:
        return isinstance(value, Mapping)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def form_of(kind: Any) -> str:
    """What a field takes, for people."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of: {', '.join(map(str, parts))}"
    if origin is tuple and parts[-1] is Ellipsis:
        return f"any number of ({form_of(parts[0])})"
    if origin is tuple:
        return ", ".join(map(form_of, parts))
    plain = {int: "a whole number", float: "a number", bool: "True or False", str: "a word"}
    return plain.get(kind, "a dictionary")
