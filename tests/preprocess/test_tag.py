from __future__ import annotations

import pytest

from avatar_common.disk.faces import FaceRow
from avatar_common.disk.vocabulary import Group, load_vocabulary
from avatar_common.errors import UserError
from preprocess.label_values import read_value
from preprocess.tag import crawl_query, face_labels, rare_classes

VOCABULARY = load_vocabulary()


def face(name: str, picture: str) -> FaceRow:
    return FaceRow(name, f"s:{picture}", picture, 0, 0, 9, 9, 0.9, 1.0, name, "train")


@pytest.mark.parametrize(
    ("tags", "hair", "eyes"),
    [
        (["1girl", "blue_hair", "green_eyes"], "blue", "green"),
        (["1girl", "silver_hair", "grey_eyes"], "gray", "gray"),
        (["1girl", "blue_hair", "red_hair", "green_eyes"], "", "green"),
        (["1girl", "blue_hair", "streaked_hair", "closed_eyes"], "", ""),
        (["2girls", "blue_hair", "green_eyes"], "", ""),
        (["1girl", "1boy", "blue_hair"], "", ""),
        ([], "", ""),
    ],
)
def test_tags_to_labels(tags: list[str], hair: str, eyes: str) -> None:
    labels = face_labels([face("a.png", "a")], {"s:a": tags}, {"a": 1}, VOCABULARY)["a.png"]
    assert (labels["hair_color"], labels["eye_color"]) == (hair, eyes)


def test_several_faces_found_make_all_unknown() -> None:
    tags = {"s:a": ["1girl", "solo", "blue_hair", "smile"]}
    labels = face_labels([face("a.png", "a")], tags, {"a": 2}, VOCABULARY)["a.png"]
    assert set(labels.values()) == {""}


@pytest.mark.parametrize(
    ("group", "cell", "value"),
    [
        ("hair_color", "Blue", "blue"),
        ("hair_color", "silver", "gray"),
        ("hair_color", "grey hair", "gray"),
        ("hair_color", "unknown", ""),
        ("eye_color", "bicolored", ""),
        ("eye_color", "", ""),
        ("hair_length", "long", "long"),
        ("smile", "1.0", "1"),
        ("smile", "no", "0"),
    ],
)
def test_cells(group: str, cell: str, value: str) -> None:
    assert read_value(VOCABULARY.group(group), cell) == value


def test_a_bad_cell_names_the_classes() -> None:
    with pytest.raises(UserError, match=r"no class 'plaid' \(one of: orange, white"):
        read_value(VOCABULARY.group("hair_color"), "plaid")


def test_rare_classes_and_their_query() -> None:
    vocabulary = VOCABULARY.only(["smile", "hair_length"])
    counts = {"hair_length": {"short": 9, "medium": 2, "long": 50}, "smile": {"0": 1, "1": 3}}
    rare = rare_classes(vocabulary, counts, rare=5)
    assert [(group.name, name, count) for group, name, count in rare] == [
        ("hair_length", "medium", 2),
        ("smile", "1", 3),
    ]
    assert crawl_query(*rare[0][:2]) == "python -m crawler fetch --also medium_hair"


def test_the_query_uses_the_groups_own_tags() -> None:
    own = Group("cat_ears", "flag", ("0", "1"), {"0": (), "1": ("animal_ears",)})
    assert crawl_query(own, "1") == "python -m crawler fetch --also animal_ears"
    read_back = Group("cat_ears", "flag", ("0", "1"))  # a face set records no tags
    assert crawl_query(read_back, "1") == "python -m crawler fetch --also cat_ears"
    teal = Group("hair_color", "one_of", ("blue",), {"blue": ("teal_hair",)})
    assert crawl_query(teal, "blue") == "python -m crawler fetch --also teal_hair"
