"""Packets of the `inr` family: one a frame, the first of a group also carrying the group's network.

    packet   = head  position  [ distance ]  [ network ]  frame  CRC
    head     = u8: bits 0-1 kind (0 a frame, 1 a key group begins, 2 a group begins that is predicted from the one
               before, 3 one that is predicted from an earlier keyframe), bits 2-7 number of the group modulo 64
    position = varint: of the frame in its group
    distance = in packets of kind 3: varint, ticks from that keyframe's pts to this packet's, at least 1
    network  = varint frames in the group
               in key groups: u8 architecture, varint embedding channels, u8 stages, a u8 for each stride, a varint for
               each width
               for each block of the weights, then for each channel of the embeddings: u8 table + 1 or 0, u8 step,
               zigzag centre
               varint bytes of a payload, RC24 payload: the weights' integers (in predicted groups: of the residual)
    frame    = RC24 payload: the embedding's integers

Kinds 1 and 3 are keyframes. One of kind 3 codes what is added to the weights of a reference keyframe, an earlier one of
the stream and of either kind, at most `reference_keyframes.MAX_DEPTH` behind each other: this is how clips that look
alike are appended to a file. Whoever begins to read there needs those keyframes and nothing between.

The integers of a payload, less their centres, are coded by `entropy_coding.signed_golomb`: in the order of their
tables, escapes last. The CRC is that of all coded integers of the packet, weights first, each plus 32768.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mediacodec.codecs.inr.network import ARCHITECTURES, MAX_STAGES, Network
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import Floats, TensorCoding, coded_bits, split_block, weight_blocks
from mediacodec.entropy_coding.signed_golomb import Integers, check_crc, decode_integers, encode_integers, integers_crc
from mediacodec.errors import CorruptError, TruncatedError
from mediacodec.video_coding.stream import CRC_SIZE
from mediacodec_bitstream import open_decoder, open_encoder, seal, unseal
from mediacodec_bitstream.wire import Cursor, varint

FRAME, KEY, PREDICTED, REFERRING = 0, 1, 2, 3  # kinds of packets
GROUP_NUMBERS = 64  # after which numbers of groups begin again
CRC_OFFSET = 32768
CODER_SLACK = 64  # bits that the coder may save at the end of a payload


@dataclass(frozen=True)
class PacketHead:
    """What every packet begins with.

    Attributes:
        kind: FRAME, KEY, PREDICTED or REFERRING.
        group: number of the group, modulo GROUP_NUMBERS.
        position: of the frame in its group.
        distance: ticks back to the reference keyframe; 0 unless the kind is REFERRING.
    """

    kind: int
    group: int
    position: int
    distance: int = 0

    @property
    def is_keyframe(self) -> bool:
        """Whether the packet is a keyframe's."""
        return self.kind in (KEY, REFERRING)


@dataclass(frozen=True, eq=False)
class CodedGroup:
    """The integers of a group's network, and how they and the embeddings are coded.

    Attributes:
        network: its sizes.
        values: int32 [size], one array a block of `weight_blocks`.
        codings: one a block.
        channels: one a channel of the embeddings.
    """

    network: Network
    values: Sequence[Integers]
    codings: Sequence[TensorCoding]
    channels: Sequence[TensorCoding]

    def weights(self, reference: dict[str, Floats] | None) -> dict[str, Floats]:
        """Dequantize.

        Args:
            reference: weights that the group is predicted from; None for a key group.

        Returns:
            The weights by name, float32.
        """
        result: dict[str, Floats] = {}
        for block, values, coding in zip(weight_blocks(self.network), self.values, self.codings, strict=True):
            result |= split_block(block, values.astype(np.float32) * coding.step_size, self.network)
        if reference is not None:
            result = {name: reference[name] + value for name, value in result.items()}
        return result

    def embedding(self, values: Integers) -> Floats:
        """Dequantize the embedding of a frame, [channels, rows, columns]."""
        steps = np.array([coding.step_size for coding in self.channels], np.float32)
        return values.astype(np.float32) * steps[:, None, None]


def pack_group(
    coded: CodedGroup, number: int, embedding: Integers, tables: InrTables, *, key: bool, distance: int = 0
) -> bytes:
    """Write the packet of a group's first frame.

    Args:
        coded: the group's network.
        number: of the group in its stream.
        embedding: of the frame, int32 [channels, rows, columns].
        tables: of the model.
        key: whether the frame is a keyframe.
        distance: ticks back to the reference keyframe; 0 where there is none.

    Returns:
        The packet's data.
    """
    network, is_key = coded.network, key and not distance
    kind = REFERRING if distance else KEY if is_key else PREDICTED
    out = _head(kind, number, 0) + (varint(distance) if distance else b"")
    out += varint(network.group)
    if is_key:
        out += bytes([ARCHITECTURES[network.architecture]]) + varint(network.embedding)
        out += bytes([len(network.strides), *network.strides]) + b"".join(map(varint, network.widths))
    out += b"".join(coding.pack() for coding in (*coded.codings, *coded.channels))
    weights, weight_symbols = _encode(coded.values, coded.codings, tables)
    frame, symbols = _encode(embedding, coded.channels, tables)
    return _seal(out + varint(len(weights)) + weights + frame, np.concatenate([weight_symbols, symbols]))


def pack_frame(coded: CodedGroup, number: int, position: int, embedding: Integers, tables: InrTables) -> bytes:
    """Write the packet of a frame that is not the first of its group.

    Args:
        coded: the group's network.
        number: of the group in its stream.
        position: of the frame in its group.
        embedding: of the frame, int32 [channels, rows, columns].
        tables: of the model.

    Returns:
        The packet's data.
    """
    payload, symbols = _encode(embedding, coded.channels, tables)
    return _seal(_head(FRAME, number, position) + payload, symbols)


