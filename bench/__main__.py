"""Side-by-side measurements: each is one command that ends with one JSON object."""

from avatar_common.commands import Command, main
from bench.options import (
    CrawlOptions,
    CropOptions,
    DetectorPicturesOptions,
    DrawnFacesOptions,
    EditOptions,
    EvalOptions,
    FacesOptions,
    GenerateOptions,
    GpuOptions,
    QualityOptions,
    TrainOptions,
)

COMMANDS = {
    "crawl": Command(CrawlOptions, "bench.crawl:run", "Our crawl beside gallery-dl's."),
    "crop": Command(CropOptions, "bench.crop:run", "Our crop beside the tutorials' loop."),
    "detector-pictures": Command(
        DetectorPicturesOptions, "bench.detector_pictures:run", "What the detector is trained on."
    ),
    "drawn-faces": Command(
        DrawnFacesOptions, "bench.drawn_faces:run", "Drawn characters as a labelled face set."
    ),
    "edit": Command(
        EditOptions, "bench.edit:run", "Other hair and eyes in held-out faces: do they show?"
    ),
    "faces": Command(FacesOptions, "bench.faces:run", "A face detector's recall on given boxes."),
    "generate": Command(
        GenerateOptions, "bench.generate:run", "Milliseconds per avatar: PyTorch, ONNX Runtime."
    ),
    "train": Command(TrainOptions, "bench.train:run", "Training speed beside the tutorial loop."),
    "quality": Command(
        QualityOptions,
        "bench.quality:run",
        "Presets trained for equal time, then scored.",
        resumes=True,
    ),
    "gpu": Command(
        GpuOptions, "bench.quality:run_gpu", "All that needs a GPU, in short parts.", resumes=True
    ),
    "eval": Command(EvalOptions, "bench.eval:run", "Planted failures: does the report name them?"),
}

if __name__ == "__main__":
    main("bench", COMMANDS)
