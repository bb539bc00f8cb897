"""Whatever bytes a table or an archive holds: rows, or an error of one line."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from avatar_common.disk.vocabulary import load_vocabulary
from avatar_common.errors import UserError
from preprocess.archive import open_archive
from preprocess.label_tables import LabelRow, read_table
from tests.preprocess.test_import import png

pytestmark = pytest.mark.usefixtures("in_this_process")


NAMES = [f"{number}.png" for number in range(6)]


SEPARATORS = st.sampled_from([",", ";", "\t", "|"])


CELLS = st.sampled_from(["blue", "pink", "Blonde ", "", "unknown", "grey", "-1", "blue hair"])


JUNK = st.text(st.sampled_from("\",;|\t\n\r\0 '\u2028\ufeffa1.é"), max_size=6)


def read(data: bytes, name: str = "labels.csv") -> tuple[list[LabelRow], list[UserError]]:
    """The rows read and those set aside; a refused table gives one error and no rows."""
    bad: list[UserError] = []
    try:
        return read_table(data, name, load_vocabulary(), bad.append), bad
    except UserError as error:
        return [], [error]


@st.composite
def damaged_tables(draw: st.DrawFn) -> tuple[bytes, int]:
    """A table of six rows with something put in, taken out or cut off, and its encoding."""
    separator = draw(SEPARATORS)
    quote = draw(st.sampled_from(["", '"']))
    rows = [["file", "hair", "text"]] + [
        [n, draw(CELLS), draw(st.sampled_from("xy"))] for n in NAMES
    ]
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(
        separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows
    )
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(JUNK) + text[place + draw(st.integers(0, 2)) :]
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])))
    return data[: draw(st.integers(len(data) // 2, len(data) + 40))], len(NAMES)


quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quick
@given(damaged_tables())
def test_damaged_tables_lose_nothing_in_silence(damaged: tuple[bytes, int]) -> None:
    data, _ = damaged
    rows, bad = read(data)
    assert rows or bad
    for error in bad:
        assert "labels.csv" in str(error)
        assert "\n" not in error.what
    if bad:
        return
    for row in rows:  # read without a word: then every line is a row, and names one thing
        assert row.picture
        assert "\n" not in row.picture
    text = data.decode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8", "replace")
    if not data.count(0):
        lines = [
            line for line in text.replace("\r", "\n").split("\n") if line.strip(' ",;|\t\ufeff')
        ]
        assert len(rows) >= len(lines) - 1 - text.count('"')


@quick
@given(st.binary(max_size=300))
@example(b'"')
@example(b"file,hair\n" + b'"' * 9)
@example(b"sep=;")
@example(b"\xff\xfe")
@example(b"3\n\n")
def test_any_bytes_are_rows_or_an_error(data: bytes) -> None:
    for name in ("labels.csv", "metadata.jsonl", "metadata.json"):
        rows, bad = read(data, name)
        assert rows or bad


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=4
)


@quick
@given(JSON_VALUES, st.text(max_size=5))
def test_any_json_is_rows_or_an_error(value: object, key: str) -> None:
    content = {"file_name": "1.png", "hair": value, "smile": value, "tags": value, key: 1}
    rows, bad = read(json.dumps(content).encode(), "metadata.jsonl")
    assert rows or bad


def test_deep_json_is_an_error() -> None:
    assert read(b"[" * 100_000, "metadata.jsonl")[1]
    assert read(b"[" * 100_000, "metadata.json")[1]


@quick
@given(data=st.data())
def test_damaged_zips_are_a_set_or_an_error(data: st.DataObject, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", data.draw(st.sampled_from([0, 8]))) as archive:
        for name in data.draw(st.lists(st.text(max_size=8), unique=True, max_size=4)):
            archive.writestr(zipfile.ZipInfo(f"{name}.png"), png(1)[:50])
        archive.writestr("labels.csv", "file,hair\n1.png,blue\n")
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(len(content) // 2, len(content))) :]
    zipped = tmp_path / f"{uuid.uuid4()}.zip"  # opened zips are kept by name
    zipped.write_bytes(content)
    with suppress(UserError):
        source = open_archive(zipped)
        for name in source.names:
            source.read(name)
