"""Near-duplicates: perceptual hashes within a few bits of each other, grouped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

HashBits = npt.NDArray[np.uint8]
BLOCK_ROWS = 2048


def unpack_hashes(hashes: Sequence[str]) -> HashBits:
    """Hexadecimal hashes of one length to bits, uint8 [N, B]."""
    data = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8)
    return np.unpackbits(data.reshape(len(hashes), -1), axis=1)


def near_pairs(bits: HashBits, max_distance: int) -> npt.NDArray[np.int64]:
    """Pairs [P, 2] of rows of `bits` [N, B] that differ in at most `max_distance` bits.

    With bits as +1 and -1 the product of two rows is B - 2 * distance, so all distances come from
    matrix products, a block at a time (100,000 rows of 256 bits: about a minute of two cores).
    Equal rows are linked in a chain, not in all pairs.
    """
    unique, first, inverse = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    same = inverse[order[1:]] == inverse[order[:-1]]
    found = [np.stack([order[:-1][same], order[1:][same]], axis=1)]
    signs = unique.astype(np.float32) * 2 - 1
    least = bits.shape[1] - 2 * max_distance
    for start in range(0, len(signs), BLOCK_ROWS):
        block = signs[start : start + BLOCK_ROWS]
        for other in range(start, len(signs), BLOCK_ROWS):
            left, right = np.nonzero(block @ signs[other : other + BLOCK_ROWS].T >= least)
            left, right = left + start, right + other
            distinct = left < right
            found.append(np.stack([first[left[distinct]], first[right[distinct]]], axis=1))
    return np.concatenate(found)


def linked_groups(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of its connected component for each of `count` rows, int64 [count]."""
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    return np.asarray(labels, dtype=np.int64)


def group_names(
    names: Sequence[str], owners: Sequence[str], pairs: npt.NDArray[np.int64]
) -> list[str]:
    """A group name per face: the smallest name of all that are linked or have one owner (post)."""
    _, owner_number = np.unique(np.array(owners, dtype=np.str_), return_inverse=True)
    order = np.argsort(owner_number, kind="stable")
    same = owner_number[order[1:]] == owner_number[order[:-1]]
    chain = np.stack([order[:-1][same], order[1:][same]], axis=1)
    labels = linked_groups(len(names), np.concatenate([pairs, chain]).astype(np.int64))
    smallest: dict[int, str] = {}
    for label, name in zip(labels.tolist(), names, strict=True):
        smallest[label] = min(smallest.get(label, name), name)
    return [smallest[label].removesuffix(".png") for label in labels.tolist()]
