"""What the commands that draw share."""

from __future__ import annotations

from acgan.devices import choose_device
from acgan.drawing.model import Model
from acgan.drawing.options import DrawOptions
from acgan.drawing.painter import Painter
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import load_snapshot


def open_model(options: DrawOptions) -> Model:
    """Load the snapshot that the options ask for, on the device that they ask for."""
    device = choose_device(options.device, options.threads)
    path = find_snapshot(options.snapshot, options.workspace)
    return Model(Painter(load_snapshot(path, device)), options.workspace)
