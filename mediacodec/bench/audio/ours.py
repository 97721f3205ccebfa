"""Our own codecs as entries of the bench, through the public API that anybody else calls."""

import time
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

import mediacodec
from mediacodec.bench.audio.entries import Result
from mediacodec.codecs.base import AudioDecoderBackend
from mediacodec.media import resample_audio
from mediacodec_bitstream import StreamHeader

SPEECH_RATES = (1_500, 3_000, 6_000)


@dataclass(frozen=True)
class OurEntry:
    """One of our codecs at a nominal `bit_rate` in bit/s, on one thread, its file held in memory."""

    bit_rate: int
    codec: str = "speech"

    @property
    def name(self) -> str:
        """Such as "speech@3k"."""
        return f"{self.codec}@{self.bit_rate / 1000:g}k"

    def run(self, samples: NDArray[np.float32], sample_rate: int) -> Result:
        """One clip, float32 [n] at `sample_rate` Hz, through it; raises what encoding and decoding raise."""
        data, encode_seconds = _encode(samples, sample_rate, self.codec, self.bit_rate)
        with _ReadyReader(data) as reader:
            start = time.perf_counter()
            chunk = reader.audio.read()
            decode_seconds = time.perf_counter() - start
        decoded = resample_audio(chunk.samples.mean(axis=0), chunk.sample_rate, sample_rate)
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


class _ReadyReader(mediacodec.FileReader):
    """Loads the model on opening, which keeps that out of the time of decoding. Reads one stream, once."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, threads=1)
        self._ready = super().audio_decoder(self.audio.header)

    def audio_decoder(self, _: StreamHeader) -> AudioDecoderBackend:
        return self._ready
