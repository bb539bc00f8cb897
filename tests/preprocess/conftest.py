from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest


@pytest.fixture
def in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process starts slowly and does the same; tests named for it use one."""

    def run(
        work: Callable[[object], object], tasks: Iterable[object], **_: object
    ) -> Iterator[object]:
        yield from map(work, tasks)

    if "worker" not in request.node.name:
        monkeypatch.setattr("preprocess.import_pictures.run_tasks", run)
