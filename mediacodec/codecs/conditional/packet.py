"""The packet of one picture: its integers to bytes and back.

A byte of head (bits 0..5 quality level, 6 inter, 7 refresh), then one RC24 payload: in inter pictures the filter of
luma, the motion field and the skip map; unless every block is skipped, the levels of local steps, the hyper-latents of
cells that code anything, and the coefficients of both checkerboard passes of blocks that are not skipped, where their
scale index is not 0. Last the symbol CRC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.reconstructor import Floats, Integers, Known, Mask, Reconstructor, Rows, Shown, Trail
from mediacodec.codecs.conditional.settings import MAX_QUALITY
from mediacodec.codecs.conditional.symbols import LiveTables, decode_hyper, encode_hyper
from mediacodec.entropy_coding.signed_golomb import check_crc, decode_integers, encode_integers, integers_crc
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.video_coding.adaptive_quantization import decode_levels, encode_levels, inherit
from mediacodec.video_coding.motion.compensate import FILTERS
from mediacodec.video_coding.motion.skip_map import decode_map, encode_map
from mediacodec.video_coding.motion.vector_coding import decode_field, encode_field
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import TableFamily, open_decoder, open_encoder, seal, unseal
from mediacodec_bitstream.backends import Decoder, Encoder

INTER, REFRESH = 0x40, 0x80
Index = npt.NDArray[np.intp]

# a picture's filter after the last one's: four times of five the same
_FILTERS = TableFamily.from_counts(99 + 700 * np.eye(len(FILTERS), dtype=np.int64))


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


def pack_picture(integers: Integers, trail: Trail | None, tables: LiveTables, shared: Reconstructor) -> bytes:
    """The packet's data; trail: what the picture before left."""
    encoder = open_encoder()
    if integers.inter:
        assert trail is not None
        assert integers.motion is not None
        assert integers.skip is not None
        encoder.encode_one(integers.filter_id, _FILTERS[trail.filter_id])
        encode_field(encoder, integers.motion, trail.motion, tables.motion)
        encode_map(encoder, integers.skip, trail.skip, tables.skip)
    if integers.symbols is not None:
        _encode_coefficients(encoder, integers, trail, tables, shared)
    head = integers.quality | INTER * integers.inter | REFRESH * integers.refresh
    crc = integers_crc(integers.crc_parts(tables.settings))
    return seal(bytes([head]) + encoder.finish(), crc, CRC_SIZE)


def _encode_coefficients(
    encoder: Encoder, integers: Integers, trail: Trail | None, tables: LiveTables, shared: Reconstructor
) -> None:
    skip, hyper, index, symbols = integers.skip, integers.hyper, integers.index, integers.symbols
    assert hyper is not None
    assert index is not None
    assert symbols is not None
    inherited = None
    if integers.inter:
        assert trail is not None
        assert integers.motion is not None
        inherited = inherit(trail.levels, integers.motion)
    encode_levels(encoder, integers.levels, inherited, tables.levels)
    where, rows = _hyper_places(integers.quality, skip, trail if integers.inter else None, tables, shared)
    values = (hyper.reshape(-1)[where] + tables.settings.hyper_limit).astype(np.uint16)
    encode_hyper(encoder, values, rows, tables.hyper_inter if integers.inter else tables.hyper_key)
    for second in (False, True):
        where = places(index, shared.coded(skip, second=second))
        encode_integers(encoder, symbols.reshape(-1)[where], rows_at(index, where, tables), tables)


@dataclass(frozen=True, eq=False)
class Read:
    """A packet that was read and found to be sound. trail: what it leaves; first, both: symbols of the first pass and
    of both in float32, [1, coefficients, h, w], None where every block is skipped."""

    integers: Integers
    trail: Trail
    known: Known
    first: Floats | None = None
    both: Floats | None = None


