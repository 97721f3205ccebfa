"""A container of FFmpeg's being read: opened, decoded as far as is needed to know what is in it, moved to a start."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, Literal

import av
import av.container
import av.stream

from mediacodec.errors import InputError
from mediacodec.frames import AudioChunk
from mediacodec.media.audio_track import AudioTrack, CopyTrack
from mediacodec.media.avio import AvioFile
from mediacodec.media.clock import Clock
from mediacodec.media.damage import Packet
from mediacodec.media.demux import open_container, reading
from mediacodec.media.gapless import Beginning, mp3_head, seeks_exactly
from mediacodec.media.metadata import left_out_streams, read_metadata
from mediacodec.media.stream_copy import AudioPacket
from mediacodec.media.video_track import VideoTrack
from mediacodec.media.wav_header import read_header

_BLOCK_SECONDS = 0.25
_PREROLL_SECONDS = 1  # decoders need a running start: MP3 its bit reservoir, Opus 80 ms, AAC an overlap
_PROBE_PACKETS = 5000


class ContainerReader:
    """The tracks of an opened file, and the packets that they get.

    Args:
        file: open, binary; seekable or a pipe. It is not closed.
        label: names it in errors.
        audio: whether audio is wanted; "copy" for its packets.
        video: whether video is wanted.
        start: seconds to skip.
        end: seconds to read at most.

    Attributes:
        audio, video: the tracks, None for what is not there or not wanted.
        chunks: of audio, decoded or copied, that nobody took yet.
        at_end: whether the file was read to its end.
        metadata: what the file says of itself; the times of its chapters count from `start`.
        left_out: streams that are not read though they were not left out on purpose: kind and description.
        clock: which the packets follow.
        zero: second of it that becomes time 0.

    Raises:
        InputError: it cannot be read, or holds nothing of what is wanted.
    """

    def __init__(
        self,
        file: BinaryIO,
        label: str,
        *,
        audio: bool | Literal["copy"],
        video: bool,
        start: Fraction,
        end: float | Fraction,
    ) -> None:
        self._file, self._label = file, label
        self._wants_audio, self._wants_video = audio, video
        self._start, self._end = start, end
        self._cleanup = contextlib.ExitStack()
        self.chunks: deque[AudioChunk | AudioPacket] = deque()
        self._early: list[Packet] = []  # that were read when the file was opened
        try:
            self._open()
            self._seek()
        except BaseException:
            self.close()
            raise

    @property
    def seekable(self) -> bool:
        """Whether the file can be read at any place."""
        return self._avio.seekable()

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.at_end or all(track.done for track in self._tracks)

    @property
    def stated_seconds(self) -> float | None:
        """How long the file says it is; None where it does not."""
        stated = self.audio.stated_seconds if self.audio is not None and self.video is None else None
        return stated if stated is not None else (self._container.duration or 0) / av.time_base or None

    @property
    def missing_seconds(self) -> float:
        """By how much audio alone is shorter than it says, once it was read to its end."""
        if not self.at_end or self.audio is None or self.video is not None:
            return 0.0
        return self.audio.missing_seconds + self.audio.seconds_per_byte(self._avio.num_read) * self._avio.num_missing

    def begin(self) -> None:
        """Hand the packets to their tracks that were read when the file was opened."""
        if self.audio is not None:
            with self.translated():
                self.chunks += self.audio.begin()
        early, self._early = self._early, []
        for packet in early:
            self._sort(packet)

    def read_on(self) -> None:
        """Hand the next packet to its track."""
        packet = self._read()
        if packet is not None:
            self._sort(packet)

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """Around calls into PyAV: errors of FFmpeg and of the file become an InputError that names it."""
        return reading(self._avio, self._label)

    def close(self) -> None:
        """Free everything; the file stays open."""
        self._cleanup.close()

    @property
    def _is_mp3(self) -> bool:
        return self._container.format.name == "mp3"

    @property
    def _tracks(self) -> list[AudioTrack | VideoTrack]:
        return [track for track in (self.audio, self.video) if track is not None]

    def _open(self) -> None:
        """Open the container and decode until the first sample and the first frame: only they tell for sure."""
        self.audio: AudioTrack | None = None
        self.video: VideoTrack | None = None
        self.at_end = False
        self._early = []
        self.clock = Clock()
        self._avio = AvioFile(self._file)
        with self.translated():
            wav = read_header(self._avio) if self.seekable else None
            self._container = open_container(self._avio)
            self._cleanup.callback(self._container.close)
            audio = self._best("audio") if self._wants_audio else None
            video = self._best("video") if self._wants_video else None
        if isinstance(audio, av.AudioStream):
            block = _BLOCK_SECONDS if self.seekable else 0
            if self._wants_audio == "copy":
                self.audio = CopyTrack(self._container, audio, self._label)
            else:
                self.audio = AudioTrack(self._container, audio, self._label, block)
        if isinstance(video, av.VideoStream):  # several frames at once is faster, but holds live video back
            self.video = VideoTrack(video, self._label, threads="AUTO" if self.seekable else "SLICE")
        if not self._tracks:
            wanted = (("audio", self._wants_audio), ("video", self._wants_video))
            kinds = " or ".join(kind for kind, want in wanted if want)
            raise InputError(f"{self._label} has no {kinds} that can be decoded")
        self._packets = self._demuxed()
        self._probe()
        with self.translated():
            if self.audio is not None:
                head = mp3_head(self._avio) if self.seekable and self._is_mp3 else self._avio.head or b""
                self.audio.open(Beginning(head, wav, self.seekable))
            if self.video is not None:
                self.video.open()
        self._avio.head = None
        starts = [track.start for track in self._tracks if track.start is not None]
        self.zero = min(starts, default=Fraction(0)) + self._start
        for each in self._tracks:
            each.place(self.zero, self._end)
        with self.translated():
            audio_stream, video_stream = (None if track is None else track.stream for track in (self.audio, self.video))
            self.metadata = read_metadata(self._container, audio_stream, video_stream, self.zero)
            wanted_kinds = ["audio"] * bool(self._wants_audio) + ["video"] * self._wants_video
            taken = [track.stream for track in self._tracks]
            self.left_out = left_out_streams(self._container, taken, wanted_kinds)

    def _best(self, kind: Literal["audio", "video"]) -> av.stream.Stream | None:
        """The stream that players choose, if it can be decoded and is no cover art."""
        stream = self._container.streams.best(kind)
        if stream is None or stream.codec_context is None:
            return None
        return None if av.stream.Disposition.attached_pic in stream.disposition else stream

    def _demuxed(self) -> Iterator[Packet]:
        return self._container.demux([track.stream for track in self._tracks])

    def _probe(self) -> None:
        missing = self._tracks
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
        with self.translated():
            packet = next(self._packets, None)
            if packet is not None:
                self.clock.follow(packet, packet.stream)
        self.at_end = packet is None
        return packet

    def _sort(self, packet: Packet) -> None:
        """Hand a packet to its track."""
        for track in self._tracks:
            if packet.stream is track.stream:
                with self.translated():
                    if isinstance(track, VideoTrack):
                        track.push(packet)
                    elif isinstance(track, CopyTrack):
                        self.chunks += track.copy(packet)
                    else:
                        self.chunks += track.push(packet)

    def _seek(self) -> None:
        """Move to the keyframe before `start`, if the container can; else decoding and dropping gets there."""
        track = self.video or self.audio
        assert track is not None
        exact = self.video is not None or seeks_exactly(self._container.format.name, track.stream.codec_context.name)
        if self._start <= _PREROLL_SECONDS or not self.seekable or not exact or track.start is None:
            return
        tick = track.stream.time_base or Fraction(1)
        try:
            with self.translated():
                self._container.seek(int((self.zero - _PREROLL_SECONDS) / tick), stream=track.stream)
                if self._has_landed():
                    return
        except InputError:
            pass
        self._container.close()
        try:
            self._file.seek(0)
        except OSError as error:
            raise InputError(f"cannot read {self._label}: {error.strerror or error}") from error
        self._open()

    def _has_landed(self) -> bool:
        """Whether the jump led before the start; the packets read for that are kept."""
        self.clock.seek()
        for track in self._tracks:
            track.seek()
        self._early, self.at_end = [], False
        self._packets = self._demuxed()
        main = self._tracks[-1]
        while len(self._early) < _PROBE_PACKETS and (packet := self._read()) is not None:
            if packet.stream is not main.stream or not packet.size:
                self._early.append(packet)
            elif main.probe(packet):
                landed = main.landed()
                return landed is not None and landed <= self.zero
        return False
