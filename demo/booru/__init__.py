"""Stand-in boorus of three kinds on loopback, with faults to switch on; standard library only."""

from demo.booru.faults import FAULTS, Faults
from demo.booru.posts import BooruPost
from demo.booru.server import StandIn, serve

__all__ = ["FAULTS", "BooruPost", "Faults", "StandIn", "serve"]
