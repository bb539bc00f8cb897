"""Quality at equal time: each preset and seed is trained, then scored by `eval report`.

Every training run and every report is its own command in the workspace, so a stop at any point
loses nothing: the same command continues, and what is done is not done again.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acgan.training.presets import PRESETS
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.files import read_json, write_json
from avatar_common.errors import UserError
from bench.options import GpuOptions, QualityOptions

log = logging.getLogger(__name__)

QUALITY_SCHEMA_VERSION = 1
NARROWED = ("acgan", "dcgan")
GPU_PRESETS = ("acgan", "modern")


def run(options: QualityOptions) -> None:
    """Train and score every preset and seed; end with one JSON object."""
    jobs = [(preset, seed) for seed in options.seeds for preset in options.presets]
    if options.dry_run:
        explain_dry_run(options, [f"train and score {name}, seed {seed}" for name, seed in jobs])
        return
    rows = []
    for preset, seed in jobs:
        width = options.narrow if preset in NARROWED and options.device != "cuda" else 1.0
        given = [
            *("--data", str(options.data), "--preset", preset, "--seed", str(seed)),
            *("--minutes", f"{options.minutes:g}", "--width", f"{width:g}"),
            *("--name", f"{preset}-{seed}", "--device", options.device),
            *([] if options.threads is None else ["--threads", str(options.threads)]),
        ]
        rows.append(train_and_score(options.workspace, preset, seed, options.data, given))
    emit_json({"data": str(options.data), "minutes": options.minutes, "rows": rows})


def run_gpu(options: GpuOptions) -> None:
    """`bench train` on the GPU, then `acgan` and `modern` on each face set, a part per call."""
    if not options.data:
        raise UserError("name the face sets with --data", hint="course64 and faces96-labelled")
    end = time.monotonic() + 60 * options.part_minutes
    if options.dry_run:
        explain_dry_run(options, [f"measure speed, then train {', '.join(GPU_PRESETS)}"])
        return
    speed: dict[str, Any] = {"presets": {}}
    for number, preset in enumerate(PRESETS):  # a file each: compiling them all takes minutes
        speed_file = options.workspace / f"bench-gpu-speed-{preset}.json"
        if not speed_file.is_file():
            tutorial = "--tutorial" if number == 0 else "--no-tutorial"
            given = ["--device", "cuda", "--seconds", "10", "--presets", preset, tutorial]
            found = call(["bench", "train", *given], end)
            if found is None:
                return pause([f"bench train --presets {preset}"])
            write_json(speed_file, found, schema_version=QUALITY_SCHEMA_VERSION)
        found = read_json(speed_file, schema_version=QUALITY_SCHEMA_VERSION)
        speed = found | speed | {"presets": speed["presets"] | found["presets"]}
    rows = []
    for data in options.data:
        for preset in GPU_PRESETS:
            given = [
                *("--data", str(data), "--preset", preset, "--device", "cuda"),
                *("--minutes", f"{options.minutes:g}", "--name", f"{preset}-{data.name}"),
            ]
            row = train_and_score(options.workspace, preset, 0, data, given, end)
            if row is None:
                return pause([f"{preset} on {data.name}"])
            rows.append({"data": str(data), **row})
    emit_json({"speed": speed, "minutes": options.minutes, "rows": rows})


def pause(left: Sequence[str]) -> None:
    """Say that the part's time is over; the same command continues."""
    emit_json({"finished": False, "next": left[0], "hint": "run the same command again"})


def train_and_score(
    workspace: Path,
    preset: str,
    seed: int,
    data: Path,
    given: Sequence[str],
    end: float | None = None,
) -> dict[str, Any] | None:
    """One run and its report, taken from the disk where they are done; None when time is over."""
    trained = call(["acgan", "train", "--workspace", str(workspace), *given], end)
    if trained is None:
        return None
    scores_file = Path(trained["run"]) / "bench-scores.json"
    if not scores_file.is_file():
        report = ["eval", "report", "--workspace", str(workspace), "--data", str(data)]
        scores = call([*report, "--snapshot", trained["snapshot"]], end)
        if scores is None:
            return None
        write_json(scores_file, scores["summary"], schema_version=QUALITY_SCHEMA_VERSION)
    scores = read_json(scores_file, schema_version=QUALITY_SCHEMA_VERSION)
    return {
        "preset": preset,
        "seed": seed,
        "kimg": trained["kimg"],
        "images_per_s": trained["images_per_s"],
        "run": trained["run"],
        "scores": scores,
    }


def call(arguments: Sequence[str], end: float | None = None) -> dict[str, Any] | None:
    """Run one of the project's commands; the JSON object of its last line.

    When `end` (of time.monotonic) passes, it is asked to save and stop, and the answer is None.
    """
    command = [sys.executable, "-m", *arguments]
    log.info("$ %s", " ".join(["python", *command[1:]]))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_s = None if end is None else max(1.0, end - time.monotonic())
            out, _ = process.communicate(timeout=wait_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.communicate()
            return None
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise UserError(
            f"`python {' '.join(command[1:])}` ended with code {process.returncode}",
            hint="its own message is above",
        )
    content: dict[str, Any] = json.loads(out.splitlines()[-1])
    return content
