"""Learnt truncation: what moves, how far, and what a truncated snapshot can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import acgan
from acgan.drawing import export
from acgan.nets import snapshot as snapshot_module
from acgan.nets.snapshot import load_snapshot, save_training_nets
from acgan.nets.truncation import Truncated, Truncation
from acgan.training import truncate
from acgan.training.options import TruncateOptions
from acgan.training.start import open_source
from acgan.training.truncate import LatentCritic, fit_critic, fit_moves
from avatar_common.disk.runs import read_snapshot_info
from avatar_common.errors import UserError
from tests.drawing.snapshots import make_snapshot
from tests.training.face_set import make_face_set
from tests.training.runs import options, train_now

torch.set_num_threads(1)


def fitted(weight: float) -> tuple[Truncation, torch.Tensor]:
    """For draws that are the worse, the larger the first of eight numbers is."""
    random = torch.Generator().manual_seed(0)
    rows = torch.tensor([[0, 1], [1, 0]])
    z, labels = truncate.asked(rows, 8, 3000, random)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = LatentCritic(8, (2, 2))
        assert fit_critic(critic, z, labels, z[:, 0] + 0.1 * labels[:, 0]) > 0.95
        return fit_moves(critic, rows, 8, weight, random), z


def test_latents_leave_where_draws_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truncate, "STEPS", 300)
    truncation, z = fitted(0.4)
    moved = truncation(z)
    difference = (moved - z).mean(0)
    assert difference[0] < -0.5
    assert difference[1:].abs().max() < 0.1
    assert torch.allclose(moved.norm(dim=1), z.norm(dim=1), rtol=1e-4)
    gentle = fitted(4.0)[0](z)
    assert (gentle - z).norm(dim=1).mean() < 0.4 * (moved - z).norm(dim=1).mean()


def test_the_inverse_finds_where_a_latent_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truncate, "STEPS", 300)
    for weight in (1.0, 0.4):
        truncation, z = fitted(weight)
        moved = truncation(z)
        assert (truncation.inverse(moved) - z).norm(dim=1).max() < 0.01
        assert (moved - z).norm(dim=1).mean() > 0.1


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run of a few updates."""
    root = tmp_path_factory.mktemp("truncate")
    make_face_set(root / "data/faces/tiny")
    train_now(options(root))
    return root


def trained(home: Path) -> list[Path]:
    """The run's snapshots as training left them."""
    return sorted((home / "runs/00000-small/snapshots").glob("*[0-9].json"))


def run(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    recalls: Iterator[float] | None = None,
    **more: Any,
) -> None:
    # Draws of so short a training are like no real face.
    monkeypatch.setattr(truncate.Judge, "recall", lambda *_: next(recalls) if recalls else 0.5)
    for name, value in {"STEPS": 40, "CHECKED": 60, "CRITIC_EPOCHS": 3, "HALVINGS": 2}.items():
        monkeypatch.setattr(truncate, name, value)
    truncate.run(TruncateOptions(**{"workspace": home, "draws": 120, "quiet": True, **more}))


