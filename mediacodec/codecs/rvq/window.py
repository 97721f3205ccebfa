"""Networks that look both ways: samples to codes and back, a window of a stream at a time.

The encoder graph takes `samples` [1, channels, frames * frame_size] and gives `codes` int64 [1, codebooks, frames]; the
decoder graph takes such codes, in which codebook_size stands for a codebook that was dropped, and gives `samples`
[1, channels, n]. Neither has a state. A window is run with `context_frames` on each side of it, as far as a frame's
result reaches, of which the results are thrown away: what remains is what a run over the whole signal gives. At the
ends of the signal a window ends too, so that the network's own padding acts there.
"""

from __future__ import annotations

import numpy as np

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.audio_coding.queues import Queue
from mediacodec.codecs.base import LIVE_BELOW
from mediacodec.codecs.options import Runtime
from mediacodec.codecs.rvq.analysis import Found, encoder_graph
from mediacodec.errors import ModelError
from mediacodec.frames import Codes, Samples
from mediacodec.manifest import Manifest

MAX_WINDOW_SECONDS = 60


class WindowSettings:
    """What `model.json` says of the windows of a model; checked once.

    Args:
        model: that has it.
        frame_rate: frames a second.

    Attributes:
        context_frames: frames that a window covers on each side of what it gives.
        window_frames: frames of a window without them, in streams that are not live.

    Raises:
        ModelError: a setting is missing or out of range.
    """

    def __init__(self, model: Manifest, frame_rate: float) -> None:
        try:
            self.context_frames = int(model.settings["context_frames"])
            self.window_frames = int(model.settings["window_frames"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model {model.name}: settings of a window are missing or wrong: {error!r}") from error
        most = MAX_WINDOW_SECONDS * frame_rate
        if not (0 <= self.context_frames <= most and 1 <= self.window_frames <= max(1, most)):
            raise ModelError(f"model {model.name}: context_frames or window_frames are out of range")
        self._frame_rate = frame_rate

    def window(self, packet_frames: int) -> int:
        """Frames of a window in a stream of such packets.

        Live, as few as packets hold, but not so few that most of the work is thrown away.
        """
        live = packet_frames < LIVE_BELOW * self._frame_rate
        return max(packet_frames, self.context_frames) if live else self.window_frames


class WindowAnalysis:
    """Finds codes window by window; see `mediacodec.codecs.rvq.analysis.Analysis`."""

    def __init__(self, model: Manifest, packet_frames: int, runtime: Runtime) -> None:
        self._settings = s = CodebookSettings(model)
        windows = WindowSettings(model, s.frame_rate)
        self._graph = encoder_graph(model, runtime)
        self._context, self._window = windows.context_frames, windows.window(packet_frames)
        self._left = 0  # frames of context in front of the samples that wait
        self._waiting: Queue[np.float32] = Queue()
        # the first sample of a window waits for its end and the context behind; then so do its codes in the decoder
        self.algorithmic_delay = 2 * (self._window + self._context) * s.frame_size

    def push(self, samples: Samples) -> list[Found]:
        """Run the network over every window whose context is there."""
        self._waiting.put(samples)
        size, found = self._settings.frame_size, list[Found]()
        while len(self._waiting) >= (self._left + self._window + self._context) * size:
            found.append(self._next(self._window))
        self._waiting.own()
        return found

    def drain(self, frames: int) -> list[Found]:
        """The last windows end where the signal does, after zeros up to a whole frame."""
        short = -len(self._waiting) % self._settings.frame_size
        self._waiting.put(np.zeros((self._settings.channels, short), dtype=np.float32))
        found = []
        while frames > 0:
            found.append(self._next(min(frames, self._window)))
            frames -= found[-1].shape[1]
        return found

    def codes(self, found: Found, num_codebooks: int) -> Codes:
        """See `Analysis.codes`."""
        return np.asarray(found[:num_codebooks], dtype=np.uint16)

    def _next(self, frames: int) -> Found:
        """Codes of the next frames. What they no longer need of the samples goes."""
        size, end = self._settings.frame_size, self._left + frames
        codes = self._run(self._waiting.all()[:, : (end + self._context) * size])
        start, self._left = self._left, min(self._context, end)
        self._waiting.take((end - self._left) * size)
        return codes[:, start:end]

    def _run(self, samples: Samples) -> Found:
        outputs, _ = self._graph.step({"samples": samples[None]}, ())
        codes, s = outputs["codes"][0], self._settings
        if codes.shape != (s.num_codebooks, samples.shape[1] // s.frame_size):
            raise ModelError(f"the encoder graph gave codes {codes.shape} for samples {samples.shape}")
        return np.asarray(codes, dtype=np.uint16)
