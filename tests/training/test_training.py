"""Whole runs at 16 px: resume, kill, NaN, full disk, SIGTERM, several processes, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.dataset import PackedRows, load_faces
from acgan.drawing import generate
from acgan.drawing.options import GenerateOptions
from acgan.nets.blocks import DiscriminatorOutput
from acgan.nets.snapshot import load_snapshot
from acgan.training import train as training
from acgan.training.options import TrainOptions
from acgan.training.parallel import World
from acgan.training.plan import make_plan, warn_of_rare_classes
from acgan.training.presets import PRESETS
from acgan.training.record import cut_rows
from acgan.training.step import Draws, Fakes, Stats, Step
from avatar_common.disk.runs import read_snapshot_info
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from tests.training.face_set import make_face_set
from tests.training.runs import (
    CPU,
    assert_same,
    final_state,
    options,
    train_now,
)


@pytest.mark.parametrize("preset", ["small", "acgan", "dcgan-residual"])
def test_end_to_end(workspace: Path, preset: str) -> None:
    """A run leaves all that is promised, its snapshot draws, the same command has nothing to do."""
    image_size = 32 if preset == "dcgan-residual" else None
    given = options(workspace, preset=preset, kimg=0.1, image_size=image_size, width=0.1)
    run = train_now(given)
    for name in ("config.json", "result.json", "stats.jsonl", "losses.png", "samples.gif"):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "tensorboard").iterdir())
    path = Workspace(workspace).newest_snapshot()
    assert path is not None
    snapshot = load_snapshot(path)
    rows = torch.tensor(snapshot.info.label_rows[:5] or [[]] * 5, dtype=torch.int64)
    first = snapshot.draw(snapshot.random_z(5, 1), rows)
    assert first.shape == (5, 3, snapshot.info.image_size, snapshot.info.image_size)
    assert torch.equal(first, snapshot.draw(snapshot.random_z(5, 1), rows))
    again = make_plan(given)
    assert again.exists
    assert again.path == run


def test_nan_rolls_back(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update, count = Step.update, 0

    def poison(self: Step, *args: Any) -> Stats:
        nonlocal count
        count += 1
        stats = update(self, *args)
        if count == 30:
            with torch.no_grad():
                next(self.nets.generator.parameters()).fill_(float("nan"))
        return stats

    monkeypatch.setattr(Step, "update", poison)
    run = train_now(options(workspace, kimg=0.8, checkpoint_interval_s=0))
    result = json.loads((run / "result.json").read_text())
    assert result["rollbacks"] == 1
    assert all(value.isfinite().all() for value in final_state(run).values())
    rates = [json.loads(line)["rate_g"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert rates[-1] < 0.1 * rates[0]


@pytest.mark.slow
def test_weights_that_are_not_numbers_are_never_saved(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poisoned in the very update that is saved, when its losses still look well."""
    update, count = Step.update, 0

    def poison(self: Step, *args: Any) -> Stats:
        nonlocal count
        count += 1
        stats = update(self, *args)
        if count == 41:  # the state is saved after updates 1, 21, 41
            with torch.no_grad():
                next(self.nets.generator.parameters()).fill_(float("nan"))
        return stats

    monkeypatch.setattr(Step, "update", poison)
    run = train_now(options(workspace, kimg=0.96, checkpoint_interval_s=0))
    assert json.loads((run / "result.json").read_text())["rollbacks"] == 1
    assert all(value.isfinite().all() for value in final_state(run).values())


def test_what_counts_as_broken() -> None:
    assert training.broken({"class_d": float("nan")})
    assert training.broken({"class_g": training.EXPLODING_CLASS_LOSS + 1})
    assert not training.broken({"class_g": 1.0, "accuracy_real": float("nan")})


@pytest.mark.slow
def test_hardly_any_label_is_no_breakdown(workspace: Path) -> None:
    table = workspace / "data/faces/tiny/attributes.csv"
    head, *rows = table.read_text().splitlines()
    unknown = [row.split(",")[0] + ",,," for row in rows[3:]]
    table.write_text("\n".join([head, *rows[:3], *unknown]) + "\n")
    run = train_now(options(workspace))
    assert json.loads((run / "result.json").read_text())["rollbacks"] == 0
    assert "NaN" not in (run / "stats.jsonl").read_text()


