"""From a detected face to the square that is cut out of the picture; pure functions."""

from __future__ import annotations

from dataclasses import dataclass

BoxXywh = tuple[float, float, float, float]


@dataclass(frozen=True)
class Square:
    """A square in source pixels (left, top, side); it may reach past the picture's edge."""

    x: float
    y: float
    side: float

    def padding_share(self, width: int, height: int) -> float:
        """The share of the square's area that lies outside a picture of this size, 0..1."""
        inside_w = min(self.x + self.side, width) - max(self.x, 0.0)
        inside_h = min(self.y + self.side, height) - max(self.y, 0.0)
        return 1.0 - max(inside_w, 0.0) * max(inside_h, 0.0) / self.side**2


def enlarged_square(box_xywh: BoxXywh, factor: float, width: int, height: int) -> Square:
    """The square to cut for a face box, in a picture of `width` x `height` pixels.

    The box grows by `factor` around its centre (1.5 takes in the hair: Jin et al. 2017,
    arXiv:1708.05509), then moves the shortest way that brings it inside the picture. Only a square
    larger than the picture still reaches past it: centred along that side, to be padded.
    """
    x, y, w, h = box_xywh
    side = max(w, h) * factor
    return Square(
        shifted_inside(x + w / 2 - side / 2, side, width),
        shifted_inside(y + h / 2 - side / 2, side, height),
        side,
    )


def within_picture(square: Square, width: int, height: int) -> Square:
    """The square, or the largest one around the same place that the picture holds."""
    side = float(min(square.side, width, height))
    return Square(
        shifted_inside(square.x + (square.side - side) / 2, side, width),
        shifted_inside(square.y + (square.side - side) / 2, side, height),
        side,
    )


def shifted_inside(start: float, length: float, limit: int) -> float:
    """The start of an interval moved into [0, limit]; centred when it is longer than that."""
    if length >= limit:
        return (limit - length) / 2
    return min(max(start, 0.0), limit - length)
