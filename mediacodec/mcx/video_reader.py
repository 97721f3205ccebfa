"""Video of an .mcx file being read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from mediacodec import memory_errors
from mediacodec.arguments import as_flag, sealed
from mediacodec.codecs.base import RandomAccessDecoder, ReferringDecoder
from mediacodec.frames import VideoFrame
from mediacodec.mcx.fill_budget import FILL_SECONDS, MOST_PIXELS, FillBudget
from mediacodec.mcx.interleave import Run, checked_times, through
from mediacodec.mcx.packet_source import PacketSource
from mediacodec.mcx.tags import tags_of
from mediacodec_bitstream import BitstreamError, Gap, Packet, StreamHeader, VideoParameters

MAX_FETCHED = 64  # keyframes from before where reading began that a pass looks up, in vain or not
MAX_HELD = 256  # frames that a decoder may be behind for their durations to be known
MAX_RATE = 240  # frames a second of such a stretch at most, whatever the header says


@sealed
class VideoReader:
    """One video stream of a file, as `FileReader.video` gives it.

    Args:
        source: the file.
        header: of the stream.

    Attributes:
        header: of the stream.
        width, height: of the frames, in pixels.
        frame_rate: nominal, frames a second; the pts of the frames tell the true times.
        colour: see `VideoFrame`.
        time_base: seconds a tick of pts.
    """

    __slots__ = ("_source", "colour", "frame_rate", "header", "height", "time_base", "width")

    def __init__(self, source: PacketSource, header: StreamHeader) -> None:
        assert isinstance(header.parameters, VideoParameters)
        self._source = source
        self.header = header
        self.width, self.height = header.parameters.width, header.parameters.height
        self.frame_rate: Fraction = header.parameters.frame_rate
        self.colour = header.parameters.colour
        self.time_base = header.time_base

    @property
    def num_frames(self) -> int | None:
        """Frames that the file states; None before the end of a pipe or of a file that was cut."""
        return self._source.stated_length(self.header.stream_id)[1]

    @property
    def metadata(self) -> dict[str, str]:
        """Tags of the stream by name: language, title ..."""
        return tags_of(self.header.fields)

    @property
    def duration(self) -> float | None:
        """Seconds from time 0 to the end of the last frame; None where num_frames is."""
        length, _ = self._source.stated_length(self.header.stream_id)
        return None if length is None else float(length * self.header.time_base)

    @memory_errors.named
    def frames(
        self, *, start: float = 0.0, stop: float | None = None, keyframes_only: bool = False
    ) -> Iterator[VideoFrame]:
        """Decode the frames presented from `start` on and before `stop`.

        On a seekable file decoding starts at the keyframe before `start`; on a pipe everything before is decoded too.
        Where packets are damaged or missing, frames are concealed up to the next keyframe, as many as were lost, and
        `gaps` of the file says so; in place of what is missing before the first good frame stands that one. Whoever
        joins a stream on its way gets the next keyframe first.

        Args:
            start, stop: seconds; None for the end.
            keyframes_only: whether nothing else is decoded.

        Returns:
            Frames in the order of time.

        Raises:
            ParameterError: a time is negative, stop comes before start, or the file is a pipe that was read before.
            ParameterTypeError: a time is no number.
            ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
            BitstreamError: the file is damaged and was opened strict.

        Example:
            >>> with mediacodec.open("clip.mcx") as file:
            ...     luma = [frame.y for frame in file.video.frames(start=12.0, stop=13.0)]
        """
        run = self.run(start, stop, keyframes_only=keyframes_only)
        return through(self._source.packets({self.header.stream_id: run.position}), run)

    def run(self, start: float, stop: float | None, *, keyframes_only: bool = False) -> Run[VideoFrame]:
        """A decoding of the frames between two times, for whoever brings the packets.

        Args:
            start, stop: seconds; None for the end.
            keyframes_only: whether nothing else is decoded.
        """
        return VideoRun(self._source, self, start, stop, keyframes_only=keyframes_only)


class VideoRun:
    """One decoding of a video stream between two times; see `Run`."""

    def __init__(
        self, source: PacketSource, stream: VideoReader, start: float, stop: float | None, *, keyframes_only: bool
    ) -> None:
        begin, end = checked_times(start, stop)
        self._source, self._stream, self.header = source, stream, stream.header
        self._keyframes_only = as_flag("keyframes_only", keyframes_only)
        tick = self.header.time_base
        self._first = -int(-_exact(begin) // tick)  # rounded up: what is presented before is left out
        self._stop = None if end is None else _exact(end) / tick
        self._decoder = source.video_decoder(self.header)
        self._random = self._decoder if isinstance(self._decoder, RandomAccessDecoder) else None
        self._refers = self._decoder if isinstance(self._decoder, ReferringDecoder) else None
        self._fetches_left = MAX_FETCHED
        self._nominal = 1 / (stream.frame_rate * tick)
        least = int(FILL_SECONDS * min(stream.frame_rate, Fraction(MAX_RATE)))
        self._budget = FillBudget(min(least, MOST_PIXELS // (stream.width * stream.height)))
        self._broken: Packet | None = None  # the first packet of a stretch that cannot be decoded
        self._waiting: list[int] = []  # pts of frames that are missing before the first good one
        self._last: VideoFrame | None = None
        self._started = False  # a keyframe was seen
        self.position = self._first if begin else 0
        self.done = False
        self._length, _ = source.stated_length(self.header.stream_id)
        self._place: Fraction | None = None  # where the next frame is due
        self._lasting: dict[int, int] = {}  # ticks that frames are presented, by pts, which a decoder still holds

    def push(self, packet: Packet) -> Iterator[VideoFrame]:
        """The frame of a packet, and before it what stands in for missing ones."""
        if self._stop is not None and packet.pts >= self._stop:
            yield from self._between(self._held())
            self.done = True  # without decoding it
            return
        yield from self._between(self._timed(packet))

    def finish(self) -> Iterator[VideoFrame]:
        """What the decoder still holds, and what the end of the file says is missing."""
        yield from self._between(self._ending())

    def _between(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """What lies between the two times and before the stated length."""
        for frame in frames:
            if self._stop is not None and frame.pts >= self._stop:
                self.done = True
                return
            lasts = self._lasting.get(frame.pts, 0)
            for pts in [pts for pts in self._lasting if pts <= frame.pts]:
                del self._lasting[pts]
            if frame.pts >= self._first and (self._length is None or frame.pts < self._length):
                yield replace(frame, duration=lasts) if lasts else frame

    def _timed(self, packet: Packet) -> Iterator[VideoFrame]:
        if self._place is None:
            self._place = self._known_loss(packet)
        if packet.pts >= self._first:
            self._lasting[packet.pts] = packet.duration
            if len(self._lasting) > MAX_HELD:
                del self._lasting[next(iter(self._lasting))]
        if not self._keyframes_only:
            if packet.discontinuity and self._place is not None:
                yield from self._missing(self._place, packet.pts)
                self._break(packet)
            yield from self._decoded_or_concealed(packet)
        elif packet.is_keyframe:
            yield from self._decoded_or_concealed(packet)
        self._place = packet.pts + (Fraction(packet.duration) or self._nominal)

    def _known_loss(self, first: Packet) -> Fraction | None:
        """Where the frames begin that are known to be missing before the first packet; None if none are."""
        if self._source.joined:  # nothing was seen before, so nothing is missing
            return None
        stream_id = self.header.stream_id
        starts = [gap.pts_start for gap in self._source.gaps if gap.stream_id == stream_id]
        before = [start for start in starts if start is not None and start < first.pts]
        return Fraction(min(before)) if before else None

    def _ending(self) -> Iterator[VideoFrame]:
        yield from self._held()
        length, _ = self._source.stated_length(self.header.stream_id)
        if length and self._place is not None and not self._keyframes_only:
            if length - self._place > self._nominal / 2:
                self._source.check_end(self.header.stream_id, int(self._place), length)
            yield from self._missing(self._place, length)
        self._mend(length)

    def _held(self) -> Iterator[VideoFrame]:
        """What a decoder still holds that is a frame behind."""
        for frame in self._decoder.flush():
            yield from self._good(frame)

    def _decoded_or_concealed(self, packet: Packet) -> Iterator[VideoFrame]:
        """The frames of a packet, or what stands in for them."""
        if packet.is_keyframe:
            self._mend(packet.pts)
            self._started = True
        if not self._started and self._source.joined:
            return  # nothing was seen yet, so nothing is missing
        if self._broken is None and self._started:
            try:
                frames = self._decoded(packet)
            except BitstreamError as error:
                if self._source.strict:
                    yield from self._held()
                    raise
                end = packet.pts + packet.duration
                self._source.note(Gap(packet.stream_id, packet.pts, end, -1, f"undecodable packet: {error}"))
                if self._random is None:
                    self._broken = packet
            else:
                for frame in frames:
                    yield from self._good(frame)
                if frames or self._random is None or packet.pts < self._first:
                    return  # else nothing is there yet that could stand in
        yield from self._concealed(packet.pts)

    def _decoded(self, packet: Packet) -> list[VideoFrame]:
        """The frames of a packet; of one before the stretch only what later ones need, where that is less work."""
        if self._random is None:
            return self._decoder.push(packet)
        if packet.is_keyframe and self._refers is not None:
            self._provide(packet, self._refers)
        if packet.pts < self._first:
            self._random.skip(packet)
            return []
        before = self._random.concealed
        frames = self._decoder.push(packet)
        if self._random.concealed > before or not frames:
            end = packet.pts + packet.duration
            self._source.note(Gap(packet.stream_id, packet.pts, end, -1, "frame concealed: what it needs is missing"))
        return frames

    def _provide(self, packet: Packet, decoder: ReferringDecoder) -> None:
        """Have the decoder take the keyframes that this one refers to and that were not read."""
        missing = [packet]
        while (pts := decoder.needs(missing[-1])) is not None and self._fetches_left:
            self._fetches_left -= 1
            found = self._source.keyframe_at(packet.stream_id, pts)
            if found is None:
                break
            missing.append(found)
        for each in reversed(missing[1:]):
            decoder.skip(each)

    def _break(self, packet: Packet) -> None:
        """Packets are missing before this one, which therefore cannot be decoded unless it is a keyframe."""
        if not packet.is_keyframe and self._broken is None and self._random is None:
            self._broken = packet

    def _mend(self, until: int | None) -> None:
        """A keyframe: decoding begins anew, and what was concealed before is noted."""
        if self._broken is not None and until is not None and until > self._broken.pts:
            reason = "frames concealed up to the next keyframe"
            self._source.note(Gap(self.header.stream_id, self._broken.pts, until, -1, reason))
        self._broken = None

    def _missing(self, position: Fraction, until: int) -> Iterator[VideoFrame]:
        """Concealment for the frames of packets that are not there."""
        count = round((until - position) / self._nominal)
        if count <= 0:
            return
        if not self._budget.spend(count):
            reason = f"{count} frames are missing, too many to conceal"
            self._source.note(Gap(self.header.stream_id, int(position), until, -1, reason))
            return
        self._budget.earn(count)  # each is counted where it is made
        for number in range(count):
            yield from self._concealed(round(position + (until - position) * number / count))

    def _concealed(self, pts: int) -> Iterator[VideoFrame]:
        if not self._budget.spend(1):
            return
        frames = self._decoder.push(None) if self._started else []
        for frame in frames[:-1]:  # what a decoder that is a frame behind still held
            yield from self._good(frame)
        stand_in = frames[-1] if frames else self._last
        if stand_in is not None:
            self._last = replace(stand_in, pts=pts)
            yield self._last
        elif pts >= self._first:
            self._waiting.append(pts)

    def _good(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        waiting, self._waiting = self._waiting, []
        for pts in waiting:
            yield replace(frame, pts=pts)
        self._last = frame
        self._budget.earn(1)
        yield frame


def _exact(seconds: float) -> Fraction:
    """Seconds as somebody wrote them: 0.04 is 1/25, not the next binary number."""
    return Fraction(seconds).limit_denominator(1_000_000)
