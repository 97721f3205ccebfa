"""Opus, the yardstick: libopus through PyAV, run and scored on the same path as our own codecs."""

import io
import time
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from mediacodec.bench.audio.entries import Result
from mediacodec.errors import ParameterError
from mediacodec.media import resample_audio

OPUS_RATES = (6_000, 8_000, 9_000, 10_000, 12_000)
_ENCODER_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_DECODER_RATE = 48_000
# FFmpeg's defaults. On 25 speech clips the application "voip" gave the same PESQ within 0.02 and STOI within
# 0.003 at 6, 9 and 12 kbps, but 3 to 6 dB less SI-SDR, since it filters the lows out of its input.
_OPTIONS = {"application": "audio", "vbr": "on", "compression_level": "10", "frame_duration": "20"}


@dataclass(frozen=True)
class OpusEntry:
    """Opus, mono, variable bit rate, 20 ms frames, highest complexity, in Ogg.

    `bit_rate` is nominal, in bit/s, 6000 to 256000. The payload counts the packets alone; the file is what
    FFmpeg writes as `.opus`. The decoder (FFmpeg's, RFC 6716) drops the priming and trims the end by the
    file's own time stamps; it works at 48 kHz, and its output is resampled, within the decoding time, to the
    rate of the input.
    """

    bit_rate: int

    def __post_init__(self) -> None:
        if not 6_000 <= self.bit_rate <= 256_000:
            raise ParameterError(f"Opus bit_rate must be 6000 to 256000 bit/s for one channel, not {self.bit_rate}")

    @property
    def name(self) -> str:
        """Such as "opus@9k"."""
        return f"opus@{self.bit_rate / 1000:g}k"

    def run(self, samples: NDArray[np.float32], sample_rate: int) -> Result:
        """Send one clip through Opus.

        Args:
            samples: float32 [n].
            sample_rate: Hz, one that Opus encodes.

        Raises:
            ParameterError: it is another rate.
        """
        if sample_rate not in _ENCODER_RATES:
            raise ParameterError(f"Opus encodes at {_ENCODER_RATES} Hz, not {sample_rate}; resample first")
        start = time.perf_counter()
        data, payload_bits = _encode(samples, sample_rate, self.bit_rate)
        middle = time.perf_counter()
        decoded = _decode(data, sample_rate)
        stop = time.perf_counter()
        return Result(decoded, payload_bits, len(data), middle - start, stop - middle)


def _encode(samples: NDArray[np.float32], sample_rate: int, bit_rate: int) -> tuple[bytes, int]:
    """An Ogg Opus file and the bits of its packets."""
    buffer = io.BytesIO()
    payload_bits = 0
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=sample_rate, layout="mono", options=_OPTIONS)
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
        frame.sample_rate = sample_rate
        frame.pts = 0
        for source in (frame, None):  # None flushes
            for packet in stream.encode(source):
                payload_bits += 8 * packet.size
                container.mux(packet)
    return buffer.getvalue(), payload_bits


def _decode(data: bytes, sample_rate: int) -> NDArray[np.float32]:
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return resample_audio(np.concatenate(frames), _DECODER_RATE, sample_rate)
