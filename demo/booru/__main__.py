"""`python -m demo.booru`: a stand-in booru for your own tests."""

from avatar_common.commands import Command, main
from demo.booru.options import BooruOptions

COMMANDS = {
    "demo.booru": Command(BooruOptions, "demo.booru.run:run", "Serve a stand-in booru on loopback.")
}

if __name__ == "__main__":
    main("demo.booru", COMMANDS)
