"""The codec "test" of the vectors, and the report on a file that expected.json holds (vectors/README.md).

It stands for a real codec: its tables are fixed below, its symbols mean nothing. A second implementation needs
its twin to run the vectors.
"""

from __future__ import annotations

import io
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
    encode_grouped,
    join_layers,
    pack_bits,
    seal,
    split_layers,
    symbol_crc,
    unpack_bits,
    unseal,
)

CODEBOOKS = 2
BIT_ALPHABET = 10  # symbols of coder 0: 4 bits each, of which six values are impossible
PICTURE_SYMBOLS = 48  # in a packet of a stream that is not audio
MAX_FRAMES = 4096  # in one packet of this codec

# Row sizes 5, 8, 16 and 1; the last codes nothing.
FAMILY = TableFamily.from_counts(
    [
        [900, 50, 30, 15, 5] + [0] * 11,
        [1, 2, 4, 8, 16, 32, 64, 128] + [0] * 8,
        [7] * 16,
        [1] + [0] * 15,
    ],
    sizes=[5, 8, 16, 1],
)

Symbols = npt.NDArray[np.uint16]


def table_indices(stream: StreamHeader, duration: int) -> npt.NDArray[np.int64]:
    """Table of each symbol of a packet, [frame, codebook]: (2 * codebook + frame) mod 4.

    A packet of an audio stream has ceil(duration / frame_size) frames; any other has 24.
    """
    frames = PICTURE_SYMBOLS // CODEBOOKS
    if isinstance(stream.parameters, AudioParameters):
        frames = -(-duration // stream.parameters.frame_size)
    if frames > MAX_FRAMES:
        raise CorruptError(f"a packet of {frames} frames; this codec has at most {MAX_FRAMES}")
    return (2 * np.arange(CODEBOOKS)[None, :] + np.arange(frames)[:, None]) % 4


def encode_packet_data(stream: StreamHeader, symbols: Symbols, duration: int) -> bytes:
    """Packet data for symbols [frame, codebook]."""
    indices = table_indices(stream, duration)
    if stream.layers:
        return join_layers([_encode(stream, symbols[:, q], indices[:, q]) for q in range(CODEBOOKS)])
    return _encode(stream, symbols, indices)


def decode_packet_data(stream: StreamHeader, packet: Packet) -> Symbols:
    """Symbols of a packet, flat: [frame, codebook], or codebook after codebook where the stream has layers.

    Raises BitstreamError kinds.
    """
    if stream.coder == OPAQUE:
        return np.frombuffer(packet.data, dtype=np.uint8).astype(np.uint16)
    indices = table_indices(stream, packet.duration)
    if not stream.layers:
        return _decode(stream, packet.data, indices)
    if stream.layers != CODEBOOKS:
        raise CorruptError(f"this codec has {CODEBOOKS} layers, not {stream.layers}")
    layers = split_layers(packet.data, CODEBOOKS)
    parts = [_decode(stream, layer, indices[:, q]) for q, layer in enumerate(layers) if layer]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint16)


def report(data: bytes, *, seekable: bool = True, on_symbols: Callable[[], None] | None = None) -> dict[str, Any]:
    """Read and decode a whole file; what comes out, in terms of JSON. Header errors are raised."""
    reader = Reader(io.BytesIO(data) if seekable else pipe(data))
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
    return {
        "streams": {str(i): entry for i, entry in totals.items()},
        "lengths": {str(i): end.length for i, end in ends.items()},
        "packet_errors": dict(sorted(errors.items())),
        "gaps": sum(not gap.recovered for gap in reader.gaps),
        "recovered": sum(gap.recovered for gap in reader.gaps),
        "truncated": reader.truncated,
        "tags": {name: value for name, value in reader.tags.items() if isinstance(value, str)},
    }


def first_error(data: bytes) -> str | None:
    """The kind of the first error that a strict reader and decoder meet; None where the file is sound."""
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


def _encode(stream: StreamHeader, symbols: Symbols, indices: npt.NDArray[np.int64]) -> bytes:
    packed = stream.coder == BIT_PACKED
    coded = pack_bits(symbols, BIT_ALPHABET) if packed else encode_grouped(symbols, indices, FAMILY)
    return seal(coded, symbol_crc(symbols), stream.symbol_crc_size)


def _decode(stream: StreamHeader, data: bytes, indices: npt.NDArray[np.int64]) -> Symbols:
    coded, crc = unseal(data, stream.symbol_crc_size)
    if stream.coder == BIT_PACKED:
        symbols = unpack_bits(coded, BIT_ALPHABET, indices.size)
    else:
        symbols = decode_grouped(coded, indices, FAMILY).ravel()
    check_symbols(symbols, crc, stream.symbol_crc_size)
    return symbols
