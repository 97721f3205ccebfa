"""Packets of family `ecsq`: the quality, then the symbols of whole frames. Every packet decodes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.ecsq.extradata import check_extradata
from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, QUALITIES, EcsqSettings
from mediacodec.codecs.ecsq.symbols import EcsqTables, Symbols, decode_beyond, encode_beyond
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import (
    CorruptError,
    Packet,
    StreamHeader,
    TableFamily,
    check_symbol_crc,
    open_decoder,
    open_encoder,
    seal,
    symbol_crc,
    unseal,
)
from mediacodec_bitstream.backends import Decoder
from mediacodec_bitstream.tables import TableRow

_QUALITY: TableRow = TableFamily.uniform(QUALITIES)[0]


@dataclass(frozen=True)
class FrameTables:
    """Tables of the symbols of frames, for all channels: row numbers and whole parts of means, [frames, latent]."""

    rows: NDArray[np.int64]
    means: NDArray[np.int64]


def frame_tables(symbols: Symbols, quality: int, tables: EcsqTables) -> FrameTables:
    """The tables of a packet's frames, whose symbols are known: all at once.

    Args:
        symbols: int16 [frames, latent], at least one frame.
        quality: 0..63.
        tables: of the model.
    """
    context, qualities = tables.context, np.array([quality])
    state = context.initial_state(1)
    inputs = context.inputs(symbols[None], qualities)
    trunk, _ = context.trunk(np.concatenate([state.last, inputs[:, :-1]], axis=1), qualities, state.past)
    found = []
    for group, channels in enumerate(context.slices):
        known = context.distribution(group, trunk, inputs[:, :, : channels.start], qualities)
        found.append(tables.row_indices(known))
    rows, means = (np.concatenate(parts, axis=2)[0] for parts in zip(*found, strict=True))
    return FrameTables(rows, means)


def frame_bits(symbols: Symbols, quality: int, found: FrameTables, tables: EcsqTables) -> NDArray[np.float64]:
    """Information content of each frame, bits; escapes roughly."""
    coded = tables.context.weights.active[quality]
    rows = found.rows[:, coded]
    places = tables.places(symbols[:, coded].astype(np.int64) - found.means[:, coded], rows)
    return np.asarray(tables.bits[rows, places].sum(axis=1, dtype=np.float64))


def pack(symbols: Symbols, quality: int, found: FrameTables, tables: EcsqTables, crc_size: int) -> bytes:
    """A packet's data.

    Args:
        symbols: int16 [frames, latent], 0 in channels that the quality does not code.
        quality: 0..63.
        found: by `frame_tables`.
        tables: of the model.
        crc_size: bytes of the symbol CRC.
    """
    encoder = open_encoder()
    encoder.encode_one(quality, _QUALITY)
    distance = symbols.astype(np.int64) - found.means
    places = tables.places(distance, found.rows)
    beyond = np.abs(distance) - tables.reach[found.rows] - 1
    groups, rows = tables.coded_channels(quality), tables.rows
    for t in range(len(symbols)):
        for group in groups:
            encoder.encode_each(places[t, group].tolist(), [rows[row] for row in found.rows[t, group].tolist()])
            over = beyond[t, group]
            if over.size and over.max() >= 0:
                encode_beyond(encoder, over[over >= 0].tolist())
    return seal(encoder.finish(), checked(symbols, quality), crc_size)


def checked(symbols: Symbols, quality: int) -> int:
    """The symbol CRC of a packet: of the quality, then of all symbols, 2^15 added."""
    wide = (symbols.astype(np.int64) + (1 << 15)).ravel()
    return symbol_crc(np.concatenate([[quality], wide]))


@dataclass(frozen=True)
class Unpacked:
    """What a packet holds: the quality and its symbols, int16 [frames, latent]."""

    quality: int
    symbols: Symbols


def unpack(data: Sequence[bytes], frames: int, tables: EcsqTables, crc_size: int) -> list[Unpacked]:
    """Decode packets, all of them frame by frame.

    Args:
        data: of the packets.
        frames: how many each of them holds, at least 1.
        tables: of the model.
        crc_size: bytes of the symbol CRC.

    Returns:
        What they hold.

    Raises:
        CorruptError, TruncatedError, DesyncError: a packet is damaged.
    """
    bodies, crcs = zip(*(unseal(each, crc_size) for each in data), strict=True)
    decoders = [open_decoder(body) for body in bodies]
    quality = np.array([decoder.decode_one(_QUALITY) for decoder in decoders])
    context = tables.context
    state = context.initial_state(len(data))
    groups = [tables.coded_channels(q) for q in quality.tolist()]
    symbols = np.zeros((len(data), frames, context.shape.latent), np.int16)
    past, last = state.past, state.last
    for t in range(frames):
        trunk, past = context.trunk(last, quality, past)
        last = np.zeros_like(last)
        for group, channels in enumerate(context.slices):
            known = context.distribution(group, trunk, last[:, :, : channels.start], quality)
            rows, means = tables.row_indices(known)
            for p, decoder in enumerate(decoders):
                if len(coded := groups[p][group]):
                    inside = coded - channels.start
                    symbols[p, t, coded] = _decode_group(decoder, rows[p, 0, inside], means[p, 0, inside], tables)
            last[:, :, channels] = context.inputs(symbols[:, t : t + 1, channels], quality, channels)
    found = [Unpacked(q, each) for q, each in zip(quality.tolist(), symbols, strict=True)]
    for decoder, each, crc in zip(decoders, found, crcs, strict=True):
        decoder.finish()
        check_symbol_crc(checked(each.symbols, each.quality), crc, crc_size)
    return found


def _decode_group(
    decoder: Decoder, rows: NDArray[np.int64], means: NDArray[np.int64], tables: EcsqTables
) -> NDArray[np.int64]:
    """The symbols of a group of a frame."""
    all_rows = tables.rows
    places = np.array(decoder.decode_each([all_rows[row] for row in rows.tolist()]))
    reach = tables.reach[rows]
    distance = places - reach - 1
    escaped = np.flatnonzero(np.abs(distance) > reach)
    for place in escaped.tolist():
        distance[place] += np.sign(distance[place]) * decode_beyond(decoder)
    found = distance + means
    if np.abs(found).max() > MAX_SYMBOL:
        raise CorruptError(f"a symbol of {found[np.abs(found).argmax()]} is beyond {MAX_SYMBOL}")
    return np.asarray(found)


class EcsqCodeReader:
    """Reads the symbols of packets as integers from 0 on; see `mediacodec.codecs.base.CodeReader`.

    A channel is a codebook, a symbol s is the code s + MAX_SYMBOL. What a symbol stands for depends on the quality of
    its packet, so that codes alone cannot be made packets of.
    """

    codebook_size = 2 * MAX_SYMBOL + 1

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        self._settings = EcsqSettings(model)
        self._settings.check_header(model, header)
        check_extradata(header.fields.get("extradata"))
        self._tables = EcsqTables(model, self._settings)
        self._crc_size = header.symbol_crc_size
        self.num_codebooks, self.frame_rate = self._settings.shape.latent, self._settings.frame_rate

    def read(self, packet: Packet) -> Codes:
        """[latent, frames] uint16. Raises BitstreamError kinds only."""
        return np.asarray(self.unpacked(packet).symbols.astype(np.int64).T + MAX_SYMBOL, np.uint16)

    def unpacked(self, packet: Packet) -> Unpacked:
        """What a packet holds. Raises BitstreamError kinds only."""
        return unpack([packet.data], self._settings.frames_of(packet), self._tables, self._crc_size)[0]
