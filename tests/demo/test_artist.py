"""The artist: known attributes that show, the same picture for the same seed."""

import itertools
import tomllib

import numpy as np
import pytest

from avatar_common.disk.vocabulary import DEFAULT_VOCABULARY
from demo.artist import (
    FLAGS,
    GROUPS,
    draw_illustration,
    draw_portrait,
    palette,
    random_attributes,
)

VOCABULARY = DEFAULT_VOCABULARY


def _portrait(seed: int, size: int = 96, /, **changes: str | bool) -> np.ndarray:
    """A plain character's crop with some attributes changed."""
    attributes = dict.fromkeys(GROUPS, False) | {
        "hair_color": "blue", "eye_color": "green", "hair_length": "medium",
    }  # fmt: skip
    return draw_portrait(size, {**attributes, **changes}, np.random.default_rng(seed))


def _changed_share(a: np.ndarray, b: np.ndarray) -> float:
    return float((np.abs(a.astype(int) - b.astype(int)).max(axis=2) > 24).mean())


def test_groups_are_the_vocabulary() -> None:
    groups = tomllib.loads(VOCABULARY.read_text())["group"]
    assert {g["name"]: tuple(g.get("classes", ())) for g in groups} == GROUPS


def test_attributes_are_frequent_enough_and_seen_together() -> None:
    rng = np.random.default_rng(0)
    crowd = [random_attributes(rng) for _ in range(3000)]
    assert all(list(a) == list(GROUPS) for a in crowd)
    for group, classes in GROUPS.items():
        for name in classes or (True,):
            share = np.mean([a[group] == name for a in crowd])
            assert 0.04 <= share <= 0.6, (group, name, share)
    assert not any(a["hat"] and (a["animal_ears"] or a["ahoge"] or a["hair_bun"]) for a in crowd)
    ties = ("twintails", "ponytail", "drill_hair", "braid", "hair_bun")
    assert all(sum(bool(a[t]) for t in ties) <= 1 for a in crowd)


def test_same_seed_same_picture() -> None:
    first = draw_illustration(np.random.default_rng(4))
    again = draw_illustration(np.random.default_rng(4))
    other = draw_illustration(np.random.default_rng(5))
    assert np.array_equal(first.picture, again.picture)
    assert first.characters == again.characters
    assert not np.array_equal(first.picture[:300, :300], other.picture[:300, :300])


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_shows_inside_the_crop(flag: str) -> None:
    smallest = {"smile": 0.001, "open_mouth": 0.001, "blush": 0.002}.get(flag, 0.005)
    for seed in range(4):
        share = _changed_share(_portrait(seed), _portrait(seed, **{flag: True}))
        assert share > smallest, (seed, share)


@pytest.mark.parametrize("group", ["hair_color", "eye_color", "hair_length"])
def test_every_class_draws_another_picture(group: str) -> None:
    pictures = [_portrait(3, **{group: name}) for name in GROUPS[group]]
    for a, b in itertools.combinations(pictures, 2):
        assert _changed_share(a, b) > 0.004


@pytest.mark.parametrize("colors", [palette.HAIR, palette.EYES])
def test_shades_stay_nearest_to_their_class(colors: dict[str, palette.Color]) -> None:
    rng = np.random.default_rng(1)
    names, table = list(colors), np.array(list(colors.values()))
    for name, color in colors.items():
        for _ in range(100):
            shade = np.array(palette.jitter(color, rng))
            assert names[int(((table - shade) ** 2).sum(axis=1).argmin())] == name


def test_illustrations_vary_and_keep_their_sizes() -> None:
    drawn = [draw_illustration(np.random.default_rng([8, i])) for i in range(60)]
    counts = [len(d.characters) for d in drawn]
    assert set(counts) == {0, 1, 2}
    assert counts.count(1) > 40
    for d in drawn:
        height, width = d.picture.shape[:2]
        assert d.picture.dtype == np.uint8
        assert min(height, width) >= 400
        assert max(height, width) <= 1200
        for c in d.characters:
            x, y, w, h = c.face_xywh
            assert 75 <= w <= 400
            assert x >= 0
            assert y >= 0
            assert x + w <= width
            assert y + h <= height
