"""The committed vectors decode to what is committed about them, with either range coder.

Nothing here regenerates a vector: a missing one fails, and so does a writer whose output has changed.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mediacodec_bitstream import (
    BitstreamError,
    RangeDecoder,
    RangeEncoder,
    TableFamily,
    decode_grouped,
    encode_grouped,
)
from mediacodec_bitstream.fields import FIELDS

ROOT = Path(__file__).parents[2] / "bitstream"
FOLDER = ROOT / "vectors" / "v1"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
RC24: list[dict[str, Any]] = json.loads((FOLDER / "rc24.json").read_text())
KINDS = {kind.__name__: kind for kind in BitstreamError.__subclasses__()}


def load(name: str) -> Any:
    """A module of the vectors folder; it is no package, for its user is whoever writes another decoder."""
    sys.path.insert(0, str(ROOT / "vectors"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


reference = load("reference")


@pytest.fixture(params=["python", "constriction"], autouse=True)
def back_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "constriction":
        pytest.importorskip("constriction")
    monkeypatch.setenv("MEDIACODEC_RANGE_CODER", request.param)


def test_every_file_is_expected_and_every_expected_file_is_there() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.mcx")}
    assert files == set(EXPECTED)
    count = {group: sum(name.startswith(group) for name in EXPECTED) for group in ("good", "faulty", "future")}
    assert count["good"] >= 10
    assert count["faulty"] >= 10
    assert count["future"] >= 3
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 1 << 20


@pytest.mark.parametrize("name", EXPECTED)
def test_strict_reading_ends_as_expected(name: str) -> None:
    assert reference.first_error((FOLDER / name).read_bytes()) == EXPECTED[name]["error"]


@pytest.mark.parametrize("seekable", [True, False], ids=["file", "pipe"])
@pytest.mark.parametrize("name", [name for name, entry in EXPECTED.items() if "report" in entry])
def test_tolerant_reading_gives_what_is_whole(name: str, seekable: bool) -> None:
    data = (FOLDER / name).read_bytes()
    found, expected = reference.report(data, seekable=seekable), EXPECTED[name]["report"]
    if not seekable and (FOLDER / name).name in ("live-joined.mcx", "header-bit.mcx"):
        # a pipe cannot go back to what came before the first header copy
        assert 0 < found["streams"]["0"]["packets"] < expected["streams"]["0"]["packets"]
        assert found["streams"]["0"]["last_pts"] == expected["streams"]["0"]["last_pts"]
        assert found["lengths"] == expected["lengths"]
    else:
        assert found == expected


@pytest.mark.parametrize("name", [name for name, entry in EXPECTED.items() if "report" not in entry])
def test_unreadable_files_raise_their_kind_and_no_other(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    with pytest.raises(KINDS[EXPECTED[name]["error"]]):
        reference.report(data)


def test_groups_mean_what_they_say() -> None:
    for name, entry in EXPECTED.items():
        group = name.split("/")[0]
        assert entry["about"]
        if group == "good" and "joined" not in name and "repairs" not in name:
            assert entry["error"] is None, name
            assert entry["report"]["gaps"] == 0, name
        if group == "faulty":
            assert entry["naive_decoder"], name
            assert entry["error"] in KINDS, name


def test_vectors_use_every_field() -> None:
    names: set[str] = set()
    for path in FOLDER.glob("good/*.mcx"):
        data = path.read_bytes()
        if data[:4] == b"\x89MCX":
            reader = reference.Reader(reference.pipe(data))
            names |= set(reader.header.fields) | {name for s in reader.header.streams for name in s.fields}
    assert names == {field.name for field in FIELDS}


def test_the_code_still_writes_the_committed_bytes(tmp_path: Path) -> None:
    load("make_vectors").make(tmp_path)
    for path in FOLDER.rglob("*.*"):
        assert (tmp_path / path.relative_to(FOLDER)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("entry", RC24, ids=lambda entry: entry["about"])
def test_rc24(entry: dict[str, Any]) -> None:
    width = max(map(len, entry["tables"]))
    family = TableFamily.from_array([row + [0] * (width - len(row)) for row in entry["tables"]])
    payload = bytes.fromhex(entry["payload"])
    assert encode_grouped(entry["symbols"], entry["indices"], family) == payload
    assert decode_grouped(payload, entry["indices"], family).tolist() == entry["symbols"]


def test_rc24_symbol_by_symbol_in_file_order() -> None:
    """Not grouped: a codec whose contexts depend on earlier symbols decodes one by one."""
    entry = max(RC24, key=lambda entry: len(entry["symbols"]) * len(entry["tables"]))
    width = max(map(len, entry["tables"]))
    family = TableFamily.from_array([row + [0] * (width - len(row)) for row in entry["tables"]])
    encoder = RangeEncoder()
    for symbol, index in zip(entry["symbols"], entry["indices"], strict=True):
        encoder.encode_one(symbol, family[index])
    decoder = RangeDecoder(encoder.finish())
    assert [decoder.decode_one(family[index]) for index in entry["indices"]] == entry["symbols"]
    decoder.finish()


def test_the_dissected_file_of_the_specification_is_the_vector() -> None:
    text = (ROOT / "SPEC.md").read_text()
    section = text[text.index("<!-- dissected: good/smallest.mcx -->") :]
    rows = re.findall(r"^\| (\d+) \| ((?:[0-9a-f]{2} ?)+) \|", section, re.MULTILINE)
    data = b""
    for offset, digits in rows:
        assert int(offset) == len(data), f"the row at {offset} follows {len(data)} bytes"
        data += bytes.fromhex(digits)
    assert data == (FOLDER / "good" / "smallest.mcx").read_bytes()


def test_the_specification_lists_every_field() -> None:
    text = (ROOT / "SPEC.md").read_text()
    rows = set(re.findall(r"^\| (0x[0-9a-f]{4}) \| (\w+) \|", text, re.MULTILINE))
    assert rows == {(f"0x{field.id:04x}", field.name) for field in FIELDS}
