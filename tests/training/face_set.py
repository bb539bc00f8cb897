"""A tiny face set whose labels can be seen: hair colour above, eye colour in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from avatar_common.disk.faces import FACE_COLUMNS
from avatar_common.disk.files import write_csv, write_json
from avatar_common.disk.identity import hash_rows
from avatar_common.disk.vocabulary import Group, Vocabulary

COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}
VOCABULARY = Vocabulary(
    (
        Group("hair_color", "one_of", tuple(COLORS)),
        Group("eye_color", "one_of", tuple(COLORS)),
        Group("smile", "flag", ("0", "1")),
    )
)


def draw_face(row: list[int], size: int, generator: np.random.Generator) -> np.ndarray:
    """A picture uint8 [S,S,3] that shows a label row, with a little noise."""
    colors = list(COLORS.values())
    picture = np.full((size, size, 3), (230, 200, 180), np.float64)
    picture[: size // 3 + generator.integers(2)] = colors[row[0]]
    eye = slice(size // 2, size // 2 + max(2, size // 8))
    picture[eye, size // 4 : size // 4 + size // 5] = colors[row[1]]
    picture[eye, -size // 4 - size // 5 : -size // 4] = colors[row[1]]
    if row[2] == 1:
        picture[-size // 5 : -size // 8, size // 3 : -size // 3] = (120, 0, 0)
    return np.clip(picture + generator.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def make_face_set(path: Path, count: int = 96, size: int = 16, seed: int = 0) -> Path:
    """Write a face set of `count` faces (every eighth in the test split, a tenth unknown)."""
    generator = np.random.default_rng(seed)
    rows, attributes = [], []
    (path / "images").mkdir(parents=True)
    for index in range(count):
        name = f"{index:04d}.png"
        row = [int(generator.integers(n)) for n in VOCABULARY.sizes]
        Image.fromarray(draw_face(row, size, generator)).save(path / "images" / name)
        shown = [-1 if generator.random() < 0.1 else value for value in row]
        split = "test" if index % 8 == 7 else "train"
        rows.append((name, str(index), name, 0, 0, size, size, 1, 1, name, split))
        attributes.append((name, *VOCABULARY.decode(shown).values()))
    write_csv(path / "faces.csv", FACE_COLUMNS, rows)
    write_csv(path / "attributes.csv", ("file_name", *VOCABULARY.names), attributes)
    content = {
        "dataset_id": hash_rows(attributes, []),
        "image_size": size,
        "vocabulary": VOCABULARY.to_json(),
    }
    write_json(path / "dataset.json", content, schema_version=1)
    return path
