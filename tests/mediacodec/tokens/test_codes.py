"""Files of codes: what they hold, and that nothing in one is believed before it is checked."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.media import make_speech

import mediacodec
from mediacodec.errors import (
    BitstreamError,
    InputError,
    MissingExtraError,
    ModelMismatchError,
    ModelNotFoundError,
    ParameterError,
)
from mediacodec.tokens import formats as token_formats
from mediacodec.tokens.codes import Tokens, read_mcx
from mediacodec.tokens.formats import FORMATS, read_tokens

ABOUT = {"model": "speech-1", "sample_rate": 16_000, "frame_rate": 50.0, "codebook_size": 1024}
PLAIN = [suffix for suffix in FORMATS if suffix != ".parquet"]


@pytest.fixture(scope="module")
def data() -> bytes:
    """An .mcx of 2.3 s, capped, so that packets differ in their codebooks."""
    return mediacodec.encode(make_speech(2.3, 16_000)[0], sample_rate=16_000, bit_rate=1500)


@pytest.fixture(scope="module")
def tokens(data: bytes) -> Tokens:
    return read_mcx(data)


def written(tokens: Tokens, suffix: str) -> io.BytesIO:
    file = io.BytesIO()
    FORMATS[suffix].write(tokens, file)
    return io.BytesIO(file.getvalue())


def assert_same(ours: Tokens, theirs: Tokens) -> None:
    assert ours.codes.dtype == theirs.codes.dtype == np.uint16
    assert np.array_equal(ours.codes, theirs.codes)
    names = [name for name in token_formats.NAMES if name != "codes"]
    assert [getattr(ours, n) for n in names] == [getattr(theirs, n) for n in names]


def test_they_hold_what_decodes_them(tokens: Tokens) -> None:
    assert tokens.codes.shape[0] == 1
    assert tokens.codes.shape[2] == -(-(tokens.num_samples + 320) // 320)
    assert (tokens.model, tokens.sample_rate, tokens.frame_rate) == ("speech-1", 16_000, 50.0)
    assert tokens.num_samples == round(2.3 * 16_000)
    assert "codes" not in repr(tokens), "a repr of a million numbers helps nobody"


def test_they_decode_to_the_same_audio(data: bytes, tokens: Tokens) -> None:
    file = io.BytesIO()
    tokens.write_mcx(file)
    ours, theirs = mediacodec.decode(file.getvalue()), mediacodec.decode(data)
    assert np.array_equal(ours.samples, theirs.samples)
    assert_same(read_mcx(file.getvalue()), tokens)


@pytest.mark.parametrize("suffix", PLAIN)
def test_every_format_keeps_them(tokens: Tokens, suffix: str) -> None:
    assert_same(read_tokens(written(tokens, suffix), f"a{suffix}"), tokens)


def test_parquet_keeps_them(tokens: Tokens) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'mediacodec[parquet]'")
    assert_same(read_tokens(written(tokens, ".parquet"), "a.parquet"), tokens)
    for bad in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"):
        with pytest.raises(InputError):
            read_tokens(io.BytesIO(bad), "a.parquet")


def test_parquet_says_what_it_needs(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"mediacodec\[parquet\]"):
        written(tokens, ".parquet")
    with pytest.raises(MissingExtraError, match=r"mediacodec\[parquet\]"):
        read_tokens(io.BytesIO(b"PAR1"), "a.parquet")


def test_codes_of_a_language_model_need_only_a_name() -> None:
    """No hashes, no length: all that the codes stand for."""
    given = ABOUT | {"codes": np.full((3, 60), 7).tolist()}
    tokens = read_tokens(io.BytesIO(json.dumps(given).encode()), "a.jsonl")
    file = io.BytesIO()
    tokens.write_mcx(file)
    assert mediacodec.decode(file.getvalue()).num_samples == 60 * 320 - 320


def test_the_model_is_that_of_the_hashes(tokens: Tokens) -> None:
    from dataclasses import replace

    with pytest.raises(ModelMismatchError):
        replace(tokens, weights_sha256="00" * 32).write_mcx(io.BytesIO())
    with pytest.raises(ModelNotFoundError):
        replace(tokens, model="nothing", weights_sha256="", tables_sha256="").write_mcx(io.BytesIO())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sample_rate": 24_000}, "24000 Hz"),
        ({"frame_rate": 75.0}, "75.0 frames"),
        ({"codebook_size": 512}, "512 entries"),
        ({"num_samples": 1 << 40}, "more than the codes hold"),
    ],
)
def test_what_contradicts_the_model_is_refused(tokens: Tokens, change: dict[str, Any], words: str) -> None:
    from dataclasses import replace

    with pytest.raises(ParameterError, match=words):
        replace(tokens, **change).write_mcx(io.BytesIO())


@pytest.mark.parametrize("cut", [40, 200, -1])
def test_a_damaged_file_gives_no_codes(data: bytes, cut: int) -> None:
    with pytest.raises(BitstreamError):
        read_mcx(data[:cut])


def test_a_flipped_bit_gives_no_codes(data: bytes) -> None:
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 4
    with pytest.raises(BitstreamError):
        read_mcx(bytes(damaged))


def npz(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.asarray(value) for name, value in arrays.items()})
    return io.BytesIO(file.getvalue())


def npy(header: str, body: bytes = b"") -> bytes:
    """A file of NumPy with any header."""
    text = header.encode().ljust(118 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def forged(codes: bytes) -> io.BytesIO:
    """An npz whose array of codes is these bytes."""
    file = npz(**ABOUT)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("codes.npy", codes)
    file.seek(0)
    return file


BAD_NPZ = {
    "nothing": lambda: io.BytesIO(b""),
    "no zip": lambda: io.BytesIO(b"PK\x03\x04" + bytes(60)),
    "no codes": lambda: npz(**ABOUT),
    "no model": lambda: npz(codes=np.zeros((1, 1, 5), np.uint16), sample_rate=1, frame_rate=1.0, codebook_size=1),
    "floats": lambda: npz(codes=np.zeros((1, 1, 5)), **ABOUT),
    "a cube": lambda: npz(codes=np.zeros((2, 1, 5), np.uint16), **ABOUT),
    "a line": lambda: npz(codes=np.zeros(5, np.uint16), **ABOUT),
    "too high": lambda: npz(codes=np.full((1, 1, 5), 70_000), **ABOUT),
    "negative": lambda: npz(codes=np.full((1, 1, 5), -1), **ABOUT),
    "a long name": lambda: npz(codes=np.zeros((1, 1, 5), np.uint16), **(ABOUT | {"model": "x" * 5000})),
    "many names": lambda: npz(codes=np.zeros((1, 1, 5), np.uint16), **(ABOUT | {"model": ["a", "b"]})),
    "no number": lambda: npz(codes=np.zeros((1, 1, 5), np.uint16), **(ABOUT | {"frame_rate": "fast"})),
    "a bad hash": lambda: npz(codes=np.zeros((1, 1, 5), np.uint16), weights_sha256="0x", **ABOUT),
    "objects": lambda: forged(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04.")),
    "huge": lambda: forged(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 64, 99999999999)}")),
    "cut": lambda: forged(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 64, 99999)}", bytes(50))),
    "code": lambda: forged(npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}")),
    "another version": lambda: forged(b"\x93NUMPY\x09\x00" + bytes(200)),
}


@pytest.mark.parametrize("name", BAD_NPZ)
def test_a_bad_npz_is_one_clear_line(name: str) -> None:
    with pytest.raises(InputError, match=r"'a\.npz' is not a file of codes: .") as caught:
        read_tokens(BAD_NPZ[name](), "a.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        "{}\n{}",
        "[" * 100_000,
        json.dumps(ABOUT | {"codes": [[1, 2], [3]]}),
        json.dumps(ABOUT | {"codes": "abc"}),
        json.dumps(ABOUT | {"codes": [[[1.5]]]}),
        json.dumps(ABOUT | {"codes": [[[1 << 70]]]}),
        json.dumps(ABOUT | {"codes": [[1]], "num_samples": -1}),
        json.dumps(ABOUT | {"codes": [[1]], "sample_rate": "NaN"}),
        '{"codes": [[1]], "model": "speech-1", "sample_rate": Infinity, "frame_rate": 1, "codebook_size": 1}',
    ],
)
def test_bad_json_is_one_clear_line(text: str) -> None:
    with pytest.raises(InputError, match=r"'a\.jsonl' is not a file of codes: .") as caught:
        read_tokens(io.BytesIO(text.encode()), "a.jsonl")
    assert "\n" not in str(caught.value)


def test_every_truncation_of_an_npz_is_refused(tokens: Tokens) -> None:
    whole = written(tokens, ".npz").getvalue()
    for cut in range(0, len(whole) - 1, 37):
        with pytest.raises(InputError):
            read_tokens(io.BytesIO(whole[:cut]), "a.npz")


def test_flipped_bytes_of_an_npz_are_refused_or_harmless(tokens: Tokens) -> None:
    whole = bytearray(written(tokens, ".npz").getvalue())
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 300):
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        with contextlib.suppress(InputError):  # anything else is a failure of this test
            read_tokens(io.BytesIO(bytes(changed)), "a.npz")


def test_another_suffix_is_no_file_of_codes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.npz, \.jsonl, \.parquet"):
        read_tokens(io.BytesIO(b""), "a.txt")
