"""The committed vectors decode to what is committed about them, with either range coder, and with the second reader.

Nothing here regenerates a vector: a missing one fails, and so does a writer whose output has changed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import vectors
from support.paths import VECTORS, load_from_vectors
from support.vectors import V1, table_family

from mediacodec_bitstream import BitstreamError, RangeDecoder, RangeEncoder, Reader, decode_grouped, encode_grouped
from mediacodec_bitstream.fields import FIELDS

ROOT = VECTORS.parent
EXPECTED: dict[str, Any] = json.loads((V1 / "expected.json").read_text())
RC24: list[dict[str, Any]] = json.loads((V1 / "rc24.json").read_text())
KINDS = {kind.__name__: kind for kind in BitstreamError.__subclasses__()}
READABLE = [name for name, entry in EXPECTED.items() if "report" in entry]
UNREADABLE = [name for name in EXPECTED if name not in READABLE]
SOUGHT = [(name, seek) for name, entry in EXPECTED.items() for seek in entry.get("seeks", ())]

reference = load_from_vectors("reference")


@pytest.fixture(params=["python", "constriction"])
def back_end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "constriction":
        pytest.importorskip("constriction")
    monkeypatch.setenv("MEDIACODEC_RANGE_CODER", request.param)


def test_every_file_is_expected_and_every_expected_file_is_there() -> None:
    files = {str(path.relative_to(V1)) for path in V1.glob("*/*.mcx")}
    assert files == set(EXPECTED)
    groups = {"good": 20, "faulty": 50, "future": 15, "tolerated": 8}
    assert all(sum(name.startswith(group) for name in EXPECTED) >= least for group, least in groups.items())
    assert sum(path.stat().st_size for path in V1.rglob("*")) < 1 << 20


@pytest.mark.usefixtures("back_end")
@pytest.mark.parametrize("name", EXPECTED)
def test_strict_reading_ends_as_expected(name: str) -> None:
    assert vectors.first_error((V1 / name).read_bytes()) == EXPECTED[name]["error"]


@pytest.mark.usefixtures("back_end")
@pytest.mark.parametrize("seekable", [True, False], ids=["file", "pipe"])
@pytest.mark.parametrize("name", READABLE)
def test_tolerant_reading_gives_what_is_whole(name: str, seekable: bool) -> None:
    found, expected = vectors.report((V1 / name).read_bytes(), seekable=seekable), EXPECTED[name]["report"]
    if not seekable and (V1 / name).name in ("live-joined.mcx", "header-bit.mcx"):
        # a pipe cannot go back to what came before the first header copy
        assert 0 < found["streams"]["0"]["packets"] < expected["streams"]["0"]["packets"]
        assert found["streams"]["0"]["last_pts"] == expected["streams"]["0"]["last_pts"]
        assert found["lengths"] == expected["lengths"]
    else:
        assert found == expected


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_files_raise_their_kind_and_no_other(name: str) -> None:
    expected = EXPECTED[name].get("raises", EXPECTED[name]["error"])
    with pytest.raises(KINDS[expected]):
        vectors.report((V1 / name).read_bytes())


@pytest.mark.parametrize(("name", "seek"), SOUGHT)
def test_seeking_finds_the_keyframe(name: str, seek: dict[str, Any]) -> None:
    place, expected = (seek["stream"], seek["pts"]), {k: v for k, v in seek.items() if k not in ("stream", "pts")}
    data = (V1 / name).read_bytes()
    assert vectors.report(data, seek=place) == expected
    assert reference.report(data, place) == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_the_second_reader_agrees(name: str) -> None:
    entry, data = EXPECTED[name], (V1 / name).read_bytes()
    assert reference.first_error(data) == entry["error"]
    if "report" in entry:
        assert reference.report(data) == entry["report"]
    else:
        with pytest.raises(reference.FaultError) as caught:
            reference.report(data)
        assert caught.value.kind == entry.get("raises", entry["error"])


def test_the_second_reader_knows_nothing_of_the_product() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import reference; assert reference.report(b'') is None"
    command = [sys.executable, "-I", "-c", f"{program}", str(VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "FaultError: no magic" in done.stderr
    for path in (VECTORS / "reference").glob("*.py"):
        assert not re.search(r"^\s*(import|from) (mediacodec|numpy|support)", path.read_text(), re.MULTILINE), path.name


def test_groups_mean_what_they_say() -> None:
    for name, entry in EXPECTED.items():
        group = name.split("/")[0]
        assert entry["about"]
        if group in ("good", "tolerated") and "joined" not in name and "repairs" not in name:
            assert entry["error"] is None, name
            assert entry["report"]["gaps"] == 0, name
        if group == "faulty":
            assert entry["naive_decoder"], name
            assert entry["error"] in KINDS, name
        if group == "future" and "minor" not in name:
            assert entry.get("raises", entry["error"]).startswith("Unsupported"), name


def test_vectors_use_every_field() -> None:
    names: set[str] = set()
    for path in V1.glob("good/*.mcx"):
        data = path.read_bytes()
        if data[:4] == b"\x89MCX":
            reader = Reader(vectors.pipe(data))
            names |= set(reader.header.fields) | {name for s in reader.header.streams for name in s.fields}
    assert names == {field.name for field in FIELDS}


@pytest.mark.usefixtures("back_end")
def test_the_code_still_writes_the_committed_bytes(tmp_path: Path) -> None:
    load_from_vectors("make_vectors").make(tmp_path)
    for path in V1.rglob("*.*"):
        assert (tmp_path / path.relative_to(V1)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.usefixtures("back_end")
@pytest.mark.parametrize("entry", RC24, ids=lambda entry: entry["about"])
def test_rc24(entry: dict[str, Any]) -> None:
    family, payload = table_family(entry["tables"]), bytes.fromhex(entry["payload"])
    assert encode_grouped(entry["symbols"], entry["indices"], family) == payload
    assert decode_grouped(payload, entry["indices"], family).tolist() == entry["symbols"]


@pytest.mark.parametrize("entry", RC24, ids=lambda entry: entry["about"])
def test_rc24_as_the_second_reader_has_it(entry: dict[str, Any]) -> None:
    grouped = load_from_vectors("reference.coder").grouped
    assert grouped(bytes.fromhex(entry["payload"]), entry["tables"], entry["indices"]) == entry["symbols"]


def test_rc24_symbol_by_symbol_in_file_order() -> None:
    """Not grouped: a codec whose contexts depend on earlier symbols decodes one by one."""
    entry = max(RC24, key=lambda entry: len(entry["symbols"]) * len(entry["tables"]))
    family = table_family(entry["tables"])
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
    assert data == (V1 / "good" / "smallest.mcx").read_bytes()


def test_the_specification_lists_every_field() -> None:
    text = (ROOT / "SPEC.md").read_text()
    rows = set(re.findall(r"^\| (0x[0-9a-f]{4}) \| (\w+) \|", text, re.MULTILINE))
    assert rows == {(f"0x{field.id:04x}", field.name) for field in FIELDS}


def test_made_up_tables_of_the_second_reader_are_those_of_the_product() -> None:
    from mediacodec_bitstream import TableFamily

    for size in (1, 2, 3, 14, 255):
        assert reference.flat(size) == TableFamily.uniform(size)[0].frequencies.tolist()
    for counts in ([9, 1], [1 << 20, 1 << 20, 3, 0], [799, 99, 99]):
        assert reference.from_counts(counts) == TableFamily.from_counts(counts)[0].frequencies.tolist()
