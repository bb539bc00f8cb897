"""Train an ACGAN: read `train` from top to bottom.

One clock runs everything: `nimg`, the pictures shown to the discriminator. Every step draws its
random numbers from (seed, nimg) alone, so a resumed run goes on exactly as if it had not stopped.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import nullcontext
from typing import Any

import torch

from acgan.devices import choose_device
from acgan.training.cost import list_presets
from acgan.training.feed import Feed, sampling_weights
from acgan.training.options import TrainOptions
from acgan.training.parallel import World, join_world
from acgan.training.plan import Plan, make_plan, warn_of_rare_classes
from acgan.training.precision import computes_in_bf16
from acgan.training.presets import FEW_REDRAWN, Preset
from acgan.training.record import Record
from acgan.training.rundir import write_config
from acgan.training.selection import densest
from acgan.training.signals import hold_signals
from acgan.training.start import start_from
from acgan.training.state import Ledger, Nets, build_nets, restore, save
from acgan.training.step import Stats, Step
from acgan.training.threads import ThreadChoice
from avatar_common.commands import emit_json, explain_dry_run, next_step
from avatar_common.disk.locks import only_one
from avatar_common.disk.runs import RunFolder
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

STATS_INTERVAL = 20
"""Updates between two readings of the losses: each reading waits for a GPU to finish."""
MOST_ROLLBACKS = 3
EXPLODING_CLASS_LOSS = 50.0
"""Far above any class loss of a healthy run (chance among 12 classes is ln 12 = 2.5)."""


def run(options: TrainOptions) -> None:
    """Start a training run, go on with the one this command left, or say that it is done.

    Raises `UserError` for options or data that no run can have, and when training breaks down for
    good; `Unavailable` for a device that is not there or a full disk.
    """
    device = choose_device(options.device, options.threads)
    if options.list_presets:
        list_presets(options)
        return
    plan = make_plan(options)
    result = RunFolder(plan.path).read_result() if plan.exists else None
    if options.dry_run:
        verb = "do nothing, this run is done:" if result else "go on in" if plan.exists else "write"
        explain_dry_run(
            options,
            [
                f"train on {len(plan.faces)} faces",
                f"{verb} {plan.path}",
                *(f"{name}: {value}" for name, value in plan.training["settings"].items()),
            ],
        )
        return
    if result is None:
        with join_world(device) as (world, device):
            if world.first:
                if plan.why_new:
                    log.info("a new run, %s: %s", plan.path.name, plan.why_new)
                with only_one(
                    plan.path,
                    "train",
                    "another process trains in this folder",
                    hint="wait for it, stop it, or start another run with --fresh or --seed",
                ):
                    result = train(plan, device, world)
            else:
                train(plan, device, world)
                return
    else:
        log.info("%s is done already; --fresh or another --seed starts a new run", plan.path)
    asked = " --hair-color blue" if "hair_color" in plan.vocabulary.names else ""
    draw = f"python -m acgan generate{asked} --count 16"
    next_step(f"{draw}, python -m eval report, or python -m acgan truncate for fewer broken faces")
    emit_json(result)


# One loop in the order of events reads better than its parts would.
def train(plan: Plan, device: torch.device, world: World) -> dict[str, Any]:  # noqa: C901
    """Train until the budget is used or the user stops; returns what result.json holds.

    A stop leaves a checkpoint, from which the same command continues. Only the first process
    writes; in the others the result is empty. Raises `UserError` for a batch that the processes
    cannot share, and after `MOST_ROLLBACKS` breakdowns.
    """
    settings, faces = plan.settings, plan.faces

    # The run's folder says what was asked before any work starts, so that the same command finds
    # this run even when it is killed within the first seconds.
    check_share(settings, world)
    bf16 = settle_precision(plan, device, world)
    if world.first and not plan.exists:
        write_config(plan.path, plan.training, dict(plan.origin), device=str(device), bf16=bf16)
    warn_of_rare_classes(faces)

    # Nets, optimisers and averages: fresh, from other trained nets, or from the newest checkpoint.
    nets = build_nets(plan, device)
    ledger = restore(plan.path, nets)
    if ledger is None:
        ledger = Ledger()
        if plan.options.start_from is not None:
            start_from(plan, nets)
    step = Step(plan, nets, device, world, bf16=bf16)
    chosen = plan.options.threads is not None or device.type != "cpu" or world.size > 1
    threads = ThreadChoice(1 if chosen else torch.get_num_threads())

    # Pictures and labels lie on the device as bytes: no loader to wait for, and rows can be drawn
    # from (seed, nimg). The record keeps numbers, grids and snapshots, in the first process only.
    weights = sampling_weights(faces.labels, plan.sizes, settings.temper)
    if settings.kept_share < 1 and nets.features is not None:
        weights = weights * densest(faces, nets.features, settings.kept_share)
    feed = Feed(faces, device, weights)
    record = Record(plan, nets, ledger) if world.first else None
    # A resumed run's clock goes on from where it stood, or a budget in minutes would begin anew.
    started, saved = time.monotonic() - ledger.elapsed_s, time.monotonic()
    tick, stats = int(ledger.progress * plan.options.ticks), Stats()
    updated, ending_s = (time.monotonic(), ledger.nimg // settings.batch), 0.0

    with hold_signals() as stop, record or nullcontext():
        stopping = False
        while ledger.progress < 1 and not stopping:
            # One update of all nets; its random numbers follow from (seed, nimg).
            rate = nets.set_rates(settings, ledger.progress, ledger.rate_scale)
            update = ledger.nimg // settings.batch
            with threads.update():
                stats |= step.update(feed, ledger.nimg, ledger.progress)
            ledger.nimg += settings.batch

            # The clock, and what to do now. Several processes must decide alike, or one would wait
            # for ever in a collective; agreeing costs a message, so they do it now and then.
            often = update % STATS_INTERVAL == 0
            decides = often or world.size == 1
            if decides:
                now = time.monotonic()
                ledger.elapsed_s = world.agree(now - started, device)
                # A budget in minutes holds the end too: one more update and what a tick takes.
                step_s, updated = (now - updated[0]) / (update + 1 - updated[1]), (now, update + 1)
                ending_s = world.agree(step_s + (record.tick_s if record else 0.0), device)
                stopping = world.any(stop.requested, device)
                if stopping:  # by the signal of any process; the others take it up as theirs
                    stop.join()
            ledger.progress = plan.budget.progress(ledger.nimg, ledger.elapsed_s + ending_s)
            last = ledger.progress >= 1 or stopping
            at_tick = decides and int(ledger.progress * plan.options.ticks) > tick
            at_tick = at_tick and world.agree(record is None or record.rested(), device) > 0
            due = often and time.monotonic() - saved > plan.options.checkpoint_interval_s

            # Now and then read the numbers (on a GPU this is the only wait for it). The weights are
            # checked wherever they are about to be saved: losses may look well for one update more.
            if often or at_tick or last:
                numbers = {name: float(value) for name, value in stats.items()}
                fails = broken(numbers) or ((at_tick or due or last) and not nets.are_finite())
                if world.any(fails, device):
                    ledger = roll_back(plan, nets, ledger)
                    started, stats = time.monotonic() - ledger.elapsed_s, Stats()
                    tick = int(ledger.progress * plan.options.ticks)
                    updated = (time.monotonic(), ledger.nimg // settings.batch)
                    continue
                if record:
                    record.numbers(ledger, {**numbers, "rate_g": rate})

            # Grid, watch and snapshot; then the state. In this order a kill between the two repeats
            # a tick, and never skips one. A user who stops does not wait for pictures.
            if at_tick or last:
                tick = int(ledger.progress * plan.options.ticks)
                if record and not stopping and not (last and plan.budget.is_over(ledger.elapsed_s)):
                    record.tick(ledger)
                    updated = (time.monotonic(), update + 1)
            if due or last:
                saved = time.monotonic()
                if world.first:
                    save(plan.path, nets, ledger)

    return record.finish(ledger) if record else {}


def settle_precision(plan: Plan, device: torch.device, world: World) -> bool:
    """Whether this run computes in bfloat16: as it began, or as the first process measures now.

    A resumed run keeps to it, or it would not equal an uninterrupted one.
    """
    kept = RunFolder(plan.path).read_config().get("bf16") if plan.exists else None
    if kept is None:
        kept = computes_in_bf16(plan.settings.precision, device)
    return world.agree(float(kept), device) > 0


def check_share(settings: Preset, world: World) -> None:
    """Raise `UserError` for a batch that these processes cannot share in equal parts."""
    parts = world.size * (FEW_REDRAWN if settings.has_encoder else 1)
    if world.size > 1 and settings.batch % parts:
        raise UserError(
            f"{world.size} processes cannot share a batch of {settings.batch}",
            hint=f"give --batch a multiple of {parts}",
        )


def broken(numbers: dict[str, float]) -> bool:
    """Whether training has gone where it does not come back from.

    An accuracy that is not a number only says that the batch had no known label.
    """
    losses = [value for name, value in numbers.items() if not name.startswith("accuracy")]
    finite = all(math.isfinite(value) for value in losses)
    return not finite or numbers.get("class_g", 0.0) > EXPLODING_CLASS_LOSS


def roll_back(plan: Plan, nets: Nets, ledger: Ledger) -> Ledger:
    """Go back to the last good checkpoint with half the rate.

    Raises `UserError` when that has been tried often enough.
    """
    good = restore(plan.path, nets)
    if good is None:
        nets.load(build_nets(plan, nets.device).state())
        good = Ledger()
    good.rollbacks = ledger.rollbacks + 1
    good.rate_scale = ledger.rate_scale / 2
    if good.rollbacks > MOST_ROLLBACKS:
        raise UserError(
            f"training broke down {good.rollbacks} times",
            where=str(plan.path),
            hint="try another --seed, a larger --penalty-gamma or a smaller --class-weight-g",
        )
    log.warning(
        "losses are not finite or explode: back to %.1f kimg, at %g of the rate",
        good.nimg / 1000,
        good.rate_scale,
    )
    return good
