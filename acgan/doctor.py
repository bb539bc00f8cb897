"""`python -m acgan doctor`: what is installed here, what would be used, and what is missing.

It answers where something is broken, so every library is imported inside a probe, never above.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avatar_common.commands import DeviceOptions, emit_json, explain_dry_run, say
from avatar_common.disk.faces import face_folders
from avatar_common.disk.runs import RunFolder, read_snapshot_info, snapshot_in
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import Unavailable, UserError

PROJECT = "anime-avatar-acgan"
ROOT = Path(__file__).resolve().parents[1]
OPENCV = ("opencv-python", "opencv-python-headless")
IMPORTED = {"torch": "torch", "torchvision": "torchvision", "onnxruntime": "onnxruntime"}
EXTRA_MODULES = {
    "serve": ("fastapi", "uvicorn", "httptools", "onnxscript"),
    "onnx": ("onnxscript",),
    "fid": ("torchmetrics", "torch_fidelity"),
    "ray": ("ray",),
    "dev": (
        "pytest",
        "xdist",
        "hypothesis",
        "ruff",
        "mypy",
        "gallery_dl",
        "prdc",
        "sklearn",
        "selenium",
    ),
}
LITTLE_DISK_GB = 2.0


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(DeviceOptions):
    """Say what is installed, what would be used and what is missing."""

    json: bool = False
    """Print one JSON object in place of lines for people."""


def run(options: DoctorOptions) -> None:
    """Print the report. Raises `Unavailable` (exit code 3) where something needed is missing."""
    if options.dry_run:
        explain_dry_run(options, ["look at libraries, device, disk and workspace; write nothing"])
        return
    report = examine(options)
    if options.json:
        emit_json(report)
    else:
        for name, text in lines_of(report):
            say(f"{name:<12} {text}")
    if report["problems"]:
        raise Unavailable(f"{len(report['problems'])} problems: {'; '.join(report['problems'])}")


def examine(options: DoctorOptions) -> dict[str, Any]:
    """Everything that the report says, in the names of `--json`; takes one to three seconds."""
    problems: list[str] = []
    libraries = {name: probe_library(module, name) for name, module in IMPORTED.items()}
    libraries |= {"opencv": probe_library("cv2", *OPENCV)}
    for name, found in libraries.items():
        if found["error"]:
            problems.append(f"{name} cannot be imported: {found['error']}")
    device = {} if libraries["torch"]["error"] else probe_device(options, problems)
    free_gb = shutil.disk_usage(existing_folder(options.workspace)).free / 1e9
    if free_gb < LITTLE_DISK_GB:
        problems.append(f"only {free_gb:.1f} GB of disk are free")
    models, runs, face_sets = find_models(), find_runs(options.workspace), find_face_sets(options)
    problems += [found["error"] for found in (*models, *runs, *face_sets) if "error" in found]
    return {
        "version": version_of(PROJECT) or version_of_checkout(),
        "lies_in": str(ROOT),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": libraries,
        **device,
        "cores": usable_cores(),
        "gomp_spincount": os.environ.get("GOMP_SPINCOUNT"),
        "disk_free_gb": round(free_gb, 1),
        "models": models,
        "face_sets": face_sets,
        "runs": runs,
        "extras_missing": missing_extras(),
        "problems": problems,
    }


def version_of(*distributions: str) -> str | None:
    """The version of the first of these distributions that is installed."""
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def version_of_checkout() -> str | None:
    """The version that pyproject.toml names, where this runs from a checkout."""
    path = ROOT / "pyproject.toml"
    if not path.is_file():
        return None
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"])


def probe_library(module: str, *distributions: str) -> dict[str, Any]:
    """The installed distribution's version and, where the import fails, why."""
    installed = [name for name in distributions if version_of(name)]
    try:
        importlib.import_module(module)
        error = None
    except Exception as failure:  # a half-installed library may raise anything
        error = " ".join(str(failure).split()) or type(failure).__name__
        if module == "cv2" and installed and ".so" in error:
            error += " (put opencv-python-headless in opencv-python's place, as `make setup` does)"
    return {"version": version_of(*distributions), "distributions": installed, "error": error}


