"""Groups of a single class, as a vocabulary of one's own may have: nothing to tell, no reason to
stop."""

from __future__ import annotations

import torch

from acgan.nets.blocks import LabelEmbedding


def test_a_group_of_one_class_can_be_embedded() -> None:
    for sizes in ((1,), (1, 1), (1, 3)):
        embedding = LabelEmbedding(sizes, 8)
        labels = torch.tensor([[-1] * len(sizes), [0] * len(sizes)])
        assert embedding(labels).isfinite().all()
