"""Which precision a run computes in."""

from __future__ import annotations

import pytest
import torch

from acgan.devices import computes_in_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx2": True}, False)],
)
def test_auto_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert computes_in_bf16("auto", CPU) is expected


def test_asked_precision_is_taken() -> None:
    assert computes_in_bf16("bfloat16", CPU)
    assert not computes_in_bf16("float32", CPU)
