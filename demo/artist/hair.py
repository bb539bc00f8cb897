"""Hair on the head: the mass behind, side locks, the cap with its bangs, shine, ahoge."""

import math

import numpy as np

from demo.artist import palette
from demo.artist.attributes import Attributes
from demo.artist.pen import Pen, Point, ribbon_of, smooth
from demo.artist.style import Style

Lock = tuple[Point, ...]
"""The valley before a lock of hair, and its tip."""

CAP_Y = -0.2
LENGTH_ENDS = {"short": 0.78, "medium": 1.22, "long": 3.4}
"""Where the hair ends below the face's centre: jaw, shoulders, far below the crop."""


def _waves(points: np.ndarray, attributes: Attributes, size: float = 0.085) -> np.ndarray:
    """Curly hair: the outline bulges in and out on its way down."""
    if not attributes["wavy_hair"]:
        return points
    p = points.copy()
    fade = np.clip((p[:, 1] + 0.55) * 2, 0, 1)
    p[:, 0] += np.sign(p[:, 0]) * size * fade * np.sin(p[:, 1] * 2 * math.pi / 0.55)
    return p


def _ends(x_from: float, x_to: float, y: float, count: int, depth: float,
          rng: np.random.Generator) -> list[tuple[float, float]]:  # fmt: skip
    """A row of lock tips from one x to another, alternating tip and notch."""
    xs = np.linspace(x_from, x_to, 2 * count + 1)
    lift = rng.uniform(0.6, 1.2, len(xs)) * depth
    return [(float(x), y + (lift[i] if i % 2 else -lift[i])) for i, x in enumerate(xs)]


def draw_back_hair(pen: Pen, attributes: Attributes, style: Style,
                   rng: np.random.Generator) -> None:  # fmt: skip
    """The mass behind neck and shoulders; its lower end tells the hair's length."""
    length = str(attributes["hair_length"])
    end, v = LENGTH_ENDS[length], style.volume
    widths = {"short": (1.16, 0.92), "medium": (1.24, 1.16), "long": (1.3, 1.5)}[length]
    right = smooth([(0.9 * v, -0.8), (1.13 * v, -0.2), (widths[0] * v, 0.45),
                    (0.5 * (widths[0] + widths[1]) * v, 0.5 * (0.45 + end)),
                    (widths[1] * v, end)], steps=24)  # fmt: skip
    left = right[::-1] * (-1, 1)
    depth = 0.16 if attributes["messy_hair"] else 0.07
    tips = np.array(_ends(widths[1] * v, -widths[1] * v, end, 5, depth, rng))[1:-1]
    shape = np.concatenate([_waves(right, attributes, 0.1), tips, _waves(left, attributes, 0.1)])
    tone = palette.mix(style.hair, palette.shadow(style.hair), 0.5 + 0.5 * style.shading)
    line = palette.outline(style.hair)
    pen.fill(shape, tone, line)
    for x in (-0.8, -0.45, 0.5, 0.85):
        spine = smooth([(x, 0.2), (1.12 * x, 0.5 * (0.2 + end)), (1.2 * x, end - 0.1)])
        pen.stroke(_waves(spine, attributes, 0.1), palette.mix(tone, line, 0.6), 1.2)


def draw_side_locks(pen: Pen, attributes: Attributes, style: Style,
                    rng: np.random.Generator) -> None:  # fmt: skip
    """The strands in front of the ears."""
    end = {"short": 0.62, "medium": 1.06, "long": 2.3}[str(attributes["hair_length"])]
    line = palette.outline(style.hair)
    wave = 0.07 if attributes["wavy_hair"] else 0.0
    for side in (-1, 1):
        drop = end + rng.uniform(-0.06, 0.06)
        spine = smooth([(side * 0.93, -0.62), (side * 0.99, -0.15), (side * 0.97, 0.3),
                        (side * (0.93 + 0.06 * drop), 0.3 + 0.5 * (drop - 0.3)),
                        (side * (0.84 + 0.08 * drop), drop)], steps=16)  # fmt: skip
        wide = [0.1, 0.16, 0.16, 0.14, 0.11, 0.01]
        lock = ribbon_of(spine, wide, wave=wave, phase=1.0)
        pen.fill(lock, style.hair, line)
        with pen.inside(lock) as inner:
            shade = spine + np.array([side * 0.11, 0.0])
            tone = palette.mix(style.hair, palette.shadow(style.hair), style.shading)
            inner.fill(ribbon_of(shade, [0.02, 0.07, 0.08, 0.06], wave=wave, phase=1.0), tone)


