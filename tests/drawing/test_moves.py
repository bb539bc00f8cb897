from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acgan.drawing.animate import check_film
from acgan.drawing.ask import ask, contact_portraits
from acgan.drawing.interpolate import read_key
from acgan.drawing.move import LatentMove, column_names, moved, parse_move, strongest_number
from acgan.drawing.painter import Painter
from acgan.drawing.path import (
    between,
    coarse_look,
    even_path,
    largest_step,
    morph,
    share_out,
)
from acgan.drawing.recipe import Portrait
from avatar_common.errors import UserError
from avatar_common.slerp import slerp


def test_slerp_keeps_the_length_of_normal_latents() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 64))
    middle = np.linalg.norm(slerp(a, b, 0.5))
    assert middle == pytest.approx((np.linalg.norm(a) + np.linalg.norm(b)) / 2, rel=1e-5)
    np.testing.assert_allclose(slerp(a, b, 0), a.astype(np.float32))
    np.testing.assert_allclose(slerp(a, b, 1), b.astype(np.float32))


def test_slerp_of_equal_opposite_and_zero_latents_is_finite() -> None:
    a = np.ones(4)
    for b in (a, -a, 0 * a):
        assert np.isfinite(slerp(a, b, 0.5)).all()


def test_latent_moves_evenly_and_alone(painter: Painter) -> None:
    start = ask(painter, [], 1, 0)[0]
    latents = np.stack([p.z for p in moved(start, LatentMove(3, 2.0), 5, painter.info)])
    np.testing.assert_allclose(latents[:, 3], [-2, -1, 0, 1, 2])
    assert (np.delete(latents, 3, axis=1) == np.delete(start.z, 3)).all()


def test_an_attribute_moves_through_its_classes(painter: Painter) -> None:
    move = parse_move("hair_color=blue..red..pink", painter.info, 1.0)
    start = ask(painter, [], 1, 0)[0]
    path = moved(start, move, 5, painter.info)
    group = painter.info.vocabulary.group("hair_color")
    assert [group.classes[p.labels[0]] for p in path[::2]] == ["blue", "red", "pink"]
    assert {weight for weight, _ in path[1].blend} == {0.5}
    assert column_names(move, 5, painter.info) == ("blue", "", "red", "", "pink")
    pictures = painter.draw(path)
    middle = pictures[1].astype(int)
    assert (middle != pictures[0]).any()
    assert (middle != pictures[2]).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [("99", "no latent number"), ("shoes", "no attribute"), ("smile=1", "two classes"),
     ("hair_color=blue..tartan", "no class 'tartan'"), ("-1", "no attribute")],
)  # fmt: skip
def test_a_bad_move_is_one_line(painter: Painter, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_move(text, painter.info, 1.0)


def test_a_pure_mix_equals_its_class(painter: Painter) -> None:
    """The path that mixes classes draws what the plain one draws, up to rounding."""
    a, b = ask(painter, ["hair_color=blue"], 2, 0)
    b = type(a)(a.z, b.blend)
    nearly = between(a, b, 1e-9, "normal")
    mixed = type(a)(a.z, (*((w, r) for w, r in nearly.blend), (0.0, b.labels)))
    difference = painter.draw([a, mixed]).astype(int)
    assert abs(difference[0] - difference[1]).max() <= 1


def test_steps_look_equal_between_any_two_seeds(painter: Painter) -> None:
    for seed in range(6):
        keys = [ask(painter, [], 1, s)[0] for s in (seed, seed + 50)]
        path = morph(painter, keys, 30)
        assert len(path) == 30
        assert path[0] is keys[0]
        assert path[-1] is keys[1]
        assert largest_step(coarse_look(painter.draw(path))) < 2


def test_even_steps_slow_down_where_much_changes() -> None:
    """A feature that rushes through the middle is still met in even steps."""

    first, last = (Portrait(np.array([v], np.float32), ((1.0, ()),)) for v in (1.0, 2.0))

    def steep(portraits: Sequence[Portrait]) -> np.ndarray:
        return np.array([[np.tanh(40 * (float(p.z[0]) - 1.5))] for p in portraits])

    path = even_path([first, last], 20, steep, "normal")
    assert largest_step(steep(path)) < 1.3
    plain = [between(first, last, t, "normal") for t in np.linspace(0, 1, 20)]
    assert largest_step(steep(plain)) > 3


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.integers(6, 60))
@settings(max_examples=60, deadline=None)
def test_frames_are_shared_out_completely(lengths: list[float], steps: int) -> None:
    shares = share_out(lengths, steps)
    assert sum(shares) == steps
    assert min(shares) >= 1


def test_keys() -> None:
    assert read_key("7").seed == 7
    assert read_key("hair_color=blue,seed=4").pairs == ("hair_color=blue",)
    assert read_key("hair_color=blue,seed=4").seed == 4
    assert read_key("x/7-0001.png").file is not None
    with pytest.raises(UserError):
        read_key("seed=4,seed=5")


def test_strongest_number_is_the_one_that_changes_most(painter: Painter) -> None:
    start = ask(painter, [], 1, 0)[0]
    number = strongest_number(painter, [start])
    changes = []
    for n in range(painter.info.z_dim):
        a, b = painter.draw(moved(start, LatentMove(n, 2.0), 2, painter.info)).astype(int)
        changes.append(abs(a - b).mean())
    assert number == int(np.argmax(changes))


def test_each_class_of_two_attributes(painter: Painter) -> None:
    start = ask(painter, [], 1, 0)[0]
    portraits, rows, columns = contact_portraits(
        start, ["hair_color", "smile"], painter.info.vocabulary, {}
    )
    assert len(portraits) == len(rows) * len(columns) == 24
    assert columns == ["no smile", "smile"]
    assert len({p.labels for p in portraits}) == 24


def test_a_class_that_no_training_face_had_is_left_out(painter: Painter) -> None:
    start, vocabulary = ask(painter, [], 1, 0)[0], painter.info.vocabulary
    counts = [5] * len(vocabulary.group("hair_color").classes)
    counts[1] = 0
    portraits, _, columns = contact_portraits(
        start, ["hair_color"], vocabulary, {"hair_color": counts}
    )
    assert len(portraits) == len(columns) == len(counts) - 1
    assert vocabulary.group("hair_color").classes[1] not in columns


@pytest.mark.parametrize(
    ("scale", "fps"), [(-1, 12), (17, 12), (100_000, 12), (2, 0), (2, -1), (2, 100_000)]
)
def test_a_film_that_cannot_be_is_refused(scale: int, fps: int) -> None:
    with pytest.raises(UserError, match=r"--scale|--fps"):
        check_film(scale, fps)
    check_film(0, 1)
