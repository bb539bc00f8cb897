from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from demo.crowd import draw_post

CLUSTER = Path(__file__).parents[2] / "preprocess" / "cluster.py"
ERRORS = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError")


def test_a_lost_task_counts_as_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for Ray whose tasks are lambdas that give their result or raise Ray's errors."""
    errors = {name: type(name, (Exception,), {}) for name in (*ERRORS, "RayTaskError")}

    def remote(**_: object) -> object:
        return lambda function: SimpleNamespace(
            remote=lambda work, task: lambda: function(work, task)
        )

    ray = SimpleNamespace(
        ObjectRef=object,
        exceptions=SimpleNamespace(**errors),
        init=lambda **_: None,
        shutdown=lambda: None,
        cluster_resources=lambda: {"CPU": 1.0},
        remote=remote,
        put=lambda value: value,
        wait=lambda running, num_returns: (running[:num_returns], running[num_returns:]),
        get=lambda call: call(),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    run_on_cluster = runpy.run_path(str(CLUSTER))["run_on_cluster"]

    def work(name: str) -> str:
        if name in errors:
            raise errors[name]
        return "done"

    tasks = ["fine", *ERRORS]
    results = run_on_cluster(work, tasks, address="local", on_crash=lambda name: f"lost: {name}")
    assert list(results) == ["done", *(f"lost: {name}" for name in ERRORS)]


@pytest.mark.slow
def test_a_local_cluster_makes_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(8):
        post = draw_post(index, 3)
        (pictures / f"{index}.{post.file_ext}").write_bytes(post.data)
    made = {}
    for name, how in (("one", ["--workers", "1"]), ("cluster", ["--ray", "local"])):
        workspace = tmp_path / name
        command = [sys.executable, "-m", "preprocess", "crop", "--pictures", str(pictures)]
        subprocess.run([*command, "--workspace", str(workspace), *how], check=True)
        faces = workspace / "data" / "faces" / "faces"
        made[name] = {p.relative_to(faces): p.read_bytes() for p in faces.rglob("*") if p.is_file()}
    assert made["one"] == made["cluster"]
