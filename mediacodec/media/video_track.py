"""The video of an opened file, in time: packets in, frames out."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction

import av

from mediacodec.errors import InputError
from mediacodec.frames import VideoFrame
from mediacodec.media.damage import Damage, Packet
from mediacodec.media.frame_converter import FrameConverter
from mediacodec.media.gapless import MP4

_COARSE = Fraction(1, 1000)
_DECODING_ORDER = frozenset({"avi"})
"""Containers that say only in which order packets are decoded. FFmpeg gives each a presentation time that follows from
its place, so frames that B-frames put into another order come with times that go back and forth."""

_KNOWS_DURATIONS = frozenset({"apng", "gif", "matroska,webm", MP4})
"""Containers that say how long a frame is presented. For others FFmpeg makes it up, for fields as for frames."""


class VideoTrack:
    """The video of a file. Packets wait here and are decoded one at a time, when a frame is asked for.

    Args:
        stream: as opened.
        label: names the input in errors.
        threads: how the decoder may use several, FFmpeg's thread type.

    Attributes:
        stream: as given.
        damage: packets that could not be decoded.
        converter: what makes frames of FFmpeg's.
        queued_bytes: of packets that wait to be decoded.
        width, height: of the upright frames.
        frame_rate: nominal, per second.
        colour: of the first frame.
        variable_frame_rate: whether the first frame is presented for another time than the rate says.
        time_base: of the frames.
        aspect: of a pixel, width over height.
        start: seconds on the file's clock at which the first frame is presented.
        done: whether nothing more will come.
    """

    def __init__(self, stream: av.VideoStream, label: str, *, threads: str) -> None:
        self.stream, self._label = stream, label
        stream.thread_type = threads
        self.damage = Damage()
        self.converter = FrameConverter()
        self.queued_bytes = 0
        self._waiting: deque[Packet] = deque()
        self._decoded: deque[av.VideoFrame] = deque()
        self._head: VideoFrame | None = None
        self._ticks, self._shift = stream.time_base or Fraction(1, 25), Fraction(0)
        self.frame_rate = _nominal_rate(stream)
        self._last: int | None = None
        self._knows_durations = stream.container.format.name in _KNOWS_DURATIONS
        self._knows_times = stream.container.format.name not in _DECODING_ORDER
        self._delay: int | None = None  # ticks from the first frame's presentation to its coming out of the decoder
        self.done = False

    def probe(self, packet: Packet) -> bool:
        """Take a packet; whether the first frame is known now."""
        self._decoded += self._decode(packet)
        return bool(self._decoded)

    def open(self) -> None:
        """Read off what is known."""
        if not self._decoded:
            raise InputError(f"{self._label}: none of its video ({self.stream.codec_context.name}) can be decoded")
        first = self._decoded[0]
        upright = FrameConverter().convert(first, 0, self._ticks)
        self.width, self.height, self.colour = upright.width, upright.height, upright.colour
        self.start = (self._stamp(first) or 0) * self._ticks
        lasts = self._seconds_of(first)
        self.variable_frame_rate = lasts > 0 and abs(lasts - 1 / self.frame_rate) > self._ticks
        ratio = self.stream.codec_context.sample_aspect_ratio or self.stream.sample_aspect_ratio
        self.aspect = ratio if ratio and ratio > 0 else Fraction(1)

    def place(self, shift: Fraction, end: float | Fraction) -> None:
        """As `AudioTrack.place`. Where ticks are coarser than 1 ms and 0 falls between two, they are made finer.

        Args:
            shift: second of the file's clock that becomes 0.
            end: seconds that are wanted, infinite for all.
        """
        self._shift, self._end = shift, end
        self._finer = 1
        if self._ticks > _COARSE and (shift / self._ticks).denominator != 1:
            self._finer = math.ceil(self._ticks / _COARSE)
        self.time_base = self._ticks / self._finer
        self._zero = round(shift / self.time_base)

    def seek(self) -> None:
        """After a jump: forget what was read."""
        self._waiting.clear()
        self._decoded.clear()
        self.queued_bytes, self._last, self._head, self._delay = 0, None, None, None

    def push(self, packet: Packet) -> None:
        """Take a packet (an empty one at the end of the file)."""
        if not self.done:
            self._waiting.append(packet)
            self.queued_bytes += packet.size

    @property
    def num_queued(self) -> int:
        """Packets that wait to be decoded."""
        return len(self._waiting)

    @property
    def queued_seconds(self) -> float:
        """How much video waits to be decoded."""
        stamps = [p.dts for p in (self._waiting[0], self._waiting[-1]) if p.dts is not None] if self._waiting else []
        return float((stamps[-1] - stamps[0]) * self._ticks) if stamps else 0.0

    def peek(self) -> VideoFrame | None:
        """The next frame, as far as the packets reach."""
        while self._head is None and not self.done:
            while not self._decoded and self._waiting:
                packet = self._waiting.popleft()
                self.queued_bytes -= packet.size
                self._decoded += self._decode(packet)
            if not self._decoded:
                return None
            self._take(self._decoded.popleft())
        return self._head

    def next(self) -> VideoFrame:
        """The next frame, which `peek` has found."""
        frame, self._head = self._head, None
        assert frame is not None
        return frame

    def landed(self) -> Fraction | None:
        """After a jump and `probe`: when the first frame is presented, on the file's clock."""
        stamp = self._stamp(self._decoded[0]) if self._decoded else None
        return None if stamp is None else stamp * self._ticks

    def _stamp(self, frame: av.VideoFrame) -> int | None:
        """When a frame is presented, in ticks of the file's clock; None where nothing tells."""
        if self._knows_times:
            return frame.dts if frame.pts is None else frame.pts
        if frame.dts is not None and self._delay is not None:
            return frame.dts - self._delay
        return frame.pts if self._last is None else None

    def _take(self, frame: av.VideoFrame) -> None:
        stamp = self._stamp(frame)
        if stamp is None:
            stamp = 0 if self._last is None else self._last + max(1, round(1 / self.frame_rate / self._ticks))
        if self._last is not None and stamp <= self._last:
            stamp = self._last + 1  # as players do: frames come in the order in which they were decoded
        self._last = stamp
        pts = stamp * self._finer - self._zero
        if pts * self.time_base >= self._end:
            self.done = True
            self._waiting.clear()
            self.queued_bytes = 0
        elif pts >= 0 or stamp * self._ticks >= self._shift:
            self._head = self.converter.convert(frame, max(0, pts), self.time_base, self._lasting(frame, pts))

    def _lasting(self, frame: av.VideoFrame, pts: int) -> int:
        """How long a frame is presented, in ticks: not far beyond the end that is asked for; 0 if unknown."""
        seconds = self._seconds_of(frame)
        if not math.isinf(self._end):
            left = max(1 / self.frame_rate, Fraction(self._end) - pts * self.time_base)
            seconds = min(seconds, left)
        return round(seconds / self.time_base)

    def _seconds_of(self, frame: av.VideoFrame) -> Fraction:
        """How long a frame is presented, as the file says; 0 if it does not."""
        seconds = (frame.duration or 0) * self._ticks if self._knows_durations else Fraction(0)
        return seconds if seconds >= _COARSE else Fraction(0)  # muxers that do not know it write 0 or a tick

    def _decode(self, packet: Packet) -> list[av.VideoFrame]:
        decoded = self.damage.decode(packet, self._shift)
        frames = [frame for frame in decoded if isinstance(frame, av.VideoFrame)]
        if frames and self._delay is None and frames[0].pts is not None and frames[0].dts is not None:
            self._delay = frames[0].dts - frames[0].pts
        return frames


def _nominal_rate(stream: av.VideoStream) -> Fraction:
    """Frames per second: as guessed by FFmpeg, the average where that is only the clock's rate, else 25."""
    guessed, average = stream.guessed_rate, stream.average_rate
    rate = guessed or average or Fraction(25)
    if average and rate > 2 * average:
        rate = average
    return rate.limit_denominator(100_000) or Fraction(1)
