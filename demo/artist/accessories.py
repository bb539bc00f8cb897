"""What a character wears on the head: hats, ears, ribbons, ornaments, glasses."""

import math

import numpy as np

from demo.artist import palette
from demo.artist.attributes import Attributes
from demo.artist.face import EYE_X, EYE_Y
from demo.artist.pen import Pen, Point, ellipse, ribbon_of, smooth
from demo.artist.style import Style


def draw_animal_ears(pen: Pen, style: Style) -> None:
    """A pair of ears, cat, fox or rabbit, that stand on the cap."""
    line = palette.outline(style.hair)
    pink = palette.mix((250, 190, 190), style.hair, 0.1)
    for side in (-1, 1):
        if style.variant < 0.7:
            tip = (1.02, -1.56) if style.variant < 0.4 else (0.88, -1.62)
            ear = [(0.26, -1.02), (0.55, -1.38), tip, (1.1, -1.15), (1.06, -0.62)]
            inner = [(0.46, -1.02), (0.66, -1.3), (tip[0] - 0.04, tip[1] + 0.17), (0.98, -1.1),
                     (0.94, -0.78)]  # fmt: skip
        else:
            ear = [(0.3, -0.95), (0.32, -1.4), (0.56, -1.86), (0.84, -1.84), (0.94, -1.3),
                   (0.9, -0.75)]  # fmt: skip
            inner = [(0.47, -1.0), (0.48, -1.4), (0.64, -1.7), (0.76, -1.68), (0.8, -1.3),
                     (0.76, -0.9)]  # fmt: skip
        flip = np.array([side, 1])
        sharp = np.array(ear) * flip
        pen.fill(smooth(sharp), style.hair, line, 1.1)
        pen.fill(smooth(np.array(inner) * flip), pink, palette.mix(pink, line, 0.4))
        if style.variant < 0.7:
            tuft = np.array([(0.36, -0.92), (0.56, -1.22), (0.62, -1.05), (0.78, -1.16),
                             (0.78, -0.95), (0.98, -0.98), (0.95, -0.72)])  # fmt: skip
            pen.fill(tuft * flip, style.hair)


def draw_hat(pen: Pen, style: Style) -> None:
    """A beret, a witch's hat, a straw hat or a cap that covers the top of the cap of hair."""
    color = style.accent
    line, tone, s = palette.outline(color), palette.shadow(color), style.side
    band = style.second_accent
    if style.variant < 0.3:
        shape = smooth([(-1.1, -0.82), (-1.3, -1.2), (-0.8, -1.62), (0.1, -1.7), (0.95, -1.5),
                        (1.32, -1.1), (1.08, -0.8), (0.5, -0.98), (0, -1.02), (-0.5, -0.98)],
                       closed=True)  # fmt: skip
        pen.fill(shape, color, line, 1.2)
        with pen.inside(shape) as hat:
            hat.fill(ellipse(-s * 0.6, -0.86, 1.1, 0.26), tone)
            hat.fill(ellipse(s * 0.45, -1.4, 0.4, 0.1, turn=0.2 * s), palette.light(color))
        pen.fill(ribbon_of(smooth([(-1.08, -0.8), (-0.5, -0.97), (0, -1.01), (0.5, -0.97),
                                   (1.08, -0.8)]), [0.055]), tone, line)  # fmt: skip
        pen.fill(ellipse(0.1 * s, -1.72, 0.09, 0.1), color, line)
    elif style.variant < 0.55:
        cone = smooth([(-0.95, -0.95), (-0.62, -1.7), (-0.2 * s, -2.6), (0.5 * s, -2.9),
                       (0.62, -1.7), (0.95, -0.95)])  # fmt: skip
        pen.fill(cone, color, line, 1.2)
        pen.fill(_arc_band(-0.98, 0.96, 0.12), band, palette.outline(band))
        brim = ellipse(0, -0.88, 1.85, 0.24)
        pen.fill(brim, color, line, 1.2)
        with pen.inside(brim) as hat:
            hat.fill(ellipse(0, -0.75, 1.6, 0.2), tone)
    elif style.variant < 0.78:
        straw = (238, 206, 132)
        line, tone = palette.outline(straw), palette.shadow(straw)
        dome = smooth([(-0.98, -0.9), (-0.95, -1.35), (-0.5, -1.7), (0.5, -1.7), (0.95, -1.35),
                       (0.98, -0.9)])  # fmt: skip
        pen.fill(dome, straw, line, 1.2)
        pen.fill(_arc_band(-1.02, 0.98, 0.12), color, palette.outline(color))
        brim = ellipse(0, -0.86, 1.7, 0.22)
        pen.fill(brim, straw, line, 1.2)
        with pen.inside(brim) as hat:
            hat.fill(ellipse(0, -0.74, 1.5, 0.17), tone)
    else:
        dome = smooth([(-1.16, -0.72), (-1.12, -1.2), (-0.6, -1.6), (0.6, -1.6), (1.12, -1.2),
                       (1.16, -0.72), (0.5, -0.86), (-0.5, -0.86)], closed=True)  # fmt: skip
        pen.fill(dome, color, line, 1.2)
        with pen.inside(dome) as hat:
            hat.fill(smooth([(-0.45, -0.6), (-0.4, -1.3), (0, -1.75), (0.4, -1.3), (0.45, -0.6)]),
                     palette.light(color))  # fmt: skip
        visor = smooth([(-0.92, -0.86), (0, -1.0), (0.92, -0.86), (0.75, -0.6), (0, -0.66),
                        (-0.75, -0.6)], closed=True)  # fmt: skip
        pen.fill(visor, tone, line, 1.2)
        pen.fill(ellipse(0, -1.2, 0.15, 0.15), band, palette.outline(band))


