"""The command behind `python -m demo.booru`, and posts from drawings or from a folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from avatar_common.commands import explain_dry_run, say
from avatar_common.errors import UserError
from demo.booru.faults import FATAL_FAULTS, FAULTS, Faults
from demo.booru.options import BooruOptions
from demo.booru.posts import BooruPost
from demo.booru.samples import FIRST_ID, make_posts
from demo.booru.server import StandIn

if TYPE_CHECKING:
    from demo.crowd import DrawnPost

log = logging.getLogger(__name__)
_EXTENSIONS = {".jpg", ".jpeg", ".png", ".gif", ".webp"}
_ARRIVALS = 1000


def run(options: BooruOptions) -> None:
    """Serve until interrupted; the URL goes to stdout."""
    faults = _faults(options)
    if options.dry_run:
        explain_dry_run(
            options, [f"serve {options.posts} posts with faults: {', '.join(sorted(faults.names))}"]
        )
        return
    posts = _posts(options, faults)
    arrivals = make_posts(_ARRIVALS, options.seed + 1, first_id=FIRST_ID + options.posts)
    try:
        stand_in = StandIn(
            posts,
            options.kind,
            port=options.port,
            latency_s=options.latency_ms / 1000,
            faults=faults,
            arrivals=arrivals if "arrivals" in faults.names else (),
        )
    except OverflowError:
        raise UserError(f"{options.port} is no port", where="--port") from None
    except OSError as error:
        raise UserError(
            f"port {options.port}: {error.strerror}", where="--port", hint="0 takes a free one"
        ) from None
    say(stand_in.url)
    log.info(
        "crawl it: python -m crawler fetch --site %s --kind %s --tags solo --rate 0",
        stand_in.url,
        options.kind,
    )
    stand_in.serve_forever()


def _faults(options: BooruOptions) -> Faults:
    names = set(options.faults)
    if "all" in names:
        names = (names - {"all"}) | (set(FAULTS) - set(FATAL_FAULTS))
    if unknown := names - set(FAULTS):
        raise UserError(
            f"no such fault: {', '.join(sorted(unknown))}",
            where="--faults",
            hint=f"all, or some of: {', '.join(FAULTS)}",
        )
    return Faults(names, seed=options.seed)


def _posts(options: BooruOptions, faults: Faults) -> list[BooruPost]:
    if options.folder is not None:
        return folder_posts(options.folder)
    if options.pictures == "drawn":
        from demo.crowd import make_crowd  # brings OpenCV

        return [drawn_post(post) for post in make_crowd(options.posts, options.seed)]
    return list(make_posts(options.posts, options.seed, faults=faults.names))


def drawn_post(post: DrawnPost, content: bytes | Path | None = None) -> BooruPost:
    """A post of the drawn crowd as a booru holds it; `content` may be where its file lies."""
    return BooruPost(
        post_id=post.post_id,
        content=post.data if content is None else content,
        md5=post.md5,
        file_ext=post.file_ext,
        width=post.width,
        height=post.height,
        rating=post.rating,
        tags={
            "general": post.general_tags,
            "artist": (post.artist,),
            "character": post.character_tags,
            "copyright": post.copyright_tags,
            "meta": post.meta_tags,
        },
        source=post.source,
        created_at=datetime.fromisoformat(post.created_at),
        score=post.score,
        parent_id=post.parent_id,
        file_size=len(post.data),
    )


def folder_posts(folder: Path) -> list[BooruPost]:
    """The pictures of a folder as posts; `name.txt` beside `name.png` holds its general tags."""
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder))
    return list(_folder_posts(folder))


def _folder_posts(folder: Path) -> Iterator[BooruPost]:
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in _EXTENSIONS)
    for number, path in enumerate(pictures):
        tags = path.with_suffix(".txt")
        data = path.read_bytes()
        yield BooruPost(
            post_id=FIRST_ID + number,
            content=path,
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            file_ext=path.suffix.lower().removeprefix("."),
            width=0,
            height=0,
            tags={"general": tuple(tags.read_text().split()) if tags.is_file() else ()},
            file_size=len(data),
        )
