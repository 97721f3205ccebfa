"""The entropy coding of RVQ codes: an identity, in the bits that the tables promise, with tables that make sense."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.entropy_coding.code_tables import CodeTables, decode_codes, encode_codes
from mediacodec.errors import ModelError
from mediacodec_bitstream import BitstreamError, TableFamily
from mediacodec_bitstream.backends import VARIABLE

BOOKS, SIZE, CLASSES = 4, 32, 3
# book 0 looks at its own past, 1 at book 0 now, 2 at book 0 before, 3 at book 2 now
SOURCE, LAG = [0, 0, 0, 2], [1, 0, 1, 0]


def make_tables() -> CodeTables:
    """Tables under which each class prefers other codes, strongly."""
    random = np.random.default_rng(1)
    counts = random.integers(0, 50, (BOOKS * (1 + CLASSES), SIZE)) ** 3
    classes = random.integers(0, CLASSES, (BOOKS, SIZE)).astype(np.uint8)
    return CodeTables(
        TableFamily.from_counts(counts).to_array(), classes, np.array(SOURCE, np.uint8), np.array(LAG, np.uint8)
    )


def draw(tables: CodeTables, frames: int, seed: int = 0) -> Any:
    """Codes as the tables expect them, [books, frames]."""
    random = np.random.default_rng(seed)
    step = len(tables.frequencies) // len(tables.classes)
    codes = np.zeros((len(tables.classes), frames), np.uint16)
    for t in range(frames):
        for k in range(len(codes)):
            row = row_of(tables, codes, k, t)
            chances = tables.frequencies[k * step + row] / 2**24
            codes[k, t] = random.choice(len(chances), p=chances)
    return codes


def row_of(tables: CodeTables, codes: Any, k: int, t: int) -> int:
    """Which of its rows codes a code, written down a second time from the module's first sentences."""
    if tables.lag[k]:
        if t == 0:
            return 0
        return 1 + int(tables.classes[k][codes[tables.source[k], t - 1]])
    return 1 + int(tables.classes[k][codes[tables.source[k], t]])


def ideal_bits(tables: CodeTables, codes: Any) -> float:
    step = len(tables.frequencies) // len(tables.classes)
    bits = 0.0
    for t in range(codes.shape[1]):
        for k in range(len(codes)):
            bits += 24 - np.log2(float(tables.frequencies[k * step + row_of(tables, codes, k, t), codes[k, t]]))
    return bits


@pytest.fixture(scope="module")
def tables() -> CodeTables:
    return make_tables()


