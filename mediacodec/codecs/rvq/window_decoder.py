"""The decoder of networks that look both ways (`window`): audio comes out when what its window sees behind it has come
in, and the rest with `flush`. Where a window leaves the last samples out (a transposed convolution with an odd stride),
they are zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.codebook_settings import MAX_PACKET_SECONDS, CodebookSettings
from mediacodec.audio_coding.concealment import comeback, fade
from mediacodec.codecs.options import DEFAULT_RUNTIME, Runtime
from mediacodec.codecs.rvq.packet import RvqCodeReader
from mediacodec.codecs.rvq.window import WindowSettings
from mediacodec.frames import AudioChunk, Codes, Samples
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, StreamHeader


class WindowDecoder:
    """Decodes packets a window at a time; see `mediacodec.codecs.base.AudioDecoderBackend`."""

    def __init__(self, model: Manifest, header: StreamHeader, runtime: Runtime = DEFAULT_RUNTIME) -> None:
        self.header = header
        self._settings = settings = CodebookSettings(model)
        self._reader = RvqCodeReader(model, header)
        self._graph = shared_graph(
            model.graph_path("decoder"), model.graph("decoder"), device=runtime.device, threads=runtime.threads_for(1)
        )
        windows = WindowSettings(model, settings.frame_rate)
        self._context = windows.context_frames
        longest = int(MAX_PACKET_SECONDS * settings.frame_rate)
        self._window = windows.window(header.packet_duration // settings.frame_size or longest)
        self._next_pts: int | None = None  # where what was presented ends, on the coded timeline
        self._last: Codes | None = None  # the last frame received, [codebooks, 1]
        self._lost = 0  # samples concealed since
        self._forget()

    @property
    def delay(self) -> int:
        """Samples at most by which audio comes later than its packets."""
        return (self._window + self._context) * self._settings.frame_size

    @property
    def preroll(self) -> int:
        """Samples; after this many the output is that of a whole decode."""
        return self._settings.preroll_frames * self._settings.frame_size

    def push(self, packet: Packet | None) -> AudioChunk:
        """Take or conceal one packet; return the audio that is ready."""
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
            gain[:size] = comeback(self._lost, size, self._settings.sample_rate)
        self._hold(codes, gain)
        self._last, self._lost = codes[:, -1:], 0
        return ended or self._ready()

    def flush(self) -> AudioChunk:
        """The audio of all packets that came; what is pushed after that begins anew."""
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
        """Frames held that have not been presented."""
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
        """Drop frames concealed beyond where packets go on, unless they were presented already."""
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
        lost = self._lost + np.arange(frames * s.frame_size)
        self._hold(np.repeat(self._last, frames, axis=1), fade(lost, s.sample_rate))
        self._lost += frames * s.frame_size
        return self._ready()

    def _ready(self, *, ends: bool = False) -> AudioChunk:
        """The audio of windows whose context is there, or of all where the signal ends.

        Windows begin at whole multiples of their length, wherever packets begin: so audio found by seeking is that of
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

    def _chunk(self, samples: Samples, coded_pts: int) -> AudioChunk:
        self._next_pts = coded_pts + samples.shape[1]
        return self._settings.presented(samples, coded_pts)

    def _decode(self, frames: int) -> Samples:
        """The audio of the next frames, [channels, samples]."""
        size, end = self._settings.frame_size, self._left + frames
        gain = self._gain[self._left * size : end * size]
        audio = np.zeros((self._settings.channels, frames * size), dtype=np.float32)
        if gain.any():  # a gap that has faded out need not be computed
            outputs, _ = self._graph.step({"codes": self._held[None, :, : end + self._context]}, ())
            found = outputs["samples"][0][:, self._left * size : end * size]
            audio[:, : found.shape[1]] = found * gain[: found.shape[1]]
        self._left = min(self._context, end)
        self._held = self._held[:, end - self._left :]
        self._gain = self._gain[(end - self._left) * size :]
        return audio
