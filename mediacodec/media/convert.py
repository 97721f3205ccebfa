"""Another sample rate and another number of channels, in a stream, and a plain word about what it cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mediacodec.arguments import as_instance, as_integer
from mediacodec.codecs.base import bounded
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, Samples, as_sample_rate
from mediacodec.media.resample import Resampler

_LOUD_DB = -50.0  # what channels lose is said loudly from this share of the energy on
_LOUD_BAND_DB = -45.0  # likewise of high frequencies: every recording of speech has some, and nobody misses them
MAX_CHANNELS = 64  # as FFmpeg can name
_CENTRE = math.sqrt(0.5)


class Converter:
    """Changes channels and rate of a stream of chunks, in this order, and measures what is lost by it.

    Two channels become one as their mean; 5.1 and 7.1 are folded as ITU-R BS.775 says (centre and surround at
    -3 dB, no LFE), scaled so that nothing can clip; any other count becomes the mean of its channels. One channel
    is copied to all.

    Args:
        rate_in, rate_out: Hz.
        channels_in, channels_out: at least 1.

    Raises:
        ParameterError: a number is not positive, or a chunk has other parameters than announced.
        ParameterTypeError: a number is no integer.
    """

    def __init__(self, rate_in: int, channels_in: int, rate_out: int, channels_out: int) -> None:
        channels_in = as_integer("channels_in", channels_in, 1, MAX_CHANNELS)
        channels_out = as_integer("channels_out", channels_out, 1, MAX_CHANNELS)
        rate_in, rate_out = as_sample_rate("rate_in", rate_in), as_sample_rate("rate_out", rate_out)
        self.rate_in, self.channels_in = rate_in, channels_in
        self.rate_out, self.channels_out = rate_out, channels_out
        self._resampler = Resampler(rate_in, rate_out)
        self._matrix = mix_matrix(channels_in, channels_out)
        # What no gain on the mixed channels can bring back: the distance from the space that the mix keeps.
        self._lost = np.eye(channels_in) - np.linalg.pinv(self._matrix) @ self._matrix
        self._covariance = np.zeros((channels_in, channels_in))
        self._band = _BandMeter(rate_in, rate_out / 2) if rate_out < rate_in else None
        self._started = False
        self._pts = 0
        self._no_numbers = 0  # samples

    def push(self, chunk: AudioChunk) -> AudioChunk:
        """Convert a chunk.

        Args:
            chunk: of rate_in and channels_in.

        Returns:
            What is ready, which may be shorter or longer, or empty, and carries its own pts.

        Raises:
            ParameterError: the chunk has another rate or other channels.
        """
        as_instance("chunk", chunk, AudioChunk)
        if (chunk.sample_rate, chunk.channels) != (self.rate_in, self.channels_in):
            raise ParameterError(
                f"samples: expected {self.rate_in} Hz and {self.channels_in} channel(s), "
                f"got {chunk.sample_rate} Hz and {chunk.channels}"
            )
        if not self._started:
            self._started = True
            self._pts = (2 * chunk.pts * self.rate_out + self.rate_in) // (2 * self.rate_in)
        samples, changed = bounded(chunk.samples)
        self._no_numbers += changed
        if self.channels_in != self.channels_out:
            if self.channels_out < self.channels_in:
                wide = samples.astype(np.float64)
                self._covariance += wide @ wide.T
            samples = _mix(samples, self._matrix)
        if self._band is not None:
            self._band.push(samples)
        return self._chunk(self._resampler.push(samples))

    def flush(self) -> AudioChunk:
        """The rest of the stream; push nothing after it."""
        if not self._started:
            return AudioChunk(np.zeros((self.channels_out, 0), np.float32), self.rate_out)
        if self._band is not None:
            self._band.flush()
        return self._chunk(self._resampler.flush())

    def _chunk(self, samples: Samples) -> AudioChunk:
        chunk = AudioChunk(samples, self.rate_out, self._pts)
        self._pts += chunk.num_samples
        return chunk

    def notes(self) -> list[str]:
        """What was done so far, a line each; "WARNING: ..." where something audible was lost."""
        notes = []
        if self._no_numbers:
            notes.append(f"WARNING: {self._no_numbers} samples are no numbers or beyond all audio; NaN became 0")
        if self.channels_out < self.channels_in:
            total = float(np.trace(self._covariance))
            lost = _decibels(float(np.trace(self._lost @ self._covariance)), total)
            done = f"downmixed {self.channels_in} channels -> {self.channels_out}"
            notes.append(_note(done, "the channels differ and the difference is lost", lost, _LOUD_DB))
        elif self.channels_out > self.channels_in:
            notes.append(f"spread {self.channels_in} channel(s) over {self.channels_out}")
        if self.rate_in != self.rate_out:
            done = f"resampled {self.rate_in} Hz -> {self.rate_out} Hz"
            lost = self._band.share_db() if self._band is not None else -math.inf
            notes.append(_note(done, f"content above {self.rate_out / 2:g} Hz is lost", lost, _LOUD_BAND_DB))
        return notes


def mix_matrix(channels_in: int, channels_out: int) -> NDArray[np.float64]:
    """The gains that turn some channels into others; see Converter.

    Args:
        channels_in, channels_out: how many.

    Returns:
        [channels_out, channels_in].
    """
    if channels_in == channels_out:
        return np.eye(channels_in)
    if channels_in == 1:
        return np.ones((channels_out, 1))
    surround = {6: (1, 0, _CENTRE, 0, _CENTRE, 0), 8: (1, 0, _CENTRE, 0, _CENTRE, 0, _CENTRE, 0)}
    if channels_in in surround and channels_out <= 2:  # FL FR FC LFE, then left and right in turn
        left = np.array(surround[channels_in], dtype=np.float64)
        right = left.reshape(-1, 2)[:, ::-1].reshape(-1).copy()
        right[2], right[3] = _CENTRE, 0.0
        pair: NDArray[np.float64] = np.stack([left, right]) / left.sum()
        return pair if channels_out == 2 else (pair[:1] + pair[1:]) / 2
    return np.full((channels_out, channels_in), 1.0 / channels_in, dtype=np.float64)


def _mix(samples: Samples, matrix: NDArray[np.float64]) -> Samples:
    # Channel after channel, not as one matrix product: BLAS rounds differently for different lengths, and the result
    # must not depend on how the caller cuts the stream.
    out = np.zeros((matrix.shape[0], samples.shape[1]), np.float32)
    for row, gains in zip(out, matrix.astype(np.float32), strict=True):
        for gain, channel in zip(gains, samples, strict=True):
            if gain:
                row += gain * channel
    return out


class _BandMeter:
    """The share of a stream's energy above a frequency, from Hann windows of 1024 samples side by side."""

    _SIZE = 1024

    def __init__(self, rate: int, above: float) -> None:
        # A margin of six bins, or a tone just below the limit would leak across it.
        self._first = math.ceil(above / rate * self._SIZE) + 6
        self._rest: Samples | None = None
        self._high = 0.0
        self._all = 0.0

    def push(self, samples: Samples) -> None:
        """Take [channels, n]."""
        data = samples if self._rest is None else np.concatenate([self._rest, samples], axis=1)
        whole = data.shape[1] - data.shape[1] % self._SIZE
        if whole:
            self._measure(data[:, :whole])
        self._rest = data[:, whole:].copy()

    def flush(self) -> None:
        """In a stream shorter than a window measure what there is; otherwise leave the last, incomplete one out.

        A short window tells near frequencies apart badly, so it only counts for want of a better.
        """
        if self._all == 0 and self._rest is not None and self._rest.shape[1] >= self._SIZE // 8:
            self._measure(self._rest)
        self._rest = None

    def _measure(self, samples: Samples) -> None:
        length = min(samples.shape[1], self._SIZE)
        window = np.hanning(length + 1)[:-1].astype(np.float32)
        spectrum = np.fft.rfft(samples.reshape(-1, length) * window, self._SIZE)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0, dtype=np.float64)
        self._high += float(power[self._first :].sum())
        self._all += float(power.sum())

    def share_db(self) -> float:
        """Energy above the frequency in dB of the whole; -inf if there is none."""
        return _decibels(self._high, self._all)


def _decibels(part: float, whole: float) -> float:
    return 10 * math.log10(part / whole) if part > 0 and whole > 0 else -math.inf


def _note(done: str, loss: str, share_db: float, loud_db: float) -> str:
    if share_db < loud_db:
        return done
    return f"WARNING: {done}: {loss} ({share_db:.0f} dB of the audio's energy)"
