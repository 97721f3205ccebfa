"""The committed vectors, and what the product makes of a file of the codec `test`.

The reader that lies beside them, `reference`, says the same of a file without the product.
"""

from __future__ import annotations

import io
import json
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec_bitstream import (
    BIT_PACKED,
    OPAQUE,
    AudioParameters,
    BitstreamError,
    CorruptError,
    Packet,
    Reader,
    StreamHeader,
    TableFamily,
    check_symbols,
    decode_grouped,
    split_layers,
    unpack_bits,
    unseal,
)
from support.paths import VECTORS

V1 = VECTORS / "v1"
TEST: dict[str, Any] = json.loads((V1 / "codec-test.json").read_text())

Symbols = npt.NDArray[np.uint16]


def table_family(rows: list[list[int]]) -> TableFamily:
    """Tables as JSON holds them."""
    width = max(map(len, rows))
    return TableFamily.from_array([row + [0] * (width - len(row)) for row in rows])


FAMILY = table_family(TEST["tables"])


def decode_packet_data(stream: StreamHeader, packet: Packet) -> Symbols:
    """Symbols of a packet, flat: [frame, codebook], or codebook after codebook where the stream has layers.

    Raises BitstreamError kinds.
    """
    if stream.coder == OPAQUE:
        return np.frombuffer(packet.data, dtype=np.uint8).astype(np.uint16)
    books = TEST["codebooks"]
    frames = TEST["symbols_of_other_kinds"] // books
    if isinstance(stream.parameters, AudioParameters):
        frames = -(-packet.duration // stream.parameters.frame_size)
    if isinstance(stream.parameters, AudioParameters) and frames > TEST["max_frames"]:
        raise CorruptError(f"a packet of {frames} frames; this codec has at most {TEST['max_frames']}")
    indices = (2 * np.arange(books)[None, :] + np.arange(frames)[:, None]) % 4
    if not stream.layers:
        return _decode(stream, packet.data, indices)
    if stream.layers != books:
        raise CorruptError(f"this codec has {books} layers, not {stream.layers}")
    layers = split_layers(packet.data, books)
    parts = [_decode(stream, layer, indices[:, q]) for q, layer in enumerate(layers) if layer]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint16)


def _decode(stream: StreamHeader, data: bytes, indices: npt.NDArray[np.int64]) -> Symbols:
    coded, crc = unseal(data, stream.symbol_crc_size)
    if stream.coder == BIT_PACKED:
        symbols = unpack_bits(coded, TEST["bit_alphabet"], indices.size)
    else:
        symbols = decode_grouped(coded, indices, FAMILY).ravel()
    check_symbols(symbols, crc, stream.symbol_crc_size)
    return symbols


def report(
    data: bytes,
    *,
    seekable: bool = True,
    seek: tuple[int, int] | None = None,
    on_symbols: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Read and decode a whole file, or from a place sought (stream, pts) on; what comes out, in terms of JSON.

    Header errors are raised.
    """
    reader = Reader(io.BytesIO(data) if seekable else pipe(data))
    found = None if seek is None else reader.seek(*seek)
    streams = {s.stream_id: s for s in reader.header.streams}
    totals: dict[int, dict[str, Any]] = {
        i: {"packets": 0, "symbols": 0, "symbol_crc": 0, "last_pts": None, "cuts": 0} for i in streams
    }
    errors: Counter[str] = Counter()
    for packet in reader:
        entry = totals[packet.stream_id]
        entry["packets"] += 1
        entry["last_pts"] = packet.pts
        entry["cuts"] += packet.discontinuity
        if on_symbols is not None:
            on_symbols()
        try:
            symbols = decode_packet_data(streams[packet.stream_id], packet)
        except BitstreamError as error:
            errors[type(error).__name__] += 1
            continue
        entry["symbols"] += len(symbols)
        entry["symbol_crc"] = zlib.crc32(symbols.astype("<u2").tobytes(), entry["symbol_crc"])
    ends = reader.end.streams if reader.end else {}
    result = {
        "streams": {str(i): entry for i, entry in totals.items()},
        "lengths": {str(i): end.length for i, end in ends.items()},
        "packet_errors": dict(sorted(errors.items())),
        "gaps": sum(not gap.recovered for gap in reader.gaps),
        "recovered": sum(gap.recovered for gap in reader.gaps),
        "truncated": reader.truncated,
        "tags": {name: value for name, value in reader.tags.items() if isinstance(value, str)},
    }
    return result if found is None else {"found": found} | result


def first_error(data: bytes) -> str | None:
    """The kind of the first error that a strict reader and decoder meet; None where the file has none."""
    try:
        reader = Reader(io.BytesIO(data), strict=True)
        for packet in reader:
            decode_packet_data(reader.header.stream(packet.stream_id), packet)
    except BitstreamError as error:
        return type(error).__name__
    return None


def pipe(data: bytes) -> Any:
    """The bytes as an input that cannot seek."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise OSError("a pipe cannot seek")

    return Pipe(data)