def test_the_command_writes_a_snapshot_that_draws_otherwise(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(home, monkeypatch)
    said = json.loads(capsys.readouterr().out)
    path = Path(said["snapshot"])
    plain = Path(said["from"])
    before, after = load_snapshot(plain), load_snapshot(path)
    assert said["mean_move"] > 0.1
    assert after.info.weights_sha256 != before.info.weights_sha256
    assert after.info.extra["truncation"]["network_sha256"]
    z, labels = before.random_z(4, 0), torch.tensor(before.info.label_rows[:4])
    assert isinstance(after.generator, Truncated)
    expected = before.draw(after.generator.truncation(z), labels)
    assert torch.equal(after.draw(z, labels), expected)
    assert not torch.equal(expected, before.draw(z, labels))

    # It is the newest of its run now, the same again is the same, and it is not moved twice.
    assert acgan.load(workspace=home).info.weights_sha256 == after.info.weights_sha256
    again = tmp_path / "again.json"
    run(home, monkeypatch, out=again)  # of the newest one that is not truncated
    assert load_snapshot(again).info.weights_sha256 == after.info.weights_sha256
    with pytest.raises(UserError, match="truncated already"):
        run(home, monkeypatch, snapshot=path)
    assert read_snapshot_info(path).weights_sha256 == after.info.weights_sha256

    # Training goes on from the generator inside, with the nets that trained it.
    inside = open_source(str(path), home).nets
    assert torch.equal(inside["generator"]["to_rgb.weight"],
                       before.generator.state_dict()["to_rgb.weight"])  # fmt: skip
    assert "discriminator" in inside
    train_now(options(home, start_from=str(path), name="on"))


def test_a_weight_is_taken_that_keeps_the_recall(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (least, most), out = truncate.WEIGHTS, tmp_path / "kept.json"
    middle = (least * most) ** 0.5
    run(home, monkeypatch, iter([0.5, 0.4, 0.3]), keep=0.7, out=out)  # then it looks below
    said = json.loads(capsys.readouterr().out)
    assert said["weight"] == pytest.approx(middle, abs=1e-4)
    assert said["recall"] == 0.4
    run(home, monkeypatch, iter([0.5, 0.3, 0.4]), keep=0.7, out=out)  # above
    said = json.loads(capsys.readouterr().out)
    assert said["weight"] == pytest.approx((middle * most) ** 0.5, abs=1e-4)
    out.unlink()
    for recalls in ([0.5, 0.3, 0.3], [0.0]):
        with pytest.raises(UserError, match=r"no move keeps|no real face"):
            run(home, monkeypatch, iter(recalls), keep=0.7, out=out)
    assert not out.exists()


def test_snapshots_are_averaged_first(home: Path) -> None:
    snapshots = trained(home)
    last = load_snapshot(snapshots[-1])
    averaged = truncate.average_of(last, 2)
    earlier = load_snapshot(snapshots[-2]).generator.state_dict()["to_rgb.weight"]
    expected = (earlier + last.generator.state_dict()["to_rgb.weight"]) / 2
    assert torch.allclose(averaged.generator.state_dict()["to_rgb.weight"], expected)
    assert averaged.info.extra["averaged_snapshots"] == 2
    with pytest.raises(UserError, match="--average 99"):
        truncate.average_of(last, 99)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"keep": 0.0}, "--keep"),
        ({"keep": 1.5}, "--keep"),
        ({"draws": 9}, "--draws"),
        ({"seed": 10**30}, "seed"),
        ({"snapshot": None}, "no snapshot here"),
        ({"snapshot": Path("drawn64")}, "truncated already"),
        ({"out": Path("other")}, "must end in .json"),
        ({"out": Path("elsewhere.json")}, "replace the snapshot itself"),
        ({"out": Path("a-file/x.json")}, "a folder is needed"),
        ({"snapshot": Path("uniform")}, "uniform"),
        ({"snapshot": Path("elsewhere"), "average": 2}, "--average 2"),
        ({"snapshot": Path("elsewhere"), "average": 0}, "at least 1"),
        ({"snapshot": Path("elsewhere")}, "is not here"),
    ],
)
def test_wrong_input_gets_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], message: str
) -> None:
    make_snapshot(tmp_path / "uniform", distribution="uniform")
    make_snapshot(tmp_path / "elsewhere")
    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(tmp_path, monkeypatch, **{"snapshot": Path("elsewhere"), **given})


def test_a_truncated_snapshot_is_exported_and_mixed(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    plain = load_snapshot(make_snapshot(tmp_path / "plain"))
    truncation = Truncation(plain.info.z_dim, truncate.WIDTH)
    with torch.no_grad():
        truncation.move.weight.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.1)
    truncate.write_truncated(tmp_path / "moved.json", plain, truncation, {})
    moved = load_snapshot(tmp_path / "moved.json")
    largest, _ = export.compare(moved, export.to_onnx(moved, {}, half=False), 4)
    assert largest <= 2
    model = acgan.load(tmp_path / "moved.json", workspace=tmp_path)
    first, second = model.draw(count=2, seed=1)
    frames = [np.asarray(frame) for frame in model.morph(first, second, frames=3)]
    assert np.array_equal(frames[0], np.asarray(first))
    assert not np.array_equal(frames[0], frames[1])


def test_a_kill_while_a_snapshot_is_written_anew_leaves_no_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_snapshot(make_snapshot(tmp_path / "plain"))
    written = snapshot_module.save_again(tmp_path / "again.json", plain.generator, plain.info)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshot_module, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        snapshot_module.save_again(written, plain.generator, plain.info)
    assert not written.exists()


def test_own_pictures_are_searched_from_the_encoders_latent(tmp_path: Path) -> None:
    from acgan.drawing.find import Finder
    from acgan.nets import build_encoder
    from acgan.nets.pretrained import load_efficientnet_lite

    plain = load_snapshot(make_snapshot(tmp_path / "plain"))
    encoder = build_encoder(plain.info.architecture).eval()
    save_training_nets(tmp_path / "plain.json", {"encoder": encoder})
    truncation = Truncation(plain.info.z_dim, truncate.WIDTH)
    with torch.no_grad():
        truncation.move.weight.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.1)
        truncation.hidden.bias.zero_()  # latents of an untrained encoder are short
    truncate.write_truncated(tmp_path / "moved.json", plain, truncation, {})
    moved = load_snapshot(tmp_path / "moved.json")
    features = load_efficientnet_lite("efficientnet-lite0", (0, 1, 2, 4))
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = torch.zeros(2, 3, dtype=torch.int64)
    reader: Any = None
    found = Finder(moved, encoder, reader, features).search(images, labels, 0)
    with torch.no_grad():
        expected = encoder(images)[0]
    assert torch.allclose(truncation(found), expected, atol=1e-3)
    assert not torch.allclose(found, expected, atol=1e-3)