def probe_device(options: DoctorOptions, problems: list[str]) -> dict[str, Any]:
    """Device and threads that a command would take, and both precisions' milliseconds there."""
    import torch

    from acgan.devices import choose_device
    from acgan.training.precision import computes_in_bf16, update_seconds

    try:
        device = choose_device(options.device, options.threads)
    except UserError as error:
        problems.append(str(error))
        device = torch.device("cpu")
    found: dict[str, Any] = {"device": str(device), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["device_name"] = properties.name
        found["device_memory_gb"] = round(properties.total_memory / 1e9, 1)
        found["precision"] = "bfloat16" if computes_in_bf16("auto", device) else "float32"
    elif device.type == "cpu":
        seconds = update_seconds()
        found["precision"] = "bfloat16" if seconds[True] < seconds[False] else "float32"
        found["update_ms"] = {
            "float32": round(1e3 * seconds[False], 2),
            "bfloat16": round(1e3 * seconds[True], 2),
        }
    else:
        found["precision"] = "float32"
    return found


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def existing_folder(path: Path) -> Path:
    """The path itself, or its nearest parent that is there."""
    path = path.resolve()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def find_models() -> list[dict[str, Any]]:
    """The models that come along."""
    from acgan.drawing.snapshots import shipped_snapshots

    return [_snapshot(path.parent.name, path) for path in shipped_snapshots()]


def find_runs(workspace: Path) -> list[dict[str, Any]]:
    """The workspace's runs with their newest snapshot."""
    found = []
    for run in Workspace(workspace).run_folders():
        try:
            newest = _snapshot(run.name, snapshot_in(run))
        except UserError:
            newest = {"name": run.name, "kimg": None}
        found.append(newest | {"finished": RunFolder(run).is_finished})
    return found


def find_face_sets(options: DoctorOptions) -> list[dict[str, Any]]:
    """The workspace's face sets, as their `dataset.json` describes them; pictures are not read."""
    found: list[dict[str, Any]] = []
    for folder in face_folders(Workspace(options.workspace).faces):
        if not folder.info_file.is_file():
            continue
        name = folder.path.name
        try:
            info = folder.read_info()
        except UserError as error:
            found.append({"name": name, "error": str(error)})
            continue
        counts = info.get("counts") or {}
        found.append(
            {
                "name": name,
                "faces": counts.get("faces"),
                "image_size": info.get("image_size"),
                "labelled": folder.labels_table.is_file(),
            }
        )
    return found


def _snapshot(name: str, path: Path) -> dict[str, Any]:
    try:
        info = read_snapshot_info(path)
    except UserError as error:
        return {"name": name, "error": str(error)}
    return {"name": name, "image_size": info.image_size, "kimg": info.kimg}


def missing_extras() -> dict[str, list[str]]:
    """Per optional extra the modules that are not installed."""
    missing = {
        extra: [module for module in modules if find_spec(module) is None]
        for extra, modules in EXTRA_MODULES.items()
    }
    return {extra: modules for extra, modules in missing.items() if modules}


def lines_of(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The report for people: a name and a text per line."""
    lines = [
        ("project", f"{report['version'] or 'version unknown'}, {report['lies_in']}"),
        ("python", f"{report['python']}, {sys.executable}"),
        ("system", report["platform"]),
    ]
    lines += [(name, _library(found)) for name, found in report["libraries"].items()]
    if "device" in report:
        lines += [("device", _device(report)), ("precision", _precision(report))]
    lines += [
        ("threads", f"{report.get('threads', '?')} of {report['cores']} cores, "
                    f"GOMP_SPINCOUNT={report['gomp_spincount']}"),
        ("disk", f"{report['disk_free_gb']} GB free"),
        ("models", "; ".join(map(_described, report["models"])) or "none"),
        ("face sets", "; ".join(map(_described, report["face_sets"])) or "none in this workspace"),
        ("runs", "; ".join(map(_described, report["runs"])) or "none in this workspace"),
    ]  # fmt: skip
    lines += [
        (f"extra {extra}", f"missing {', '.join(modules)}: pip install -e '.[{extra}]'")
        for extra, modules in report["extras_missing"].items()
    ]
    return lines


def _library(found: dict[str, Any]) -> str:
    if found["error"]:
        return f"{found['version'] or 'not installed'}, import fails: {found['error']}"
    return f"{found['version']} ({', '.join(found['distributions'])})"


def _device(report: dict[str, Any]) -> str:
    name = report.get("device_name")
    return f"{report['device']}, {name}, {report['device_memory_gb']} GB" if name else (
        report["device"]
    )  # fmt: skip


def _precision(report: dict[str, Any]) -> str:
    measured = report.get("update_ms", {})
    text = ", ".join(f"{name} {ms} ms" for name, ms in measured.items())
    return f"{report['precision']}" + (f" (a small update takes: {text})" if text else "")


def _described(found: dict[str, Any]) -> str:
    if found.get("error"):
        return f"{found['name']} (damaged)"
    parts = []
    if found.get("faces") is not None:
        parts.append(f"{found['faces']} faces")
    if found.get("image_size"):
        parts.append(f"{found['image_size']} px")
    if found.get("kimg") is not None:
        parts.append(f"{found['kimg']:.1f} kimg")
    if found.get("labelled") is False:
        parts.append("no labels")
    if found.get("finished") is False:
        parts.append("unfinished")
    return f"{found['name']} ({', '.join(parts)})" if parts else found["name"]
