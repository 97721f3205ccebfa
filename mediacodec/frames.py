"""What travels between the rooms of the house: a stretch of sound that knows its rate and its place in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ParameterError, ParameterTypeError

Samples = NDArray[np.float32]
"""Samples of sound, [channels, n], full scale [-1, 1]."""


@dataclass(frozen=True, eq=False, repr=False)
class AudioChunk:
    """A stretch of audio.

    Chunks compare by identity: comparing samples is the caller's business (exact or within a tolerance).

    Attributes:
        samples: float32 [channels, n], full scale is [-1, 1]; peaks beyond it and n = 0 are allowed. Values are
            not checked for NaN or infinity, since that would cost a pass over every chunk.
        sample_rate: Hz, at least 1.
        pts: position of the first sample, in samples at `sample_rate` since the start of the stream.

    Raises:
        ParameterTypeError: samples are no float32 array, or a number is no integer.
        ParameterError: the array is not [channels >= 1, n], or the rate is not positive.
    """

    samples: Samples
    sample_rate: int
    pts: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.samples, np.ndarray):
            raise ParameterTypeError(f"samples must be a numpy array [channels, n], not {type(self.samples).__name__}")
        if self.samples.dtype != np.float32:
            raise ParameterTypeError(
                f"samples must be float32, not {self.samples.dtype}; convert with .astype(numpy.float32), "
                "integers scaled to [-1, 1]"
            )
        if self.samples.ndim != 2 or self.samples.shape[0] < 1:
            raise ParameterError(
                f"samples must have shape [channels, n], not {list(self.samples.shape)}; "
                "for one channel use x[numpy.newaxis]"
            )
        for name in ("sample_rate", "pts"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ParameterTypeError(f"{name} must be an integer, not {value!r}")
            object.__setattr__(self, name, int(value))
        if self.sample_rate < 1:
            raise ParameterError(f"sample_rate must be at least 1 Hz, not {self.sample_rate}")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate

    @property
    def pts_seconds(self) -> float:
        """Position of the first sample in seconds."""
        return self.pts / self.sample_rate

    def __repr__(self) -> str:
        return (
            f"AudioChunk(samples=float32[{self.channels}, {self.num_samples}], "
            f"sample_rate={self.sample_rate}, pts={self.pts})"
        )
