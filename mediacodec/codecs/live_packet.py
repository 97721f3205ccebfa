"""The packet of one picture: its integers to bytes and back.

A byte of head (bits 0..5 quality level, 6 inter, 7 refresh), then one RC24 payload: in inter pictures the motion field
and the skip map; unless every block is skipped, the hyper-latents of cells that code anything, and the coefficients of
both checkerboard passes of blocks that are not skipped, where their scale index is not 0. Last the symbol CRC.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.live_settings import CRC_SIZE, MAX_QUALITY
from mediacodec.codecs.live_state import Integers, Known, LiveState, Mask, Reconstructor, Rows
from mediacodec.codecs.live_symbols import (
    LiveTables,
    check_crc,
    decode_coefficients,
    decode_hyper,
    encode_coefficients,
    encode_hyper,
    integers_crc,
)
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.motion.field import decode_field, encode_field
from mediacodec.motion.skip import decode_map, encode_map
from mediacodec_bitstream import open_decoder, open_encoder, seal, unseal
from mediacodec_bitstream.backends import Decoder, Encoder

INTER, REFRESH = 0x40, 0x80
Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]


def places(index: Rows, coded: Mask) -> Index:
    """Flat places of what a pass codes: those of `coded`, bool [coefficients, h, w], whose index is not 0."""
    return np.flatnonzero(index * coded.view(np.uint8))


def rows_at(index: Rows, where: Index, tables: LiveTables) -> Rows:
    """The table row of each of these coefficients."""
    rows = index.reshape(-1)[where]
    s = tables.settings
    chroma = s.luma * index.shape[2] * index.shape[3]
    rows[np.searchsorted(where, chroma) :] += np.uint8(s.scales)
    return rows


def pack_picture(integers: Integers, state: LiveState | None, tables: LiveTables, shared: Reconstructor) -> bytes:
    """The packet's data; state: what the picture before left."""
    encoder = open_encoder()
    if integers.inter:
        assert state is not None
        assert integers.motion is not None
        assert integers.skip is not None
        encode_field(encoder, integers.motion, state.motion, tables.motion)
        encode_map(encoder, integers.skip, state.skip, tables.skip)
    if integers.symbols is not None:
        _encode_coefficients(encoder, integers, state, tables, shared)
    head = integers.quality | INTER * integers.inter | REFRESH * integers.refresh
    crc = integers_crc(integers.crc_parts(tables.settings))
    return seal(bytes([head]) + encoder.finish(), crc, CRC_SIZE)


def _encode_coefficients(
    encoder: Encoder, integers: Integers, state: LiveState | None, tables: LiveTables, shared: Reconstructor
) -> None:
    skip, hyper, index, symbols = integers.skip, integers.hyper, integers.index, integers.symbols
    assert hyper is not None
    assert index is not None
    assert symbols is not None
    where, rows = _hyper_places(integers.quality, skip, state if integers.inter else None, tables, shared)
    values = (hyper.reshape(-1)[where] + tables.settings.hyper_limit).astype(np.uint16)
    encode_hyper(encoder, values, rows, tables.hyper_inter if integers.inter else tables.hyper_key)
    for second in (False, True):
        where = places(index, shared.coded(skip, second=second))
        encode_coefficients(encoder, symbols.reshape(-1)[where], rows_at(index, where, tables), tables)


def unpack_picture(
    data: bytes, state: LiveState | None, tables: LiveTables, shared: Reconstructor
) -> tuple[Integers, Callable[[], LiveState]]:
    """The integers of a packet, checked against its CRC, and a function that makes the picture of them.

    state: what the picture before left; inter pictures need one. Raises CorruptError, TruncatedError or DesyncError.
    """
    coded, crc = unseal(data, CRC_SIZE)
    if not coded:
        raise TruncatedError("a packet without a head")
    head = coded[0]
    quality, inter, refresh = head & MAX_QUALITY, bool(head & INTER), bool(head & REFRESH)
    if refresh and not inter:
        raise CorruptError("a keyframe cannot be marked as a refresh")
    decoder = open_decoder(coded[1:])
    room = 8 * len(coded)
    if not inter:
        return _read_coefficients(
            decoder, Integers(quality, False), crc, shared.key(quality), None, tables, shared, room
        )
    assert state is not None
    motion = decode_field(decoder, state.motion.shape, state.motion, tables.motion)
    skip = decode_map(decoder, state.skip.shape, state.skip, tables.skip)
    integers = Integers(quality, True, refresh, motion, skip)
    known = shared.inter(quality, state, motion, refresh=refresh)
    if not skip.all():
        return _read_coefficients(decoder, integers, crc, known, state, tables, shared, room)
    decoder.finish()
    check_crc(integers.crc_parts(tables.settings), crc, CRC_SIZE)
    return integers, lambda: shared.after_skipped(integers, known, state)


def _read_coefficients(
    decoder: Decoder,
    integers: Integers,
    crc: int,
    known: Known,
    state: LiveState | None,
    tables: LiveTables,
    shared: Reconstructor,
    room: int,
) -> tuple[Integers, Callable[[], LiveState]]:
    skip, settings = integers.skip, tables.settings
    where, rows = _hyper_places(integers.quality, skip, state, tables, shared)
    hyper = np.zeros((settings.hyper, *shared.geometry.cells), np.int8)
    found = decode_hyper(decoder, rows, tables.hyper_inter if integers.inter else tables.hyper_key)
    hyper.reshape(-1)[where] = found.astype(np.int16) - settings.hyper_limit
    prior = shared.first(known, hyper)
    symbols = np.zeros(prior.index.shape, np.int32)

    def read(index: Rows, *, second: bool) -> Floats:
        at = places(index, shared.coded(skip, second=second))
        values = decode_coefficients(decoder, rows_at(index, at, tables), tables, payload_bits=room)
        symbols.reshape(-1)[at] = values
        return symbols.astype(np.float32)

    first = read(prior.index, second=False)
    if integers.inter:
        shared.look(known)
    index_second, shift = shared.second(known, prior, first)
    both = read(index_second, second=True)
    decoder.finish()
    index = np.where(shared.first_pass, prior.index, index_second)
    complete = Integers(
        integers.quality, integers.inter, integers.refresh, integers.motion, skip, hyper, symbols, index
    )
    check_crc(complete.crc_parts(settings), crc, CRC_SIZE)

    def make() -> LiveState:
        return shared.after(complete, shared.synthesise(known, prior, both, shift, skip), state)

    return complete, make


def _hyper_places(
    quality: int, skip: Mask | None, state: LiveState | None, tables: LiveTables, shared: Reconstructor
) -> tuple[Index, npt.NDArray[np.generic]]:
    """Flat places of the hyper-latents that are coded, and their table rows; state: None in keyframes."""
    cells = shared.coded_cells(skip)
    rows = tables.hyper_rows(quality, None if state is None else state.hyper, cells.shape)
    where = np.flatnonzero(np.broadcast_to(cells, rows.shape))
    return where, rows.reshape(-1)[where]
