"""Packets of the `inr` family: one a picture, the first of a group also carrying the group's network.

    packet  = head  place  [ back ]  [ network ]  picture  CRC
    head    = u8: bits 0-1 kind (0 a picture, 1 a key group begins, 2 a group begins that goes on from the one before,
              3 one that goes on from an earlier keyframe), bits 2-7 number of the group modulo 64
    place   = varint: position of the picture in its group
    back    = in packets of kind 3: varint, ticks from that keyframe's pts to this packet's, at least 1
    network = varint pictures in the group
              in key groups: u8 architecture, varint embedding channels, u8 stages, a u8 for each stride, a varint for
              each width
              for each part of the weights, then for each channel of the embeddings: u8 row + 1 or 0, u8 step, zigzag
              centre
              varint bytes of a payload, RC24 payload: the weights' integers (in groups that go on: what is added)
    picture = RC24 payload: the embedding's integers

Kinds 1 and 3 are keyframes. One of kind 3 says what is added to the weights of an earlier keyframe of the stream, also
of either kind, `inr_bases.DEPTH` of them behind each other at most: this is how a file grows by clips that look alike.
Whoever begins to read there needs those keyframes and nothing between.

The integers of a payload, less their centres, are coded by `signed_golomb.encode_integers`: in the order of their
tables, escapes last. The CRC is that of all coded integers of the packet, weights first, each plus 32768.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mediacodec.codecs.inr.network import ARCHITECTURES, MAX_STAGES, Network
from mediacodec.codecs.inr.tensors import Coding, Floats, InrTables, parts_of, scatter
from mediacodec.entropy_coding.signed_golomb import Int32s, decode_integers, encode_integers
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import check_symbol_crc, open_decoder, open_encoder, seal, symbol_crc, unseal
from mediacodec_bitstream.wire import Cursor, varint

PICTURE, KEY, FOLLOWING, REFERRING = 0, 1, 2, 3
NUMBERS = 64
OFFSET = 32768
SLACK = 64  # bits that the coder may save at the end of a payload


@dataclass(frozen=True)
class Head:
    """What every packet begins with."""

    kind: int
    number: int
    place: int
    back: int = 0

    @property
    def is_keyframe(self) -> bool:
        return self.kind in (KEY, REFERRING)


@dataclass(frozen=True, eq=False)
class CodedGroup:
    """The integers of a group's network, and how they and the embeddings are coded.

    values: int32, flat, one array a part of `parts_of`; codings: one a part; channels: one a channel of the embeddings.
    """

    network: Network
    values: Sequence[Int32s]
    codings: Sequence[Coding]
    channels: Sequence[Coding]

    def weights(self, before: dict[str, Floats] | None) -> dict[str, Floats]:
        """The weights by name, added to those of the group before where it goes on from one."""
        result: dict[str, Floats] = {}
        for part, values, coding in zip(parts_of(self.network), self.values, self.codings, strict=True):
            result |= scatter(part, values.astype(np.float32) * coding.size, self.network)
        return result if before is None else {name: before[name] + value for name, value in result.items()}

    def embedding(self, values: Int32s) -> Floats:
        """Embedding [c, h, w] of its integers."""
        steps = np.array([coding.size for coding in self.channels], np.float32)
        return values.astype(np.float32) * steps[:, None, None]


def pack_group(
    coded: CodedGroup, number: int, embedding: Int32s, tables: InrTables, *, key: bool, back: int = 0
) -> bytes:
    """The packet of a group's first picture; back: ticks to the keyframe that the group goes on from, if it does."""
    network, key = coded.network, key and not back
    out = _head(REFERRING if back else KEY if key else FOLLOWING, number, 0) + (varint(back) if back else b"")
    out += varint(network.group)
    if key:
        out += bytes([ARCHITECTURES[network.architecture]]) + varint(network.embedding)
        out += bytes([len(network.strides), *network.strides]) + b"".join(map(varint, network.widths))
    out += b"".join(coding.pack() for coding in (*coded.codings, *coded.channels))
    weights, symbols = _encoded(coded.values, coded.codings, tables)
    picture, more = _encoded(embedding, coded.channels, tables)
    return _sealed(out + varint(len(weights)) + weights + picture, np.concatenate([symbols, more]))


def pack_picture(coded: CodedGroup, number: int, place: int, embedding: Int32s, tables: InrTables) -> bytes:
    """The packet of another picture of a group; embedding: int32 [c, h, w]."""
    payload, symbols = _encoded(embedding, coded.channels, tables)
    return _sealed(_head(PICTURE, number, place) + payload, symbols)


def coded_bits(arrays: Sequence[Int32s] | Int32s, codings: Sequence[Coding], tables: InrTables) -> float:
    """Bits that the tables state for arrays of integers, escapes included."""
    total = 0.0
    for values, coding in zip(arrays, codings, strict=True):
        if coding.row is not None:
            counts = np.bincount(np.abs(values.ravel() - coding.centre))
            total += float(tables.bits(len(counts))[coding.row].astype(np.float64) @ counts)
    return total


def _head(kind: int, number: int, place: int) -> bytes:
    return bytes([kind | number % NUMBERS << 2]) + varint(place)


