"""The packet: what a codec's `push` returns and its decoder takes (SPEC section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .errors import CorruptError, ParameterError, ParameterTypeError, TruncatedError
from .stream_header import MAX_STREAM_ID, check_range
from .wire import Cursor, varint

MAX_PTS = (1 << 40) - 1
MAX_DURATION = (1 << 24) - 1
MAX_PAYLOAD = (1 << 24) - 1  # bytes of a chunk's payload


@dataclass(frozen=True, repr=False)
class Packet:
    """n codec frames of one stream, or one frame of video.

    stream_id: 0..254; pts: start on the coded timeline in ticks of the stream's time base, 0..2^40-1 (the
    presentation time is pts - pre_skip, as in RFC 7845); data: bytes with the symbol CRC at their end;
    duration: ticks, 0..2^24-1, 0 = unknown; dts: decoding time in ticks, only in streams that reorder;
    is_keyframe: decoding can start here, in some codecs with an earlier keyframe looked up first; discontinuity:
    what came before is missing or unrelated.
    """

    stream_id: int
    pts: int
    data: bytes
    duration: int
    dts: int | None = None
    is_keyframe: bool = True
    discontinuity: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise ParameterTypeError(f"packet data must be bytes, got {type(self.data).__name__}")
        check_range("stream_id", self.stream_id, 0, MAX_STREAM_ID)
        check_range("pts", self.pts, 0, MAX_PTS)
        check_range("duration", self.duration, 0, MAX_DURATION)
        if self.dts is not None:
            check_range("dts", self.dts, -MAX_PTS, MAX_PTS)
        if len(self.data) > MAX_PAYLOAD:
            raise ParameterError(f"a packet of {len(self.data)} bytes exceeds {MAX_PAYLOAD}")

    def __repr__(self) -> str:
        dts = "" if self.dts is None else f", dts={self.dts}"
        marks = (", keyframe" if self.is_keyframe else "") + (", discontinuity" if self.discontinuity else "")
        return (
            f"Packet(stream_id={self.stream_id}, pts={self.pts}{dts}, duration={self.duration}, "
            f"<{len(self.data)} bytes>{marks})"
        )


def seal(coded: bytes, crc: int, size: int) -> bytes:
    """Coded symbols followed by the low `size` (0, 1, 2, 4) bytes of their `symbol_crc`, little-endian.

    Raises ParameterError on another size.
    """
    _check_size(size)
    return coded + (crc & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def unseal(data: bytes, size: int) -> tuple[bytes, int]:
    """(coded, the low `size` bytes of the symbol CRC). The inverse of `seal`.

    Raises TruncatedError where data is shorter than the CRC. Compare with `symbols.check_symbols`.
    """
    _check_size(size)
    if len(data) < size:
        raise TruncatedError(f"a packet of {len(data)} bytes cannot hold a symbol CRC of {size}")
    end = len(data) - size
    return data[:end], int.from_bytes(data[end:], "little")


def join_layers(layers: Sequence[bytes]) -> bytes:
    """Packet data of a stream with the field `layers`: a varint size for each layer, then the layers.

    Each layer is sealed apart, so that any number of upper ones can be dropped.
    """
    return b"".join(varint(len(layer)) for layer in layers) + b"".join(layers)


def split_layers(data: bytes, count: int) -> list[bytes]:
    """The `count` layers of a packet's data; a dropped layer is empty.

    Raises CorruptError where the sizes do not add up to the data, or a layer follows a dropped one.
    """
    cursor = Cursor(data, "layers")
    sizes = [cursor.varint() for _ in range(count)]
    if sum(sizes) != cursor.left:
        raise CorruptError(f"layers of {sum(sizes)} bytes announced, {cursor.left} there")
    present = [size > 0 for size in sizes]
    if present != sorted(present, reverse=True):
        raise CorruptError("a layer is missing below one that is there")
    return [cursor.take(size) for size in sizes]


def drop_layers(packet: Packet, keep: int, *, layers: int) -> Packet:
    """The packet with its first `keep` of `layers` layers, as a relay cuts it down; nothing is decoded.

    Raises ParameterError unless 0 <= keep <= layers, CorruptError on a packet without such layers.
    """
    check_range("keep", keep, 0, layers)
    parts = split_layers(packet.data, layers)
    return replace(packet, data=join_layers([*parts[:keep], *[b""] * (layers - keep)]))


def _check_size(size: int) -> None:
    if size not in (0, 1, 2, 4):
        raise ParameterError(f"a symbol CRC has 0, 1, 2 or 4 bytes, not {size}")
