"""Hair that is tied: twintails, ponytail, drills, braids, buns."""

import numpy as np

from demo.artist import palette
from demo.artist.attributes import Attributes
from demo.artist.pen import Pen, Point, ellipse, ribbon_of, smooth
from demo.artist.style import Style


def draw_tails_behind(pen: Pen, attributes: Attributes, style: Style) -> None:
    """Tied hair that lies behind the head."""
    long = attributes["hair_length"] == "long"
    if attributes["twintails"]:
        for side in (-1, 1):
            _tail(pen, attributes, style, [(side * 0.9, -0.78), (side * 1.32, -0.86),
                  (side * 1.55, -0.2), (side * 1.5, 0.7),
                  (side * 1.62, 2.9 if long else 1.45)], 0.25)  # fmt: skip
    if attributes["ponytail"]:
        s = style.side
        low = {"short": 0.55, "medium": 1.1, "long": 2.3}[str(attributes["hair_length"])]
        _tail(pen, attributes, style, [(s * 0.45, -1.0), (s * 0.92, -1.42), (s * 1.4, -0.95),
              (s * 1.5, -0.1), (s * 1.3, low)], 0.29)  # fmt: skip
    if attributes["hair_bun"]:
        double = style.variant < 0.75
        for x in (-0.84, 0.84) if double else (0.0,):
            _bun(pen, style, x, -1.04 if double else -1.28, 0.36 if double else 0.42)


def draw_tails_in_front(pen: Pen, attributes: Attributes, style: Style) -> None:
    """Tied hair that lies over head or shoulders, and the bands of the tails."""
    if attributes["twintails"]:
        for side in (-1, 1):
            pen.fill(ellipse(side * 1.06, -0.82, 0.11, 0.16, turn=side * 0.35), style.accent,
                     palette.outline(style.accent))  # fmt: skip
    if attributes["drill_hair"]:
        for side in (-1, 1):
            _drill(pen, style, side)
    if attributes["braid"]:
        for side in (-1, 1) if style.variant < 0.65 else (style.side,):
            _braid(pen, attributes, style, side)


def draw_pony_band(pen: Pen, style: Style) -> None:
    """The band of a ponytail, over the cap's edge."""
    s = style.side
    pen.fill(ellipse(s * 0.62, -1.16, 0.14, 0.09, turn=-s * 0.75), style.accent,
             palette.outline(style.accent))  # fmt: skip


def _tail(pen: Pen, attributes: Attributes, style: Style, points: list[Point], half: float) -> None:
    spine = smooth(points, steps=10)
    wave = 0.09 if attributes["wavy_hair"] else 0.0
    line = palette.outline(style.hair)
    tone = palette.mix(style.hair, palette.shadow(style.hair), style.shading)
    shape = ribbon_of(spine, [0.3 * half, half, 1.1 * half, 0.9 * half, 0.0], wave=wave)
    pen.fill(shape, style.hair, line)
    side = np.sign(points[-1][0])
    with pen.inside(shape) as tail:
        inner = ribbon_of(spine - np.array([side * 0.7 * half, 0]), [0.1, 0.13, 0.12, 0.0],
                          wave=wave)  # fmt: skip
        tail.fill(inner, tone)
        for offset in (-0.3, 0.25):
            strand = ribbon_of(spine + np.array([offset * half * 2, 0]), [0, 0.012, 0.0], wave=wave)
            tail.fill(strand, palette.mix(style.hair, line, 0.7))
    if attributes["messy_hair"]:
        for share in (0.45, 0.62, 0.8):
            at = spine[int(share * (len(spine) - 1))]
            spike = at + np.array([(0, -0.18), (side * (half + 0.2), 0.16), (0, 0.12)])
            pen.fill(spike, style.hair, line)
            pen.fill(spike - np.array([side * 0.05, 0]), style.hair)


def _bun(pen: Pen, style: Style, x: float, y: float, radius: float) -> None:
    line = palette.outline(style.hair)
    disc = ellipse(x, y, radius, radius)
    pen.fill(disc, style.hair, line)
    with pen.inside(disc) as bun:
        tone = palette.mix(style.hair, palette.shadow(style.hair), style.shading)
        bun.fill(ellipse(x + 0.1, y + 0.26, radius, 0.6 * radius), tone)
        bun.fill(ellipse(x - 0.08, y - 0.16, 0.5 * radius, 0.18 * radius, turn=-0.4),
                 palette.light(style.hair))  # fmt: skip
        angle = np.linspace(0, 9, 26)
        spiral = np.stack([x + 0.03 * angle * np.cos(angle), y + 0.03 * angle * np.sin(angle)], 1)
        bun.line(spiral, line, 1.0)


def _drill(pen: Pen, style: Style, side: int) -> None:
    """A ringlet: rings that shrink towards a point."""
    line = palette.outline(style.hair)
    tone = palette.mix(style.hair, palette.shadow(style.hair), 0.4 + 0.6 * style.shading)
    top, bottom, rings = -0.05, 1.75, 7
    for i in reversed(range(rings)):
        share = i / (rings - 1)
        x, y = side * (1.2 + 0.03 * i % 2), top + share * (bottom - top)
        width = 0.3 * (1 - 0.72 * share**1.4)
        ring = ellipse(x, y, width, 0.19 - 0.05 * share, turn=-side * 0.38)
        pen.fill(ring, style.hair, line, 1.2)
        with pen.inside(ring) as inner:
            inner.fill(ellipse(x + side * 0.05, y + 0.12, width, 0.11, turn=-side * 0.38), tone)
            inner.fill(ellipse(x - side * 0.1, y - 0.04, 0.3 * width, 0.035, turn=-side * 0.38),
                       palette.light(style.hair))  # fmt: skip


def _braid(pen: Pen, attributes: Attributes, style: Style, side: int) -> None:
    """Plaited hair over the shoulder, leaf by leaf."""
    line = palette.outline(style.hair)
    tone = palette.mix(style.hair, palette.shadow(style.hair), 0.5 * style.shading)
    bottom = 2.2 if attributes["hair_length"] == "long" else 1.3
    step, y, flip = 0.21, 0.3, 1
    while y < bottom:
        x = side * (1.04 + 0.03 * y)
        leaf = ellipse(x + 0.07 * flip, y, 0.2, 0.115, turn=-0.75 * flip)
        pen.fill(leaf, style.hair if flip > 0 else tone, line, 1.2)
        y, flip = y + 0.5 * step, -flip
    x = side * (1.04 + 0.03 * bottom)
    tuft = [(x - 0.07, bottom), (x + 0.07, bottom), (x + 0.12, bottom + 0.2), (x, bottom + 0.3),
            (x - 0.12, bottom + 0.2)]  # fmt: skip
    pen.fill(smooth(tuft, closed=True), style.hair, line)
    pen.fill(ellipse(x, bottom + 0.02, 0.11, 0.065), style.accent, palette.outline(style.accent))
