"""Random numbers that anyone can compute: SHA-256 in counter mode, the same in every language.

Block n of the stream `what` of picture `index` of a seed is SHA-256 of the ASCII text
`seed/index/what/n`: eight numbers of 32 bits, big-endian. Python, the page and whoever reads
docs/making-pictures.md get the same faces from the same seeds and names.
"""

from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
import numpy.typing as npt

from avatar_common.errors import UserError

MOST_NAME_BYTES = 1024
SEED_BITS = 53  # what JSON and JavaScript carry exactly


def words(seed: int, index: int, what: str, count: int) -> npt.NDArray[np.uint32]:
    """The first `count` numbers of a stream, uint32 [count]; a longer list starts with these."""
    stem = f"{seed}/{index}/{what}/"
    blocks = (hashlib.sha256(f"{stem}{n}".encode()).digest() for n in range(-(-count // 8)))
    return np.frombuffer(b"".join(blocks), ">u4")[:count].astype(np.uint32)


def uniforms(seed: int, index: int, what: str, count: int) -> npt.NDArray[np.float64]:
    """Numbers in 0..1, both ends excluded, float64 [count]."""
    return (words(seed, index, what, count) + 0.5) / 2**32


def normals(seed: int, index: int, what: str, count: int) -> npt.NDArray[np.float64]:
    """Normal numbers, float64 [count]: two from each uniform pair (Box and Muller 1958)."""
    pairs = uniforms(seed, index, what, count + count % 2).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count]


def latent(
    seed: int, index: int, candidate: int, z_dim: int, distribution: str
) -> npt.NDArray[np.float32]:
    """z float32 [z_dim] of a picture; candidates after the first are what best-of-N looks at."""
    draw = uniforms if distribution == "uniform" else normals
    return draw(seed, index, f"z{candidate}" if candidate else "z", z_dim).astype(np.float32)


def seed_of_name(name: str, *, fold_case: bool = False) -> int:
    """The seed of a name: the first 53 bits of SHA-256 of its NFC form in UTF-8.

    The case counts unless `fold_case` (then Unicode's case folding comes first). Raises `UserError`
    for an empty name, one longer than 1024 bytes, or one that is not text.
    """
    if not isinstance(name, str) or not name:
        raise UserError("a name must have at least one letter")
    if len(name) > MOST_NAME_BYTES:
        raise UserError(f"a name may have at most {MOST_NAME_BYTES} bytes")
    plain = unicodedata.normalize("NFC", name)
    if fold_case:
        plain = unicodedata.normalize("NFC", plain.casefold())
    try:
        data = plain.encode()
    except UnicodeEncodeError:
        raise UserError("this name is not valid text") from None
    if len(data) > MOST_NAME_BYTES:
        raise UserError(f"a name may have at most {MOST_NAME_BYTES} bytes")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big") >> (64 - SEED_BITS)
