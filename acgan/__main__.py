"""The room that trains and draws."""

from acgan.make.options import (
    ExportOptions,
    GenerateOptions,
    InterpolateOptions,
    PackageOptions,
    ServeOptions,
    TraverseOptions,
    UpscalerOptions,
    VaryOptions,
)
from acgan.options import TrainOptions
from acgan.request import fold_attributes
from cli import Command, main

COMMANDS = {
    "train": Command(
        TrainOptions, "acgan.train:run", "Train a generator on a face set.", resumes=True
    ),
    "generate": Command(GenerateOptions, "acgan.generate:run", "Draw avatars to order."),
    "vary": Command(
        VaryOptions, "acgan.make.variations:run", "Draw more like an earlier one, or change it."
    ),
    "traverse": Command(
        TraverseOptions, "acgan.make.traverse:run", "Move one number or attribute sideways."
    ),
    "interpolate": Command(
        InterpolateOptions, "acgan.make.interpolate:run", "Morph between two or more avatars."
    ),
    "export": Command(ExportOptions, "acgan.make.export:run", "Write ONNX, or a site that draws."),
    "package": Command(
        PackageOptions, "acgan.make.package:run", "A snapshot, its scores and judge to give away."
    ),
    "train-upscaler": Command(
        UpscalerOptions, "acgan.upscaler:run", "Train the net that enlarges avatars."
    ),
    "serve": Command(ServeOptions, "acgan.serve.app:run", "Avatars over HTTP, and a page."),
}

if __name__ == "__main__":
    main("acgan", COMMANDS, fold_attributes(COMMANDS))
