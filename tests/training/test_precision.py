"""Which precision a run computes in."""

from __future__ import annotations

import pytest
import torch

from acgan.training import precision
from acgan.training.precision import computes_in_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(("float32_s", "bfloat16_s", "expected"), [(2, 1, True), (1, 1.6, False)])
def test_auto_follows_the_clock(
    monkeypatch: pytest.MonkeyPatch, float32_s: float, bfloat16_s: float, expected: bool
) -> None:
    monkeypatch.setattr(
        precision, "seconds_of_update", lambda net, images, *, bf16: [float32_s, bfloat16_s][bf16]
    )
    assert computes_in_bf16("auto", CPU) is expected


def test_a_moment_is_measured_and_disturbs_no_random_number() -> None:
    state = torch.get_rng_state()
    assert computes_in_bf16("auto", CPU) in (True, False)
    assert torch.equal(state, torch.get_rng_state())


def test_asked_precision_is_taken() -> None:
    assert computes_in_bf16("bfloat16", CPU)
    assert not computes_in_bf16("float32", CPU)
