"""`python -m demo`: the whole pipeline on an embedded booru, each command shown before it runs."""

from avatar_common.commands import Command, main
from demo.options import DemoOptions

COMMANDS = {
    "demo": Command(
        DemoOptions,
        "demo.run:run",
        "From a drawn booru to avatars drawn to order, by the commands that you would use.",
        resumes=True,
    )
}

if __name__ == "__main__":
    main("demo", COMMANDS)
