"""Our own codecs as entries of the bench, through the public functions that anybody else calls."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.entries import Result
from mediacodec.media import resample_audio

SPEECH_RATES = (1_500, 3_000, 6_000)


@dataclass(frozen=True)
class OurEntry:
    """One of our codecs at a nominal `bit_rate` in bit/s, by `mediacodec.encode` and `mediacodec.decode`."""

    bit_rate: int
    codec: str = "speech"

    @property
    def name(self) -> str:
        """Such as "speech@3k"."""
        return f"{self.codec}@{self.bit_rate / 1000:g}k"

    def run(self, samples: NDArray[np.float32], sample_rate: int) -> Result:
        """One clip, float32 [n] at `sample_rate` Hz, through it; raises what encode and decode raise."""
        import mediacodec  # the front door loads the runtime, which Opus alone does not need

        start = time.perf_counter()
        data = mediacodec.encode(samples, sample_rate=sample_rate, codec=self.codec, bit_rate=self.bit_rate)
        middle = time.perf_counter()
        chunk = mediacodec.decode(data)
        stop = time.perf_counter()
        payload_bits = 8 * sum(stream.payload_bytes for stream in mediacodec.info(data).streams)
        decoded = resample_audio(chunk.samples.mean(axis=0), chunk.sample_rate, sample_rate)
        return Result(decoded, payload_bits, len(data), middle - start, stop - middle)
