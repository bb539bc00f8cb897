"""Where to compute, as options and the Python interface name it. No torch here."""

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]
