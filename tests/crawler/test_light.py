"""A crawl needs none of the heavy packages, so a machine that only crawls can go without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from demo.booru import serve
from demo.booru.samples import make_posts
from tests.crawler.crawls import ROOT, command

HEAVY = (
    *("torch", "torchvision", "cv2", "pandas", "skimage", "scipy", "matplotlib", "PIL"),
    *("imagehash", "onnx", "onnxruntime", "safetensors", "tensorboard"),
)
WITHOUT_HEAVY = f"""
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
runpy.run_module("crawler", run_name="__main__")
"""


def run_without(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY, *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_crawl_needs_no_heavy_package(more: tuple[str, ...], tmp_path: Path) -> None:
    with serve(list(make_posts(6)), "moebooru") as stand_in:
        arguments = command(stand_in, "moebooru", tmp_path)[3:]
        done = run_without([*arguments, *more])
    assert done.returncode == 0, done.stderr
    assert bool(list(tmp_path.rglob("*.png")) + list(tmp_path.rglob("*.jpg"))) is not bool(more)


def test_the_blocker_blocks() -> None:
    done = run_without(["--help"])
    assert done.returncode == 0, done.stderr
    code = WITHOUT_HEAVY.replace("runpy.run_module", "import torch; runpy.run_module")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "torch is blocked" in done.stderr
