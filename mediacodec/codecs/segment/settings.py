"""What a model that codes segments says of itself."""

from __future__ import annotations

import math

from mediacodec.audio_coding.codebook_settings import MAX_PACKET_SECONDS, CodebookSettings
from mediacodec.errors import ModelError, ParameterError
from mediacodec.manifest import Manifest

FOURCC = "sgmt"


class SegmentSettings(CodebookSettings):
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
        """Frames of a whole segment."""
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
