"""Neck, shoulders and clothes."""

import numpy as np

from demo.artist import palette
from demo.artist.pen import Pen, Point, smooth
from demo.artist.style import Style


def _both(half: list[Point]) -> np.ndarray:
    return np.array(half + [(-x, y) for x, y in reversed(half)])


def draw_body(pen: Pen, style: Style) -> None:
    """The upper body down to wherever the picture ends."""
    line = palette.outline(style.skin)
    broad = 1.12 if style.boy else 1.0
    neck = _both([(0.27 * broad, 0.6), (0.26 * broad, 1.15), (0.5, 1.36), (0.9, 1.5), (0.6, 2.3)])
    pen.fill(neck, style.skin, line)
    with pen.inside(neck) as skin:
        shade = palette.mix(style.skin, palette.shadow(style.skin), style.shading)
        skin.fill(smooth([(-0.4, 0.7), (0.4, 0.7), (0.3, 1.1), (0, 1.22), (-0.3, 1.1)],
                         closed=True), shade)  # fmt: skip
    _torso(pen, style, broad)
    _collar(pen, style)


def _torso(pen: Pen, style: Style, broad: float) -> None:
    cloth, line = style.cloth, palette.outline(style.cloth)
    tone = palette.mix(cloth, palette.shadow(cloth), style.shading)
    for side in (-1, 1):
        arm = smooth([(side * x * broad, y) for x, y in
                      [(0.7, 1.42), (1.25, 1.52), (1.62, 1.9), (1.82, 3.0), (1.95, 4.6),
                       (1.9, 7), (1.4, 7), (1.4, 4.6), (1.25, 3.0)]])  # fmt: skip
        pen.fill(arm, cloth, line, 1.2)
        with pen.inside(arm) as sleeve:
            fold = [(1.15, 2.2), (1.5, 3.0), (1.55, 5.0), (1.0, 7.0), (1.0, 3.0)]
            sleeve.fill(smooth([(side * x, y) for x, y in fold], closed=True), tone)
    deep = 1.95 if style.outfit in ("sailor", "dress", "jacket") else 1.5
    chest = np.concatenate([
        smooth([(0.0, deep), (0.24, 1.55), (0.34, 1.3), (0.8, 1.44), (1.2 * broad, 1.62),
                (1.32 * broad, 2.4), (1.14 * broad, 3.6), (1.3, 4.8), (1.7, 7.5)]),
        smooth([(-1.7, 7.5), (-1.3, 4.8), (-1.14 * broad, 3.6), (-1.32 * broad, 2.4),
                (-1.2 * broad, 1.62), (-0.8, 1.44), (-0.34, 1.3), (-0.24, 1.55), (0.0, deep)]),
    ])  # fmt: skip
    pen.fill(chest, cloth, line, 1.2)
    with pen.inside(chest) as body:
        s = style.side
        body.fill(smooth([(s * 1.4, 1.8), (s * 1.0, 2.4), (s * 0.85, 3.6), (s * 0.9, 5),
                          (s * 1.2, 8), (s * 2, 8)], closed=True), tone)  # fmt: skip
        for x in (-0.5, 0.3):
            body.stroke(smooth([(x, 3.4), (x * 1.2, 3.9), (x * 1.5, 4.8)]), line, 1.3)


def _collar(pen: Pen, style: Style) -> None:
    _COLLARS.get(style.outfit, _jacket)(pen, style)


def _sailor(pen: Pen, style: Style) -> None:
    """A broad collar with a bow."""
    accent, line = style.accent, palette.outline(style.accent)
    collar = palette.mix(accent, palette.INK, 0.35)
    edge = palette.outline(collar)
    for side in (-1, 1):
        flap = np.array([(side * 0.3, 1.25), (side * 0.95, 1.5), (side * 0.8, 2.0), (0, 2.2)])
        pen.fill(flap, collar, edge, 1.2)
        pen.line(np.array([(side * 0.84, 1.55), (side * 0.7, 1.93), (side * 0.06, 2.1)]),
                 (250, 250, 250), 1.2)  # fmt: skip
    for side in (-1, 1):
        pen.fill(smooth([(0, 2.1), (side * 0.35, 2.0), (side * 0.4, 2.35)], closed=True),
                 accent, line)  # fmt: skip
        pen.fill(np.array([(0, 2.15), (side * 0.26, 2.85), (side * 0.06, 2.75)]), accent, line)
    pen.fill(smooth([(-0.1, 2.05), (0.1, 2.05), (0.1, 2.28), (-0.1, 2.28)], closed=True),
             accent, line)  # fmt: skip


def _shirt(pen: Pen, style: Style) -> None:
    """A collar with a tie."""
    accent, line = style.accent, palette.outline(style.accent)
    pale = (248, 248, 252)
    for side in (-1, 1):
        pen.fill(np.array([(side * 0.3, 1.18), (side * 0.5, 1.42), (side * 0.36, 1.85),
                           (0, 1.5)]), pale, palette.outline(pale))  # fmt: skip
    pen.fill(np.array([(-0.1, 1.48), (0.1, 1.48), (0.07, 1.68), (0.17, 2.9), (0, 3.1),
                       (-0.17, 2.9), (-0.07, 1.68)]), accent, line)  # fmt: skip


def _hoodie(pen: Pen, style: Style) -> None:
    """A hood with strings."""
    cloth = style.cloth
    hood = palette.mix(cloth, palette.shadow(cloth), 0.6)
    for side in (-1, 1):
        pen.fill(smooth([(side * 0.28, 1.1), (side * 0.85, 1.32), (side * 0.7, 1.62),
                         (0, 1.86), (0, 1.52)], closed=True), hood,
                 palette.outline(cloth), 1.2)  # fmt: skip
        pen.line([(side * 0.2, 1.75), (side * 0.24, 2.5)], (250, 250, 250), 2.0)


def _dress(pen: Pen, style: Style) -> None:
    """A neckline and a choker."""
    accent, line = style.accent, palette.outline(style.accent)
    pen.line(smooth([(-0.34, 1.3), (-0.24, 1.55), (0, 1.95), (0.24, 1.55), (0.34, 1.3)]),
             accent, 3.0)  # fmt: skip
    pen.fill(smooth([(-0.24, 1.12), (0, 1.2), (0.24, 1.12), (0.26, 1.2), (0, 1.3),
                     (-0.26, 1.2)], closed=True), accent, line)  # fmt: skip


def _jacket(pen: Pen, style: Style) -> None:
    """Lapels over a shirt with a bow tie."""
    cloth = style.cloth
    accent, line = style.accent, palette.outline(style.accent)
    pale = (248, 248, 252)
    shirt = np.array([(-0.3, 1.2), (0, 1.5), (0.3, 1.2), (0.4, 1.7), (0, 3.2), (-0.4, 1.7)])
    pen.fill(shirt, pale, palette.outline(pale))
    for side in (-1, 1):
        pen.fill(np.array([(side * 0.34, 1.2), (side * 0.72, 1.45), (side * 0.62, 2.1),
                           (side * 0.74, 2.2), (0, 3.3)]),
                 palette.mix(cloth, palette.shadow(cloth), 0.5), palette.outline(cloth),
                 1.2)  # fmt: skip
    for side in (-1, 1):
        pen.fill(np.array([(0, 1.6), (side * 0.25, 1.48), (side * 0.25, 1.76)]), accent, line)


_COLLARS = {"sailor": _sailor, "shirt": _shirt, "hoodie": _hoodie, "dress": _dress}
