"""The crowd of posts: reproducible one by one, tagged nearly right, with near-duplicates."""

import hashlib

import cv2
import numpy as np

from demo.artist import GROUPS
from demo.crowd import FIRST_POST_ID, MISSING_SHARE, draw_post, make_crowd, parent_of
from demo.tagging import attribute_tags

SEED = 21


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_posts_do_not_depend_on_each_other() -> None:
    crowd = list(make_crowd(6, SEED))
    assert draw_post(4, SEED) == crowd[4]
    assert draw_post(1, SEED) == crowd[1]
    assert draw_post(4, SEED + 1).md5 != crowd[4].md5
    assert len({p.md5 for p in crowd}) == 6


def test_files_are_what_the_post_says() -> None:
    for post in make_crowd(20, SEED):
        assert hashlib.md5(post.data, usedforsecurity=False).hexdigest() == post.md5
        start = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG"}[post.file_ext]
        assert post.data.startswith(start)
        assert _decoded(post.data).shape == (post.height, post.width, 3)
        assert post.rating in "gsqe"
        assert post.created_at.endswith("+00:00")


def test_tags_match_the_truth_but_for_the_missing_share() -> None:
    crowd = [draw_post(i, SEED) for i in range(0, 120, 2)]
    missing = sum(len(p.missing_tags) for p in crowd)
    total = missing + sum(len(p.general_tags) for p in crowd)
    assert 0.5 * MISSING_SHARE < missing / total < 1.6 * MISSING_SHARE
    for post in crowd:
        all_tags = {*post.general_tags, *post.missing_tags}
        assert not {*post.general_tags} & {*post.missing_tags}
        if len(post.characters) != 1:
            assert "solo" not in all_tags
            continue
        attributes = post.characters[0].attributes
        assert set(attribute_tags(post.characters[0])) <= all_tags
        hair = "grey" if attributes["hair_color"] == "gray" else attributes["hair_color"]
        assert f"{hair}_hair" in all_tags
        for flag in (g for g, classes in GROUPS.items() if not classes):
            tag = "hair_ribbon" if flag == "ribbon" else flag
            assert (tag in all_tags) == attributes[flag]


def test_near_duplicates_name_an_earlier_original() -> None:
    parents = {i: parent_of(i, SEED) for i in range(1500)}
    repeats = {i: p for i, p in parents.items() if p is not None}
    assert 0.015 < len(repeats) / 1500 < 0.05
    assert all(p < i and parents[p] is None for i, p in repeats.items())
    index, parent = next(iter(repeats.items()))
    post, original = draw_post(index, SEED), draw_post(parent, SEED)
    assert post.parent_id == original.post_id == FIRST_POST_ID + parent
    assert post.md5 != original.md5
    assert post.artist == original.artist
    assert [c.attributes for c in post.characters] == [c.attributes for c in original.characters]
    small = [cv2.resize(_decoded(p.data), (24, 24), interpolation=cv2.INTER_AREA).astype(int)
             for p in (post, original)]  # fmt: skip
    assert np.abs(small[0] - small[1]).mean() < 22
