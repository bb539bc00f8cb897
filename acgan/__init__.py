"""Draw anime avatars to order.

    import acgan

    model = acgan.load("drawn64")
    faces = model.draw(hair_color="blue", count=4, seed=7)
    faces[0].save("blue.png")

`load` takes a shipped model's name, a run's folder, a snapshot or a packaged folder; see
`acgan.Model` for what a model does. Importing this module is cheap: torch comes with `load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acgan.drawing.avatar import Avatar
    from acgan.drawing.model import Attribute, Model, load, shipped
    from avatar_common.errors import Unavailable, UserError

__all__ = ["Attribute", "Avatar", "Model", "Unavailable", "UserError", "load", "shipped"]

_HOMES = {
    "Attribute": "acgan.drawing.model",
    "Avatar": "acgan.drawing.avatar",
    "Model": "acgan.drawing.model",
    "Unavailable": "avatar_common.errors",
    "UserError": "avatar_common.errors",
    "load": "acgan.drawing.model",
    "shipped": "acgan.drawing.model",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'acgan' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
