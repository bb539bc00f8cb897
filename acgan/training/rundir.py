"""A run's folder: what was asked, whether it is done, where the same command continues."""

from __future__ import annotations

import ast
import difflib
import glob
import json
import logging
import math
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from acgan.training.check import check_preset
from acgan.training.options import TrainOptions
from acgan.training.presets import PRESETS, Preset
from avatar_common.disk.runs import RunFolder
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError

log = logging.getLogger(__name__)

DEFAULT_MINUTES = 5.0


@dataclass(frozen=True)
class Budget:
    """How long to train; the run ends when the first of the two is reached."""

    seconds: float | None
    nimg: int | None

    def progress(self, nimg: int, elapsed_s: float) -> float:
        """The share of the budget that is used, 0 to 1."""
        shares = [0.0]
        if self.nimg is not None:
            shares.append(nimg / self.nimg)
        if self.seconds is not None:
            shares.append(elapsed_s / self.seconds)
        return min(1.0, max(shares))

    def is_over(self, elapsed_s: float) -> bool:
        """Whether the time is used up, so that the end must be short."""
        return self.seconds is not None and elapsed_s >= self.seconds


def resolve_settings(options: TrainOptions) -> tuple[Preset, dict[str, str]]:
    """The preset with the given options in place of its values, and where each value came from.

    Raises `UserError` for values that no run can have.
    """
    preset = PRESETS[options.preset]
    given = {
        field.name: value
        for field in fields(Preset)
        if (value := getattr(options, field.name, None)) is not None
    }
    given |= settings_given(options.set)
    origin = dict.fromkeys((field.name for field in fields(Preset)), f"preset {options.preset}")
    settings = replace(preset, **given)
    check_preset(settings)
    return settings, origin | dict.fromkeys(given, "option")


def settings_given(pairs: Sequence[str]) -> dict[str, Any]:
    """The preset's fields set by `--set name=value`, as Python literals or plain words.

    Raises `UserError` for a name that no preset has, or a value of another type.
    """
    found: dict[str, Any] = {}
    types = {field.name: field.type for field in fields(Preset)}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in types:
            close = difflib.get_close_matches(name, types, n=1)
            hint = f"did you mean {close[0]}=...?" if close else "config.json of a run lists them"
            raise UserError(f"--set takes name=value of a preset's field, not {pair!r}", hint=hint)
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        like = getattr(Preset(source="", nets=""), name)
        if isinstance(like, float) and type(value) is int:
            value = float(value)
        if not isinstance(value, type(like)) or isinstance(value, bool) != isinstance(like, bool):
            raise UserError(
                f"--set {name} takes a value like {like!r}, not {text!r}",
            )
        found[name] = value
    return found


def resolve_budget(options: TrainOptions) -> Budget:
    """The budget asked for, or the default. Raises `UserError` when it is none."""
    for name, value in (("--minutes", options.minutes), ("--kimg", options.kimg)):
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"{name} must be positive, and a number")
    if options.minutes is None and options.kimg is None:
        return Budget(DEFAULT_MINUTES * 60, None)
    return Budget(
        None if options.minutes is None else options.minutes * 60,
        None if options.kimg is None else max(1, round(options.kimg * 1000)),
    )


def find_run(
    workspace: Workspace,
    training: dict[str, Any],
    name: str | None = None,
    *,
    any_data: bool = False,
) -> Path | None:
    """The newest run that was asked for exactly this training, finished or not.

    With a `name`, only a run of that name; with `any_data`, on whatever faces and labels.
    """
    wanted = json.loads(json.dumps(training))
    if not workspace.runs.is_dir():
        return None
    for path in sorted(
        workspace.runs.glob(f"[0-9]*-{glob.escape(name) if name else '*'}"), reverse=True
    ):
        try:
            found = RunFolder(path).read_config()
        except UserError:
            continue
        asked = found.get("training")
        if any_data and isinstance(asked, dict):
            asked = asked | {"dataset_id": wanted["dataset_id"]}
        if asked == wanted:
            return path
    return None


def what_differs(workspace: Workspace, training: dict[str, Any], name: str) -> str | None:
    """Why the newest run of this name is not gone on with, in words; None without such a run."""
    wanted = flat(json.loads(json.dumps(training)))
    for path in sorted(workspace.runs.glob(f"[0-9]*-{glob.escape(name)}"), reverse=True):
        try:
            found = flat(RunFolder(path).read_config()["training"])
        except (UserError, KeyError):
            continue
        names = {
            key: f"{key} ({found.get(key)} -> {wanted.get(key)})"
            for key in found | wanted
            if found.get(key) != wanted.get(key)
        }
        if "dataset_id" in names:
            names["dataset_id"] = "the face set (its labels or pictures changed, or it is another)"
        return f"not {path.name}: it differs in {', '.join(names.values())}" if names else None
    return None


def flat(training: dict[str, Any]) -> dict[str, Any]:
    """The description with the preset's settings beside the options."""
    return {**training, **training.get("settings", {}), "settings": None}


def write_config(path: Path, training: dict[str, Any], origin: dict[str, str], **more: Any) -> None:
    """Write config.json: all that decides the outcome, and what it was run with."""
    content = {
        "training": training,
        "origin": origin,
        "commit": current_commit(),
        "python": platform.python_version(),
        **more,
    }
    RunFolder(path).write_config(content)


def settings_to_json(settings: Preset) -> dict[str, Any]:
    """The settings as plain JSON types."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return content


def current_commit() -> str | None:
    """The commit of this checkout, or None outside of one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
