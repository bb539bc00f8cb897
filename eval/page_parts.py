"""What the page is made of: rows of its table of numbers, and sections with tables and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One number, drawn beside real, and how it was measured."""

    measure: str
    drawn: str
    real: str
    how: str


@dataclass(frozen=True)
class Bar:
    """A share (0..1) as a bar, with a mark where the real faces are."""

    share: float
    mark: float


@dataclass(frozen=True)
class Table:
    """Cells as text or bars; `folded` under its caption until somebody opens it."""

    head: tuple[str, ...]
    rows: list[tuple[str | Bar, ...]]
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture (a data URI) with its caption."""

    source: str
    caption: str
    width: int | None = None


@dataclass(frozen=True)
class Pair:
    """A line of pictures: its name, drawn ones and real ones (data URIs)."""

    name: str
    drawn: str
    real: str


@dataclass(frozen=True)
class Section:
    """A part of the page under its own title."""

    title: str
    intro: str = ""
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    outro: str = ""


def percent(value: float | None, digits: int = 0) -> str:
    """A share in percent; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}%"


def number(value: float | None, digits: int = 2) -> str:
    """A number; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def words(*names: str) -> str:
    """Names of groups and classes as people read them."""
    return ", ".join(name.replace("_", " ") for name in names)
