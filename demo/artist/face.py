"""The face: skin, eyes, brows, nose, mouth, blush."""

import numpy as np

from demo.artist import palette
from demo.artist.attributes import Attributes
from demo.artist.pen import Pen, ellipse, ribbon_of, smooth
from demo.artist.style import Style

EYE_X, EYE_Y = 0.485, 0.145


def face_outline(style: Style) -> np.ndarray:
    """The skin's edge as a closed curve; the forehead goes under the hair."""
    jaw = 0.7 - 0.05 * style.chin
    half = [
        (0.85, -0.62), (0.91, -0.2), (0.89, 0.14), (0.84, 0.4), (jaw, 0.67),
        (0.38, 0.89), (0.13, 0.99 + 0.015 * style.chin),
    ]  # fmt: skip
    left = [(-x, y) for x, y in reversed(half)]
    return smooth([(0, -0.95), *half, *left], closed=True) * (0.96, 1)


def draw_face(pen: Pen, attributes: Attributes, style: Style) -> None:
    """Everything between the brows and the chin that lies under the hair."""
    outline = face_outline(style)
    shade = palette.mix(style.skin, palette.shadow(style.skin), style.shading)
    pen.fill(outline, style.skin, palette.outline(style.skin))
    with pen.inside(outline) as skin:
        skin.fill(smooth([(-1.2, -1), (1.2, -1), (1.0, -0.2), (0.5, -0.24), (0, -0.16),
                          (-0.5, -0.24), (-1.0, -0.2)], closed=True), shade)  # fmt: skip
        side = style.side
        skin.fill(smooth([(side * 1.1, -0.4), (side * 0.86, 0), (side * 0.8, 0.4),
                          (side * 0.5, 0.78), (side * 1.0, 0.9)], closed=True), shade)  # fmt: skip
    if attributes["blush"]:
        _blush(pen, style)
    for side in (-1, 1):
        draw_eye(pen, style, side)
    nose = palette.outline(style.skin)
    pen.stroke([(0.015, 0.47), (0.035, 0.51), (0.0, 0.53)], nose, 0.9)
    _mouth(pen, attributes, style)


def _blush(pen: Pen, style: Style) -> None:
    rose = (238, 92, 100) if sum(style.skin) > 480 else (206, 52, 52)
    for side in (-1, 1):
        pen.glow(side * 0.6, 0.55, 0.27, 0.17, rose, 0.75)
        for i in (-1, 0, 1):
            x = side * 0.6 + 0.1 * i
            pen.stroke([(x + 0.03, 0.5), (x - 0.03, 0.6)], palette.mix(rose, palette.INK, 0.15), 1)