def _encoded(
    arrays: Sequence[Int32s] | Int32s, codings: Sequence[Coding], tables: InrTables
) -> tuple[bytes, Int32s]:
    """The payload of arrays, one a coding, and what it codes."""
    coded = [(v.ravel() - c.centre, c.row) for v, c in zip(arrays, codings, strict=True) if c.row is not None]
    symbols = np.concatenate([np.zeros(0, np.int32), *(values for values, _ in coded)])
    rows = np.concatenate([np.zeros(0, np.uint8), *(np.full(len(values), row, np.uint8) for values, row in coded)])
    encoder = open_encoder()
    encode_integers(encoder, symbols, rows, tables)
    return encoder.finish(), symbols


def _sealed(data: bytes, symbols: Int32s) -> bytes:
    return seal(data, symbol_crc(symbols + OFFSET), CRC_SIZE)


class Opened:
    """A packet being read. Raises BitstreamError kinds only.

    Args:
        data: of the packet.
    """

    def __init__(self, data: bytes) -> None:
        coded, self._crc = unseal(data, CRC_SIZE)
        if not coded:
            raise TruncatedError("a packet without a head")
        self._cursor = Cursor(coded, "packet")
        first = self._cursor.take(1)[0]
        kind, place = first & 3, self._cursor.varint()
        self.head = Head(kind, first >> 2, place, self._cursor.varint() if kind == REFERRING else 0)
        if kind == REFERRING and not self.head.back:
            raise CorruptError("a group that goes on from itself")
        if kind != PICTURE and place:
            raise CorruptError("a group begins behind its beginning")
        self._symbols: list[Int32s] = []

    def group(self, height: int, width: int, before: Network | None, tables: InrTables) -> CodedGroup:
        """The network of a group that begins; before: of the group that it goes on from, where it does."""
        network = self._network(height, width, before)
        parts = parts_of(network)
        codings = [Coding.unpack(self._cursor, tables) for _ in parts]
        channels = [Coding.unpack(self._cursor, tables) for _ in range(network.embedding)]
        data = self._cursor.take(self._cursor.varint())
        values = self._decoded(data, [part.size for part in parts], codings, tables)
        return CodedGroup(network, values, codings, channels)

    def picture(self, group: CodedGroup, tables: InrTables) -> Int32s:
        """The embedding's integers, [c, h, w]. The packet's CRC is checked with them."""
        if self.head.place >= group.network.group:
            raise CorruptError(f"picture {self.head.place} of a group of {group.network.group}")
        shape = group.network.embedding_shape
        size = math.prod(shape[1:])
        data = self._cursor.take(self._cursor.left)
        values = self._decoded(data, [size] * shape[0], group.channels, tables)
        symbols = np.concatenate([np.zeros(0, np.int32), *self._symbols])
        check_symbol_crc(symbol_crc(symbols + OFFSET), self._crc, CRC_SIZE)
        return np.concatenate(values).reshape(shape)

    def _network(self, height: int, width: int, before: Network | None) -> Network:
        cursor = self._cursor
        group = cursor.varint()
        if self.head.kind != KEY:
            assert before is not None
            old = before
            network = Network(old.architecture, height, width, group, old.embedding, old.strides, old.widths)
        else:
            names = {number: name for name, number in ARCHITECTURES.items()}
            architecture, embedding, stages = cursor.take(1)[0], cursor.varint(), cursor.take(1)[0]
            if architecture not in names or stages > MAX_STAGES:
                raise CorruptError("a network of an architecture or a depth that does not exist")
            strides = tuple(cursor.take(stages))
            widths = tuple(cursor.varint() for _ in range(stages + 1))
            network = Network(names[architecture], height, width, group, embedding, strides, widths)
        network.check()
        return network

    def _decoded(
        self, data: bytes, sizes: Sequence[int], codings: Sequence[Coding], tables: InrTables
    ) -> list[Int32s]:
        """One array a coding; nothing is taken for more symbols than the payload can hold."""
        least = sum(n * float(tables.cheapest[c.row]) for n, c in zip(sizes, codings, strict=True) if c.row is not None)
        if least > 8 * len(data) + SLACK:
            raise CorruptError(f"{sum(sizes)} numbers do not fit into {len(data)} bytes")
        rows = [np.full(n, c.row, np.uint8) for n, c in zip(sizes, codings, strict=True) if c.row is not None]
        decoder = open_decoder(data)
        everything = np.concatenate([np.zeros(0, np.uint8), *rows])
        symbols = decode_integers(decoder, everything, tables, payload_bits=8 * len(data) + SLACK)
        decoder.finish()
        self._symbols.append(symbols)
        result, start = [], 0
        for size, coding in zip(sizes, codings, strict=True):
            if coding.row is None:
                result.append(np.full(size, coding.centre, np.int32))
            else:
                result.append(symbols[start : start + size] + np.int32(coding.centre))
                start += size
        return result


def network_bits(coded: CodedGroup, tables: InrTables) -> float:
    """Bits that the tables state for a group's network."""
    return coded_bits(coded.values, coded.codings, tables)
