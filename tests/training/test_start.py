"""`--from`, the lock on a run, what makes a run new, and budgets in minutes."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from acgan.nets.snapshot import load_snapshot, load_training_nets
from acgan.training import train as training
from acgan.training.averages import AverageChooser
from acgan.training.cost import synthetic_plan
from acgan.training.plan import make_plan
from acgan.training.record import Record
from acgan.training.rundir import write_config
from acgan.training.start import matching_rows, open_source, start_from
from acgan.training.state import Ledger, build_nets
from acgan.training.step import Stats, Step
from avatar_common.disk.locks import only_one
from avatar_common.disk.vocabulary import Group, Vocabulary
from avatar_common.errors import UserError
from tests.training.face_set import make_face_set
from tests.training.runs import CPU, ROOT, options, train_now

THEIRS = Vocabulary(
    (Group("hair_color", "one_of", ("red", "green")), Group("smile", "flag", ("0", "1")))
)
OURS = Vocabulary(
    (Group("smile", "flag", ("0", "1")), Group("hair_color", "one_of", ("blue", "green", "red")))
)


def test_classes_are_matched_by_name() -> None:
    # Theirs: red green | 0 1; ours: 0 1 | blue green red. With unknowns one row before each group.
    assert matching_rows(THEIRS, OURS, unknown=False) == [(2, 0), (3, 1), (1, 3), (0, 4)]
    assert matching_rows(THEIRS, OURS, unknown=True) == [
        (3, 0), (4, 1), (5, 2), (0, 3), (2, 5), (1, 6),
    ]  # fmt: skip


def test_from_a_run_takes_everything_that_fits(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = train_now(options(workspace, name="first"))
    plan = make_plan(options(workspace, name="second", start_from=str(first), seed=3))
    assert not plan.exists
    nets = build_nets(plan, CPU)
    with caplog.at_level(logging.INFO):
        start_from(plan, nets)
    assert "100% of the generator" in caplog.text
    assert "100% of the discriminator" in caplog.text
    source = open_source(str(first), workspace)
    for name in ("generator", "discriminator", "encoder", "helper"):
        for key, value in getattr(nets, name).state_dict().items():
            assert torch.equal(value, source.nets[name][key]), (name, key)
    own = nets.generator.state_dict()
    assert all(torch.equal(own[key], value) for key, value in nets.averages[1].state_dict().items())


def test_another_name_is_another_run(workspace: Path) -> None:
    first = train_now(options(workspace, name="first"))
    assert make_plan(options(workspace, name="first")).path == first
    assert not make_plan(options(workspace, name="second")).exists
    assert make_plan(options(workspace)).path == first  # whatever its name


def test_given_nets_are_not_the_sources(workspace: Path) -> None:
    first = train_now(options(workspace, name="first"))
    wider = ("generator={'channels': (48, 32, 16, 16), 'refine': (1,)}",)
    plan = make_plan(options(workspace, start_from=str(first), set=wider))
    assert plan.settings.generator["channels"] == (48, 32, 16, 16)


def test_from_a_run_without_a_snapshot_says_what_to_do(workspace: Path) -> None:
    (workspace / "runs" / "00000-begun" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match="this run has no snapshot yet"):
        make_plan(options(workspace, start_from=str(workspace / "runs" / "00000-begun")))


@pytest.mark.slow
def test_from_a_snapshot_of_other_classes_and_size(workspace: Path) -> None:
    first = train_now(options(workspace, name="first"))
    snapshot = next((first / "snapshots").glob("*[0-9].json"))
    nets = load_training_nets(snapshot)
    assert {"discriminator", "encoder", "helper"} == set(nets)
    given = options(
        workspace,
        name="smiles",
        start_from=str(snapshot),
        attributes=("smile", "hair_color"),
        image_size=32,
    )
    run = train_now(given)
    drawn = load_snapshot(next((run / "snapshots").glob("*[0-9].json")))
    assert drawn.info.image_size == 32
    assert drawn.info.extra["from"] == str(snapshot)
    assert drawn.info.extra["pretrained"].keys() == {"efficientnet-lite0"}


def test_from_nothing_that_fits_is_refused(workspace: Path) -> None:
    first = train_now(options(workspace, name="first"))
    plan = make_plan(
        options(workspace, name="other", start_from=str(first), preset="acgan", batch=16)
    )
    with pytest.raises(UserError, match=r"of its generator.s weights fit"):
        start_from(plan, build_nets(plan, CPU))
    with pytest.raises(UserError, match="no such snapshot"):
        make_plan(options(workspace, start_from="nobody"))


def test_heads_of_another_class_loss_stay_fresh(workspace: Path) -> None:
    """With adc each class has two logits: those of a run with one match none, and none is read."""
    first = train_now(options(workspace, pretrained="none"))
    more = {"start_from": str(first), "pretrained": "none", "class_loss": "adc"}
    plan = make_plan(options(workspace, **more))
    nets, fresh = build_nets(plan, CPU), build_nets(plan, CPU)
    start_from(plan, nets)
    for name, value in fresh.discriminator.state_dict().items():
        if name.endswith("weight"):
            same = torch.equal(nets.discriminator.state_dict()[name], value)
            assert same == name.startswith("heads.classes"), name


def test_a_new_run_says_what_made_it_new(workspace: Path) -> None:
    train_now(options(workspace))
    assert make_plan(options(workspace)).why_new is None
    why = make_plan(options(workspace, seed=5, set=("helper_weight=0.1",))).why_new
    assert why is not None
    assert "seed (0 -> 5)" in why
    assert "helper_weight (0.5 -> 0.1)" in why
    make_face_set(workspace / "data/faces/another", seed=1)
    why = make_plan(options(workspace, data=workspace / "data/faces/another")).why_new
    assert why is not None
    assert "the face set" in why


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("helper_wait=1", "did you mean helper_weight"),
        ("helper_weight", "takes name=value"),
        ("helper_weight=much", "takes a value like 0.25"),
        ("mirror=1", "takes a value like True"),
        ("averages=()", "averages wants pairs"),
        ("averages=((4.4,),)", "averages cannot be"),
        ("helper_stages=(9,)", "helper_stages wants some of 0 to 6"),
        ("perceptual_stages=()", "perceptual_stages wants some"),
        ("pretrained=nonsense", "one of: none, efficientnet-lite0"),
        ("redraw_fade=(0.5, 0.5)", "redraw_fade wants two shares"),
        ("penalty_interval=0", "penalty_interval must be 1 to"),
        ("rate_g=1e999", "rate_g cannot be inf"),
        ("nets=big", "one of: dcgan, modern, small, srresnet"),
        ("nets=modern", "no such nets"),
        ('generator={"channels": ()}', "draws 4 px, not 16"),
        ('discriminator={"channels": (16,)}', "no such nets"),
    ],
)
def test_settings_that_no_preset_has(workspace: Path, pair: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        make_plan(options(workspace, set=(pair,)))
    assert message in f"{raised.value} {raised.value.hint}"


def test_one_process_per_run(workspace: Path) -> None:
    """While one process trains, the same command says so and writes nothing."""
    plan = make_plan(options(workspace))
    with only_one(plan.path, "train", "held", hint=""):
        write_config(plan.path, plan.training, {})
        before = sorted(plan.path.rglob("*"))
        with pytest.raises(UserError, match="another process trains"):
            training.run(options(workspace))
        assert sorted(plan.path.rglob("*")) == before


def test_minutes_hold_the_end_too(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine a run ends before its time is over, not one update and a grid later."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    update = Step.update

    def slow(self: Step, *args: Any) -> Stats:
        clock[0] += 7.0
        return update(self, *args)

    monkeypatch.setattr(Step, "update", slow)

    def tick(self: Record, ledger: Ledger) -> None:
        clock[0] += 5.0
        self.tick_s = 5.0

    monkeypatch.setattr(Record, "tick", tick)
    run = train_now(options(workspace, kimg=None, minutes=1.0))
    assert (run / "result.json").is_file()
    assert 60 - 2 * 12 < clock[0] <= 60


def test_the_average_that_draws_like_the_reals_is_taken() -> None:
    plan = synthetic_plan("small", 16, batch=16, width=0.25)
    grey = np.random.default_rng(0).integers(120, 136, plan.faces.images.shape, dtype=np.uint8)
    plan = replace(plan, faces=replace(plan.faces, images=grey))
    nets = build_nets(plan, CPU)
    chooser = AverageChooser(nets, plan)
    for wrecked in (0, 1):
        for number, average in enumerate(nets.averages):
            average.load_state_dict(nets.generator.state_dict())
            if number == wrecked:
                average.get_parameter("to_rgb.weight").data.mul_(1e4)  # black and white noise
        assert chooser.best() is nets.averages[1 - wrecked]


def test_frozen_weights_are_part_of_no_checkpoint_but_named(workspace: Path) -> None:
    run = train_now(options(workspace))
    path = next((run / "snapshots").glob("*[0-9].json"))
    assert len(load_snapshot(path).info.extra["pretrained"]["efficientnet-lite0"]) == 64


def test_torch_threads_do_not_spin() -> None:
    """Every command settles it before torch is imported; a user's own choice stays."""
    code = "import os, avatar_common.commands; print(os.environ['GOMP_SPINCOUNT'])"
    for given, expected in ({}, "0"), ({"GOMP_SPINCOUNT": "9"}, "9"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**given, "PATH": ""}, cwd=ROOT, capture_output=True
        )
        assert done.stdout.decode().strip() == expected
