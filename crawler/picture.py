"""What a picture file says of itself in its first bytes: its type and its size in pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

HEADER_EXTENSIONS = ("jpg", "png", "gif", "webp")
# Start-of-frame markers; C4, C8 and CC are other things.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class Header:
    """File extension by the magic bytes, width and height in pixels."""

    ext: str
    width: int
    height: int


def read_header(file: BinaryIO) -> Header | None:
    """Read type and size of a JPEG, PNG, GIF or WebP; None for anything else."""
    file.seek(0)
    start = file.read(32)
    try:
        if start.startswith(b"\xff\xd8\xff"):
            return _jpeg(file)
        if start.startswith(b"\x89PNG\r\n\x1a\n") and start[12:16] == b"IHDR":
            return Header("png", *struct.unpack(">II", start[16:24]))
        if start[:6] in (b"GIF87a", b"GIF89a"):
            return Header("gif", *struct.unpack("<HH", start[6:10]))
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _webp(start)
    except struct.error:
        pass
    return None


def is_whole(file: BinaryIO, header: Header) -> bool:
    """Whether the file has the end that its type calls for, so that it was not cut off."""
    file.seek(0)
    match header.ext:
        case "png":
            file.seek(8)
            while len(start := file.read(8)) == 8:
                if start[4:] == b"IEND":
                    return True
                file.seek(int.from_bytes(start[:4], "big") + 4, 1)
            return False
        case "webp":
            promised = int.from_bytes(file.read(8)[4:], "little") + 8
            return file.seek(0, 2) >= promised
        case "gif":
            return file.read().rstrip(b"\0").endswith(b";")
        case _:
            content = file.read()
            # No end mark occurs inside the compressed data; a thumbnail has its own before them.
            return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _jpeg(file: BinaryIO) -> Header | None:
    file.seek(2)
    while True:
        mark = file.read(1)
        while mark == b"\xff":
            mark = file.read(1)
        if not mark:
            return None
        if mark[0] in _JPEG_BARE:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if mark[0] in _JPEG_FRAMES:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return Header("jpg", width, height)
        if length < 2 or mark[0] in (0xD9, 0xDA):
            return None
        file.seek(length - 2, 1)


def _webp(start: bytes) -> Header | None:
    chunk = start[12:16]
    if chunk == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", start[26:30])
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    if chunk == b"VP8L":
        (bits,) = struct.unpack("<I", start[21:25])
        return Header("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8X":
        width = int.from_bytes(start[24:27], "little") + 1
        return Header("webp", width, int.from_bytes(start[27:30], "little") + 1)
    return None
