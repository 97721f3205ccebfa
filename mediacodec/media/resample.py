"""Another sample rate, in a stream."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ParameterError
from mediacodec.frames import Samples, as_sample_rate, as_samples

# FFmpeg's own resampler with a longer filter than its default (32 taps, 12 dB of rejection at 0.505 of the lower
# rate). Of the lower rate, 0 ... 0.46 passes within 0.05 dB and everything above 0.505 is down by 90 dB or more.
_FILTER_TAPS = 128
_SWR_OPTIONS = f"filter_size={_FILTER_TAPS}:cutoff=0.96"
_BLOCKS_PER_SECOND = 50
_MAX_PHASES = 1024  # swresample's phase_shift = 10


class Resampler:
    """Resamples [channels, n] float32 in a stream; output sample k lies exactly at time k / rate_out.

    All pushes and the flush together give exactly round_half_up(N * rate_out / rate_in) samples, the same bits for
    any way of cutting the input. Beyond the end the signal counts as zero. Latency: 20 ms, plus half the filter
    (4 ms where the lower rate is 16 kHz).

    Args:
        rate_in, rate_out: Hz, at least 1.

    Raises:
        ParameterError: a rate is not positive, the number of channels changes, or FFmpeg cannot resample such.
        ParameterTypeError: a rate is no integer.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self.rate_in = rate_in = as_sample_rate("rate_in", rate_in)
        self.rate_out = rate_out = as_sample_rate("rate_out", rate_out)
        self._block = -(-rate_in // _BLOCKS_PER_SECOND)
        # Where swresample has a filter for each phase, every output sample is a dot product of its own, however the
        # input is framed. For odder ratios (44101 -> 16000) it interpolates filters and framing changes the last bits:
        # then it gets frames of one size only.
        self._exact = rate_out // math.gcd(rate_in, rate_out) <= _MAX_PHASES
        self._reset()

    def _reset(self) -> None:
        self._pending: list[Samples] = []
        self._num_pending = 0
        self._num_in = 0
        self._num_out = 0
        self._num_fed = 0
        self._channels = 0
        self._graph: av.filter.Graph | None = None

    def push(self, samples: Samples) -> Samples:
        """Resample the next samples.

        Args:
            samples: float32 [channels, n], n >= 0.

        Returns:
            What is ready, float32 [channels, m], m >= 0.

        Raises:
            ParameterError: the channels are others than before, or FFmpeg cannot do it.
        """
        samples = as_samples("samples", samples)
        if self._channels == 0:
            self._channels = samples.shape[0]
        if samples.shape[0] != self._channels:
            raise ParameterError(f"samples must have shape [{self._channels}, n], not {list(samples.shape)}")
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
        step = self._block * (_BLOCKS_PER_SECOND if self._exact else 1)
        out = [self._resample(data[:, i : min(i + step, whole)]) for i in range(0, whole, step)]
        self._pending = [data[:, whole:].copy()]  # a view would keep all of a long input alive
        self._num_pending = data.shape[1] - whole
        return np.concatenate(out, axis=1)

    def _resample(self, block: Samples) -> Samples:
        done = [np.zeros((self._channels, 0), np.float32)]
        try:
            if self._graph is None:
                self._graph = self._make_graph()
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=f"{self._channels}c")
            frame.sample_rate = self.rate_in
            frame.pts = self._num_fed
            frame.time_base = Fraction(1, self.rate_in)
            self._num_fed += block.shape[1]
            self._graph.push(frame)
            with contextlib.suppress(av.error.BlockingIOError):  # it wants more input
                while True:
                    done.append(np.asarray(self._graph.pull().to_ndarray(), np.float32))
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            what = f"{self._channels} channel(s) from {self.rate_in} Hz to {self.rate_out} Hz"
            raise ParameterError(f"FFmpeg cannot resample {what}: {error}") from error
        return np.concatenate(done, axis=1)

    def _make_graph(self) -> av.filter.Graph:
        # Not av.AudioResampler: it takes options for the filter only from PyAV 18 on.
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_abuffer(
                format="fltp",
                sample_rate=self.rate_in,
                layout=f"{self._channels}c",
                time_base=Fraction(1, self.rate_in),
            ),
            graph.add("aresample", f"{self.rate_out}:{_SWR_OPTIONS}"),
            graph.add("abuffersink"),
        ).configure()
        return graph


def resample_audio(samples: NDArray[np.floating], rate_in: int, rate_out: int) -> Samples:
    """Resample a whole signal; see Resampler.

    Args:
        samples: [n] or [channels, n].
        rate_in, rate_out: Hz, at least 1.

    Returns:
        float32 of the same number of dimensions, round_half_up(n * rate_out / rate_in) samples long.
    """
    data = as_samples("samples", samples)
    resampler = Resampler(rate_in, rate_out)
    out = np.concatenate([resampler.push(data), resampler.flush()], axis=1)
    return out[0] if np.ndim(samples) == 1 else out