def network_bits(coded: CodedGroup, tables: InrTables) -> float:
    """Count the bits that the tables state for a group's network."""
    return coded_bits(coded.values, coded.codings, tables)


def _head(kind: int, number: int, position: int) -> bytes:
    return bytes([kind | number % GROUP_NUMBERS << 2]) + varint(position)


def _encode(
    arrays: Sequence[Integers] | Integers, codings: Sequence[TensorCoding], tables: InrTables
) -> tuple[bytes, Integers]:
    """The payload of arrays, one a coding, and the symbols in it."""
    coded = [(v.ravel() - c.centre, c.table) for v, c in zip(arrays, codings, strict=True) if c.table is not None]
    symbols = np.concatenate([np.zeros(0, np.int32), *(values for values, _ in coded)])
    rows = np.concatenate([np.zeros(0, np.uint8), *(np.full(len(values), row, np.uint8) for values, row in coded)])
    encoder = open_encoder()
    encode_integers(encoder, symbols, rows, tables)
    return encoder.finish(), symbols


def _seal(data: bytes, symbols: Integers) -> bytes:
    return seal(data, integers_crc([(symbols, CRC_OFFSET)]), CRC_SIZE)


class PacketReader:
    """Reads one packet: its head at once, then, in this order, the network where a group begins, and the embedding.

    Args:
        data: of the packet.

    Attributes:
        head: what it begins with.

    Raises:
        CorruptError: no encoder writes such a packet.
        TruncatedError: it ends too early.
    """

    def __init__(self, data: bytes) -> None:
        coded, self._crc = unseal(data, CRC_SIZE)
        if not coded:
            raise TruncatedError("a packet without a head")
        self._cursor = Cursor(coded, "packet")
        first = self._cursor.take(1)[0]
        kind, position = first & 3, self._cursor.varint()
        self.head = PacketHead(kind, first >> 2, position, self._cursor.varint() if kind == REFERRING else 0)
        if kind == REFERRING and not self.head.distance:
            raise CorruptError("a group is predicted from itself")
        if kind != FRAME and position:
            raise CorruptError("a group begins behind its beginning")
        self._symbols: list[Integers] = []

    def read_group(self, height: int, width: int, reference: Network | None, tables: InrTables) -> CodedGroup:
        """Read the network of a group that begins.

        Args:
            height: of the stream's frames.
            width: of the stream's frames.
            reference: the network of the group that it is predicted from; None for a key group.
            tables: of the model.

        Returns:
            The group, whose weights are residuals where it is predicted.

        Raises:
            CorruptError: no encoder writes such a network.
            TruncatedError: the packet ends too early.
        """
        network = self._network(height, width, reference)
        blocks = weight_blocks(network)
        codings = [TensorCoding.unpack(self._cursor, tables) for _ in blocks]
        channels = [TensorCoding.unpack(self._cursor, tables) for _ in range(network.embedding)]
        data = self._cursor.take(self._cursor.varint())
        values = self._decode(data, [block.size for block in blocks], codings, tables)
        return CodedGroup(network, values, codings, channels)

    def read_embedding(self, group: CodedGroup, tables: InrTables) -> Integers:
        """Read the embedding's integers, and check the packet's CRC.

        Args:
            group: of the frame.
            tables: of the model.

        Returns:
            int32 [channels, rows, columns].

        Raises:
            CorruptError: the group has no such frame, or the payload is damaged.
            DesyncError: the integers are not those that were encoded.
        """
        if self.head.position >= group.network.group:
            raise CorruptError(f"frame {self.head.position} of a group of {group.network.group}")
        shape = group.network.embedding_shape
        size = math.prod(shape[1:])
        data = self._cursor.take(self._cursor.left)
        values = self._decode(data, [size] * shape[0], group.channels, tables)
        check_crc([(np.concatenate([np.zeros(0, np.int32), *self._symbols]), CRC_OFFSET)], self._crc, CRC_SIZE)
        return np.concatenate(values).reshape(shape)

    def _network(self, height: int, width: int, reference: Network | None) -> Network:
        cursor = self._cursor
        group = cursor.varint()
        if self.head.kind != KEY:
            assert reference is not None
            old = reference
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

    def _decode(
        self, data: bytes, sizes: Sequence[int], codings: Sequence[TensorCoding], tables: InrTables
    ) -> list[Integers]:
        """One array a coding; no memory is taken for more symbols than the payload can hold."""
        coded = [(size, coding.table) for size, coding in zip(sizes, codings, strict=True) if coding.table is not None]
        if sum(size * float(tables.min_bits[table]) for size, table in coded) > 8 * len(data) + CODER_SLACK:
            raise CorruptError(f"{sum(sizes)} numbers do not fit into {len(data)} bytes")
        rows = np.concatenate([np.zeros(0, np.uint8), *(np.full(size, table, np.uint8) for size, table in coded)])
        decoder = open_decoder(data)
        symbols = decode_integers(decoder, rows, tables, payload_bits=8 * len(data) + CODER_SLACK)
        decoder.finish()
        self._symbols.append(symbols)
        result, start = [], 0
        for size, coding in zip(sizes, codings, strict=True):
            if coding.table is None:
                result.append(np.full(size, coding.centre, np.int32))
            else:
                result.append(symbols[start : start + size] + np.int32(coding.centre))
                start += size
        return result
