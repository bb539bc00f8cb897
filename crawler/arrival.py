"""What arrived in place of a file, told by its bytes before the md5 is asked.

A page, words, half a picture or another picture are passing faults however often they come: the
site is not well, and the next run asks again. Only the same sound picture of the right type and
size, time and again, says that the site's md5 is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from crawler.fields import decode
from crawler.picture import Header, is_whole
from crawler.records import Variant
from crawler.words import is_html, said

MISMATCH = "md5 mismatch"
UNCONFIRMED = "md5 mismatch, not confirmed"
PLACEHOLDER = "a placeholder"
LIKE_OTHERS = ", like many others"
LARGER = "larger than listed"
# Reasons of failures that the next run does not look into again: every other one may pass.
LASTING = (MISMATCH, "http 404", "http 410", "http 451", "bad url")
SHAPE_TOLERANCE = 0.03
_START = 2**16


@dataclass(frozen=True)
class Expected:
    """What the listing says of a file: type, bytes and pixels, as far as it does."""

    ext: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None


NOTHING_EXPECTED = Expected()


def is_passing(reason: str | None) -> bool:
    """Whether a failure may be gone at the next run."""
    return reason not in LASTING


def what_arrived(
    file: BinaryIO, header: Header | None, variant: Variant, expected: Expected
) -> tuple[str, str] | None:
    """A reason and a site's words for a body whose md5 is not the one asked for, or none known.

    None when it is the picture as far as can be told: a smaller variant has no md5.
    """
    if header is None:
        return _no_picture(file)
    if not is_whole(file, header):
        return "a cut picture", ""
    if variant == "original":
        sides = {(header.width, header.height), (header.height, header.width)}
        # Sites mix up JPEG and PNG; WebP unasked is what a cache makes of either.
        made = header.ext == "webp" and expected.ext != "webp"
        same = (expected.width, expected.height) in sides and not made
        return (MISMATCH if same else "another picture"), ""
    return None if _same_shape(header, expected) else ("another picture", "")


def _no_picture(file: BinaryIO) -> tuple[str, str]:
    file.seek(0)
    start = file.read(_START)
    words = said(start)
    if is_html(decode(start)):
        return "an HTML page", words
    return ("words" if words else "no picture"), words


def _same_shape(header: Header, expected: Expected) -> bool:
    """Whether a smaller variant has the sides of its original in the same proportion."""
    if not expected.width or not expected.height:
        return True
    # A side of a small variant is rounded to a pixel.
    slack = SHAPE_TOLERANCE + 1 / max(1, min(header.width, header.height))
    shape = header.width * expected.height / max(1, header.height * expected.width)
    return 1 / (1 + slack) <= shape <= 1 + slack
