from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from acgan.drawing import export
from acgan.drawing.options import ExportOptions
from acgan.nets.snapshot import load_snapshot
from avatar_common.errors import Unavailable, UserError
from tests.drawing.snapshots import make_snapshot

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "use-from-javascript.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot and its exported generator."""
    root = tmp_path_factory.mktemp("export")
    snapshot = make_snapshot(root / "tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxscript warns while it is imported
        export.run(ExportOptions(snapshot=snapshot, out=root / "generator.onnx", quiet=True))
    return root


def test_the_file_draws_what_pytorch_draws(folder: Path) -> None:
    snapshot = load_snapshot(folder / "tiny")
    session = export.onnx_session((folder / "generator.onnx").read_bytes())
    z = snapshot.random_z(5, 99)
    labels = torch.tensor([[3, 4, 1]] * 4 + [[-1, -1, -1]])
    ours = snapshot.draw(z, labels).permute(0, 2, 3, 1).numpy().astype(int)
    theirs = session.run(None, {"z": z.numpy(), "labels": labels.int().numpy()})[0]
    assert theirs.dtype == np.uint8
    assert abs(ours - theirs).max() <= 2
    assert ours.std() > 20


def test_the_metadata_says_how_to_ask(folder: Path) -> None:
    session = export.onnx_session((folder / "generator.onnx").read_bytes())
    found = session.get_modelmeta().custom_metadata_map
    beside = json.loads((folder / "generator.json").read_text())
    info = load_snapshot(folder / "tiny").info
    assert json.loads(found["attributes"]) == beside["attributes"] == info.vocabulary.to_json()
    assert int(found["z_dim"]) == info.z_dim
    assert found["snapshot"] == info.weights_sha256
    assert "0 to 255" in found["outputs"]


def test_fp16_is_half_the_weights_and_draws_the_same(folder: Path) -> None:
    snapshot = load_snapshot(folder / "tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        halved = export.to_onnx(snapshot, export.notes_of(snapshot), half=True)
    largest, mean = export.compare(snapshot, halved, 4)
    assert largest <= export.LARGEST_DIFFERENCE["fp16"]
    assert mean <= export.MEAN_DIFFERENCE["fp16"]
    assert len(halved) < 0.8 * (folder / "generator.onnx").stat().st_size


def test_a_file_that_draws_something_else_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_snapshot(make_snapshot(tmp_path / "other", seed=1))
    data = (folder / "generator.onnx").read_bytes()
    assert export.compare(other, data, 2)[1] > 1
    monkeypatch.setattr(export, "to_onnx", lambda *args, **kwargs: data)
    with pytest.raises(Unavailable, match="nothing was written"):
        export.run(ExportOptions(snapshot=other.path, out=tmp_path / "bad.onnx"))
    assert not (tmp_path / "bad.onnx").exists()


def test_another_ending_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"must end in \.onnx"):
        export.run(ExportOptions(snapshot=folder / "tiny", out=folder / "x.bin"))


def code(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_python_on_the_page_runs(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code("python")],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "(4, 16, 16, 3) uint8\n", done.stderr


def test_the_javascript_on_the_page_runs(folder: Path) -> None:
    """With onnxruntime-node where it is installed, else with a stand-in that checks the call."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is absent")
    (folder / "page.cjs").write_text(code("js"))
    real = subprocess.run(
        [node, "-e", "require('onnxruntime-node')"], cwd=folder, capture_output=True
    )
    if real.returncode != 0:
        stand_in = folder / "node_modules" / "onnxruntime-node"
        stand_in.mkdir(parents=True, exist_ok=True)
        (stand_in / "index.js").write_text(STAND_IN)
    done = subprocess.run([node, "page.cjs"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    data = (folder / "avatars.ppm").read_bytes()
    assert data.startswith(b"P6 16 64 255\n")
    assert len(data) == 13 + 4 * 16 * 16 * 3


# Draws by way of the Python runtime: what the page passes is what the file gets.
STAND_IN = r"""
const { execFileSync } = require("node:child_process");
class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
const script = `
import json, sys, numpy as np, onnxruntime
asked = json.load(sys.stdin)
feeds = {k: np.array(v["data"], v["type"]).reshape(v["dims"]) for k, v in asked["feeds"].items()}
sys.stdout.buffer.write(onnxruntime.InferenceSession(asked["file"]).run(None, feeds)[0].tobytes())
`;
const InferenceSession = {
  create: async (file) => ({
    run: async (feeds) => {
      const plain = Object.fromEntries(Object.entries(feeds).map(
        ([name, t]) => [name, { type: t.type, data: Array.from(t.data), dims: t.dims }]));
      const input = JSON.stringify({ file, feeds: plain });
      const data = execFileSync("PYTHON", ["-W", "ignore", "-c", script], { input });
      return { pictures: { data: new Uint8Array(data) } };
    },
  }),
};
module.exports = { Tensor, InferenceSession };
""".replace("PYTHON", sys.executable)
