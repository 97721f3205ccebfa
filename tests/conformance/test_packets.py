"""Packet vectors hold the integers that they say, to the product and to a reader written from the documents alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.packet_reader import motion
from support.packet_reader.base import FaultError, from_json
from support.packet_reader.vectors import differences, opened, same
from support.paths import ROOT, VECTORS, load_from_vectors

from mediacodec.codecs.registry import CODECS
from mediacodec_bitstream import BitstreamError

CODECS_FOLDER, DOCUMENTS = VECTORS / "codecs", ROOT / "bitstream" / "codecs"
FILES = {str(path.relative_to(CODECS_FOLDER)): path for path in sorted(CODECS_FOLDER.glob("*/*.json"))}
ALL: dict[str, Any] = {name: json.loads(path.read_text()) for name, path in FILES.items()}
PACKETS = {name: vector for name, vector in ALL.items() if "packets" in vector}
FAULTY = [(name, fault) for name, vector in PACKETS.items() for fault in vector["faulty"]]
FAULTY_STREAMS = [(name, fault) for name, vector in PACKETS.items() for fault in vector.get("faulty_streams", ())]

product, models = load_from_vectors("product"), load_from_vectors("small_models")
AUDIO = {"rvq1": product.rvq_read, "sgmt": product.segment_read, "ecsq": product.ecsq_read}
Read = Callable[[dict[str, Any]], dict[str, Any] | None]


def title(value: Any) -> str:
    """What a case is called."""
    return str(value["about"] if isinstance(value, dict) else value)


def by_product(name: str, folder: Path, *, extradata: str | None = None) -> Read:
    """What reads a vector's packets with the product."""
    vector = PACKETS[name]
    model = models.model_of(vector, models.tables_of(vector, FILES[name].parent), folder / "model")
    if vector["codec"] in AUDIO:
        changes = {} if extradata is None else {"extradata": extradata}
        header = models.audio_header(vector, **changes)
        read = AUDIO[vector["codec"]]
        read(model, header, [])
        return lambda entry: read(model, header, [models.packet_of(entry)])[0]
    if vector["codec"] == "inr1":
        groups = product.InrStream(model, models.video_header(vector))
        return lambda entry: groups.read(models.packet_of(entry))
    kind = product.ConditionalStream if vector["codec"] == "cond" else product.OverfitStream
    frames = kind(model, vector["stream"]["width"], vector["stream"]["height"])
    return lambda entry: frames.read(models.packet_of(entry))


def test_there_are_vectors_of_every_codec() -> None:
    spec = (ROOT / "bitstream" / "SPEC.md").read_text()
    rows = dict(re.findall(r"^\| `(.{4})` \| \w+ \| .* \| \[codecs/(.*\.md)\]", spec, re.MULTILINE))
    assert {vector["codec"] for vector in PACKETS.values()} == set(rows)
    assert {family.fourcc for family in CODECS.values()} == set(rows)
    assert all((DOCUMENTS / name).is_file() for name in rows.values())
    assert sum(path.stat().st_size for path in CODECS_FOLDER.rglob("*")) < 1 << 19


@pytest.mark.parametrize("name", PACKETS)
def test_the_product_finds_the_integers(name: str, tmp_path: Path) -> None:
    read = by_product(name, tmp_path)
    for entry in PACKETS[name]["packets"]:
        found = read(entry)
        assert found is not None
        assert differences(found, entry) == []


@pytest.mark.parametrize("name", PACKETS)
def test_the_second_reader_finds_the_integers(name: str) -> None:
    read = opened(PACKETS[name], FILES[name].parent)
    for entry in PACKETS[name]["packets"]:
        found = read(entry)
        assert found is not None
        assert differences(found, entry) == []


@pytest.mark.parametrize(("name", "fault"), FAULTY, ids=title)
def test_faults_are_of_the_class_that_is_said(name: str, fault: dict[str, Any], tmp_path: Path) -> None:
    for read in (by_product(name, tmp_path), opened(PACKETS[name], FILES[name].parent)):
        for entry in PACKETS[name]["packets"][: fault["after"]]:
            read(entry)
        found: object
        try:
            found = read(fault)
        except (BitstreamError, FaultError) as error:
            found = getattr(error, "kind", type(error).__name__)
        assert found == fault["error"]


@pytest.mark.parametrize(("name", "fault"), FAULTY_STREAMS, ids=title)
def test_streams_that_cannot_be_are_refused(name: str, fault: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BitstreamError) as caught:
        by_product(name, tmp_path, extradata=fault["extradata"])
    assert type(caught.value).__name__ == fault["error"]
    with pytest.raises(FaultError) as refused:
        opened(PACKETS[name], FILES[name].parent, extradata=fault["extradata"])
    assert refused.value.kind == fault["error"]


def test_frames_are_moved_as_the_document_says() -> None:
    vector = ALL["motion/compensation.json"]
    planes, field = [from_json(plane) for plane in vector["before"]], from_json(vector["motion"])
    for kind, after in enumerate(vector["after"]):
        assert same(motion.moved(planes, field, kind), after)
        assert same(product.moved(planes, field, kind), after)


def test_the_code_still_writes_the_committed_packets() -> None:
    made = load_from_vectors("make_packets").every_vector()
    assert {f"{name}.json" for name in made} == set(ALL)
    for name, vector in made.items():
        assert json.loads(json.dumps(vector)) == ALL[f"{name}.json"], name
    with np.load(CODECS_FOLDER / "overfit" / "tables.npz", allow_pickle=False) as archive:
        tables = load_from_vectors("packets_overfit").tables()
        assert set(archive) == set(tables)
        assert all(np.array_equal(archive[name], array) for name, array in tables.items())


@pytest.mark.parametrize("path", sorted(DOCUMENTS.glob("*.md")), ids=lambda path: path.name)
def test_packets_dissected_in_documents_are_those_of_vectors(path: Path) -> None:
    dissected = r"<!-- dissected: (\S+) (\d+) -->\n\n(.*?)(?:\n\n|\Z)"
    for name, number, section in re.findall(dissected, path.read_text(), re.DOTALL):
        data = ""
        for offset, digits in re.findall(r"^\| (\d+) \| ((?:[0-9a-f]{2} ?)+) \|", section, re.MULTILINE):
            assert int(offset) == len(data) // 2, f"the row at {offset} follows {len(data) // 2} bytes"
            data += digits.replace(" ", "")
        assert data == ALL[name]["packets"][int(number)]["data"]


def test_the_second_reader_knows_nothing_of_the_product() -> None:
    for path in (ROOT / "tests" / "support" / "packet_reader").glob("*.py"):
        assert not re.search(r"^\s*(import|from) mediacodec", path.read_text(), re.MULTILINE), path.name


def test_every_document_of_a_codec_dissects_a_packet() -> None:
    shared = ("README.md", "integers.md", "motion.md")
    for path in DOCUMENTS.glob("*.md"):
        assert path.name in shared or "<!-- dissected: " in path.read_text(), path.name