@pytest.fixture(params=["python", "constriction"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "constriction":
        pytest.importorskip("constriction", reason="the accelerator has no wheel here")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


@pytest.mark.parametrize("frames", [1, 2, 50])
@pytest.mark.parametrize("books", [1, 2, 3, 4])
def test_identity(tables: CodeTables, backend: str, books: int, frames: int) -> None:
    for codes in (draw(tables, frames)[:books], np.random.default_rng(2).integers(0, SIZE, (books, frames), np.uint16)):
        payload = encode_codes(codes, tables)
        found = decode_codes(payload, books, frames, tables)
        assert found.dtype == np.uint16
        assert np.array_equal(found, codes)


def test_nothing_is_nothing(tables: CodeTables, backend: str) -> None:
    assert encode_codes(np.zeros((3, 0), np.uint16), tables) == b""
    assert decode_codes(b"", 3, 0, tables).shape == (3, 0)


@pytest.mark.parametrize("frames", [1, 7, 400])
def test_costs_what_the_tables_say(tables: CodeTables, backend: str, frames: int) -> None:
    codes = draw(tables, frames)
    bits = 8 * len(encode_codes(codes, tables))
    assert ideal_bits(tables, codes) - 8 <= bits <= 1.001 * ideal_bits(tables, codes) + 32


def test_each_table_is_used_where_the_model_says(tables: CodeTables) -> None:
    """Spoil one row: exactly the streams that touch it change."""
    codes = draw(tables, 12, seed=3)
    step = 1 + CLASSES
    used = {k * step + row_of(tables, codes, k, t) for k in range(BOOKS) for t in range(12)}
    payload = encode_codes(codes, tables)
    assert 0 < len(used) < BOOKS * step
    for row in range(BOOKS * step):
        frequencies = tables.frequencies.copy()
        frequencies[row] = TableFamily.uniform(SIZE).to_array()[0]
        assert (encode_codes(codes, replace(tables, frequencies=frequencies)) != payload) == (row in used), row


def test_a_packet_needs_no_packet_before_it(tables: CodeTables) -> None:
    codes = draw(tables, 20)
    parts = [encode_codes(codes[:, t : t + 5], tables) for t in range(0, 20, 5)]
    found = np.concatenate([decode_codes(part, BOOKS, 5, tables) for part in reversed(parts)][::-1], axis=1)
    assert np.array_equal(found, codes)
    # and pays for it: without a past the plain rows are used
    assert sum(map(len, parts)) > len(encode_codes(codes, tables))


@pytest.mark.parametrize("change", ["cut", "grown", "empty", "flipped", "other count"])
def test_wrong_payloads(tables: CodeTables, backend: str, change: str) -> None:
    codes = draw(tables, 50)
    payload, frames = encode_codes(codes, tables), 50
    match change:
        case "cut":
            payload = payload[:-3]
        case "grown":
            payload += b"\1"
        case "empty":
            payload = b""
        case "flipped":
            payload = payload[:10] + bytes([payload[10] ^ 16]) + payload[11:]
        case "other count":
            frames = 49
    try:
        found = decode_codes(payload, BOOKS, frames, tables)
    except BitstreamError:
        return
    assert not np.array_equal(found, codes[:, :frames]), "the symbol CRC sees the rest"


class TestTablesThatContradict:
    GOOD = make_tables()

    def check(self, **changes: Any) -> None:
        with pytest.raises(ModelError, match="contradict"):
            replace(self.GOOD, **changes)

    def test_good_ones_pass(self) -> None:
        replace(self.GOOD, lag=np.array([1, 1, 1, 1], np.uint8))

    @pytest.mark.parametrize("source", [[1, 0, 0, 2], [0, 2, 0, 2], [0, 1, 0, 2], [0, 0, 0, 3], [0, 0, 0, 200]])
    def test_context_that_may_not_be_there(self, source: list[int]) -> None:
        # above the codebook, where a lower rate has dropped it; or the codebook itself, which is not known yet
        self.check(source=np.array(source, np.uint8))

    def test_negative_context(self) -> None:
        self.check(source=np.array([0, -1, 0, 2]))

    @pytest.mark.parametrize("lag", [[1, 0, 2, 0], [0, 0, 1, 0]])
    def test_lag(self, lag: list[int]) -> None:
        self.check(lag=np.array(lag, np.uint8))

    @pytest.mark.parametrize("name", ["source", "lag"])
    def test_one_entry_a_codebook(self, name: str) -> None:
        self.check(**{name: getattr(self.GOOD, name)[:-1]})

    def test_both_too_short(self) -> None:
        self.check(source=self.GOOD.source[:-1], lag=self.GOOD.lag[:-1])

    def test_class_without_a_row(self) -> None:
        self.check(classes=np.full((BOOKS, SIZE), CLASSES, np.uint8))

    @pytest.mark.parametrize("rows", [slice(1, None), slice(0, 0), slice(0, BOOKS)])
    def test_rows(self, rows: slice) -> None:
        self.check(frequencies=self.GOOD.frequencies[rows])

    def test_alphabet(self) -> None:
        self.check(frequencies=self.GOOD.frequencies[:, :-1])

    def test_no_codebooks(self) -> None:
        self.check(classes=self.GOOD.classes[:0], source=self.GOOD.source[:0], lag=self.GOOD.lag[:0])

    def arrays(self) -> dict[str, Any]:
        return {name: getattr(self.GOOD, name) for name in ("frequencies", "classes", "source", "lag")}

    def of(self, arrays: dict[str, Any]) -> CodeTables:
        return CodeTables.of(SimpleNamespace(name="toy", arrays=arrays))  # type: ignore[arg-type]

    def test_of_a_model(self) -> None:
        assert np.array_equal(self.of(self.arrays()).frequencies, self.GOOD.frequencies)

    @pytest.mark.parametrize("name", ["frequencies", "classes", "source", "lag"])
    def test_an_array_is_missing(self, name: str) -> None:
        with pytest.raises(ModelError, match="toy"):
            self.of({k: v for k, v in self.arrays().items() if k != name})

    def test_frequencies_that_do_not_sum_to_one(self) -> None:
        # a coder fed such a table would lose its place somewhere in the middle of a stream
        frequencies = self.GOOD.frequencies.copy()
        frequencies[5, 0] += 1
        with pytest.raises(ModelError, match=r"toy.*table 5"):
            self.of(self.arrays() | {"frequencies": frequencies})

    def test_floats_are_no_tables(self) -> None:
        with pytest.raises(ModelError, match="toy"):
            self.of(self.arrays() | {"frequencies": self.GOOD.frequencies.astype(np.float32)})


def test_payloads_stay_as_they_are() -> None:
    """Files exist by now: what these tables and codes gave once, they give for ever."""
    counts = np.arange(BOOKS * (1 + CLASSES) * SIZE).reshape(-1, SIZE) * 7919 % 211
    classes = (np.arange(BOOKS * SIZE).reshape(BOOKS, SIZE) * 31 % CLASSES).astype(np.uint8)
    tables = CodeTables(
        TableFamily.from_counts(counts).to_array(), classes, np.array(SOURCE, np.uint8), np.array(LAG, np.uint8)
    )
    codes = (np.arange(BOOKS * 6).reshape(BOOKS, 6) * 17 % SIZE).astype(np.uint16)
    assert encode_codes(codes, tables).hex() == "00043f24683c3efa9886747a7c4ccc6a3c2efcb1"


@pytest.mark.parametrize("model", [m for m in manifest.available() if m.family == "rvq"], ids=lambda m: m.name)
def test_shipped_tables_save_bits(model: manifest.Manifest) -> None:
    tables = CodeTables.of(model)
    books, size = tables.classes.shape
    settings = model.settings
    assert (books, size) == (settings["num_codebooks"], settings["codebook_size"])
    per_frame, first = settings["bits_per_frame"], settings["bits_first_frame"]
    assert per_frame == sorted(per_frame)
    assert first == sorted(first)
    assert per_frame[-1] < first[-1] < books * np.log2(size), "contexts help, and so do tables"