def _cap_arc(attributes: Attributes, style: Style, rng: np.random.Generator) -> np.ndarray:
    """The head's upper silhouette from the right temple over the top to the left one."""
    v = style.volume
    angle = np.linspace(-0.12, math.pi + 0.12, 40)
    arc = np.stack([1.13 * v * np.cos(angle), CAP_Y - 1.03 * v * np.sin(angle)], axis=1)
    if attributes["messy_hair"]:
        return _tousled(arc, v, rng)
    if attributes["wavy_hair"]:
        bulge = 1 + 0.025 * np.abs(np.sin(angle * 5))
        arc = (arc - (0, CAP_Y)) * bulge[:, None] + (0, CAP_Y)
    return arc


def _tousled(arc: np.ndarray, volume: float, rng: np.random.Generator) -> np.ndarray:
    """The silhouette with tufts that flick outwards, away from the parting."""
    parts, at = [arc[:3]], 3
    while at < 35:
        step = int(rng.integers(3, 6))
        a, b = arc[at], arc[min(at + step, 37)]
        lean = 0.1 if at < 20 else -0.1
        middle = 0.5 * (a + b) - (0, CAP_Y)
        out = middle / np.linalg.norm(middle)
        along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
        tip = (0, CAP_Y) + middle + out * rng.uniform(0.1, 0.22) * volume - along * lean * 2
        parts += [_bend(a, tip, 0.12), _bend(b, tip, 0.12)[::-1]]
        at += step
    return np.concatenate([*parts, arc[37:]])


def _fringe(style: Style, rng: np.random.Generator) -> list[Lock]:
    """Locks of the bangs from left to right: each (valley before, tip); a last valley closes."""
    side = style.side

    def wobble() -> float:
        return rng.uniform(-0.045, 0.045)

    if style.bangs == "pointed":
        n = int(rng.integers(5, 8))
        xs = np.linspace(-0.88, 0.88, n + 1)
        return [((xs[i], -0.5 + wobble()),
                 ((xs[i] + xs[i + 1]) / 2 + wobble() - 0.05 * side,
                  -0.14 + wobble() - 0.06 * (i % 2))) for i in range(n)]  # fmt: skip
    if style.bangs == "swept":
        xs = np.linspace(-0.88, 0.88, 6)
        locks: list[Lock] = [
            ((x, -0.52 + wobble()), (x + 0.34 - 0.05 * i, -0.12 - 0.03 * i + wobble()))
            for i, x in enumerate(xs[:-1])
        ]
        return locks if side > 0 else _mirrored(locks, 0.88)
    if style.bangs == "parted":
        part = 0.2 * side + wobble()
        return [((-0.9, -0.2), (-0.8, 0.05)), ((-0.72, -0.38), (-0.55, -0.16)),
                ((-0.42, -0.55), (-0.3, -0.3)), ((part, -0.86), (0.34, -0.28)),
                ((0.42, -0.55), (0.6, -0.16)), ((0.72, -0.38), (0.82, 0.05))]  # fmt: skip
    if style.bangs == "between":
        return [((-0.9, -0.42), (-0.76, -0.08)), ((-0.64, -0.5), (-0.42, -0.2 + wobble())),
                ((-0.26, -0.55), (0.04 * side, 0.2 + wobble())),
                ((0.24, -0.55), (0.44, -0.2 + wobble())), ((0.64, -0.5), (0.8, -0.08))]  # fmt: skip
    y = -0.26 + wobble()
    xs = np.linspace(-0.9, 0.9, 10)
    return [((xs[i], y - 0.015), ((xs[i] + xs[i + 1]) / 2, y + 0.01)) for i in range(9)]


