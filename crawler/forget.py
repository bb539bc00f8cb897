"""`crawler forget`: remove pictures and records, and leave tombstones so that they stay away."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from avatar_common.commands import emit_json, explain_dry_run
from avatar_common.disk.faces import face_folders
from avatar_common.disk.workspace import Workspace
from avatar_common.errors import UserError
from crawler.options import ForgetOptions
from crawler.queries import tag_name
from crawler.state import State, only_one

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Row:
    site: str
    post_id: int
    md5: str | None
    file: str | None

    @property
    def post(self) -> str:
        return f"{self.site}:{self.post_id}"


def forget(options: ForgetOptions) -> None:
    """Forget what the options name. Tombstones come first, so a kill half-way loses none."""
    named = _named(options)
    workspace = Workspace(options.workspace)
    with only_one(workspace.raw), closing(State(workspace.raw)) as state:
        rows = _rows(state, named)
        files = sorted({row.file for row in rows if row.file})
        if options.dry_run:
            explain_dry_run(options, [f"remove {len(rows)} posts and {len(files)} files"])
            return
        if not rows:
            log.warning("no post matches; later crawls will leave it out all the same")
        _bury(state, named, rows)
        freed = 0
        for file in files:
            with suppress(FileNotFoundError):
                freed += (workspace.raw / file).stat().st_size
                (workspace.raw / file).unlink()
        with state.transaction():
            state.connection.executemany(
                "DELETE FROM posts WHERE site = ? AND post_id = ?",
                [(row.site, row.post_id) for row in rows],
            )
        state.note(f"forgot {len(rows)} posts")
    touched = _face_sets(workspace.faces, {row.post for row in rows})
    for name, count in touched.items():
        log.warning(
            "face set %s holds %d faces of them; rebuild it: python -m preprocess crop",
            name,
            count,
        )
    emit_json({"posts": len(rows), "files": len(files), "bytes": freed, "face_sets": touched})


def _named(options: ForgetOptions) -> list[tuple[str, str]]:
    """The tombstones asked for, as (kind, value)."""
    named = [("artist", tag_name(name, "--artist")) for name in options.artist]
    named += [("tag", tag_name(name, "--tag")) for name in options.tag]
    for post in options.post:
        site, _, number = post.rpartition(":")
        if not site or not (number.isascii() and number.isdigit()) or len(number) > 15:
            raise UserError(f"{post!r} is not site:id", where="--post", hint="as in konachan.net:7")
        named.append(("post", f"{site}:{int(number)}"))
    if not named:
        raise UserError("say what to forget", hint="--artist, --post or --tag")
    return named


def _rows(state: State, named: list[tuple[str, str]]) -> list[_Row]:
    """The posts that carry a name, those named by id, and those that share a file with one of them.

    A name counts in any kind of tag, for some sites do not tell kinds apart.
    """
    found: dict[str, _Row] = {}
    for kind, value in named:
        if kind == "post":
            site, _, number = value.rpartition(":")
            _add(found, state, "site = ? AND post_id = ?", (site, int(number)))
        else:
            quoted = json.dumps(value, ensure_ascii=False)
            _add(found, state, "instr(lower(tags), ?) > 0", (quoted,))
    for row in list(found.values()):
        if row.md5:
            _add(found, state, "md5 = ?", (row.md5,))
        if row.file:
            _add(found, state, "file = ?", (row.file,))
    return list(found.values())


def _add(found: dict[str, _Row], state: State, where: str, values: tuple[object, ...]) -> None:
    select = f"SELECT site, post_id, md5, file FROM posts WHERE {where}"
    for row in state.connection.execute(select, values):
        found.setdefault(f"{row[0]}:{row[1]}", _Row(*row))


def _bury(state: State, named: Iterable[tuple[str, str]], rows: Iterable[_Row]) -> None:
    tombstones = set(named)
    for row in rows:
        tombstones.add(("post", row.post))
        if row.md5:
            tombstones.add(("md5", row.md5))
        if row.file:
            tombstones.add(("md5", Path(row.file).stem))
    with state.transaction():
        state.connection.executemany(
            "INSERT OR IGNORE INTO tombstones VALUES (?, ?)", sorted(tombstones)
        )


def _face_sets(faces: Path, posts: set[str]) -> dict[str, int]:
    """How many faces of these posts each face set holds."""
    touched: dict[str, int] = {}
    for found in face_folders(faces):
        if not found.faces_table.is_file():
            continue
        with found.faces_table.open(encoding="utf-8", newline="") as file:
            count = sum(row.get("post") in posts for row in csv.DictReader(file))
        if count:
            touched[found.path.name] = count
    return touched
