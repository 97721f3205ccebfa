"""From integer codes to payload bytes and back (SPEC section 5).

Coder 0 packs bits; coder 1 is RC24. Where every table index is known before decoding, `encode_grouped` sorts
the symbols by table so that each table is used in one run. Where a symbol's table depends on symbols before
it, a codec drives `backends.open_encoder` and `open_decoder` itself, symbol by symbol, in its own order.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from .backends import open_decoder, open_encoder
from .errors import CorruptError, DesyncError, ParameterError, ParameterTypeError
from .rangecoder import SymbolArray, check_count
from .tables import MAX_ALPHABET, TableFamily

SYMBOL_CRC_SIZES = (0, 1, 2, 4)


def encode_grouped(symbols: npt.ArrayLike, indices: npt.ArrayLike, family: TableFamily) -> bytes:
    """RC24 payload of symbols, each with the table of the family that its index names.

    symbols, indices: integers of one shape, read in C order; at most 2^24. The groups are coded in ascending
    order of table index, and within a group symbols keep their order. Raises ParameterError on a symbol or an
    index out of range.
    """
    rows = _indices(indices, family)
    values = np.asarray(symbols)
    if values.shape != np.shape(indices):
        raise ParameterError(f"symbols {values.shape} and indices {np.shape(indices)} differ in shape")
    values = _compact(values)
    order, groups = group_by_table(rows, len(family))
    values = values if order is None else values[order]
    encoder = open_encoder()
    for index, start, stop in groups:
        encoder.encode(values[start:stop], family[index])
    return encoder.finish()


def decode_grouped(data: bytes, indices: npt.ArrayLike, family: TableFamily) -> SymbolArray:
    """The symbols of an RC24 payload, uint16 in the shape of indices. The inverse of `encode_grouped`.

    Raises CorruptError where the payload is not exactly what codes these symbols.
    """
    rows = _indices(indices, family)
    order, groups = group_by_table(rows, len(family))
    decoder = open_decoder(bytes(data))
    values = np.empty(len(rows), dtype=np.uint16)
    for index, start, stop in groups:
        values[start:stop] = decoder.decode(family[index], stop - start)
    decoder.finish()
    if order is not None:
        grouped, values = values, np.empty(len(rows), dtype=np.uint16)
        values[order] = grouped
    return values.reshape(np.shape(indices))


def bits_per_symbol(alphabet: int) -> int:
    """ceil(log2(alphabet)): 0 bits for one symbol, 10 for 1024, 16 for 65536."""
    if not 1 <= alphabet <= MAX_ALPHABET:
        raise ParameterError(f"an alphabet has 1..{MAX_ALPHABET} symbols, not {alphabet}")
    return (alphabet - 1).bit_length()


def pack_bits(symbols: npt.ArrayLike, alphabet: int) -> bytes:
    """Coder 0: `bits_per_symbol(alphabet)` bits a symbol, most significant first, zero-padded at the end.

    symbols: integers in 0..alphabet-1, any shape, at most 2^24. Raises ParameterError outside that.
    """
    width = bits_per_symbol(alphabet)
    values = np.asarray(symbols).ravel()
    check_count(values.size)
    if values.size and (values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= alphabet):
        raise ParameterError(f"symbols must be integers in 0..{alphabet - 1}")
    shifts = np.arange(width - 1, -1, -1, dtype=np.uint32)
    bits = (values.astype(np.uint32)[:, None] >> shifts & 1).astype(np.uint8)
    return np.packbits(bits).tobytes()


def unpack_bits(data: bytes, alphabet: int, count: int) -> SymbolArray:
    """The `count` symbols (uint16) that `pack_bits` wrote.

    Raises CorruptError where the length is not exactly right, padding is not zero or a symbol is not in the
    alphabet.
    """
    width = bits_per_symbol(alphabet)
    check_count(count)
    if len(data) != (count * width + 7) // 8:
        raise CorruptError(f"{count} symbols of {width} bits do not fill {len(data)} bytes")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    if bits[count * width :].any():
        raise CorruptError("padding bits are not zero")
    weights = 1 << np.arange(width - 1, -1, -1, dtype=np.uint32)
    values = bits[: count * width].reshape(count, width) @ weights
    if values.size and values.max() >= alphabet:
        raise CorruptError(f"symbol {values.max()} is not in an alphabet of {alphabet}")
    return values.astype(np.uint16)


def symbol_crc(symbols: npt.ArrayLike, crc: int = 0) -> int:
    """CRC-32 (zlib's) of the symbols, in C order, as little-endian uint16.

    A stream stores its low `symbol_crc_size` bytes.

    Args:
        symbols: integers in 0..65535, any shape.
        crc: the CRC of the symbols before these, where several arrays are checked as one.

    Returns:
        0..2^32-1.

    Raises:
        ParameterError: a symbol lies outside 0..65535.
    """
    values = np.asarray(symbols)
    if values.size and (values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= MAX_ALPHABET):
        raise ParameterError("symbols must be integers in 0..65535")
    return zlib.crc32(np.ascontiguousarray(values, dtype="<u2").data, crc)


def check_symbol_crc(found: int, crc: int, size: int) -> None:
    """Compare the CRC of decoded symbols with the one that their packet carries.

    Args:
        found: what `symbol_crc` gives.
        crc: its low `size` bytes as stored (from `packet.unseal`).
        size: bytes.

    Raises:
        DesyncError: they differ.
    """
    if found & ((1 << 8 * size) - 1) != crc:
        raise DesyncError("the decoded symbols are not those that were encoded: is this the right model?")


def check_symbols(symbols: npt.ArrayLike, crc: int, size: int) -> None:
    """Raise DesyncError unless the low `size` bytes of the symbols' CRC are `crc` (from `packet.unseal`)."""
    check_symbol_crc(symbol_crc(symbols), crc, size)


def _compact(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Flat, and in 16 bits where nothing is lost (the coder then checks each group against its table)."""
    flat = values.ravel()
    if flat.dtype.kind in "iu" and flat.size and flat.min() >= 0 and flat.max() < MAX_ALPHABET:
        return flat.astype(np.uint16)
    return flat


def _indices(indices: npt.ArrayLike, family: TableFamily) -> npt.NDArray[np.unsignedinteger]:
    rows = np.asarray(indices).ravel()
    check_count(rows.size)
    if rows.size == 0:
        return np.zeros(0, dtype=np.uint16)
    if rows.dtype.kind not in "iu":
        raise ParameterTypeError(f"table indices must be integers, got {rows.dtype}")
    if rows.min() < 0 or rows.max() >= len(family):
        raise ParameterError(f"table indices {rows.min()}..{rows.max()} are not all in 0..{len(family) - 1}")
    # in 8 or 16 bits numpy sorts by radix, which is stable and fast
    return rows.astype(np.uint8 if len(family) <= 256 else np.uint16)


def group_by_table(
    rows: npt.NDArray[np.integer], tables: int
) -> tuple[npt.NDArray[np.intp] | None, list[tuple[int, int, int]]]:
    """How symbols are sorted so that each table is used in one run: by table, each in its own order.

    Args:
        rows: table index of each symbol, [n], in 0..tables-1; in 8 or 16 bits NumPy sorts them quickest.
        tables: how many tables there are.

    Returns:
        The permutation that sorts (None where one table serves all), and (table, start, stop) of each run.
    """
    counts = np.bincount(rows, minlength=tables)
    used = np.flatnonzero(counts)
    stops = np.cumsum(counts[used]).tolist()
    groups = list(zip(used.tolist(), [0, *stops], stops, strict=False))
    order = np.argsort(rows, kind="stable") if len(groups) > 1 else None
    return order, groups
