"""The commands that train and draw."""

from acgan.doctor import DoctorOptions
from acgan.drawing.options import (
    EditOptions,
    ExportOptions,
    GenerateOptions,
    InterpolateOptions,
    PackageOptions,
    TraverseOptions,
    UpscalerOptions,
    VaryOptions,
)
from acgan.drawing.request import fold_attributes
from acgan.serving.options import ServeOptions
from acgan.training.options import TrainOptions, TruncateOptions
from avatar_common.commands import Command, main

COMMANDS = {
    "train": Command(
        TrainOptions, "acgan.training.train:run", "Train a generator on a face set.", resumes=True
    ),
    "truncate": Command(
        TruncateOptions,
        "acgan.training.truncate:run",
        "Move latents to where a generator draws well.",
    ),
    "generate": Command(GenerateOptions, "acgan.drawing.generate:run", "Draw avatars to order."),
    "vary": Command(
        VaryOptions, "acgan.drawing.variations:run", "Draw more like an earlier one, or change it."
    ),
    "edit": Command(
        EditOptions, "acgan.drawing.editing:run", "Change hair or eye colour in your own picture."
    ),
    "traverse": Command(
        TraverseOptions, "acgan.drawing.traverse:run", "Vary one latent number or attribute."
    ),
    "interpolate": Command(
        InterpolateOptions, "acgan.drawing.interpolate:run", "Morph between two or more avatars."
    ),
    "export": Command(ExportOptions, "acgan.drawing.export:run", "Write ONNX, or a site."),
    "package": Command(
        PackageOptions,
        "acgan.drawing.package:run",
        "Collect the files of a model to give away.",
    ),
    "train-upscaler": Command(
        UpscalerOptions,
        "acgan.drawing.train_upscaler:run",
        "Train the network that enlarges avatars.",
    ),
    "doctor": Command(
        DoctorOptions, "acgan.doctor:run", "Report what is installed, chosen and missing."
    ),
    "serve": Command(ServeOptions, "acgan.serving.app:run", "Avatars over HTTP, and a page."),
}

if __name__ == "__main__":
    main("acgan", COMMANDS, fold_attributes(COMMANDS))
