"""Pictures at a size one can use."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from acgan.drawing.request import whole
from avatar_common.errors import UserError

ScaleBy = Literal["detail", "smooth", "pixels"]
MOST_SIDE_PX = 2048
# Made by `python -m acgan train-upscaler`.
UPSCALER = Path(__file__).resolve().with_name("upscaler.onnx")


def resize(image: Image.Image, side: int, by: ScaleBy = "detail") -> Image.Image:
    """A square picture with `side` px.

    `detail` doubles it with a net that has learnt from drawings and goes on with Lanczos's filter
    (as does `smooth` from the start, and `detail` where nothing is enlarged or no net installed),
    `pixels` keeps squares. Raises `UserError` for a side below 1 or above 2048.
    """
    side = whole(side, "a picture's side")
    if not 1 <= side <= MOST_SIDE_PX:
        raise UserError(f"a picture's side must be 1 to {MOST_SIDE_PX} px")
    if side == image.width:
        return image
    match by:
        case "detail":
            return doubled(image, side).resize((side, side), Image.Resampling.LANCZOS)
        case "smooth":
            return image.resize((side, side), Image.Resampling.LANCZOS)
        case "pixels":
            return image.resize((side, side), Image.Resampling.NEAREST)
        case _:
            raise UserError(f"no way to enlarge: {str(by)[:40]!r}", hint="detail, smooth, pixels")


def doubled(image: Image.Image, side: int) -> Image.Image:
    """A picture doubled by the net, once, where it is to grow by half or more.

    Doubling twice draws cracks into the broad strokes that the first time made.
    """
    session = upscaler()
    if session is None or side < 1.5 * image.width:
        return image
    (pictures,) = session.run(None, {"pictures": np.asarray(image.convert("RGB"))[None]})
    return Image.fromarray(pictures[0])


@cache
def upscaler() -> Any:
    """The net that ships with the project as a session of ONNX Runtime; None without either."""
    if not UPSCALER.is_file():
        return None
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        UPSCALER.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
