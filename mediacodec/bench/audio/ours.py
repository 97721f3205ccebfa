"""Our own codecs as entries of the bench, through the public API that anybody else calls."""

import time
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

import mediacodec
from mediacodec.bench.audio.entries import Result
from mediacodec.media import resample_audio

SPEECH_RATES = (1_500, 3_000, 6_000)


@dataclass(frozen=True)
class OurEntry:
    """One of our codecs, on one thread, its file held in memory.

    Attributes:
        bit_rate: nominal, bit/s.
        codec: name of a model.
    """

    bit_rate: int
    codec: str = "speech"

    @property
    def name(self) -> str:
        """Such as "speech@3k"."""
        return f"{self.codec}@{self.bit_rate / 1000:g}k"

    def run(self, samples: NDArray[np.float32], sample_rate: int) -> Result:
        """Send one clip through it.

        Args:
            samples: float32 [n].
            sample_rate: Hz.

        Raises:
            MediaCodecError: what encoding and decoding raise.
        """
        data, encode_seconds = _encode(samples, sample_rate, self.codec, self.bit_rate)
        with mediacodec.open(data, threads=1) as reader:
            blocks = reader.audio.blocks()  # loads the model
            start = time.perf_counter()
            samples = np.concatenate([chunk.samples for chunk in blocks], axis=1)
            decode_seconds = time.perf_counter() - start
            decoded = resample_audio(samples.mean(axis=0), reader.audio.sample_rate, sample_rate)
        payload_bits = 8 * mediacodec.info(data).payload_bytes
        return Result(decoded, payload_bits, len(data), encode_seconds, decode_seconds)


def _encode(samples: NDArray[np.float32], sample_rate: int, codec: str, bit_rate: int) -> tuple[bytes, float]:
    """The file, and the seconds it took from the first sample to the end chunk."""
    buffer = BytesIO()
    with mediacodec.open(buffer, "w", threads=1) as writer:
        stream = writer.add_audio_stream(codec, sample_rate=sample_rate, bit_rate=bit_rate)  # loads the model
        start = time.perf_counter()
        writer.mux(stream.encode(samples))
    return buffer.getvalue(), time.perf_counter() - start
