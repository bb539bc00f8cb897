"""The colours: hair and eye classes that stay apart at 64 px, skins, cloth, and their shades."""

import colorsys

import numpy as np

Color = tuple[int, int, int]

HAIR: dict[str, Color] = {
    "orange": (240, 134, 42),
    "white": (243, 243, 248),
    "aqua": (100, 224, 214),
    "gray": (146, 149, 158),
    "green": (74, 164, 78),
    "red": (200, 38, 46),
    "purple": (134, 78, 188),
    "pink": (250, 158, 194),
    "blue": (62, 98, 214),
    "black": (44, 42, 54),
    "brown": (120, 74, 46),
    "blonde": (247, 216, 116),
}
EYES: dict[str, Color] = {
    "gray": (146, 152, 162),
    "black": (46, 44, 52),
    "orange": (242, 130, 26),
    "pink": (250, 112, 180),
    "yellow": (248, 216, 44),
    "aqua": (64, 218, 220),
    "purple": (150, 70, 212),
    "green": (58, 176, 66),
    "brown": (134, 82, 44),
    "red": (218, 34, 42),
    "blue": (44, 98, 232),
}
FAIR_SKINS: tuple[Color, ...] = (
    (255, 228, 211), (252, 222, 200), (254, 234, 222), (248, 214, 190), (255, 224, 214),
)  # fmt: skip
DARK_SKINS: tuple[Color, ...] = ((220, 168, 126), (212, 160, 120), (224, 174, 136), (216, 166, 120))
CLOTH: tuple[Color, ...] = (
    (245, 245, 248), (52, 60, 96), (38, 38, 46), (150, 40, 52), (238, 176, 190), (120, 160, 210),
    (90, 130, 104), (232, 208, 150), (110, 84, 130), (208, 96, 60), (176, 200, 190), (96, 70, 60),
)  # fmt: skip
ACCENTS: tuple[Color, ...] = (
    (222, 40, 60), (50, 90, 200), (250, 210, 60), (250, 250, 250), (40, 40, 50), (240, 120, 170),
    (60, 170, 110), (140, 80, 190), (80, 200, 220), (245, 150, 50),
)  # fmt: skip
INK: Color = (46, 30, 40)


def mix(a: Color, b: Color, share: float) -> Color:
    """`share` of b in a, per channel 0..255."""
    return tuple(round(x + share * (y - x)) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def jitter(color: Color, rng: np.random.Generator, amount: float = 1.0) -> Color:
    """A near shade of the colour that stays inside its class."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in color))
    hue = (hue + amount * rng.uniform(-0.012, 0.012)) % 1
    saturation = float(np.clip(saturation * (1 + amount * rng.uniform(-0.1, 0.08)), 0, 1))
    value = float(np.clip(value * (1 + amount * rng.uniform(-0.06, 0.05)), 0, 1))
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))  # type: ignore[return-value]


def shadow(color: Color) -> Color:
    """The colour in cel shade: darker and a little towards violet."""
    if min(color) > 215:
        return mix(color, (132, 138, 196), 0.46)
    return mix(mix(color, (0, 0, 0), 0.2), (80, 30, 110), 0.12)


def outline(color: Color) -> Color:
    """A dark line that keeps a hint of the colour it surrounds."""
    share = 0.5 if min(color) > 215 else 0.62
    return mix(color, INK, share)


def light(color: Color) -> Color:
    """The colour where light falls on it."""
    if max(color) < 90:
        return mix(color, (150, 150, 190), 0.38)
    return mix(color, (255, 255, 255), 0.42)


def far_from(color: Color, choices: tuple[Color, ...], rng: np.random.Generator) -> Color:
    """One of the choices that stands out against the colour."""
    apart = [c for c in choices if sum(abs(x - y) for x, y in zip(c, color, strict=True)) > 170]
    pool = apart or list(choices)
    return pool[int(rng.integers(len(pool)))]
