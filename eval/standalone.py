"""The classifier as a file of its own, for packages that may not import this one (best-of-N)."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from avatar_common.disk.classifiers import NOTES_FILE, notes_of
from avatar_common.disk.files import write_bytes
from avatar_common.disk.vocabulary import Vocabulary
from eval.classifier import Classifier

log = logging.getLogger(__name__)


class Standalone(nn.Module):
    """Pictures uint8 [N,3,S,S] -> features [N,F], log-probabilities [N, classes of all groups]."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and the scores of all groups side by side."""
        features, logits = self.classifier(pictures)
        return features, torch.cat([scores.log_softmax(1) for scores in logits], dim=1)


def keep_standalone(
    classifier: Classifier, path: Path, *, image_size: int, vocabulary: Vocabulary, dataset_id: str
) -> None:
    """Write `path` (.pt2) unless it is there; what it reads is described in its notes."""
    if path.is_file():
        return
    notes = notes_of(image_size, vocabulary, dataset_id)
    example = torch.zeros(2, 3, image_size, image_size, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=65536)
    device = next(classifier.parameters()).device
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes to its own developers
        program = torch.export.export(
            Standalone(classifier.cpu()).eval(), (example,), dynamic_shapes={"pictures": {0: batch}}
        )
        for node in program.graph.nodes:  # where the code lies on this machine
            node.meta.pop("stack_trace", None)
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={NOTES_FILE: notes})
    classifier.to(device)
    write_bytes(path, file.getvalue())
