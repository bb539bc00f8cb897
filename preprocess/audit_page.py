"""The audit's page: one HTML file with all its pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.color import lab2rgb

from avatar_common.disk.faces import FaceSet
from preprocess.options import AuditOptions
from preprocess.tag import crawl_query

if TYPE_CHECKING:
    from preprocess.audit import AuditedLabel

TEMPLATE = Path(__file__).with_name("audit.html")
SHEET_COLUMNS = 12
TILE_PX = 64


@dataclass(frozen=True)
class WorstFace:
    """One face of the worst-first list, ready to show."""

    file_name: str
    attribute: str
    label: str
    suggested: str
    doubt: str
    colour: str
    picture: str


@dataclass(frozen=True)
class ClassSheet:
    """One class: how many faces it has, some of them, and how to find more when it is rare."""

    attribute: str
    name: str
    count: int
    picture: str
    query: str


def render_page(
    faces: FaceSet,
    pictures: npt.NDArray[np.uint8],
    worst: Sequence[AuditedLabel],
    counts: Mapping[str, Mapping[str, int]],
    options: AuditOptions,
    rng: np.random.Generator,
) -> str:
    """The whole page as HTML."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=faces.path.name,
        faces=len(faces),
        dataset_id=faces.dataset_id,
        worst=[_worst_face(pictures, found) for found in worst],
        sheets=list(_sheets(faces, pictures, counts, options, rng)),
        unknown={name: found[""] for name, found in counts.items()},
        rare=options.rare,
    )


def _worst_face(pictures: npt.NDArray[np.uint8], found: AuditedLabel) -> WorstFace:
    red, green, blue = np.rint(lab2rgb(np.array(found.lab)) * 255).astype(int)
    return WorstFace(
        found.file_name,
        found.attribute,
        found.label,
        found.suggested,
        f"{found.doubt:.3f}",
        f"rgb({red},{green},{blue})",
        data_uri(_tile(pictures[found.row])),
    )


def _sheets(
    faces: FaceSet,
    pictures: npt.NDArray[np.uint8],
    counts: Mapping[str, Mapping[str, int]],
    options: AuditOptions,
    rng: np.random.Generator,
) -> Iterable[ClassSheet]:
    for number, group in enumerate(faces.vocabulary):
        for index, name in enumerate(group.classes):
            if group.kind == "flag" and name == "0":
                continue
            rows = np.flatnonzero(faces.labels[:, number] == index)
            chosen = rng.permutation(rows)[: options.per_class]
            count = counts[group.name][name]
            yield ClassSheet(
                group.name,
                name if group.kind == "one_of" else "yes",
                count,
                data_uri(contact_sheet([_tile(pictures[row]) for row in chosen])),
                crawl_query(group, name) if count < options.rare else "",
            )


def contact_sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles in rows of `SHEET_COLUMNS` on white; a blank tile when there are none."""
    columns = min(max(len(tiles), 1), SHEET_COLUMNS)
    rows = max(-(-len(tiles) // SHEET_COLUMNS), 1)
    sheet = Image.new("RGB", (columns * (TILE_PX + 2), rows * (TILE_PX + 2)), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, SHEET_COLUMNS)
        sheet.paste(tile, (column * (TILE_PX + 2), row * (TILE_PX + 2)))
    return sheet


def _tile(picture: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture [3, S, S] at the tile's size."""
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    return image.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)


def data_uri(image: Image.Image) -> str:
    """The picture as JPEG inside an address, so that the page needs no other file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
