"""The demo: draw a booru, serve it, and run every stage on it by its own command.

Each stage runs once: `demo.json` notes the command of every finished stage, so that a second demo
says in a moment that all is there, and a killed one goes on with the stage that was under way
(which itself goes on where it stopped).
"""

from __future__ import annotations

import logging
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from avatar_common.commands import emit_json, explain_dry_run, say
from avatar_common.disk.faces import FaceFolder
from avatar_common.disk.files import read_json, write_json
from avatar_common.disk.raw import RawFolder
from avatar_common.disk.scores import REPORT_PAGE, SCORES_FOLDER
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from demo.booru.posts import BooruPost
from demo.booru.server import serve
from demo.draw import draw_crowd, picture_path, read_crowd
from demo.options import DemoOptions

log = logging.getLogger(__name__)
DEMO_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Stage:
    """One command of the tutorial, and the file that shows that its outcome is still there."""

    title: str
    command: tuple[str, ...]
    leaves: Path
    needs_booru: bool = False

    def shown(self) -> str:
        """The command as a user would type it."""
        return "python " + shlex.join(self.command)


@dataclass
class State:
    """What the workspace remembers: the booru's port, and the command of every finished stage."""

    workspace: Path
    port: int
    done: dict[str, str]

    @staticmethod
    def read(workspace: Path) -> State:
        """The state of a workspace; that of a new one has a free port and nothing done."""
        path = workspace / "demo.json"
        if not path.exists():
            return State(workspace, _free_port(), {})
        content = read_json(path, schema_version=DEMO_SCHEMA_VERSION)
        return State(workspace, int(content["port"]), dict(content["done"]))

    def write(self) -> None:
        """Keep it, for the same command to go on."""
        content = {"port": self.port, "done": self.done}
        write_json(self.workspace / "demo.json", content, schema_version=DEMO_SCHEMA_VERSION)

    def has(self, stage: Stage) -> bool:
        """Whether the stage ran with this very command and its outcome is still there."""
        made = self.done.get(stage.title) == stage.shown()
        return made and stage.leaves.exists()


def run(options: DemoOptions) -> None:
    """Run what is missing; the last line on stdout is one JSON object that says where all lies."""
    _check(options)
    state = State.read(options.workspace)
    stages = stages_of(options, state.port)
    missing = [stage for stage in stages if not state.has(stage)]
    # A stage that runs again makes everything after it run again.
    todo = stages[stages.index(missing[0]) :] if missing else []
    if options.dry_run:
        explain_dry_run(options, [f"run {stage.shown()}" for stage in todo])
        return
    if todo:
        state.write()
        folder = options.workspace / "booru"
        drawn = draw_crowd(folder, options.pictures, options.seed, quiet=options.quiet)
        log.info("%d illustrations drawn, %d in all", drawn, options.pictures)
        for number, stage in enumerate(todo, 1):
            say(f"\n[{number}/{len(todo)}] {stage.title}\n  $ {stage.shown()}")
            _run_stage(stage, options, state.port)
            state.done[stage.title] = stage.shown()
            state.write()
    else:
        log.info("everything is there already; `make clean` or another --workspace starts afresh")
    _say_where(options.workspace)


