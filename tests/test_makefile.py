"""`make setup` with a Python that only notes what it is asked: which packages end up installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FAKE_PYTHON = """#!/bin/sh
# A stand-in for .venv/bin/python: cv2 fails until the headless wheel is there, if BROKEN is set.
echo "$*" >> "$LOG"
case "$*" in
    "-m pip install"*opencv-python-headless*) touch "$LOG.headless" ;;
    "-c import cv2") [ -z "$BROKEN" ] || [ -e "$LOG.headless" ] || exit 1 ;;
esac
exit 0
"""


def set_up(folder: Path, *, broken: str) -> tuple[int, list[str]]:
    """Run `make setup` in a folder with our Makefile; exit code and the calls of Python."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    log = folder / "calls"
    environment = {"PATH": "/usr/bin:/bin", "LOG": str(log), "BROKEN": broken}
    done = subprocess.run(
        ["make", "setup", f"PYTHON={sys.executable}"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, log.read_text().splitlines()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("broken", ["", "yes"])
def test_headless_opencv_comes_only_where_the_other_fails(tmp_path: Path, broken: str) -> None:
    code, calls = set_up(tmp_path, broken=broken)
    assert code == 0
    assert (tmp_path / ".venv" / ".installed").exists()
    replacing = [call for call in calls if "uninstall" in call or "headless" in call]
    assert replacing == (
        [
            "-m pip uninstall --quiet --yes opencv-python",
            "-m pip install --quiet --force-reinstall --no-deps opencv-python-headless>=4.9,<5",
        ]
        if broken
        else []
    )
