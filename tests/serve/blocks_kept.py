"""Prints how many blocks of memory the page keeps of a request, after it has remembered enough.

A process of its own: Gradio and the page set things that hold for all of it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import urllib.parse
from pathlib import Path

import torch
import uvicorn

from acgan.serve import app
from acgan.serve.cupboard import Cupboard
from acgan.serve.library import Library
from acgan.serve.studio import Studio
from tests.serve.conftest import Served
from tests.serve.test_load import call, get, request

WARM_UP, MEASURED, PICTURES = 120, 60, 16


def main(workspace: Path) -> None:
    app.REMEMBERED_VISITORS, app.REMEMBERED_STREAMS = 4, 8  # full after a few requests
    torch.set_num_threads(1)
    cupboard = Cupboard()
    studio = Studio(Library(workspace, None, torch.device("cpu")), cupboard)
    listener = app.listen("127.0.0.1", 0)
    listener.listen()  # so that the first request waits until the server is up
    page = app.build_app(studio, cupboard, "127.0.0.1")
    server = uvicorn.Server(uvicorn.Config(page, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}/", os.getpid())
    config = json.loads(get(served, "config")[1])

    def blocks_after(seeds: range) -> int:
        for seed in seeds:
            assert call(served, config, request(seed, PICTURES))["success"]
        urllib.parse.clear_cache()  # the client's own memory, in this process too
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(range(WARM_UP))
    after = blocks_after(range(WARM_UP, WARM_UP + MEASURED))
    sys.stdout.write(f"{(after - before) / MEASURED:.1f}\n")
    sys.stdout.flush()
    cupboard.close()
    os._exit(0)  # the server's thread waits for visitors


if __name__ == "__main__":
    main(Path(sys.argv[1]))
