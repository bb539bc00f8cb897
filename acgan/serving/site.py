"""`export --site`: the page as a folder of static files that draws in the browser.

`DIR/` holds the page, `ort/` (ONNX Runtime's WebAssembly build, from npm), and under
`models/<name>/` the generator as ONNX with halved weights, the networks of best-of-N, what is
known of the model (`model.json`), its card and a face. Any file host will do; nothing is loaded
from elsewhere.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acgan.drawing.avatar import Avatar
from acgan.drawing.best_of import USUALLY_DRAWN_EACH, Reader, load_classifier, realness_file
from acgan.drawing.describe import CARD_FILE, describe
from acgan.drawing.enlarge import UPSCALER
from acgan.drawing.export import exported, halve_weights, onnx_session, to_onnx
from acgan.drawing.model import Model
from acgan.drawing.options import ExportOptions
from acgan.drawing.painter import Painter
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import load_snapshot
from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.classifiers import find_classifier
from avatar_common.disk.files import write_bytes, write_text
from avatar_common.errors import Unavailable, UserError
from avatar_common.pictures import PicturesNHWC

log = logging.getLogger(__name__)

PAGE = Path(__file__).resolve().parent / "page"
PACKAGE = "onnxruntime-web"
VERSIONS = ">=1.20 <2"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
# WebAssembly must be compiled; apart from that the page takes nothing but its own files.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'none'"
)
SITE_SCHEMA_VERSION = 1
MOST_MEGABYTES = 20
MOST_DIFFERENCE = 2
COMPARED = 16
FACE_SEED = 7
NPM_TIMEOUT_S = 300


def run(options: ExportOptions, site: Path) -> None:
    """Write the folder, all of it or nothing; the last line on stdout is one JSON object."""
    if site.exists() and (not site.is_dir() or any(site.iterdir())):
        raise UserError(
            "already exists and is not replaced", where=str(site), hint="name a new folder"
        )
    paths = [find_snapshot(options.snapshot, options.workspace)]
    paths += [find_snapshot(path, options.workspace) for path in options.also]
    models = [Model(Painter(load_snapshot(p)), options.workspace) for p in dict.fromkeys(paths)]
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two models are called {name}", hint="rename one, or leave it out")
    if options.dry_run:
        explain_dry_run(options, [f"write a page that draws with {', '.join(names)} to {site}"])
        return
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{site.name}.", dir=site.parent) as kept:
        folder = Path(kept) / "site"
        copy_page(folder)
        if UPSCALER.is_file():
            shutil.copyfile(UPSCALER, folder / UPSCALER.name)
        copy_runtime(folder / "ort", options.runtime, Path(kept))
        told = [write_model(folder / "models", model) for model in models]
        listed = [{key: one[key] for key in ("name", "image_size", "attributes")} for one in told]
        write_bytes(folder / "models" / "models.json", as_json(listed))
        megabytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20
        if megabytes > MOST_MEGABYTES:
            log.warning("%.1f MB is much to load; leave out a model", megabytes)
        folder.chmod(0o755)
        if site.exists():
            site.rmdir()
        folder.rename(site)
    emit_json(
        {
            "site": str(site),
            "models": [one["name"] for one in told],
            "megabytes": round(megabytes, 2),
            "largest_difference": max(one["largest_difference"] for one in told),
        }
    )


def as_json(content: Any) -> bytes:
    """Compact JSON for browsers."""
    return json.dumps(content, separators=(",", ":")).encode()


def copy_page(folder: Path) -> None:
    """The page's own files; its one page told to draw by itself."""
    shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns("over_http.js", "__pycache__"))
    index = folder / "index.html"
    text = index.read_text(encoding="utf-8").replace("over_http", "in_browser")
    policy = f'<meta http-equiv="content-security-policy" content="{CONTENT_POLICY}">\n'
    write_text(index, text.replace('<meta name="viewport"', policy + '<meta name="viewport"', 1))


def copy_runtime(folder: Path, named: Path | None, spare: Path) -> None:
    """ONNX Runtime's WebAssembly build: from the folder named, an npm folder here, or npm.

    Raises `UserError` for a folder without it, `Unavailable` where npm is missing or fails.
    """
    source = find_runtime(named) if named is not None else installed_runtime(spare)
    folder.mkdir()
    for name in RUNTIME_FILES:
        shutil.copyfile(source / name, folder / name)
    for licence in (source / "LICENSE", source.parent / "LICENSE"):
        if licence.is_file():
            shutil.copyfile(licence, folder / "LICENSE")
            break


