"""Reading films: sound and pictures of one file, opened once, in the order of time."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

import av
import av.error
import av.stream

from mediacodec.errors import InputError, UsageError
from mediacodec.frames import AudioChunk, Colour, VideoFrame
from mediacodec.media.audio_track import AudioTrack, CopyTrack
from mediacodec.media.avio import Bridge, open_input
from mediacodec.media.damage import Packet
from mediacodec.media.demux import open_container, reading
from mediacodec.media.gapless import EXACT_SEEK
from mediacodec.media.image_sequence import RATE, ImageSequence, is_pattern
from mediacodec.media.stream_copy import AudioCopy, AudioPacket
from mediacodec.media.video_track import VideoTrack

Item = AudioChunk | AudioPacket | VideoFrame
_BLOCK_SECONDS = 0.25
_PREROLL_SECONDS = 1  # audio decoders need a running start
# How far sound and pictures may lie apart in a file before what is there is given out of the order of time.
_WAIT_SECONDS, _WAIT_LIVE_SECONDS = 10.0, 2.0
_WAIT_BYTES = 32 << 20
_PROBE_PACKETS = 5000


class MediaSource:
    """Sound and pictures of a file, pipe or file object, as they are asked for; a context manager.

    Sound is what AudioSource gives: exact lengths without priming and padding, at its own rate. Pictures are 8-bit
    4:2:0 and upright, each with its own time stamp, so that a variable frame rate stays as it is. RGB becomes BT.709 in
    limited range; YUV keeps its matrix and range (see `Pictures`). Time 0 is the earlier one of the first sample and
    the first picture, plus `start`; the offset between sound and picture stays. Memory is bounded: where sound and
    pictures lie more than 10 s apart in the file (2 s in a pipe), they come in the order of the file. Cover art is no
    video.

    Args:
        source: a path, "-" for standard input, a binary file object (not closed), or numbered pictures
            (frame%04d.png, 25 a second).
        audio: whether to read sound; "copy" gives its packets as they are (AudioPacket).
        video: whether to read pictures.
        start: seconds to skip. Pictures shown before are left out, sound is cut to the sample.
        duration: seconds to read at most; None for all.

    Attributes:
        has_audio, has_video: what there is, and was asked for.
        sample_rate (Hz), channels: of the sound; 0 without.
        width, height: of the upright pictures; 0 without.
        frame_rate: nominal, pictures per second; pts tell the true times.
        time_base: of the pictures' pts, the file's own where possible.
        colour: of the first picture, see VideoFrame.
        duration: seconds that `items` will give, None if unknown; as the container states it: for progress displays.
        audio_copy: for audio="copy", what a MediaSink must know of the packets; else None.

    Raises:
        InputError: missing, unreadable, empty, not a media file, or without anything that was asked for.
        UsageError: start or duration is negative or not finite, nothing was asked for, or standard input is a
            terminal.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        audio: bool | Literal["copy"] = True,
        video: bool = True,
        start: float = 0.0,
        duration: float | None = None,
    ) -> None:
        for option, value in (("start", start), ("duration", duration)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{option} must be a number of seconds from 0 on, not {value}")
        if not audio and not video:
            raise UsageError("neither audio nor video is asked for; leave out -an or -vn")
        self._wanted: tuple[bool | Literal["copy"], bool] = (audio, video)
        self._start = Fraction(start).limit_denominator(10**6)
        self._end = math.inf if duration is None else Fraction(duration).limit_denominator(10**6)
        self._audio: AudioTrack | None = None
        self._video: VideoTrack | None = None
        self._images: ImageSequence | None = None
        self._exhausted = self._at_end = False
        self._sounds: deque[AudioChunk | AudioPacket] = deque()
        self._early: list[Packet] = []
        self._cleanup = contextlib.ExitStack()
        if video and is_pattern(source) and not Path(source).exists():  # type: ignore[arg-type]
            self._images = ImageSequence(source)  # type: ignore[arg-type]
        else:
            self._label, self._file = open_input(source)
            if isinstance(source, (str, os.PathLike)) and os.fspath(source) != "-":
                self._cleanup.enter_context(self._file)
            try:
                self._open()
                self._seek()
            except BaseException:
                self.close()
                raise
        self._describe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free everything; a file object that was passed in stays open."""
        self._exhausted = True
        self._cleanup.close()

    def _describe(self) -> None:
        sound, pictures = self._audio, self._images or self._video
        self.has_audio, self.has_video = sound is not None, pictures is not None
        self.sample_rate, self.channels = (sound.sample_rate, sound.channels) if sound else (0, 0)
        self.audio_copy: AudioCopy | None = sound.description if isinstance(sound, CopyTrack) else None
        self.width, self.height = (pictures.width, pictures.height) if pictures else (0, 0)
        self.colour: Colour = pictures.colour if pictures else (2, 2, 2, 0)
        self.time_base = pictures.time_base if pictures else 1 / RATE
        self.frame_rate = self._video.frame_rate if self._video else RATE
        whole = self._images.count() / float(RATE) if self._images else (self._container.duration or 0) / av.time_base
        self.duration = max(0.0, min(whole - float(self._start), float(self._end))) if whole else None

    def notes(self) -> list[str]:
        """What a user should know about the reading so far, one line each."""
        if self._images is not None:
            return self._images.notes()
        notes = list(self._video.pictures.notes()) if self._video else []
        if self._video and self._video.aspect != 1:
            notes.append(f"WARNING: the pixels are not square ({self._video.aspect}); they are taken as if they were")
        if self._audio and self._audio.silence:
            notes.append(f"the sound has gaps: filled with {self._audio.silence:.2f} s of silence")
        for kind, track in (("audio", self._audio), ("video", self._video)):
            if track and track.damage.count:
                count, first = track.damage.count, track.damage.first
                notes.append(
                    f"WARNING: {self._label}: left out {count} damaged {kind} packet(s), the first near {first:.2f} s"
                )
        return notes

    def items(self) -> Iterator[Item]:
        """Everything, once, in the order of time: AudioChunk (or AudioPacket, for audio="copy") and VideoFrame.

        Raises:
            InputError: it cannot be read on, the sound changes its rate or channels, or it was read before.
        """
        if self._exhausted:
            raise InputError("the input has been read already or is closed; open it again")
        self._exhausted = True
        if self._images is not None:
            yield from self._images.frames(self._start, self._end)
            return
        early, self._early = self._early, []
        for each in early:
            self._sort(each)
        while True:
            yield from self._ready()
            if self._at_end or all(track.done for track in (self._audio, self._video) if track):
                return
            packet = self._read()
            if packet is not None:
                self._sort(packet)

    def _open(self) -> None:
        """Open the container and decode until the first sample and the first picture: only they tell for sure."""
        self._bridge = Bridge(self._file)
        wanted_audio, wanted_video = self._wanted
        with self._reading():
            self._container = open_container(self._bridge)
            self._cleanup.callback(self._container.close)
            audio = self._best("audio") if wanted_audio else None
            video = self._best("video") if wanted_video else None
        seekable = self._bridge.seekable()
        self._wait = _WAIT_SECONDS if seekable else _WAIT_LIVE_SECONDS
        if isinstance(audio, av.AudioStream):
            block = _BLOCK_SECONDS if seekable else 0
            if wanted_audio == "copy":
                self._audio = CopyTrack(self._container, audio, self._label)
            else:
                self._audio = AudioTrack(self._container, audio, self._label, block)
        if isinstance(video, av.VideoStream):  # several frames at once is faster, but holds live pictures back
            self._video = VideoTrack(video, self._label, threads="AUTO" if seekable else "SLICE")
        tracks = [track for track in (self._audio, self._video) if track is not None]
        if not tracks:
            kinds = " or ".join(kind for kind, want in (("audio", wanted_audio), ("video", wanted_video)) if want)
            raise InputError(f"{self._label} has no {kinds} that can be decoded")
        self._packets = self._container.demux([track.stream for track in tracks])
        self._probe()
        if self._audio is not None:
            self._audio.open(self._bridge.head)
        self._bridge.head = None
        if self._video is not None:
            self._video.open()
        starts = [track.start for track in tracks if track.start is not None]
        self._zero = min(starts, default=Fraction(0)) + self._start
        for each in tracks:
            each.place(self._zero, self._end)

    def _best(self, kind: Literal["audio", "video"]) -> av.stream.Stream | None:
        """The stream that players choose, if it can be decoded and is no cover art."""
        stream = self._container.streams.best(kind)
        if stream is None or stream.codec_context is None:
            return None
        return None if av.stream.Disposition.attached_pic in stream.disposition else stream

    def _probe(self) -> None:
        missing = [track for track in (self._audio, self._video) if track is not None]
        while missing and len(self._early) < _PROBE_PACKETS:  # else one begins much later than the other, or never
            packet = self._read()
            if packet is None:
                return
            track = next((track for track in missing if track.stream is packet.stream), None)
            if track is not None and track.probe(packet):
                missing.remove(track)
            if track is None or not packet.size:  # not decoded here, or the sign that the file ends
                self._early.append(packet)

    def _read(self) -> Packet | None:
        with self._reading():
            packet = next(self._packets, None)
        self._at_end = packet is None
        return packet

    def _sort(self, packet: Packet) -> None:
        """Hand a packet to its track."""
        for track in (self._audio, self._video):
            if track is not None and packet.stream is track.stream:
                with self._reading():
                    if isinstance(track, VideoTrack):
                        track.push(packet)
                    elif isinstance(track, CopyTrack):
                        self._sounds += track.copy(packet)
                    else:
                        self._sounds += track.push(packet)

    def _ready(self) -> Iterator[Item]:
        """What can be given without reading on."""
        while True:
            picture = None
            if self._video is not None:
                with self._reading():
                    picture = self._video.peek()
            sound = self._sounds[0] if self._sounds else None
            if picture is not None and (sound is None or _time(picture) < _time(sound)):
                if sound is None and self._sound_may_follow():
                    return
                assert self._video is not None
                yield self._video.next()
            elif sound is not None:
                if picture is None and self._picture_may_follow():
                    return
                yield self._sounds.popleft()
            else:
                return

    def _sound_may_follow(self) -> bool:
        """Whether a picture should wait for sound that belongs before it."""
        assert self._video is not None
        if self._at_end or self._audio is None or self._audio.done:
            return False
        return self._video.queued_seconds < self._wait and self._video.queued_bytes < _WAIT_BYTES

    def _picture_may_follow(self) -> bool:
        """Whether sound should wait for a picture that belongs before it."""
        if self._at_end or self._video is None or self._video.done:
            return False
        return float(_time(self._sounds[-1]) - _time(self._sounds[0])) < self._wait

    def _seek(self) -> None:
        """Move to the keyframe before `start`, if the container can; else decoding and dropping gets there."""
        track: AudioTrack | VideoTrack | None = self._video or self._audio
        assert track is not None
        exact = self._video is not None or self._container.format.name in EXACT_SEEK
        if self._start <= _PREROLL_SECONDS or not self._bridge.seekable() or not exact or track.start is None:
            return
        tick = track.stream.time_base or Fraction(1)
        try:
            with self._bridge.guard():
                self._container.seek(int((self._zero - _PREROLL_SECONDS) / tick), stream=track.stream)
                if self._landed():
                    return
        except (av.error.FFmpegError, InputError):
            pass
        self._container.close()
        self._file.seek(0)
        self._early, self._at_end = [], False
        self._audio = self._video = None
        self._open()

    def _landed(self) -> bool:
        """Whether the jump led before the start; the packets read for that are kept."""
        tracks = [track for track in (self._audio, self._video) if track is not None]
        for track in tracks:
            track.seek()
        self._early, self._at_end = [], False
        self._packets = self._container.demux([track.stream for track in tracks])
        main = tracks[-1]
        while len(self._early) < _PROBE_PACKETS and (packet := self._read()) is not None:
            if packet.stream is not main.stream or not packet.size:
                self._early.append(packet)
            elif main.probe(packet):
                landed = main.landed()
                return landed is not None and landed <= self._zero
        return False

    def _reading(self) -> contextlib.AbstractContextManager[None]:
        return reading(self._bridge, self._label)


def _time(item: Item) -> Fraction:
    if isinstance(item, AudioChunk):
        return Fraction(item.pts, item.sample_rate)
    return item.pts * item.time_base
