from __future__ import annotations

import numpy as np

from preprocess.duplicates import group_names, near_pairs, unpack_hashes


def test_near_pairs_are_all_within_the_distance_and_no_others() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (300, 64), dtype=np.uint8)
    bits[10], bits[20], bits[30] = bits[0], bits[0], bits[1]
    bits[40] = bits[2]
    bits[40, :4] ^= 1
    bits[50] = bits[3]
    bits[50, :5] ^= 1
    pairs = {tuple(sorted(pair)) for pair in near_pairs(bits, 4).tolist()}
    assert pairs == {(0, 10), (10, 20), (1, 30), (2, 40)}


def test_hashes_unpack_to_bits() -> None:
    assert unpack_hashes(["ff00", "0001"]).sum(axis=1).tolist() == [8, 1]


def test_groups_follow_links_and_owners() -> None:
    pairs = np.array([[0, 1], [3, 4]])
    names = group_names(["a.png", "b.png", "c.png", "d.png", "e.png"], list("pqqrs"), pairs)
    assert names == ["a", "a", "a", "d", "d"]
