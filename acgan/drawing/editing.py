"""`edit`: another hair or eye colour in a picture of one's own."""

from __future__ import annotations

import io
from pathlib import Path

from acgan.devices import choose_device
from acgan.drawing.edit import check_changes
from acgan.drawing.enlarge import MOST_SIDE_PX, resize
from acgan.drawing.model import Model
from acgan.drawing.options import EditOptions
from acgan.drawing.own_picture import open_face
from acgan.drawing.painter import Painter
from acgan.drawing.snapshots import find_snapshot
from acgan.nets.snapshot import load_snapshot
from avatar_common.commands import emit_json, explain_dry_run, progress
from avatar_common.disk.files import check_folder, write_bytes
from avatar_common.errors import UserError


def run(options: EditOptions) -> None:
    """Write the changed picture; the last line on stdout is one JSON object."""
    check_folder(options.out)
    face = open_face(options.picture, options.box)
    if not 1 <= options.scale <= MOST_SIDE_PX // face.width:
        raise UserError(f"--scale must be 1 to {MOST_SIDE_PX // face.width} for {face.width} px")
    device = choose_device(options.device, options.threads)
    path = find_snapshot(options.snapshot, options.workspace)
    model = Model(Painter(load_snapshot(path, device)), options.workspace)
    check_changes(options.attributes, model.info)
    file = options.out / file_name(options.picture, options.attributes)
    if options.dry_run:
        explain_dry_run(options, [f"find the face among those of {model.name}", f"write {file}"])
        return
    with progress("looking for the face", quiet=options.quiet):
        start = model.find_portrait(face)
    picture = model.recolour(face, start, options.attributes)
    content = io.BytesIO()
    resize(picture, options.scale * picture.width, options.scale_by).save(content, "PNG")
    write_bytes(file, content.getvalue())
    read = model.info.vocabulary.decode(start.labels)
    emit_json({"snapshot": model.name, "read": read, "picture": str(file)})


def file_name(picture: Path, attributes: tuple[str, ...]) -> str:
    """`face-pink.png` for `face.jpg` with pink hair."""
    return "-".join([picture.stem, *(pair.partition("=")[2] for pair in attributes)]) + ".png"
