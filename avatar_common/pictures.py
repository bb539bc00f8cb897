"""How a batch of pictures lies in memory; the names say which axis is which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PicturesNCHW = npt.NDArray[np.uint8]
"""uint8 [N, 3, H, W], RGB in 0..255: face sets, networks and scores."""

Picture = npt.NDArray[np.uint8]
"""uint8 [H, W, 3], RGB in 0..255, a single one."""

PicturesNHWC = npt.NDArray[np.uint8]
"""uint8 [N, H, W, 3], RGB in 0..255: what is drawn, as Pillow and browsers hold it."""
