from __future__ import annotations

from pathlib import Path

import pytest

from avatar_common.disk.vocabulary import UNKNOWN, Vocabulary, load_vocabulary
from avatar_common.errors import UserError

FILLER = "1girl solo upper_body looking_at_viewer shirt white_background bare_shoulders upper_teeth"


def test_the_vocabulary_is_what_the_field_uses() -> None:
    vocabulary = load_vocabulary()
    assert vocabulary.names[:3] == ("hair_color", "eye_color", "hair_length")
    assert vocabulary.sizes[:3] == (12, 11, 3)
    assert all(size == 2 for size in vocabulary.sizes[3:])
    assert vocabulary.group("hair_color").classes[0] == "orange"
    assert len(set(vocabulary.names)) == len(vocabulary)


def test_no_tag_stands_behind_two_classes_of_a_group() -> None:
    for group in load_vocabulary():
        tags = [tag for tags in group.tags.values() for tag in tags]
        assert len(tags) == len(set(tags)), group.name
        assert not group.ambiguous & set(tags), group.name


@pytest.mark.parametrize(
    ("tags", "group", "value"),
    [
        ("blue_hair", "hair_color", "blue"),
        ("Blue_Hair", "hair_color", "blue"),
        ("grey_hair", "hair_color", "gray"),
        ("gray_hair", "hair_color", "gray"),
        ("grey_hair gray_hair", "hair_color", "gray"),
        ("blue_hair red_hair", "hair_color", ""),
        ("blue_hair multicolored_hair", "hair_color", ""),
        ("", "hair_color", ""),
        ("green_eyes", "eye_color", "green"),
        ("green_eyes closed_eyes", "eye_color", ""),
        ("blue_eyes red_eyes heterochromia", "eye_color", ""),
        ("very_long_hair long_hair", "hair_length", "long"),
        ("glasses", "glasses", "1"),
        ("", "glasses", ""),
        (FILLER, "glasses", "0"),
        ("closed_mouth", "open_mouth", "0"),
        ("closed_mouth open_mouth", "open_mouth", ""),
        (f"{FILLER} 2girls glasses", "glasses", ""),
        ("1girl 1boy blue_hair", "hair_color", ""),
        ("multiple_girls blue_hair", "hair_color", ""),
    ],
)
def test_tags_to_attributes(tags: str, group: str, value: str) -> None:
    assert load_vocabulary().read_tags(tags.split())[group] == value


def test_encode_and_decode() -> None:
    vocabulary = load_vocabulary()
    row = vocabulary.encode({"hair_color": "white", "glasses": "yes", "hat": "0"})
    assert row[:2] == [1, UNKNOWN]
    values = vocabulary.decode(row)
    assert (values["hair_color"], values["eye_color"]) == ("white", "")
    assert (values["glasses"], values["hat"], values["smile"]) == ("1", "0", "")
    assert vocabulary.encode(values) == row


def test_unknown_names_say_what_there_is() -> None:
    vocabulary = load_vocabulary()
    with pytest.raises(UserError, match=r"hair_color has no class 'teal' \(one of: orange, white"):
        vocabulary.encode({"hair_color": "teal"})
    with pytest.raises(UserError, match=r"no attribute 'hair' \(one of: hair_color, eye_color"):
        vocabulary.group("hair")


def test_json_round_trip_and_cut() -> None:
    vocabulary = load_vocabulary().only(["eye_color", "hair_color"])
    assert vocabulary.names == ("hair_color", "eye_color")
    again = Vocabulary.from_json(vocabulary.to_json(), "x")
    assert (again.names, again.sizes) == (vocabulary.names, vocabulary.sizes)
    with pytest.raises(UserError, match="x: the vocabulary is malformed"):
        Vocabulary.from_json([{"name": "a"}], "x")


@pytest.mark.parametrize(
    "text", ["schema_version = 1", "schema_version = 9\ngroup = []", "not toml"]
)
def test_a_bad_vocabulary_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vocabulary.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"vocabulary\.toml"):
        load_vocabulary(path)
