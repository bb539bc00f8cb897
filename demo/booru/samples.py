"""Tiny pictures with tags, for stand-ins that need many posts fast; odd ones on request."""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import zlib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from demo.booru.posts import BooruPost

_JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV02>k%7Zed27Zw*D92+1gLMtdGB`8rkJupIGRb^yfRb5+Zc$tA}agcLcU4^xV"
    "ke;Kft*d8%yve$z$C;?Br2oJG3kU!T01N>E5di<h02BZL00000000000000000000|HJ?k5CH%H00000000000000"
    "00095m00;pA002J#0RPz"
)
_CMYK_JPEG = base64.b85decode(
    "|JeWT01iQ9Z(?NtWB>pF0095n07C#95)>B{5gQj47aklNASgmBC?zE*Q93;^LSR*8WM5TXTWWZjfogG(b6Z`7wT6(M"
    "qpPi}XMnuPx~9jOsH>#^zyK5o015yM1Va%3O%VWD5dcdO0RO}Q9{>OW1pxs80RaI300000000010s{mE1_uZU3Jd?l"
    "0JRVR0s#X90t5pE1q1{D00Dgg0s{a95d{(<F+m0sQDFxnaTGFvk)a49Lb1UWQqk}vGh%Xr2?`b$7#SKRCMPH<Dl|1V"
    "H#j*uLqtVJM@UIZQ&d$}S6EqEV`OD!XJ~0^b98lfcX)YvgM@{Khlq)al9QB`mY0~BnxdnmrKYE-sj9NGw6(UkxVgH*"
    "!^FkL$H>Xb($mz{*4NnC+Tr5k<mKk)=;`Y5^7Hid_V@Vt`v2Mh4g^C0O#oQ{O8@{r0Nt#b=<BAUiYTIrD58oeum9N"
)
_GIF = bytes.fromhex(
    "4749463837610c000a008000000000000000002c000000000c000a000008140001081c48b0a0c18308132a5cc8b0a1"
    "c3870101003b"
)
_HAIR = ("blue", "blonde", "black", "pink", "green")
_EYES = ("red", "green", "blue", "brown")
FIRST_ID = 1001


def make_posts(
    count: int, seed: int = 0, *, faults: Collection[str] = (), first_id: int = FIRST_ID
) -> Iterator[BooruPost]:
    """Posts with pictures of 12x10 px; `faults` adds what its names say (see CONTENT_FAULTS)."""
    for index in range(count):
        yield _post(first_id + index, random.Random(f"{seed}/{index}"), faults)


def _post(post_id: int, rng: random.Random, faults: Collection[str]) -> BooruPost:
    stamp = f"{post_id}-{rng.random()}".encode()
    data, ext = _picture(rng, stamp, "odd_pictures" in faults)
    if "other_types" in faults and rng.random() < 0.05:
        ext = rng.choice(("zip", "webm", "swf", "mp4"))
        data = b"PK\x03\x04" + stamp
    elif "mislabelled" in faults and rng.random() < 0.05:
        ext = "jpg" if ext == "png" else "png"
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if "wrong_md5" in faults and rng.random() < 0.03:
        md5 = hashlib.md5(stamp + b"?", usedforsecurity=False).hexdigest()

    def odd(name: str) -> bool:
        return name in faults and rng.random() < 0.03

    return BooruPost(
        post_id=post_id,
        content=data,
        md5=md5,
        file_ext=ext,
        width=12,
        height=10,
        rating=rng.choices("gsqe", (85, 5, 5, 5))[0],
        tags={
            "general": (
                "1girl",
                "solo",
                f"{rng.choice(_HAIR)}_hair",
                f"{rng.choice(_EYES)}_eyes",
                *(("smile",) if rng.random() < 0.5 else ()),
            ),
            "artist": (f"artist_{rng.randrange(20):02d}",),
            "copyright": ("original",),
        },
        source=f"https://art.example/{post_id}",
        created_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=post_id),
        score=rng.randrange(50),
        file_size=len(data),
        jpeg=_jpeg_with_comment(_JPEG, stamp) if ext == "png" else None,
        hidden=odd("hidden"),
        unlisted=odd("unlisted"),
        deleted=odd("deleted"),
        without_url=odd("without_url"),
    )


def _picture(rng: random.Random, stamp: bytes, odd: bool) -> tuple[bytes, str]:
    draw = rng.random()
    if odd and draw < 0.05:
        return _jpeg_with_comment(_CMYK_JPEG, stamp), "jpg"
    if odd and draw < 0.25:
        forms = (png(stamp, depth=16), png(stamp, alpha=True), png(stamp, frames=2))
        return rng.choice(forms), "png"
    if odd and draw < 0.3:
        comment = b"!\xfe" + bytes([len(stamp)]) + stamp + b"\0"
        return _GIF[:-1].replace(b"GIF87a", b"GIF89a") + comment + b";", "gif"
    return (_jpeg_with_comment(_JPEG, stamp), "jpg") if draw < 0.6 else (png(stamp), "png")


def _jpeg_with_comment(jpeg: bytes, comment: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def png(
    stamp: bytes, *, width: int = 12, height: int = 10, depth: int = 8, alpha: bool = False,
    frames: int = 1,
) -> bytes:  # fmt: skip
    """A plain-coloured PNG; the stamp gives the colour and makes the bytes unique."""
    channels = 4 if alpha else 3
    colour = hashlib.sha256(stamp).digest()[: channels * depth // 8]
    pixels = zlib.compress((b"\0" + colour * width) * height, 1)
    header = struct.pack(">IIBBBBB", width, height, depth, 6 if alpha else 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"tEXt", b"stamp\0" + stamp)
    if frames > 1:
        body += _chunk(b"acTL", struct.pack(">II", frames, 0)) + _frame_control(0, width, height)
    body += _chunk(b"IDAT", pixels)
    for number in range(1, frames):
        body += _frame_control(2 * number - 1, width, height)
        body += _chunk(b"fdAT", struct.pack(">I", 2 * number) + pixels)
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def _frame_control(number: int, width: int, height: int) -> bytes:
    return _chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
