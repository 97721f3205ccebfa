"""Packets of family `segment`: the codes of some segments as bytes.

A stream is cut into segments of `segment` samples that begin every `segment_stride` samples; the stream's last ones
are as long as what is left. A packet holds some segments: for each a byte, the frames that it lacks to a whole one, and
four bytes, its loudness as a little-endian float32; then the codes of all, coded as family `rvq` codes them. The symbol
check covers all of that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.codebook_settings import MAX_PACKET_SECONDS
from mediacodec.codecs.segment.settings import SegmentSettings
from mediacodec.entropy_coding.code_tables import decode_codes
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError, Packet, StreamHeader, TruncatedError, check_symbols, unseal

CRC_SIZE = 4
HEAD = struct.Struct("<Bf")  # of a segment
MAX_SCALE = 4.0  # 12 dB over full scale


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a packet.

    Attributes:
        codes: uint16 [codebooks, frames].
        scale: what the decoder's output is multiplied by.
    """

    codes: Codes
    scale: float


class SegmentCodeReader:
    """Codes of packets, without a network; see `mediacodec.codecs.base.CodeReader`."""

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        self._settings = s = SegmentSettings(model)
        self._crc_size = header.symbol_crc_size
        self.frame_rate, self.codebook_size = s.frame_rate, s.codebook_size
        extradata = header.fields.get("extradata")
        if not isinstance(extradata, bytes) or len(extradata) != 2 or extradata[1]:
            raise CorruptError("extradata of a codec of segments is missing or wrong")
        self.num_codebooks = extradata[0]
        self._tables = s.tables(model)
        s.check_header(model, header, self.num_codebooks)

    def read(self, packet: Packet) -> Codes:
        """[codebooks, frames] uint16, those of overlaps twice. Raises CorruptError, TruncatedError or DesyncError."""
        return np.concatenate([segment.codes for segment in self.segments(packet)], axis=1)

    def segments(self, packet: Packet) -> list[Segment]:
        """What a packet holds. Raises CorruptError, TruncatedError or DesyncError."""
        durations = self._durations(packet.duration)
        body, crc = unseal(packet.data, self._crc_size)
        split = HEAD.size * len(durations)
        if len(body) < split:
            raise TruncatedError(f"a packet of {len(packet.data)} bytes cannot hold {len(durations)} segments")
        frames, scales = self._heads(body[:split], durations)
        codes = decode_codes(body[split:], self.num_codebooks, sum(frames), self._tables)
        check_symbols(symbols(body[:split], codes), crc, self._crc_size)
        parts = np.split(codes, np.cumsum(frames)[:-1], axis=1)
        return [Segment(part, scale) for part, scale in zip(parts, scales, strict=True)]

    def _durations(self, duration: int) -> list[int]:
        """What each segment of a packet adds to the timeline: a stride, the last one of a stream less."""
        s = self._settings
        whole, rest = divmod(duration, s.stride)
        if rest % s.frame_size or not 1 <= duration <= MAX_PACKET_SECONDS * s.sample_rate:
            raise CorruptError(f"a packet of {duration} samples is not segments of {s.stride} and frames")
        return [s.stride] * whole + ([rest] if rest else [])

    def _heads(self, heads: bytes, durations: list[int]) -> tuple[list[int], list[float]]:
        """Frames and scale of each segment."""
        s, frames, scales = self._settings, [], []
        for (missing, scale), duration in zip(HEAD.iter_unpack(heads), durations, strict=True):
            frames.append(s.segment_frames - missing)
            scales.append(scale)
            if not s.frames(duration) <= frames[-1] <= s.frames(duration + s.overlap):
                raise CorruptError(f"a segment lacks {missing} frames of {s.segment_frames}")
            if not 0 < scale <= MAX_SCALE:  # also refuses NaN
                raise CorruptError(f"a segment's loudness is {scale}")
        return frames, scales


def symbols(heads: bytes, codes: Codes) -> NDArray[np.uint16]:
    """Everything a packet says, for its check.

    Args:
        heads: of the segments.
        codes: uint16 [codebooks, frames].
    """
    return np.concatenate([np.frombuffer(heads, dtype=np.uint8).astype(np.uint16), codes.ravel()])
