"""Packets of family `segment`: what its settings say, and the codes of some segments as bytes.

A stream is cut into segments of `segment` samples that begin every `segment_stride` samples; the stream's last ones
are as long as what is left. A packet holds some segments: for each a byte, the frames that it lacks to a whole one, and
four bytes, its loudness as a little-endian float32; then the codes of all, coded as family `rvq` codes them. The symbol
check covers all of that.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.base import Codes
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.rvq.settings import MAX_PACKET_SECONDS, RvqSettings
from mediacodec.errors import ModelError, ParameterError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import CorruptError, Packet, StreamHeader, TruncatedError, check_symbols, unseal

HEAD = struct.Struct("<Bf")  # of a segment
MAX_SCALE = 4.0  # 12 dB over full scale


@dataclass(frozen=True, eq=False)
class Segment:
    """codes: [codebooks, frames]; scale: what the decoder's sound is multiplied by."""

    codes: Codes
    scale: float


class SegmentSettings(RvqSettings):
    """What `model.json` says of a model that codes segments; checked once."""

    def __init__(self, model: Manifest) -> None:
        super().__init__(model)
        try:
            self.segment, self.stride = int(model.settings["segment"]), int(model.settings["segment_stride"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model {model.name}: settings of its segments are missing or wrong: {error!r}") from error
        if not (0 < self.stride <= self.segment <= 2 * self.stride and self.segment % self.frame_size == 0):
            raise ModelError(f"model {model.name}: segments of {self.segment} every {self.stride} samples do not fit")
        if self.pre_skip or self.segment_frames > 256 or self.overlap > self.segment // 2:
            raise ModelError(f"model {model.name}: its segments cannot be packed")

    @property
    def segment_frames(self) -> int:
        return self.segment // self.frame_size

    @property
    def overlap(self) -> int:
        """Samples that neighbouring segments share."""
        return self.segment - self.stride

    @property
    def frame_rate(self) -> float:
        """Frames a second, those of overlaps twice."""
        return self.segment_frames * self.sample_rate / self.stride

    def packet_segments(self, packet_duration: float) -> int:
        """Whole segments in a packet of so many seconds. Raises ParameterError."""
        shortest = self.stride / self.sample_rate
        if not shortest <= packet_duration <= MAX_PACKET_SECONDS:  # also refuses NaN
            raise ParameterError(f"packet_duration {packet_duration} s is not in {shortest:g}..{MAX_PACKET_SECONDS} s")
        return math.floor(packet_duration / shortest)

    def frames(self, samples: int) -> int:
        """Frames of a segment of so many samples."""
        return -(-samples // self.frame_size)


class SegmentCodeReader(RvqCodeReader):
    """Codes of packets, without a network; see `mediacodec.codecs.base.CodeReader`."""

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        super().__init__(model, header)
        self._segments = SegmentSettings(model)
        self.frame_rate = self._segments.frame_rate

    def read(self, packet: Packet) -> Codes:
        """[codebooks, frames] uint16, those of overlaps twice. Raises CorruptError, TruncatedError or DesyncError."""
        return np.concatenate([segment.codes for segment in self.segments(packet)], axis=1)

    def segments(self, packet: Packet) -> list[Segment]:
        """What a packet holds. Raises CorruptError, TruncatedError or DesyncError."""
        durations = self._durations(packet.duration)
        size = self._header.symbol_crc_size
        body, crc = unseal(packet.data, size)
        split = HEAD.size * len(durations)
        if len(body) < split:
            raise TruncatedError(f"a packet of {len(packet.data)} bytes cannot hold {len(durations)} segments")
        frames, scales = self._heads(body[:split], durations)
        codes = self._decoded(body[split:], sum(frames))
        check_symbols(symbols(body[:split], codes), crc, size)
        parts = np.split(codes, np.cumsum(frames)[:-1], axis=1)
        return [Segment(part, scale) for part, scale in zip(parts, scales, strict=True)]

    def _durations(self, duration: int) -> list[int]:
        """What each segment of a packet adds to the timeline: a stride, the last one of a stream less."""
        s = self._segments
        whole, rest = divmod(duration, s.stride)
        if rest % s.frame_size or not 1 <= duration <= MAX_PACKET_SECONDS * s.sample_rate:
            raise CorruptError(f"a packet of {duration} samples is not segments of {s.stride} and frames")
        return [s.stride] * whole + ([rest] if rest else [])

    def _heads(self, heads: bytes, durations: list[int]) -> tuple[list[int], list[float]]:
        """Frames and scale of each segment."""
        s, frames, scales = self._segments, [], []
        for (missing, scale), duration in zip(HEAD.iter_unpack(heads), durations, strict=True):
            frames.append(s.segment_frames - missing)
            scales.append(scale)
            if not s.frames(duration) <= frames[-1] <= s.frames(duration + s.overlap):
                raise CorruptError(f"a segment lacks {missing} frames of {s.segment_frames}")
            if not 0 < scale <= MAX_SCALE:  # also refuses NaN
                raise CorruptError(f"a segment's loudness is {scale}")
        return frames, scales


def symbols(heads: bytes, codes: Codes) -> NDArray[np.uint16]:
    """Everything a packet says, for its check."""
    return np.concatenate([np.frombuffer(heads, dtype=np.uint8).astype(np.uint16), codes.ravel()])