def _eye_frame(style: Style, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower lid, each from the inner to the outer corner, as [N,2] in face units."""
    a, b = 0.285 * style.eye_width, 0.315 * style.eye_height
    upper = smooth([(-a, 0.2 * b), (-0.72 * a, -0.55 * b), (-0.1 * a, -b), (0.55 * a, -0.82 * b),
                    (1.02 * a, -0.08 * b)])  # fmt: skip
    lower = smooth([(-a, 0.2 * b), (-0.62 * a, 0.8 * b), (0.1 * a, b), (0.7 * a, 0.72 * b),
                    (1.02 * a, -0.08 * b)])  # fmt: skip

    def place(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1] - style.eye_slant * points[:, 0]
        return np.stack([side * (EYE_X + x), EYE_Y + y], axis=1)

    return place(upper), place(lower)


def draw_eye(pen: Pen, style: Style, side: int) -> None:
    """One large eye: iris dark above and light below, pupil, two highlights, thick lashes."""
    upper, lower = _eye_frame(style, side)
    opening = np.concatenate([upper, lower[::-1]])
    white = (252, 252, 255)
    color = style.eye
    dark = palette.mix(color, (24, 12, 40), 0.62)
    deep = palette.mix(color, (20, 10, 40), 0.4)
    bright = palette.mix(color, (255, 255, 255), 0.38 if max(color) > 90 else 0.2)
    rx, ry = 0.218 * style.eye_width, 0.298 * style.eye_height
    x, y = side * (EYE_X - 0.012) + 0.03 * style.look, EYE_Y + 0.005
    with pen.inside(opening) as eye:
        eye.fill(opening, white)
        eye.fill(ellipse(x, y, rx, ry), dark)
        eye.fill(ellipse(x, y + 0.01, 0.87 * rx, 0.9 * ry), color)
        eye.fill(ellipse(x, y - 0.62 * ry, 0.86 * rx, 0.5 * ry), deep)
        eye.fill(ellipse(x, y + 0.5 * ry, 0.62 * rx, 0.36 * ry), bright)
        eye.fill(ellipse(x, y + 0.3 * ry, 0.66 * rx, 0.3 * ry), color)
        eye.fill(ellipse(x, y - 0.03, 0.4 * rx, 0.44 * ry), palette.mix(dark, (0, 0, 0), 0.45))
    pen.fill(ellipse(x - 0.42 * rx, y - 0.5 * ry, 0.34 * rx, 0.27 * ry, turn=-0.4), (255, 255, 255))
    pen.fill(ellipse(x + 0.45 * rx, y + 0.5 * ry, 0.17 * rx, 0.13 * ry), (255, 255, 255))
    _lashes(pen, style, side, upper, lower)


def _lashes(pen: Pen, style: Style, side: int, upper: np.ndarray, lower: np.ndarray) -> None:
    ink = style.ink
    thick = 0.08 if style.boy else 0.095
    lid = upper + np.array([0.0, -0.012])
    pen.fill(ribbon_of(lid, [0.2 * thick, 0.45 * thick, 0.6 * thick, 0.62 * thick, 0.5 * thick]),
             ink)  # fmt: skip
    end = upper[-1]
    reach = 0.04 if style.boy else 0.085
    corners = np.array([(reach, -0.06), (0.03, 0.03), (-0.03, 0.02)]) * (side, 1)
    pen.fill(np.concatenate([upper[-9:-8] - (0, 0.04), end + corners]), ink)
    crease = upper[8:28] + np.array([side * 0.02, -0.085])
    pen.stroke(crease, palette.outline(style.skin), 0.9)
    pen.stroke(lower[14:], ink, 1.3)


def draw_brows(pen: Pen, style: Style) -> None:
    """Thin brows; they show through the bangs."""
    tone = palette.mix(style.hair, palette.INK, 0.55)
    tilt = 0.3 * style.eye_slant
    width = 0.036 if style.boy else 0.024
    for side in (-1, 1):
        spine = smooth(
            [(side * 0.24, -0.31 + tilt), (side * 0.46, -0.39), (side * 0.72, -0.3 - tilt)]
        )
        pen.fill(ribbon_of(spine, [0.6 * width, width, 0.2 * width]), tone)


def _mouth(pen: Pen, attributes: Attributes, style: Style) -> None:
    lip = palette.mix(palette.outline(style.skin), (90, 10, 24), 0.55)
    inner, tongue = (150, 36, 48), (238, 120, 124)
    y = 0.72
    if attributes["open_mouth"] and attributes["smile"]:
        shape = smooth([(-0.2, y - 0.05), (0, y - 0.025), (0.2, y - 0.05), (0.14, y + 0.08),
                        (0, y + 0.145), (-0.14, y + 0.08)], closed=True)  # fmt: skip
    elif attributes["open_mouth"]:
        shape = ellipse(0, y + 0.02, 0.105, 0.12)
    elif attributes["smile"]:
        pen.stroke(smooth([(-0.2, y - 0.055), (-0.1, y + 0.01), (0, y + 0.028), (0.1, y + 0.01),
                           (0.2, y - 0.055)]), lip, 3.8)  # fmt: skip
        return
    else:
        pen.stroke(smooth([(-0.135, y + 0.006), (0, y), (0.135, y + 0.006)]), lip, 3.8)
        return
    with pen.inside(shape) as mouth:
        mouth.fill(shape, inner)
        mouth.fill(ellipse(0, y + 0.14, 0.12, 0.09), tongue)
    pen.fill(shape[:1], lip)
    pen.line(np.concatenate([shape, shape[:1]]), lip, 1.1)
