"""Averages, augmentations, label embeddings, sampling weights: small pure pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from acgan.drawing.ask import warn_of_unseen
from acgan.drawing.request import fold_attributes, label_row, parse_attributes
from acgan.nets.blocks import BatchNorm, LabelEmbedding, base_and_doublings, icnr_
from acgan.nets.snapshot import draw_z, to_uint8
from acgan.training.augment import augment
from acgan.training.averages import ema_decay, update_ema
from acgan.training.feed import drop_labels, sampling_weights
from acgan.training.rundir import Budget
from acgan.training.state import rate_share
from avatar_common.errors import UserError
from tests.training.face_set import VOCABULARY


def test_ema_formula() -> None:
    assert ema_decay(32, 10**6, 0.032, 1.0) == pytest.approx(0.5)
    assert ema_decay(32, 640, 500.0, 0.05) == pytest.approx(0.5)  # the ramp: 5% of 640 is 32
    assert ema_decay(32, 640, 0.0, 0.05) == 0.0
    average, current = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    assert current.running_mean is not None
    assert average.running_mean is not None
    current.running_mean.fill_(1.0)
    current.weight.data.fill_(3.0)
    update_ema(average, current, 0.75)
    assert average.running_mean.tolist() == [0.25, 0.25]
    assert average.weight.tolist() == [1.5, 1.5]
    update_ema(average, current, 0.0)
    assert average.weight.tolist() == [3.0, 3.0]


def test_translation_moves_and_keeps_colours() -> None:
    images = torch.rand(6, 3, 16, 16)
    draws = torch.rand(6, 6)
    moved, shows = augment(images, "translate", 1.0, draws)
    assert shows.all()
    assert not torch.equal(moved, images)
    kept = set(images.flatten().tolist()) | {0.0}
    assert set(moved.flatten().tolist()) <= kept
    still, _ = augment(images, "translate", 0.0, draws)
    assert torch.equal(still, images)


def test_cutout_hides_labels() -> None:
    images = torch.ones(8, 3, 16, 16)
    draws = torch.full((8, 6), 0.5)
    draws[4:, 3] = 0.9
    cut, shows = augment(images, "translate-cutout", 0.6, draws)
    assert shows.tolist() == [False] * 4 + [True] * 4
    assert (cut[0] == 0).float().mean() == pytest.approx(0.25)


def test_augmentation_lets_gradients_through() -> None:
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    augment(images, "translate-cutout", 1.0, torch.rand(2, 6))[0].sum().backward()
    assert images.grad is not None
    assert images.grad.sum() > 0


def test_label_embedding_sums_rows() -> None:
    embed = LabelEmbedding((3, 2), 4)
    both = embed(torch.tensor([[2, 1]]))
    table = embed.table.weight
    torch.testing.assert_close(both[0], table[3] + table[6])
    unknown = embed(torch.tensor([[-1, -1]]))
    torch.testing.assert_close(unknown[0], table[0] + table[4])


def test_icnr_starts_without_a_grid() -> None:
    conv = icnr_(nn.Conv2d(3, 8, 3, padding=1, bias=False))
    out = nn.PixelShuffle(2)(conv(torch.rand(1, 3, 5, 5)))
    torch.testing.assert_close(out[..., ::2, ::2], out[..., 1::2, 1::2])


@pytest.mark.parametrize(
    ("size", "expected"), [(16, (4, 2)), (64, (4, 4)), (96, (6, 4)), (128, (4, 5)), (256, (4, 6))]
)
def test_bases(size: int, expected: tuple[int, int]) -> None:
    assert base_and_doublings(size) == expected


def test_tempered_weights() -> None:
    labels = np.array([[0]] * 90 + [[1]] * 10 + [[-1]] * 5)
    weights = sampling_weights(labels, (2,), 0.5)
    assert weights[95] / weights[0] == pytest.approx(np.sqrt(1.8 / 0.2) / 1, rel=1e-6) or (
        weights[0] == 1.0 and weights[95] == pytest.approx((0.2) ** -0.5)
    )
    assert (sampling_weights(labels, (2,), 0.0) == 1).all()


def test_dropped_labels() -> None:
    labels = torch.ones(1000, 3, dtype=torch.int64)
    dropped = drop_labels(labels, 0.25, torch.Generator().manual_seed(0))
    assert (dropped == -1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert labels.min() == 1


def test_rates_and_budget() -> None:
    assert rate_share(0.4, "second-half") == 1.0
    assert rate_share(1.0, "second-half") == pytest.approx(0.1)
    assert rate_share(1.0, "cosine") == pytest.approx(0.25)
    assert Budget(None, 1000).progress(250, 1e9) == 0.25
    assert Budget(10.0, 1000).progress(250, 5.0) == 0.5


def test_pictures_and_latents() -> None:
    assert to_uint8(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]
    assert torch.equal(draw_z(3, 5, "normal", 7), draw_z(9, 5, "normal", 7)[:3])
    assert draw_z(50, 5, "uniform", 7).min() >= 0


def test_attributes_from_the_command_line() -> None:
    from acgan.__main__ import COMMANDS

    given = ["generate", "--hair-color", "blue", "--count", "4", "--smile=1"]
    folded = fold_attributes(COMMANDS, given)
    assert folded[:3] == ["generate", "--count", "4"]
    assert folded[3:] == ["--attributes", "hair_color=blue", "smile=1"]
    assert fold_attributes(COMMANDS, ["train", "--seed", "1"]) == ["train", "--seed", "1"]
    # No other option is taken for the value that is missing.
    bare = fold_attributes(COMMANDS, ["generate", "--smile", "--count", "2", "--hair-color"])
    assert bare == ["generate", "--count", "2", "--attributes", "smile", "hair_color"]


def test_wrong_attributes_are_named() -> None:
    assert parse_attributes(["hair-color=red"], VOCABULARY) == {"hair_color": "red"}
    with pytest.raises(UserError, match="did you mean hair_color"):
        parse_attributes(["hair_colour=red"], VOCABULARY)
    with pytest.raises(UserError, match="no class 'any'"):
        parse_attributes(["hair_color=any"], VOCABULARY)
    with pytest.raises(UserError, match="one of: red, green, blue"):
        parse_attributes(["hair_color=pink"], VOCABULARY)
    with pytest.raises(UserError, match=r"--smile needs a value \(yes or no\)"):
        parse_attributes(["smile"], VOCABULARY)
    with pytest.raises(UserError, match=r"--hair-color needs a value \(one of: red, green, blue\)"):
        parse_attributes(["hair_color"], VOCABULARY)
    with pytest.raises(UserError, match=r"--open-mouth needs a value \(yes or no\)"):
        parse_attributes(["open_mouth"], VOCABULARY.only(["hair_color"]))


def test_a_class_that_training_never_saw_is_said(caplog: pytest.LogCaptureFixture) -> None:
    counts = {"hair_color": [3, 0, 2], "smile": [4, 1]}
    warn_of_unseen({"hair_color": "red", "smile": "yes"}, VOCABULARY, counts)
    assert not caplog.records
    warn_of_unseen({"hair_color": "green", "smile": "random"}, VOCABULARY, counts)
    (said,) = (record.getMessage() for record in caplog.records)
    assert "green hair" in said
    assert "red, blue" in said


def test_label_rows() -> None:
    table = [[0, 1, 1], [0, 2, 0], [1, 1, -1]]

    def rows(asked: dict[str, str]) -> np.ndarray:
        return np.array([label_row(asked, VOCABULARY, table, 0, i) for i in range(40)])

    red = rows({"hair_color": "red"})
    assert (red[:, 0] == 0).all()
    assert {tuple(row) for row in red[:, 1:].tolist()} == {(1, 1), (2, 0)}
    assert (rows({"hair_color": "blue"})[:, 0] == 2).all()
    # What the only agreeing face leaves unknown comes from the others.
    assert set(rows({"hair_color": "green"})[:, 2].tolist()) == {0, 1}
    assert label_row({}, VOCABULARY, [], 0, 0) == (-1, -1, -1)


def test_batch_norm_over_processes_takes_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acgan.nets.blocks.several_processes", lambda: True)
    monkeypatch.setattr("acgan.nets.blocks.mean_over_processes", lambda tensor: tensor)
    monkeypatch.setattr("acgan.nets.blocks.dist.get_world_size", lambda: 1)
    images = torch.randn(8, 3, 4, 4).bfloat16()
    ours, torchs = BatchNorm(3), nn.BatchNorm2d(3)
    found, expected = ours(images), torchs(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(ours.running_var, torchs.running_var, rtol=1e-2, atol=1e-2)
