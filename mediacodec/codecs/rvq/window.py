"""Networks that look both ways (family `window`): samples to codes and back, a window of a stream at a time.

The encoder graph takes `samples` [1, channels, frames * frame_size] and gives `codes` int64 [1, codebooks, frames]; the
decoder graph takes such codes, in which codebook_size stands for a codebook that was dropped, and gives `samples`
[1, channels, n]. Neither has a state. A window is run with `context_frames` on each side of it, as far as a frame's
result reaches, of which the results are thrown away: what remains is what a run over the whole signal gives. At the
ends of the signal a window ends too, so that the network's own padding acts there. Where that leaves the last samples
out (a transposed convolution with an odd stride), they are zeros.

Packets are those of family `rvq`. Sound comes out when what its window sees behind it has come in, and the rest with
`flush`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.base import LIVE_BELOW, Codes, Samples
from mediacodec.codecs.rvq.decoder import RvqDecoder
from mediacodec.codecs.rvq.encoder import Paths, RvqEncoder, joined
from mediacodec.codecs.rvq.settings import MAX_PACKET_SECONDS, RvqSettings
from mediacodec.errors import ModelError
from mediacodec.frames import AudioChunk
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet, StreamHeader

MAX_WINDOW_SECONDS = 60


class WindowSettings(RvqSettings):
    """What `model.json` says of such a model; checked once.

    Beside what every one must say: `context_frames`, and `window_frames` without their context.
    """

    def __init__(self, model: Manifest) -> None:
        super().__init__(model)
        try:
            self.context_frames = int(model.settings["context_frames"])
            self.window_frames = int(model.settings["window_frames"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model {model.name}: settings of a window are missing or wrong: {error!r}") from error
        most = MAX_WINDOW_SECONDS * self.frame_rate
        if not (0 <= self.context_frames <= most and 1 <= self.window_frames <= max(1, most)):
            raise ModelError(f"model {model.name}: context_frames or window_frames are out of range")

    def window(self, packet_frames: int) -> int:
        """Frames of a window in a stream of such packets.

        Live, as few as packets hold, but not so few that most of the work is thrown away.
        """
        live = packet_frames < LIVE_BELOW * self.frame_rate
        return max(packet_frames, self.context_frames) if live else self.window_frames


class WindowEncoder(RvqEncoder):
    """Encodes samples [channels, n]; see `mediacodec.codecs.base.AudioEncoder`."""

    fourcc: ClassVar = "wndw"

    def __init__(self, model: Manifest, *, packet_duration: float = 1.0, **options: Any) -> None:
        settings = WindowSettings(model)
        self._context = settings.context_frames
        self._window = settings.window(settings.packet_frames(packet_duration))
        self._left = 0  # frames of context in front of the samples that wait
        super().__init__(model, packet_duration=packet_duration, **options)

    def _make_header(self, model: Manifest, stream_id: int, crc_size: int, extradata: bytes) -> StreamHeader:
        # the first sample of a window waits for its end and the context behind; then so do its codes in the decoder
        delay = 2 * (self._window + self._context) * self._settings.frame_size
        header = super()._make_header(model, stream_id, crc_size, extradata)
        return replace(header, algorithmic_delay=delay)

    def _analyse(self, samples: Samples) -> None:
        """Run the network over every window whose context is there."""
        self._waiting.append(samples)
        self._num_waiting += samples.shape[1]
        size = self._settings.frame_size
        if self._num_waiting < (self._left + self._window + self._context) * size:
            self._waiting[-1] = samples.copy()  # the caller may fill its buffer anew
            return
        waiting = joined(self._waiting)
        while waiting.shape[1] >= (self._left + self._window + self._context) * size:
            waiting = self._take(waiting, self._window)
        self._waiting, self._num_waiting = [waiting.copy()], waiting.shape[1]

    def _take(self, waiting: Samples, frames: int) -> Samples:
        """Find the codes of the next frames; the samples that still matter."""
        size, end = self._settings.frame_size, self._left + frames
        codes = self._run(waiting[:, : (end + self._context) * size])
        self._found.append(codes[:, self._left : end])
        self._left = min(self._context, end)
        return waiting[:, (end - self._left) * size :]

    def _run(self, samples: Samples) -> Paths:
        outputs, _ = self._graph.step({"samples": samples[None]}, ())
        codes = outputs["codes"][0]
        s = self._settings
        if codes.shape != (s.num_codebooks, samples.shape[1] // s.frame_size):
            raise ModelError(f"the encoder graph gave codes {codes.shape} for samples {samples.shape}")
        return np.asarray(codes, dtype=np.uint16)

    def _drain(self, frames: int) -> None:
        """The last windows end where the signal does, after zeros up to a whole frame."""
        rest = joined(self._waiting)
        rest = np.pad(rest, ((0, 0), (0, -rest.shape[1] % self._settings.frame_size)))
        while (due := frames - self._frames_found) > 0:
            rest = self._take(rest, min(due, self._window))

    def _codes(self, paths: Paths, num_codebooks: int) -> Codes:
        return paths[:num_codebooks]


class WindowDecoder(RvqDecoder):
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoder`."""

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        super().__init__(model, header, device=device, threads=threads)
        settings = WindowSettings(model)
        self._context = settings.context_frames
        longest = int(MAX_PACKET_SECONDS * settings.frame_rate)
        self._window = settings.window(header.packet_duration // settings.frame_size or longest)
        self._forget()

    @property
    def delay(self) -> int:  # type: ignore[override]  # of packets that decode at once it is a constant
        """Samples at most by which sound comes later than its packets."""
        frames: int = self._window + self._context
        return frames * self._settings.frame_size

    def push(self, packet: Packet | None) -> AudioChunk:
        """Take or conceal one packet; return the sound that is ready."""
        if packet is None:
            return self._conceal()
        codes = self._reader.read(packet)
        self._take_back(packet.pts)
        ended = None
        if packet.pts != self._end:  # another place in time: what came before ends here
            ended = self.flush() if self._pending else None
            self._forget()
            self._next_pts = packet.pts
        size = self._settings.frame_size
        gain = np.ones(codes.shape[1] * size, dtype=np.float32)
        if self._lost:
            # come back over one frame: a hard switch from a faded gap would click
            gain[:size] = np.linspace(self._fade(self._lost), 1, size, dtype=np.float32)
        self._hold(codes, gain)
        self._last, self._lost = codes[:, -1:], 0
        return ended or self._ready()

    def flush(self) -> AudioChunk:
        """The sound of all packets that came; what is pushed after that begins anew."""
        chunk = self._ready(ends=True)
        self._forget()
        return chunk

    def _forget(self) -> None:
        s = self._settings
        self._held: NDArray[np.int64] = np.zeros((s.num_codebooks, 0), dtype=np.int64)
        self._gain: NDArray[np.float32] = np.zeros(0, dtype=np.float32)  # of each sample held
        self._left = 0  # frames held that are context of the next ones alone

    @property
    def _pending(self) -> int:
        """Frames held that have not been heard."""
        return int(self._held.shape[1]) - self._left

    @property
    def _end(self) -> int:
        """Where the next packet should begin, on the coded timeline."""
        return (self._next_pts or 0) + self._pending * self._settings.frame_size

    def _hold(self, codes: Codes, gain: NDArray[np.float32]) -> None:
        s = self._settings
        full = np.full((s.num_codebooks, codes.shape[1]), s.codebook_size, dtype=np.int64)
        full[: len(codes)] = codes
        self._held = np.concatenate([self._held, full], axis=1)
        self._gain = np.concatenate([self._gain, gain])

    def _take_back(self, pts: int) -> None:
        """Drop frames concealed beyond where packets go on, unless they were heard already."""
        size = self._settings.frame_size
        count, rest = divmod(self._end - pts, size)
        if not rest and 0 < count <= min(self._lost // size, self._pending):
            self._held, self._gain = self._held[:, :-count], self._gain[: -count * size]
            self._lost -= count * size

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out."""
        s = self._settings
        frames = max(1, self.header.packet_duration // s.frame_size)
        if self._last is None:
            return self._chunk(np.zeros((s.channels, frames * s.frame_size), dtype=np.float32), self._next_pts or 0)
        self._hold(np.repeat(self._last, frames, axis=1), self._fade(self._lost + np.arange(frames * s.frame_size)))
        self._lost += frames * s.frame_size
        return self._ready()

    def _ready(self, *, ends: bool = False) -> AudioChunk:
        """The sound of windows whose context is there, or of all where the signal ends.

        Windows begin at whole multiples of their length, wherever packets begin: so sound found by seeking is that of
        a whole decode, even where a network looks at all of its window.
        """
        start = self._next_pts or 0
        parts, at = [np.zeros((self._settings.channels, 0), dtype=np.float32)], start // self._settings.frame_size
        while self._pending:
            count = self._window - at % self._window
            if not ends and self._pending < count + self._context:
                break
            count = min(count, self._pending)
            parts.append(self._decode(count))
            at += count
        return self._chunk(np.concatenate(parts, axis=1), start)

    def _decode(self, frames: int) -> Samples:
        """The sound of the next frames, [channels, samples]."""
        size, end = self._settings.frame_size, self._left + frames
        gain = self._gain[self._left * size : end * size]
        sound = np.zeros((self._settings.channels, frames * size), dtype=np.float32)
        if gain.any():  # a gap that has faded out need not be computed
            outputs, _ = self._graph.step({"codes": self._held[None, :, : end + self._context]}, ())
            found = outputs["samples"][0][:, self._left * size : end * size]
            sound[:, : found.shape[1]] = found * gain[: found.shape[1]]
        self._left = min(self._context, end)
        self._held = self._held[:, end - self._left :]
        self._gain = self._gain[(end - self._left) * size :]
        return sound
