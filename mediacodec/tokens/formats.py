"""Files of codes: NumPy's npz, lines of JSON, Parquet. FORMATS is the only table of them.

Each holds `codes` [1, codebooks, frames] and the other fields of `Tokens` under their names. What is read is checked
before memory is taken for it; nothing in it is executed.
"""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import numpy as np

from mediacodec import memory_errors
from mediacodec.arguments import as_float, as_instance, check_file
from mediacodec.errors import InputError, MissingExtraError, ParameterError
from mediacodec.npz import names, open_npz, read_array, save_arrays
from mediacodec.tokens.codes import MAX_CODES, Tokens

MAX_TEXT = 1 << 27  # bytes of a line of JSON, or of a Parquet file's columns
MAX_FIELD = 4096  # bytes of any other field of an npz
NAMES = tuple(field.name for field in fields(Tokens))
TEXTS = ("model", "weights_sha256", "tables_sha256")


Fields = dict[str, object]


@dataclass(frozen=True)
class Format:
    """How a kind of file is written and read.

    Attributes:
        write: puts tokens into an open file.
        read: gives the fields of one by name, unchecked.
    """

    write: Callable[[Tokens, BinaryIO], None]
    read: Callable[[BinaryIO], Fields]


def format_of(name: str) -> Format | None:
    """The format that a file's suffix names; None where it is no file of codes."""
    return FORMATS.get(Path(name).suffix.lower())


@memory_errors.named
def read_tokens(file: BinaryIO, name: str) -> Tokens:
    """Read a file of codes.

    Args:
        file: open for reading, seekable.
        name: of the file; its suffix says which format.

    Raises:
        InputError: it is no such file, or damaged.
        MissingExtraError: the format needs a package that is not installed.
        ParameterTypeError: an argument is of the wrong kind.
    """
    as_instance("name", name, str)
    check_file("file", file, "read")
    found = format_of(name)
    if found is None:
        raise InputError(f"'{name}' is no file of codes: those are {', '.join(FORMATS)}")
    try:
        return _tokens(found.read(file))
    except (MissingExtraError, MemoryError):
        raise
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, OSError) as error:
        raise InputError(f"'{name}' is not a file of codes: {error}") from error


def _tokens(given: Fields) -> Tokens:
    """Fields as read, checked."""
    for name in ("codes", "model", "sample_rate", "frame_rate", "codebook_size"):
        if given.get(name) is None:
            raise ParameterError(f"it has no {name}")
    array = np.asarray(given["codes"])
    if array.dtype.kind not in "iu" or array.size > MAX_CODES:
        raise ParameterError(f"codes must be integers, at most {MAX_CODES}, not {array.dtype} {list(array.shape)}")
    if array.ndim == 2:
        array = array[None]
    if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << 16:
        raise ParameterError(f"codes go from {array.min()} to {array.max()}; no model has such")
    length = given.get("num_samples")
    return Tokens(
        codes=array.astype(np.uint16),
        sample_rate=_whole("sample_rate", given["sample_rate"]),
        frame_rate=as_float("frame_rate", given["frame_rate"]),
        codebook_size=_whole("codebook_size", given["codebook_size"]),
        num_samples=None if length is None else _whole("num_samples", length),
        **{name: str(given.get(name) or "") for name in TEXTS},
    )


def _whole(name: str, value: object) -> int:
    """An integer, which a file may hold as a float."""
    number = as_float(name, value)
    if number != int(number):
        raise ParameterError(f"{name} must be a whole number, not {number}")
    return int(number)


def _write_npz(tokens: Tokens, file: BinaryIO) -> None:
    about = {name: np.asarray(value) for name, value in _about(tokens).items()}
    save_arrays(file, {"codes": tokens.codes, **about})


def _about(tokens: Tokens) -> Fields:
    """All fields that are known but the codes."""
    given = {name: getattr(tokens, name) for name in NAMES if name != "codes"}
    return {name: value for name, value in given.items() if value is not None}


def _read_npz(file: BinaryIO) -> Fields:
    with open_npz(file) as archive:
        return {name: _member(archive, name) for name in names(archive) if name in NAMES}


def _member(archive: zipfile.ZipFile, name: str) -> object:
    """One field."""
    if name != "codes":
        value: object = read_array(archive, name, max_bytes=MAX_FIELD).item()
        return value
    array = read_array(archive, name, max_bytes=8 * MAX_CODES)
    if array.size > MAX_CODES:
        raise ParameterError(f"codes are too many: {list(array.shape)}")
    return array


def _write_json(tokens: Tokens, file: BinaryIO) -> None:
    given = {"codes": tokens.codes.tolist(), **_about(tokens)}
    line = json.dumps(given, separators=(",", ":"), ensure_ascii=False)
    file.write(line.encode() + b"\n")


def _read_json(file: BinaryIO) -> Fields:
    text = file.read(MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        raise ParameterError(f"it is larger than {MAX_TEXT >> 20} MiB")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        raise ParameterError(f"it has {len(lines)} lines, and one at a time can be decoded")
    given = json.loads(lines[0])
    if not isinstance(given, dict):
        raise ParameterError("a line must be an object with codes, model and so on")
    return given


def _write_parquet(tokens: Tokens, file: BinaryIO) -> None:
    arrow, parquet = _arrow()
    given = {name: [value] for name, value in _about(tokens).items()}
    kind = arrow.list_(arrow.list_(arrow.list_(arrow.uint16())))
    codes = arrow.array([tokens.codes.tolist()], type=kind)
    parquet.write_table(arrow.table({"codes": codes, **given}), file, compression="zstd")


def _read_parquet(file: BinaryIO) -> Fields:
    arrow, parquet = _arrow()
    try:
        source = parquet.ParquetFile(io.BytesIO(file.read(MAX_TEXT)))
        about = source.metadata
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if about.num_rows != 1 or size > MAX_TEXT:
            raise ParameterError(f"it has {about.num_rows} rows of {size} bytes, and one at a time can be decoded")
        known = [name for name in source.schema_arrow.names if name in NAMES]
        rows: list[Fields] = source.read(columns=known).to_pylist()
        return rows[0]
    except arrow.ArrowException as error:
        raise ParameterError(str(error).splitlines()[0]) from error


def _arrow() -> tuple[ModuleType, ModuleType]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("a Parquet file", "parquet") from error


FORMATS: dict[str, Format] = {
    ".npz": Format(_write_npz, _read_npz),
    ".jsonl": Format(_write_json, _read_json),
    ".parquet": Format(_write_parquet, _read_parquet),
}
