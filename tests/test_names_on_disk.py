"""Names of files and folders on disk are spelled by the class that owns them, nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("acgan", "avatar_common", "bench", "crawler", "demo", "eval", "preprocess")
OWNERS = {
    "checkpoints": "runs",
    "config.json": "runs",
    "result.json": "runs",
    "samples": "runs",
    "snapshots": "runs",
    "stats.jsonl": "runs",
    "watch.jsonl": "runs",
    "faces.csv": "faces",
    "label_sources.csv": "faces",
    "rejects.csv": "faces",
    "images": "identity raw",
    "crawl.sqlite": "raw",
    "metrics.jsonl": "scores",
    "report.html": "scores",
}
OTHER_PEOPLES = {
    ("bench/detector_pictures.py", "images"),  # in scikit-learn
    ("eval/metrics/inception.py", "checkpoints"),  # of torch.hub
}


def names_in(source: str) -> set[str]:
    """The names that `source` joins to a path; of files those too that stand alone in quotes."""
    found = set()
    for name in OWNERS:
        before = r"""["'/]""" if "." in name else r"""/\s*f?["'](?:[^"'\s]*/)?"""
        if re.search(rf"""{before}{re.escape(name)}["'/]""", source):
            found.add(name)
    return found


def test_each_name_is_spelled_by_its_owner() -> None:
    spelled = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found = names_in(path.read_text(encoding="utf-8"))
            spelled |= {(path.relative_to(ROOT).as_posix(), name) for name in found}
    assert spelled - OTHER_PEOPLES <= {
        (f"avatar_common/disk/{owner}.py", name)
        for name, owners in OWNERS.items()
        for owner in owners.split()
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('folder / "images"', {"images"}),
        ('(workspace\n    / "data/raw/images" / name)', {"images"}),
        ("run / f'samples/{name}.png'", {"samples"}),
        ('Path("data", "crawl.sqlite")', {"crawl.sqlite"}),
        ('leaves="data/raw/crawl.sqlite"', {"crawl.sqlite"}),
        ('"snapshots": 3', set()),
        ('"""Writes report.html and metrics.jsonl."""', set()),
    ],
)
def test_a_spelled_name_is_found(source: str, found: set[str]) -> None:
    assert names_in(source) == found
