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
    from acgan.make.avatar import Avatar
    from acgan.model import Attribute, Model, load, shipped
    from manifest.errors import Unavailable, UserError

__all__ = ["Attribute", "Avatar", "Model", "Unavailable", "UserError", "load", "shipped"]

_HOMES = {
    "Attribute": "acgan.model",
    "Avatar": "acgan.make.avatar",
    "Model": "acgan.model",
    "Unavailable": "manifest.errors",
    "UserError": "manifest.errors",
    "load": "acgan.model",
    "shipped": "acgan.model",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'acgan' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
