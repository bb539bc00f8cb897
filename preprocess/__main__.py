"""`python -m preprocess`: pictures to faces, tags to attributes, face sets in and out."""

from avatar_common.commands import Command, main
from preprocess.detector_training.options import TrainCascadeOptions, TrainVerifierOptions
from preprocess.options import (
    AuditOptions,
    CropOptions,
    ExportOptions,
    ImportOptions,
    TagOptions,
)
from preprocess.reader.options import LabelOptions, TrainReaderOptions

COMMANDS = {
    "crop": Command(CropOptions, "preprocess.crop:crop", "Find and cut the faces.", resumes=True),
    "tag": Command(TagOptions, "preprocess.tag:tag", "Turn the posts' tags into attributes."),
    "import": Command(
        ImportOptions, "preprocess.import_set:import_set", "Import faces, with or without labels."
    ),
    "label": Command(
        LabelOptions,
        "preprocess.reader.label:label",
        "Read attributes off the faces; look them over.",
    ),
    "audit": Command(
        AuditOptions, "preprocess.audit:audit", "Check labels against the colours in the faces."
    ),
    "export": Command(
        ExportOptions, "preprocess.export:export", "Export a face set in another format."
    ),
    "train-cascade": Command(
        TrainCascadeOptions,
        "preprocess.detector_training.train:train_cascade",
        "Train the LBP cascade.",
    ),
    "train-verifier": Command(
        TrainVerifierOptions,
        "preprocess.detector_training.verifier:train_verifier",
        "Train the network behind the cascade.",
    ),
    "train-reader": Command(
        TrainReaderOptions,
        "preprocess.reader.train:train_reader",
        "Train the network behind label.",
        resumes=True,
    ),
}

if __name__ == "__main__":
    main("preprocess", COMMANDS)