def unpack_picture(data: bytes, trail: Trail | None, tables: LiveTables, shared: Reconstructor) -> Read:
    """The integers of a packet, checked against its CRC.

    trail: what the picture before left; inter pictures need one. Raises CorruptError, TruncatedError or DesyncError.
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
        levels = decode_levels(decoder, shared.geometry.blocks, None, tables.levels)
        begun = Integers(quality, False, levels)
        return _read_coefficients(decoder, begun, crc, shared.key(quality, levels), None, tables, shared, room)
    assert trail is not None
    filter_id = decoder.decode_one(_FILTERS[trail.filter_id])
    motion = decode_field(decoder, trail.motion.shape, trail.motion, tables.motion)
    skip = decode_map(decoder, trail.skip.shape, trail.skip, tables.skip)
    levels = inherit(trail.levels, motion)
    if not skip.all():
        levels = decode_levels(decoder, shared.geometry.blocks, levels, tables.levels)
    begun = Integers(quality, True, levels, refresh, filter_id, motion, skip)
    known = shared.inter(quality, trail, levels)
    if not skip.all():
        return _read_coefficients(decoder, begun, crc, known, trail, tables, shared, room)
    decoder.finish()
    check_crc(begun.crc_parts(tables.settings), crc, CRC_SIZE)
    return Read(begun, shared.after(begun, trail.memory, trail), known)


def _read_coefficients(
    decoder: Decoder,
    begun: Integers,
    crc: int,
    known: Known,
    trail: Trail | None,
    tables: LiveTables,
    shared: Reconstructor,
    room: int,
) -> Read:
    skip, settings = begun.skip, tables.settings
    where, rows = _hyper_places(begun.quality, skip, trail, tables, shared)
    hyper = np.zeros((settings.hyper, *shared.geometry.cells), np.int8)
    found = decode_hyper(decoder, rows, tables.hyper_inter if begun.inter else tables.hyper_key)
    hyper.reshape(-1)[where] = found.astype(np.int16) - settings.hyper_limit
    prior = shared.first(known, hyper)
    symbols = np.zeros(prior.index.shape, np.int32)

    def read(index: Rows, *, second: bool) -> Floats:
        at = places(index, shared.coded(skip, second=second))
        values = decode_integers(decoder, rows_at(index, at, tables), tables, payload_bits=room)
        symbols.reshape(-1)[at] = values
        return symbols.astype(np.float32)

    first = read(prior.index, second=False)
    index_second = shared.second(known, prior, first)
    both = read(index_second, second=True)
    decoder.finish()
    index = np.where(shared.first_pass, prior.index, index_second)
    integers = replace(begun, hyper=hyper, symbols=symbols, index=index)
    check_crc(integers.crc_parts(settings), crc, CRC_SIZE)
    return Read(integers, shared.after(integers, shared.recall(known, prior, both), trail), known, first, both)


def prepare(read: Read, before: Shown | None, shared: Reconstructor) -> Floats | None:
    """Run what comes before synthesis: prediction, context, and the shift of the second pass, which is returned.

    before: the last picture, None for a keyframe.
    """
    integers, known = read.integers, read.known
    if integers.motion is not None:
        assert before is not None
        shared.predict(known, before.planes, integers.motion, integers.filter_id)
        if read.first is not None:
            shared.look(known, before.features, refresh=integers.refresh)
    return None if read.first is None else shared.shift(known, read.first)


def picture(read: Read, before: Shown | None, shift: Floats | None, shared: Reconstructor) -> Shown:
    """The picture of a packet, after `prepare`."""
    if read.both is None or shift is None:
        assert before is not None
        return shared.moved(read.known, before.features, refresh=read.integers.refresh)
    return shared.synthesise(read.known, read.both, shift, read.integers.skip)


def _hyper_places(
    quality: int, skip: Mask | None, trail: Trail | None, tables: LiveTables, shared: Reconstructor
) -> tuple[Index, npt.NDArray[np.generic]]:
    """Flat places of the hyper-latents that are coded, and their table rows; trail: None in keyframes."""
    cells = shared.coded_cells(skip)
    rows = tables.hyper_rows(quality, None if trail is None else trail.hyper, cells.shape)
    where = np.flatnonzero(np.broadcast_to(cells, rows.shape))
    return where, rows.reshape(-1)[where]