def stages_of(options: DemoOptions, port: int) -> list[Stage]:
    """The tutorial, command by command."""
    home, avatars = Workspace(options.workspace), options.workspace / "avatars"
    faces = FaceFolder(home.face_set("faces"))
    here = ("--workspace", str(options.workspace))
    quiet = ("--quiet",) if options.quiet else ()
    shuffled = ("--shuffle-labels",) if options.shuffle_labels else ()
    name = f"demo-{options.seed}"

    def stage(title: str, *command: str, leaves: Path, needs_booru: bool = False) -> Stage:
        return Stage(title, ("-m", *command, *here, *quiet), leaves, needs_booru)

    return [
        stage(
            "Crawl: rating general, checked by md5 (rate 0 only because the booru is our own)",
            *("crawler", "fetch", "--site", f"http://127.0.0.1:{port}", "--kind", "danbooru"),
            *("--name", name, "--tags", "", "--limit", str(options.pictures), "--rate", "0"),
            leaves=RawFolder(home.raw).database,
            needs_booru=True,
        ),
        stage(
            "Crop the faces: cascade, verifier, box enlarged 1.5x",
            *("preprocess", "crop", "--size", str(options.size)),
            leaves=faces.faces_table,
        ),
        stage(
            "Tags to attributes: unknown where a tag is missing or ambiguous",
            *("preprocess", "tag"),
            leaves=faces.labels_table,
        ),
        stage(
            "Train an ACGAN",
            *("acgan", "train", "--kimg", f"{options.kimg:g}"),
            *("--minutes", f"{options.minutes:g}", "--seed", str(options.seed)),
            # So short a run learns eye colours only when they weigh more than by default.
            *("--class-weight-g", "0.2"),
            *shuffled,
            leaves=home.runs,
        ),
        stage(
            "Score it with a classifier that it has never met",
            *("eval", "report", "--depth", "quick", "--count", "1000"),
            leaves=home.runs,
        ),
        stage(
            "Avatars to order: every hair colour with every eye colour",
            *("acgan", "generate", "--hair-color", "each", "--eye-color", "each"),
            *("--count", "1", "--seed", "7", "--out", str(avatars / "all")),
            leaves=avatars / "all" / "grid.png",
        ),
        stage(
            "Avatars to order: one wish, sixteen characters",
            *("acgan", "generate", "--hair-color", "blue", "--eye-color", "green"),
            *("--count", "16", "--seed", "7"),
            *("--out", str(avatars / "blue-green")),
            leaves=avatars / "blue-green" / "grid.png",
        ),
    ]


def crowd_posts(folder: Path, count: int, seed: int) -> Iterator[BooruPost]:
    """The drawn crowd as the booru's posts."""
    for record in read_crowd(folder, count, seed):
        tags = {
            "general": record["general_tags"],
            "artist": [record["artist"]],
            "character": record["character_tags"],
            "copyright": record["copyright_tags"],
            "meta": record["meta_tags"],
        }
        yield BooruPost(
            post_id=record["post_id"],
            content=picture_path(folder, record["md5"], record["file_ext"]),
            md5=record["md5"],
            file_ext=record["file_ext"],
            width=record["width"],
            height=record["height"],
            rating=record["rating"],
            tags={kind: tuple(names) for kind, names in tags.items()},
            source=record["source"],
            created_at=datetime.fromisoformat(record["created_at"]),
            score=record["score"],
            parent_id=record["parent_id"],
            file_size=record["file_size"],
        )


def _run_stage(stage: Stage, options: DemoOptions, port: int) -> None:
    sys.stdout.flush()
    booru: AbstractContextManager[object] = nullcontext()
    if stage.needs_booru:
        folder = options.workspace / "booru"
        booru = serve(crowd_posts(folder, options.pictures, options.seed), "danbooru", port=port)
    with booru:
        code = subprocess.run([sys.executable, *stage.command], check=False).returncode
    if code in (130, 143, -signal.SIGINT, -signal.SIGTERM):
        raise KeyboardInterrupt
    if code:
        raise UserError(
            f"the stage ended with exit code {code}",
            where=stage.shown(),
            hint="its message is above; the same demo command continues here",
        )


def _check(options: DemoOptions) -> None:
    sizes = (16, 32, 64, 96, 128, 256)
    if options.size not in sizes:
        raise UserError(f"{options.size} is not one of {sizes}", where="--size")
    if options.pictures < 100:
        raise UserError("a crowd has at least 100 pictures", where="--pictures")
    if not options.kimg > 0:
        raise UserError("training needs more than 0 kimg", where="--kimg")
    if not options.minutes > 0:
        raise UserError("training needs more than 0 minutes", where="--minutes")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _say_where(workspace: Path) -> None:
    run_folder = Workspace(workspace).newest_run()
    say("")
    emit_json(
        {
            "report": str(run_folder / SCORES_FOLDER / REPORT_PAGE),
            "avatars": str(workspace / "avatars" / "all" / "grid.png"),
            "order": str(workspace / "avatars" / "blue-green" / "grid.png"),
            "run": str(run_folder),
        }
    )
