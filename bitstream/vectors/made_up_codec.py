"""The codec `test` as the makers of vectors use it: the product's encoders under the tables of `codec-test.json`.

It stands for a real codec: its tables are fixed below, its symbols mean nothing. What reads it is `reference`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mediacodec_bitstream import (
    BIT_PACKED,
    AudioParameters,
    StreamHeader,
    TableFamily,
    encode_grouped,
    join_layers,
    pack_bits,
    seal,
    symbol_crc,
)

CODEBOOKS = 2
BIT_ALPHABET = 10  # symbols of coder 0: 4 bits each, of which six values are impossible
FRAME_SYMBOLS = 48  # in a packet of a stream that is not audio
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

LAYOUT = [
    "A packet of an audio stream has ceil(duration / frame size) frames, at most max_frames (more is corrupt); one of "
    "any other stream has symbols_of_other_kinds / codebooks frames, whatever its duration.",
    "The codec's order of symbols is s[0][0], s[0][1], s[1][0], ...: frame by frame, codebook by codebook.",
    "Coder 1: the table of s[t][q] is tables[(2 q + t) mod 4]; symbols are grouped as SPEC 5.2 says.",
    "Coder 0: the alphabet is bit_alphabet for every symbol.",
    "Coder 2: every byte of a packet counts as a symbol; there is no symbol CRC.",
    "Layers: there are as many as codebooks (another number is corrupt); layer q holds s[0][q], s[1][q], ... A dropped "
    "one gives no symbols. Reports then count the symbols of one codebook after those of the other.",
]

Symbols = npt.NDArray[np.uint16]


def description() -> dict[str, Any]:
    """What `codec-test.json` holds."""
    return {
        "about": "the made-up codec `test` of the vectors: integers without a meaning",
        "codebooks": CODEBOOKS,
        "bit_alphabet": BIT_ALPHABET,
        "symbols_of_other_kinds": FRAME_SYMBOLS,
        "max_frames": MAX_FRAMES,
        "layout": LAYOUT,
        "tables": [row.frequencies.tolist() for row in FAMILY],
    }


def table_indices(stream: StreamHeader, duration: int) -> npt.NDArray[np.int64]:
    """Table of each symbol of a packet, [frame, codebook]."""
    frames = FRAME_SYMBOLS // CODEBOOKS
    if isinstance(stream.parameters, AudioParameters):
        frames = -(-duration // stream.parameters.frame_size)
    return (2 * np.arange(CODEBOOKS)[None, :] + np.arange(frames)[:, None]) % 4


def encode_packet_data(stream: StreamHeader, symbols: Symbols, duration: int) -> bytes:
    """Packet data for symbols [frame, codebook]."""
    indices = table_indices(stream, duration)
    if stream.layers:
        return join_layers([_encode(stream, symbols[:, q], indices[:, q]) for q in range(CODEBOOKS)])
    return _encode(stream, symbols, indices)


def _encode(stream: StreamHeader, symbols: Symbols, indices: npt.NDArray[np.int64]) -> bytes:
    packed = stream.coder == BIT_PACKED
    coded = pack_bits(symbols, BIT_ALPHABET) if packed else encode_grouped(symbols, indices, FAMILY)
    return seal(coded, symbol_crc(symbols), stream.symbol_crc_size)