def relabel(workspace: Path, row: str) -> None:
    """Give every face of the tiny set the same cells."""
    table = workspace / "data/faces/tiny/attributes.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *(f"{line.split(',')[0]},{row}" for line in rows)]) + "\n")


def test_edited_labels_are_noticed(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = train_now(options(workspace, kimg=0.05))
    assert make_plan(options(workspace, kimg=0.05)).path == run
    table = workspace / "data/faces/tiny/attributes.csv"
    table.write_text(table.read_text().replace(",1\n", ",0\n"))
    plan = make_plan(options(workspace, kimg=0.05))
    assert not plan.exists
    assert plan.path != run
    assert f"{run} was trained on other faces or labels than are in" in caplog.text


@pytest.mark.parametrize("preset", ["small", "modern", "acgan"])
def test_a_set_without_labels_trains_without_attributes(
    workspace: Path,
    preset: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    relabel(workspace, ",,")
    run = train_now(options(workspace, preset=preset, kimg=0.05, width=0.1))
    (said,) = [line for line in caplog.messages if "python -m preprocess label" in line]
    assert "training without attributes" in said
    generate.run(GenerateOptions(workspace=workspace, count=3, out=workspace / "out", quiet=True))
    assert len(list((workspace / "out").glob("*-*.png"))) == 3
    assert json.loads((run / "config.json").read_text())["training"]["attributes"] == []
    with pytest.raises(UserError, match=r"no face has a known label of these.*preprocess label"):
        make_plan(options(workspace, attributes=("smile",)))


@pytest.mark.parametrize("preset", ["small", "modern", "acgan"])
@pytest.mark.parametrize("cells", [",,0", ",,1", "red,,"])
def test_groups_with_one_class_only_train(workspace: Path, cells: str, preset: str) -> None:
    relabel(workspace, cells)
    run = train_now(options(workspace, preset=preset, kimg=0.05, width=0.1))
    assert list((run / "samples").glob("*.png"))


def test_the_penalty_comes_every_so_many_updates(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Step.discriminator
    asked: list[bool] = []

    def listen(
        self: Step, fake: Fakes, draws: Draws, *, with_penalty: bool
    ) -> tuple[Stats, DiscriminatorOutput]:
        asked.append(with_penalty)
        return update(self, fake, draws, with_penalty=with_penalty)

    monkeypatch.setattr(Step, "discriminator", listen)
    train_now(options(workspace))
    assert asked == [index % 8 == 0 for index in range(20)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "--seed must be"),
        ({"seed": 2**27}, "--seed must be"),
        ({"batch": 0}, "--batch must be"),
        ({"width": 0.0}, "--width must be"),
        ({"ticks": 0}, "--ticks must be"),
        ({"image_size": 0}, "draws 16, 32"),
        ({"image_size": 100_000}, "draws 16, 32"),
        ({"kimg": 0.0}, "--kimg must be"),
        ({"kimg": float("nan")}, "--kimg must be"),
        ({"minutes": float("inf")}, "--minutes must be"),
        ({"temper": -1.0}, "temper must be"),
    ],
)
def test_numbers_that_no_run_can_have(workspace: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_plan(options(workspace, **wrong))
    assert not list(workspace.glob("runs/*"))


def test_a_batch_that_processes_cannot_share(workspace: Path) -> None:
    plan = make_plan(options(workspace, batch=18))
    with pytest.raises(UserError, match="multiple of 8"):
        training.train(plan, CPU, World(0, 2))


def test_rows_past_the_checkpoint_go(tmp_path: Path) -> None:
    table = tmp_path / "stats.jsonl"
    table.write_text('{"kimg": 1}\n{"kimg": 2}{"ki\n{"kimg": 2}\n{"kimg": 3}\n{"kim')
    cut_rows(table, 2)
    assert table.read_text() == '{"kimg": 1}\n{"kimg": 2}\n'


def test_rare_classes_are_named(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    faces = make_plan(options(workspace)).faces
    few = faces.labels[:, 2] == 1
    faces.labels[few, 2] = 0
    assert warn_of_rare_classes(faces) == ["smile=1 (0)"]
    assert "smile=1 (0)" in caplog.text


def test_presets_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    training.run(TrainOptions(list_presets=True, image_size=32, width=0.1, device="cpu"))
    shown = capfd.readouterr()
    for name, preset in PRESETS.items():
        told = f"{name}  " if 32 in preset.image_sizes else f"{name}: not at 32 px"
        assert told in shown.out + shown.err
    assert "GFLOP per picture" in shown.out + shown.err
    assert "MiB" in shown.out + shown.err


def test_endless_nan_gives_up(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "broken", lambda numbers: True)
    with pytest.raises(UserError, match="broke down 4 times"):
        train_now(options(workspace))


@pytest.mark.slow
def test_heads_overfit_sixteen_pictures(tmp_path: Path) -> None:
    """The class heads learn: 16 pictures are read right after a few updates."""
    make_face_set(tmp_path / "data" / "faces" / "tiny", count=18)
    plan = make_plan(options(tmp_path, temper=0, kimg=1.6, batch=16))
    assert len(plan.faces) == 16
    training.train(plan, CPU, World())
    rows = [json.loads(line) for line in (plan.path / "stats.jsonl").read_text().splitlines()]
    assert rows[-1]["accuracy_real"] > 0.95
    assert rows[0]["accuracy_real"] < 0.8


def test_shuffled_labels_are_shuffled(workspace: Path) -> None:
    straight = make_plan(options(workspace)).faces
    shuffled = make_plan(options(workspace, shuffle_labels=True)).faces
    assert not np.array_equal(straight.labels, shuffled.labels)
    assert straight.class_counts() == shuffled.class_counts()
    assert isinstance(straight.images, np.ndarray)
    assert isinstance(shuffled.images, np.ndarray)
    assert np.array_equal(straight.images, shuffled.images)


@pytest.mark.slow
def test_a_set_beyond_memory_trains_the_same(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = train_now(options(workspace, kimg=0.064))
    monkeypatch.setattr("acgan.training.plan.fits_in_memory", lambda path: False)
    given = options(workspace, kimg=0.064, fresh=True)
    assert isinstance(make_plan(given).faces.images, PackedRows)
    assert_same(in_memory, train_now(given))


def test_a_set_beyond_memory_can_be_resized(workspace: Path) -> None:
    path = workspace / "data" / "faces" / "tiny"
    streamed = load_faces(path, "train", image_size=32, in_memory=False)
    assert isinstance(streamed.images, PackedRows)
    held = load_faces(path, "train", image_size=32)
    assert (streamed.images[np.arange(len(held))] == held.images).all()


def test_train_split_only(workspace: Path) -> None:
    path = workspace / "data" / "faces" / "tiny"
    assert len(load_faces(path)) == 96
    assert len(make_plan(options(workspace)).faces) == len(load_faces(path, "train")) == 84


def test_a_sorted_table_keeps_each_face_with_its_picture(tmp_path: Path) -> None:
    path = make_face_set(tmp_path / "tiny")
    before = load_faces(path)
    for name in ("faces.csv", "attributes.csv"):
        head, *rows = (path / name).read_text().splitlines()
        (path / name).write_text("\n".join([head, *reversed(rows)]) + "\n")
    after = load_faces(path)
    assert (np.asarray(after.images)[::-1] == before.images).all()
    assert (after.labels[::-1] == before.labels).all()


def test_damaged_pictures_and_snapshots_get_a_line(workspace: Path) -> None:
    run = train_now(options(workspace, kimg=0.032))
    snapshot = next((run / "snapshots").glob("*.json"))
    info = json.loads(snapshot.read_text())
    snapshot.write_text(json.dumps({**info, "schema_version": 99}))
    with pytest.raises(UserError, match="schema version 99"):
        load_snapshot(snapshot)
    snapshot.write_text(json.dumps(info))
    assert read_snapshot_info(snapshot).z_dim == info["z_dim"]
    snapshot.with_suffix(".safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="not those of the JSON"):
        load_snapshot(snapshot)
    path = workspace / "data" / "faces" / "tiny"
    for packed in path.glob("packed-*.npy"):
        packed.unlink()
    (path / "images" / "0003.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"0003\.png"):
        load_faces(path)
