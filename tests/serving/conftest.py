from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from acgan.nets import build_encoder
from acgan.nets.snapshot import save_training_nets
from acgan.serving.options import ServeOptions
from avatar_common.disk.runs import read_snapshot_info
from eval.classifier import Classifier
from eval.standalone import keep_standalone
from tests.drawing.snapshots import make_snapshot

START_S = 60


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two runs and a classifier for both, an encoder for the newer, all untrained;
    read only."""
    root = tmp_path_factory.mktemp("workspace")
    make_snapshot(root / "runs" / "00001-tiny" / "snapshots" / "0000001000")
    last = make_snapshot(root / "runs" / "00002-other" / "snapshots" / "0000001000", seed=1)
    info = read_snapshot_info(last)
    faces = root / "data/faces/tiny"
    faces.mkdir(parents=True)
    (faces / "dataset.json").write_text(json.dumps({"dataset_id": info.dataset_id}))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = build_encoder(info.architecture)
        save_training_nets(last, {"encoder": encoder})
        classifier = Classifier(16, info.vocabulary.sizes, 8).eval()
    keep_standalone(
        classifier, faces / "classifier-0.pt2", image_size=16, vocabulary=info.vocabulary,
        dataset_id=info.dataset_id,
    )  # fmt: skip
    return root


@dataclass(frozen=True)
class Served:
    url: str


@contextmanager
def serving(workspace: Path, **settings: Any) -> Iterator[Served]:
    """The server in a thread of this process, on a real port, until the end of the block."""
    for needed in ("fastapi", "uvicorn"):
        pytest.importorskip(needed, reason="the extra `serve` is not installed")
    from acgan.serving.app import build_app, listen, make_server
    from acgan.serving.cache import Cache
    from acgan.serving.library import Library

    options = ServeOptions(workspace=workspace, port=0, engine="torch", **settings)
    library = Library(workspace, None, torch.device("cpu"), options.engine)
    cache = Cache(None, disk_bytes=2**24, memory_bytes=2**22)
    listener = listen(options.host, options.port)
    server = make_server(build_app(library, cache, options), options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        end = time.monotonic() + START_S
        while not server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.02)
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        cache.close()


@pytest.fixture(scope="session")
def served(workspace: Path) -> Iterator[Served]:
    """A server with a page and without a limit for its only client."""
    with serving(workspace, client_limit=0.0) as found:
        yield found