def _mirrored(locks: list[Lock], last: float) -> list[Lock]:
    """The same locks seen in a mirror, valleys again before tips."""
    valleys = [lock[0] for lock in locks] + [(last, locks[-1][0][1])]
    tips = [lock[1] for lock in locks]
    return [((-valleys[i + 1][0], valleys[i + 1][1]), (-tips[i][0], tips[i][1]))
            for i in reversed(range(len(locks)))]  # fmt: skip


def _bend(a: np.ndarray, b: np.ndarray, by: float) -> np.ndarray:
    """A quadratic Bezier from a to b whose control point is `by` of the way further down."""
    control = np.array([a[0] + (b[0] - a[0]) * (0.5 - by), a[1] + (b[1] - a[1]) * (0.5 + by)])
    t = np.linspace(0, 1, 8)[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * control + t**2 * b)


def draw_cap(pen: Pen, attributes: Attributes, style: Style, rng: np.random.Generator) -> None:
    """The top of the head with the bangs, shade between the locks and a band of shine."""
    arc = _cap_arc(attributes, style, rng)
    locks = _fringe(style, rng)
    edge = [(-1.0, -0.02)]
    path = [np.array([arc[-1], edge[0]])]
    end = (0.9, locks[0][0][1])
    for i, (valley, tip) in enumerate(locks):
        after = locks[i + 1][0] if i + 1 < len(locks) else end
        path += [_bend(np.array(valley), np.array(tip), 0.25),
                 _bend(np.array(after), np.array(tip), 0.25)[::-1]]  # fmt: skip
    path.append(np.array([(1.0, -0.02)]))
    shape = np.concatenate([arc, *path])
    line, tone = palette.outline(style.hair), palette.shadow(style.hair)
    tone = palette.mix(style.hair, tone, style.shading)
    pen.fill(shape, style.hair, line)
    crown = np.array([0.1 * style.side, -1.2])
    with pen.inside(shape) as hair:
        _shine(hair, style)
        for valley, _ in locks[1:]:
            v = np.array(valley)
            middle = 0.5 * (crown + v) + (0.18 * np.sign(v[0]) * abs(v[0]), -0.05)
            spine = smooth([v + np.array([0, 0.04]), 0.6 * v + 0.4 * middle, middle])
            blunt = style.bangs == "blunt"
            hair.fill(ribbon_of(spine, [0.012 if blunt else 0.045, 0.022, 0.0]), tone)
            hair.stroke(spine, line, 1.0)
        hair.fill(np.concatenate([arc[:10], arc[9::-1] * (0.9, 1)]), tone)
        hair.fill(np.concatenate([arc[-10:], arc[:-11:-1] * (0.9, 1)]), tone)
    if style.bangs == "blunt":
        bottom = np.concatenate(path[1:-1])
        pen.line(bottom, line, 1.3)


def _shine(hair: Pen, style: Style) -> None:
    angle = np.linspace(0.62, math.pi - 0.62, 19)
    zig = np.where(np.arange(19) % 2, 0.05, -0.03)
    top = np.stack([0.86 * np.cos(angle), CAP_Y - 0.78 * np.sin(angle)], axis=1)
    bottom = np.stack([0.8 * np.cos(angle), CAP_Y - (0.64 + zig) * np.sin(angle)], axis=1)
    hair.fill(np.concatenate([top, bottom[::-1]]), palette.light(style.hair))


def draw_ahoge(pen: Pen, style: Style) -> None:
    """One strand that stands up from the crown."""
    s = style.side
    spine = smooth([(0.06 * s, -1.08), (-0.06 * s, -1.36), (0.2 * s, -1.52), (0.52 * s, -1.42),
                    (0.58 * s, -1.3)])  # fmt: skip
    shape = ribbon_of(spine, [0.06, 0.1, 0.1, 0.07, 0.0])
    pen.fill(shape, style.hair, palette.outline(style.hair))