def find_runtime(named: Path) -> Path:
    """The folder with the files, in or under the one named. Raises `UserError`."""
    for folder in (named, named / "dist", named / PACKAGE / "dist",
                   named / "node_modules" / PACKAGE / "dist"):  # fmt: skip
        if all((folder / name).is_file() for name in RUNTIME_FILES):
            return folder
    raise UserError(
        f"no {PACKAGE} in this folder",
        where=str(named),
        hint=f"it needs {', '.join(RUNTIME_FILES)}",
    )


def installed_runtime(spare: Path) -> Path:
    """What `npm install` left here, else what npm fetches now."""
    try:
        return find_runtime(Path())
    except UserError:
        pass
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(
            f"npm is not installed, and no {PACKAGE} is here",
            hint="install npm, or name the package's folder with --runtime",
        )
    log.info("fetching %s with npm", PACKAGE)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(
            [*command, "--prefix", str(spare), f"{PACKAGE}@{VERSIONS}"],
            capture_output=True, text=True, timeout=NPM_TIMEOUT_S, env={**os.environ},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Unavailable("npm did not answer", hint="name a folder with --runtime") from None
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip()).partition("\n")[0][:160]
        raise Unavailable(f"npm could not fetch {PACKAGE}: {reason}", hint="or use --runtime")
    return find_runtime(spare)


def write_model(folder: Path, model: Model) -> dict[str, Any]:
    """A model's folder; what the page is told of it."""
    snapshot = model.painter.snapshot
    name = model.name.replace("/", ".")
    home = folder / name
    home.mkdir(parents=True)
    # The exporter leaves marks on the net that it is given.
    fresh = copy.deepcopy(snapshot)
    data = to_onnx(fresh, {}, half=True, mixing=True)
    write_bytes(home / "generator.onnx", data)
    portraits = model.portraits((), COMPARED, 0)
    theirs = Painter(snapshot, onnx_session(data, threads=1)).draw(portraits)
    largest = largest_difference(model.painter.draw(portraits), theirs)
    if largest > MOST_DIFFERENCE:
        raise Unavailable(
            f"ONNX Runtime and PyTorch draw different pictures (off by up to {largest} of 255), "
            "nothing was written",
            hint="try another version of onnxruntime",
        )
    choosers, columns = write_choosers(home, model)
    told = {
        "schema_version": SITE_SCHEMA_VERSION,
        "name": name,
        **describe(snapshot),
        "best_of": USUALLY_DRAWN_EACH if choosers else 1,
        "choosers": choosers,
        "reader_columns": columns,
        "upscaler": UPSCALER.is_file(),
    }
    write_bytes(home / "model.json", as_json(told))
    (face,) = model.portraits((), 1, FACE_SEED)
    write_bytes(
        home / "face.png", Avatar.of(model.painter.draw([face])[0], model.recipe(face)).png()
    )
    card = snapshot.path.with_name(CARD_FILE)
    if card.is_file():
        shutil.copyfile(card, home / CARD_FILE)
    classes = {group.name: list(group.classes) for group in model.info.vocabulary}
    return {
        "name": name,
        "image_size": model.image_size,
        "attributes": classes,
        "largest_difference": largest,
    }


def largest_difference(ours: PicturesNHWC, theirs: PicturesNHWC) -> int:
    """Of two rows of pictures, 0..255."""
    return int(np.abs(ours.astype(np.int16) - theirs).max())


def write_choosers(home: Path, model: Model) -> tuple[list[str], list[list[int]]]:
    """What chooses the best of N; which there are, and the reader's column of every class."""
    choosers: list[str] = []
    columns: list[list[int]] = []
    path = model.painter.snapshot.path
    realness = realness_file(path, model.info)
    if realness is not None:
        shutil.copyfile(realness, home / "realness.onnx")
        choosers.append("realness")
    try:
        found = find_classifier(path, model.info, model.workspace)
    except UserError as error:
        log.info("%s", error)
        return choosers, columns
    reader = Reader(found, model.info)
    write_bytes(home / "reader.onnx", reader_to_onnx(found, model.image_size))
    choosers.append("reader")
    for group, known in zip(model.info.vocabulary, reader.columns, strict=True):
        columns.append([known.get(place, -1) for place in range(len(group.classes))])
    return choosers, columns


def reader_to_onnx(path: Path, image_size: int) -> bytes:
    """The classifier: pictures uint8 [N,3,S,S] -> features, scores; weights halved."""
    program, notes = load_classifier(path)
    side = int(notes.get("image_size", image_size))
    pictures = torch.zeros(2, 3, side, side, dtype=torch.uint8)
    net = exported(program, {"pictures": pictures}, ["features", "scores"], None)
    halve_weights(net)
    return bytes(net.SerializeToString())
