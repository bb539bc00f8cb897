"""Pictures and curves of the page: PNG grids as data URIs, line charts as SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from avatar_common.grid import grid as laid_out
from avatar_common.pictures import Picture, PicturesNCHW

LEGEND_PX = 150  # for each name


def grid(pictures: PicturesNCHW, columns: int) -> Picture:
    """uint8 [N, 3, S, S] -> one picture uint8 [H, W, 3] on white, row by row."""
    return laid_out(pictures.transpose(0, 2, 3, 1), columns)


def stacked(rows: Sequence[PicturesNCHW]) -> Picture:
    """Rows uint8 [N, 3, S, S] of up to as many pictures, under one another, missing ones white."""
    columns = max(map(len, rows))
    shape = (columns, *rows[0].shape[1:])
    filled = np.full((len(rows), *shape), 255, dtype=np.uint8)
    for place, row in zip(filled, rows, strict=True):
        place[: len(row)] = row
    return grid(filled.reshape(-1, *shape[1:]), columns)


def data_uri(picture: Picture) -> str:
    """A PNG of uint8 [H, W, 3] as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True)
class Series:
    """One line or cloud of points; `of` is its colour: drawn faces ("fake"), real ones, a run."""

    name: str
    points: Sequence[tuple[float, float]]
    of: str
    labels: Sequence[str] = ()


def chart(
    series: Sequence[Series],
    *,
    x_title: str,
    y_title: str,
    joined: bool,
    x_ticks: Sequence[tuple[float, str]] = (),
    y_high: float = 1.0,
    legend: bool = True,
) -> str:
    """An SVG of 520 x 260 with y from 0 to `y_high`; points that are not finite are left out.

    `x_ticks` are places and their names; round ones unless given. `legend` names the series
    above, where there are several. "" without any point.
    """
    kept = [
        Series(
            one.name,
            [point for point in one.points if all(map(math.isfinite, point))],
            one.of,
            one.labels,
        )
        for one in series
    ]
    xs = [x for one in kept for x, _ in one.points]
    if not xs:
        return ""
    x_low, x_high = _padded(min(xs), max(xs))
    y_low = 0.0
    legend = legend and len(kept) > 1
    left, right, top, bottom = 46, 12, 30 if legend else 12, 40
    width, height = 520, 260

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x_low) / (x_high - x_low) * (width - left - right),
            height - bottom - (y - y_low) / (y_high - y_low) * (height - top - bottom),
        )

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(y_title)}">']
    for value in round_ticks(y_low, y_high):
        _, y = place(x_low, value)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" />')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" class="end">{value:g}</text>')
    for value, name in x_ticks or [(v, f"{v:g}") for v in round_ticks(x_low, x_high)]:
        x, _ = place(value, y_low)
        parts.append(f'<text x="{x:.1f}" y="{height - 22}" class="mid">{name}</text>')
    parts.append(
        f'<text x="{(left + width) / 2}" y="{height - 4}" class="mid">{escape(x_title)}</text>'
    )
    for index, one in enumerate(kept if legend else ()):
        x = left + index * LEGEND_PX
        parts.append(f'<circle cx="{x + 5}" cy="10" r="4" class="{one.of}" />')
        parts.append(f'<text x="{x + 14}" y="14">{escape(one.name)}</text>')
    for one in kept:
        parts += _marks(one, [place(x, y) for x, y in one.points], joined=joined)
    return "".join([*parts, "</svg>"])


def _marks(one: Series, spots: Sequence[tuple[float, float]], *, joined: bool) -> list[str]:
    """The points of a series at their places in the SVG, and the line through them."""
    parts = []
    if joined and len(spots) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" class="{one.of}" />')
    for index, (x, y) in enumerate(spots):
        name = one.labels[index] if index < len(one.labels) else one.name
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{one.of}">'
            f"<title>{escape(name)}: {one.points[index][1]:.3f}</title></circle>"
        )
    return parts


def round_ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [round(float(tick), 9) for tick in ticks if low <= tick <= high]


def _padded(low: float, high: float) -> tuple[float, float]:
    spread = (high - low) or max(abs(high), 1.0) * 0.1
    return low - 0.05 * spread, high + 0.05 * spread
