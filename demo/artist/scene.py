"""Characters, portraits and whole illustrations."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from demo.artist import accessories, body, face, hair, tails
from demo.artist.attributes import Attributes, random_attributes
from demo.artist.background import BACKGROUNDS, Background, draw_background
from demo.artist.pen import Pen
from demo.artist.style import Style, random_style

_OVERSAMPLE = 2
BOX_CENTER_Y = 0.06


@dataclass(frozen=True)
class Character:
    """One drawn person."""

    attributes: Attributes
    face_xywh: tuple[int, int, int, int]
    """The face from the brows to the chin, in pixels of the picture; may reach over its edge."""
    style: Style


@dataclass(frozen=True)
class Illustration:
    """A picture and the truth about it."""

    picture: np.ndarray
    """uint8 RGB [H,W,3]."""
    characters: tuple[Character, ...]
    background: Background


def draw_character(
    canvas: np.ndarray,
    attributes: Attributes,
    center_xy: tuple[float, float],
    face_size_px: float,
    style: Style,
    rng: np.random.Generator,
) -> None:
    """Draw a head and upper body over the canvas (RGB, in place).

    `center_xy` and `face_size_px` place the tight face box, brows to chin, in canvas pixels.
    """
    unit = face_size_px / 2
    line = max(1.0, 0.026 * unit * style.line)
    # The drawing's origin lies a little above the centre of the brow-to-chin box.
    tilt = math.radians(style.tilt_deg)
    rise = BOX_CENTER_Y * unit
    center_xy = (center_xy[0] + rise * math.sin(tilt), center_xy[1] - rise * math.cos(tilt))
    head = Pen(canvas, center_xy, unit, style.tilt_deg, style.turn, line)
    # The trunk follows the head's tilt only a little; both meet in the neck.
    nape = head.place([(0.0, 0.9)])[0]
    lean = replace(head, tilt_deg=0.25 * style.tilt_deg, turn=0.0)
    offset = nape - lean.place([(0.0, 0.9)])[0]
    trunk = replace(lean, center_xy=(center_xy[0] + offset[0], center_xy[1] + offset[1]))

    tails.draw_tails_behind(head, attributes, style)
    hair.draw_back_hair(head, attributes, style, rng)
    body.draw_body(trunk, style)
    face.draw_face(head, attributes, style)
    hair.draw_side_locks(head, attributes, style, rng)
    tails.draw_tails_in_front(head, attributes, style)
    if attributes["animal_ears"]:
        accessories.draw_animal_ears(head, style)
    hair.draw_cap(head, attributes, style, rng)
    face.draw_brows(head, style)
    if attributes["ponytail"]:
        tails.draw_pony_band(head, style)
    if attributes["glasses"]:
        accessories.draw_glasses(head, style)
    if attributes["ahoge"]:
        hair.draw_ahoge(head, style)
    if attributes["hat"]:
        accessories.draw_hat(head, style)
    if attributes["ribbon"]:
        accessories.draw_ribbon(head, attributes, style)
    if attributes["hair_ornament"]:
        accessories.draw_hair_ornament(head, style)


def _shrunk(canvas: np.ndarray) -> np.ndarray:
    height, width = canvas.shape[:2]
    size = (width // _OVERSAMPLE, height // _OVERSAMPLE)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)


def draw_portrait(size: int, attributes: Attributes, rng: np.random.Generator) -> np.ndarray:
    """A face crop, uint8 RGB [size,size,3]: the face box enlarged 1.5 times."""
    cv2.setNumThreads(1)
    inner = max(_OVERSAMPLE * size, 192)
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    canvas = draw_background(inner, inner, kind, rng)
    style = random_style(attributes, rng)
    draw_character(canvas, attributes, (inner / 2, inner / 2), inner / 1.5, style, rng)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def draw_illustration(rng: np.random.Generator) -> Illustration:
    """A whole picture: 85 % with one character, 10 % with two, 5 % with none."""
    cv2.setNumThreads(1)
    chance = rng.random()
    count = 2 if chance < 0.1 else 0 if chance < 0.15 else 1
    width, height, faces = _layout(count, rng)
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    if count == 0 and kind == "plain":
        kind = "scenery"
    canvas = draw_background(width, height, kind, rng)
    canvas = cv2.resize(canvas, None, fx=_OVERSAMPLE, fy=_OVERSAMPLE,
                        interpolation=cv2.INTER_NEAREST)  # fmt: skip
    characters = []
    for x, y, size in faces:
        attributes = random_attributes(rng)
        style = random_style(attributes, rng)
        center = (_OVERSAMPLE * x, _OVERSAMPLE * y)
        draw_character(canvas, attributes, center, _OVERSAMPLE * size, style, rng)
        side = round(size)
        box = (round(x - size / 2), round(y - size / 2), side, side)
        characters.append(Character(attributes, box, style))
    return Illustration(_shrunk(canvas), tuple(characters), kind)


def _layout(
    count: int, rng: np.random.Generator
) -> tuple[int, int, list[tuple[float, float, float]]]:
    """Width, height and (center x, center y, face size) of each character, in pixels."""
    size = float(np.exp(rng.uniform(np.log(84), np.log(300))))
    if count == 2:
        size = min(size, 230.0)
    # Room around the face in face sizes: enough for what is worn on the head.
    above, below = rng.uniform(0.8, 1.3), rng.uniform(0.85, 2.6)
    left, right = rng.uniform(0.9, 1.7, 2)
    gap = rng.uniform(2.0, 2.5) if count == 2 else 0.0
    width = int(np.clip((left + right + gap) * size, 400, 1200))
    height = int(np.clip((above + below) * size, 400, 1200))
    spare = width - (left + right + gap) * size
    x = left * size + max(0.0, spare) * rng.uniform(0.2, 0.8)
    y = min(above * size + max(0.0, height - (above + below) * size) * 0.3, height - 0.9 * size)
    if count == 0:
        return width, height, []
    if count == 1:
        return width, height, [(x, y, size)]
    lift = rng.uniform(-0.12, 0.12) * size
    return width, height, [(x, y, size), (x + gap * size, y + lift, size * rng.uniform(0.9, 1.05))]