def _arc_band(y: float, half_width: float, half_height: float) -> np.ndarray:
    spine = smooth([(-half_width, y), (0, y + 0.06), (half_width, y)])
    return ribbon_of(spine, [half_height])


def draw_ribbon(pen: Pen, attributes: Attributes, style: Style) -> None:
    """A bow on the head: one at the side, or one on each tail."""
    if attributes["twintails"]:
        spots = [(-1.08, -0.82, 0.3), (1.08, -0.82, -0.3)]
    elif attributes["hat"] or attributes["animal_ears"]:
        spots = [(-style.side * 1.02, -0.42, style.side * 1.1)]
    elif attributes["hair_bun"]:
        spots = [(-0.8, -0.86, -0.4), (0.8, -0.86, 0.4)]
    elif style.variant > 0.55:
        spots = [(-style.side * 0.1, -1.22, 0.0)]
    else:
        spots = [(-style.side * 0.86, -0.78, -style.side * 0.75)]
    size = 1.0 if len(spots) == 1 else 0.78
    for x, y, turn in spots:
        _bow(pen, style.accent, x, y, turn, size)


def _bow(pen: Pen, color: palette.Color, x: float, y: float, turn: float, size: float) -> None:
    c, s = math.cos(turn) * size, math.sin(turn) * size
    matrix = np.array([[c, -s], [s, c]])
    line, tone = palette.outline(color), palette.shadow(color)

    def at(points: list[Point]) -> np.ndarray:
        return np.asarray(np.array(points) @ matrix.T + (x, y))

    for side in (-1, 1):
        end = at([(side * 0.03, 0.05), (side * 0.3, 0.5), (side * 0.15, 0.44), (side * 0.1, 0.56)])
        pen.fill(end, tone, line)
        wing = [(0, 0), (side * 0.2, -0.16), (side * 0.44, -0.28), (side * 0.52, -0.05),
                (side * 0.46, 0.22), (side * 0.2, 0.12)]  # fmt: skip
        shape = smooth(at(wing), closed=True)
        pen.fill(shape, color, line, 1.2)
        pen.stroke(at([(side * 0.08, 0), (side * 0.2, -0.02), (side * 0.32, -0.06)]), line, 1.4)
    pen.fill(smooth(at([(-0.09, -0.1), (0.09, -0.1), (0.1, 0.1), (-0.1, 0.1)]), closed=True),
             color, line, 1.2)  # fmt: skip


def draw_hair_ornament(pen: Pen, style: Style) -> None:
    """A flower, a star, crossed clips or a band of beads at the side of the bangs."""
    color, side = style.second_accent, style.side
    line = palette.outline(color)
    x, y = side * 0.74, -0.56
    if style.variant < 0.35:
        for i in range(5):
            angle = i * 2 * math.pi / 5 + 0.3
            pen.fill(ellipse(x + 0.17 * math.cos(angle), y + 0.17 * math.sin(angle), 0.15, 0.11,
                             turn=angle), color, line)  # fmt: skip
        core = (250, 214, 70) if sum(color) < 600 or color[2] > 150 else (240, 120, 60)
        pen.fill(ellipse(x, y, 0.095, 0.095), core, line)
    elif style.variant < 0.65:
        angles = np.arange(10) * math.pi / 5 - math.pi / 2
        radius = np.where(np.arange(10) % 2, 0.13, 0.29)
        star = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)
        pen.fill(star, color, line, 1.3)
    else:
        for turn in (0.55, -0.55):
            clip = ribbon_of(np.array([(x - 0.24 * math.cos(turn), y - 0.24 * math.sin(turn)),
                                       (x + 0.24 * math.cos(turn), y + 0.24 * math.sin(turn))]),
                             [0.062, 0.062])  # fmt: skip
            pen.fill(clip, color, line, 1.2)


def draw_glasses(pen: Pen, style: Style) -> None:
    """Rims around both eyes, heavy above and light below, a bridge, temples, a glint.

    Dark lower rims across the cheeks are what stops face detectors, so they take on some skin.
    """
    frames = ((50, 46, 58), (190, 36, 48), (56, 62, 170), (132, 74, 40))
    frame = frames[int(style.variant * 3.99)]
    below = palette.mix(frame, style.skin, 0.66)
    power = 0.7 if style.variant * 7 % 1 < 0.5 else 1.0
    angle = np.linspace(0, math.pi, 20)
    c, s = np.cos(angle), np.sin(angle)
    u, v = 0.385 * np.sign(c) * np.abs(c) ** power, 0.365 * np.abs(s) ** power
    for side in (-1, 1):
        x = side * EYE_X
        pen.line(np.stack([x + u, EYE_Y + v], axis=1), below, 1.6)
        pen.line(np.stack([x + u, EYE_Y - v], axis=1), frame, 2.1)
        pen.line([(side * 0.84, EYE_Y - 0.03), (side * 1.02, EYE_Y - 0.1)], frame, 2.2)
        for shift in (0.0, 0.07):
            glint = [(x - 0.3 + shift, EYE_Y + 0.14), (x - 0.2 + shift, EYE_Y + 0.27)]
            pen.stroke(np.array(glint), (255, 255, 255), 1.6)
    pen.line(smooth([(-0.08, EYE_Y - 0.02), (0, EYE_Y - 0.06), (0.08, EYE_Y - 0.02)]), frame, 2.2)
