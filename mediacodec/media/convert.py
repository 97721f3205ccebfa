"""Another sample rate and another number of channels, in a stream, and a plain word about what it cost."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk

Samples = NDArray[np.float32]

# FFmpeg's own resampler with a longer filter than its default (32 taps, 12 dB of rejection at 0.505 of the lower
# rate). Of the lower rate, 0 ... 0.46 passes within 0.05 dB and everything above 0.505 is down by 90 dB or more.
_FILTER_TAPS = 128
_SWR_OPTIONS = {"filter_size": str(_FILTER_TAPS), "cutoff": "0.96"}
_BLOCKS_PER_SECOND = 50
_LOUD_DB = -50.0  # what is lost is said loudly from this share of the energy on
_CENTRE = math.sqrt(0.5)


class Resampler:
    """Resamples [channels, n] float32 in a stream; output sample k lies exactly at time k / rate_out.

    All pushes and the flush together give exactly round_half_up(N * rate_out / rate_in) samples, the same bits for
    any way of cutting the input. Beyond the end the signal counts as zero. Latency: 20 ms, plus half the filter
    (4 ms where the lower rate is 16 kHz).

    Args:
        rate_in, rate_out: Hz, at least 1.

    Raises:
        ParameterError: a rate is not positive, or the number of channels changes.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        if rate_in < 1 or rate_out < 1:
            raise ParameterError(f"sample rates must be at least 1 Hz, not {rate_in} and {rate_out}")
        self.rate_in = rate_in
        self.rate_out = rate_out
        # swresample gives slightly different bits for different frame sizes where the ratio of the rates is odd
        # (44101 -> 16000), so it always gets frames of one size.
        self._block = -(-rate_in // _BLOCKS_PER_SECOND)
        self._reset()

    def _reset(self) -> None:
        self._pending: list[Samples] = []
        self._num_pending = 0
        self._num_in = 0
        self._num_out = 0
        self._num_fed = 0
        self._channels = 0
        self._swr: av.AudioResampler | None = None

    def push(self, samples: Samples) -> Samples:
        """Take [channels, n], n >= 0; return what is ready, [channels, m], m >= 0."""
        if self._channels == 0:
            self._channels = samples.shape[0]
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise ParameterError(f"expected samples of shape [{self._channels}, n], not {list(samples.shape)}")
        self._num_in += samples.shape[1]
        if self.rate_in == self.rate_out:
            return samples
        out = self._feed(samples)
        self._num_out += out.shape[1]
        return out

    def flush(self) -> Samples:
        """The rest, [channels, m]. The resampler then starts anew."""
        channels = max(self._channels, 1)
        out = np.zeros((channels, 0), np.float32)
        if self.rate_in != self.rate_out:
            rest = (2 * self._num_in * self.rate_out + self.rate_in) // (2 * self.rate_in) - self._num_out
            # Enough zeros to push the last sample through the filter, in whole blocks.
            tail = 2 * _FILTER_TAPS * max(1, -(-self.rate_in // self.rate_out)) + 2 * self._block
            tail += -(self._num_pending + tail) % self._block
            if rest > 0:
                out = self._feed(np.zeros((channels, tail), np.float32))[:, :rest]
            if out.shape[1] != rest:
                raise AssertionError(f"{rest} samples were due, {out.shape[1]} came")
        self._reset()
        return out

    def _feed(self, samples: Samples) -> Samples:
        self._num_pending += samples.shape[1]
        if self._num_pending < self._block:
            self._pending.append(samples.copy())  # the caller may use its buffer again
            return np.zeros((self._channels, 0), np.float32)
        data = np.concatenate([*self._pending, samples], axis=1)
        whole = data.shape[1] - data.shape[1] % self._block
        out = [self._resample(data[:, i : i + self._block]) for i in range(0, whole, self._block)]
        self._pending = [data[:, whole:].copy()]  # a view would keep all of a long input alive
        self._num_pending = data.shape[1] - whole
        return np.concatenate(out, axis=1)

    def _resample(self, block: Samples) -> Samples:
        if self._swr is None:
            self._swr = av.AudioResampler(
                format="fltp", layout=f"{self._channels}c", rate=self.rate_out, options=_SWR_OPTIONS
            )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=f"{self._channels}c")
        frame.sample_rate = self.rate_in
        frame.pts = self._num_fed
        frame.time_base = Fraction(1, self.rate_in)
        self._num_fed += block.shape[1]
        done = [out.to_ndarray() for out in self._swr.resample(frame)]
        return np.concatenate(done, axis=1) if done else np.zeros((self._channels, 0), np.float32)


def resample_audio(samples: NDArray[np.floating], rate_in: int, rate_out: int) -> Samples:
    """Resample a whole signal, [n] or [channels, n]; see Resampler.

    Returns:
        float32 of the same number of dimensions, round_half_up(n * rate_out / rate_in) samples long.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    resampler = Resampler(rate_in, rate_out)
    out = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    return out[0] if np.ndim(samples) == 1 else out


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
    """

    def __init__(self, rate_in: int, channels_in: int, rate_out: int, channels_out: int) -> None:
        if channels_in < 1 or channels_out < 1:
            raise ParameterError(f"channels must be at least 1, not {channels_in} and {channels_out}")
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

    def push(self, chunk: AudioChunk) -> AudioChunk:
        """Convert a chunk; what comes back may be shorter or longer, or empty, and carries its own pts."""
        if (chunk.sample_rate, chunk.channels) != (self.rate_in, self.channels_in):
            raise ParameterError(
                f"expected {self.rate_in} Hz and {self.channels_in} channel(s), "
                f"got {chunk.sample_rate} Hz and {chunk.channels}"
            )
        if not self._started:
            self._started = True
            self._pts = (2 * chunk.pts * self.rate_out + self.rate_in) // (2 * self.rate_in)
        samples = chunk.samples
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
        """What was done so far, a line each; "WARNING: ..." where something audible was lost (from -50 dB on)."""
        notes = []
        if self.channels_out < self.channels_in:
            total = float(np.trace(self._covariance))
            lost = _decibels(float(np.trace(self._lost @ self._covariance)), total)
            done = f"downmixed {self.channels_in} channels -> {self.channels_out}"
            notes.append(_note(done, "the channels differ and the difference is lost", lost))
        elif self.channels_out > self.channels_in:
            notes.append(f"spread {self.channels_in} channel(s) over {self.channels_out}")
        if self.rate_in != self.rate_out:
            done = f"resampled {self.rate_in} Hz -> {self.rate_out} Hz"
            lost = self._band.share_db() if self._band is not None else -math.inf
            notes.append(_note(done, f"content above {self.rate_out / 2:g} Hz is lost", lost))
        return notes


def mix_matrix(channels_in: int, channels_out: int) -> NDArray[np.float64]:
    """The gains that turn channels_in into channels_out, [channels_out, channels_in]; see Converter."""
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
        # A margin of two bins, or a tone just below the limit would leak across it.
        self._first = math.ceil(above / rate * self._SIZE) + 2
        self._window = np.hanning(self._SIZE + 1)[:-1].astype(np.float32)
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
        """Count the last, incomplete window too, filled up with zeros."""
        if self._rest is not None and self._rest.shape[1]:
            self._measure(np.pad(self._rest, ((0, 0), (0, self._SIZE - self._rest.shape[1]))))
            self._rest = None

    def _measure(self, samples: Samples) -> None:
        spectrum = np.fft.rfft(samples.reshape(-1, self._SIZE) * self._window)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0, dtype=np.float64)
        self._high += float(power[self._first :].sum())
        self._all += float(power.sum())

    def share_db(self) -> float:
        """Energy above the frequency in dB of the whole; -inf if there is none."""
        return _decibels(self._high, self._all)


def _decibels(part: float, whole: float) -> float:
    return 10 * math.log10(part / whole) if part > 0 and whole > 0 else -math.inf


def _note(done: str, loss: str, share_db: float) -> str:
    if share_db < _LOUD_DB:
        return done
    return f"WARNING: {done}: {loss} ({share_db:.0f} dB of the sound's energy)"
