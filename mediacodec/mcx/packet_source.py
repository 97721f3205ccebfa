"""An .mcx file being read, as its streams see it: passes over its packets, its stated lengths, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from mediacodec.codecs.base import AudioDecoderBackend, VideoDecoderBackend
from mediacodec.codecs.options import Runtime
from mediacodec.codecs.registry import audio_family_of, model_of, video_family_of
from mediacodec.errors import ParameterError
from mediacodec.mcx.probe import reading
from mediacodec_bitstream import FileHeader, Gap, Packet, Reader, StreamHeader, TruncatedError
from mediacodec_bitstream.reader import MAX_GAPS
from mediacodec_bitstream.trailer import End


class PacketSource:
    """The packets of an open file.

    Args:
        file: open, binary; seekable or a pipe.
        strict: whether the first damage raises, instead of being noted.
        models: a folder to look for models in first.
        runtime: what decoders run on.

    Attributes:
        header: of the file.
        strict, models: as given.
        owner: what closes the file when nobody has it any more; who has a stream of the file still needs it.

    Raises:
        BitstreamError: no header can be had, in one of its kinds.
        InputError: the file cannot be read.
    """

    __slots__ = (
        "_current",
        "_end_was_sought",
        "_file",
        "_passes",
        "_reader",
        "_runtime",
        "_seekable",
        "_tail",
        "header",
        "models",
        "owner",
        "strict",
    )

    def __init__(self, file: BinaryIO, *, strict: bool, models: Path | None, runtime: Runtime) -> None:
        self.strict, self.models = strict, models
        self.owner: object = None
        self._file, self._runtime = file, runtime
        with reading(file):
            self._reader = Reader(file, strict=strict)
        self.header: FileHeader = self._reader.header
        self._seekable = bool(getattr(file, "seekable", bool)())
        self._current = self._reader  # that of the pass begun last; each has its own where the file can seek
        self._passes = 0  # over the file, begun so far
        self._tail: End | None = None
        self._end_was_sought = False

    @property
    def gaps(self) -> list[Gap]:
        """What was found missing or damaged so far."""
        return list(dict.fromkeys(self._reader.gaps))  # a file read twice is not damaged twice

    @property
    def truncated(self) -> bool:
        """Whether the end of the file was reached without an end chunk."""
        return self._current.truncated

    @property
    def joined(self) -> bool:
        """Whether reading began somewhere in a stream, so that nothing before is missing."""
        return self._reader.joined

    def note(self, gap: Gap) -> None:
        """Add to `gaps` what only decoding shows."""
        if len(self._reader.gaps) < MAX_GAPS:
            self._reader.gaps.append(gap)

    def check_end(self, stream_id: int, position: int, end: int) -> None:
        """Note where packets end before the stated length and no gap says so: who seeks never counts the packets.

        Args:
            stream_id: of the stream.
            position: where its last packet ends, in ticks of the coded timeline.
            end: where it should end.

        Raises:
            TruncatedError: packets are missing, and the file was opened strict.
        """
        known = any(g.stream_id == stream_id and (g.pts_start or 0) >= position for g in self._reader.gaps)
        if position < end and not known:
            reason = "packets are missing before the stated end"
            if self.strict:
                raise TruncatedError(reason)
            self.note(Gap(stream_id, position, end, -1, reason))

    def packets(self, positions: Mapping[int, int]) -> Iterator[Packet]:
        """Packets of some streams in the order of the file, in a pass of its own over it.

        Args:
            positions: by stream id, the pts (coded timeline) near which those begin that are wanted; where all are 0
                the pass begins at the start.

        Raises:
            ParameterError: the file is a pipe that was read before.
            InputError: it cannot be read on.
        """
        self._passes += 1
        wanted = {stream_id: max(0, pts) for stream_id, pts in positions.items()}
        with reading(self._file):
            if self._seekable:
                reader = self._current = self._reader.another()
                if any(wanted.values()):
                    reader.seek_streams(wanted)
            elif self._passes > 1:
                raise ParameterError("this input is a pipe: it can be read only once")
            else:
                reader = self._reader
            for packet in reader:
                if packet.stream_id in wanted:
                    yield packet

    def rest(self) -> Iterator[Packet]:
        """Packets of all streams from where reading is, whatever they hold: all that is left is checked."""
        with reading(self._file):
            yield from self._current

    def keyframe_at(self, stream_id: int, pts: int) -> Packet | None:
        """A keyframe, looked up aside from the pass that is going on.

        Args:
            stream_id: of its stream.
            pts: of the keyframe.

        Returns:
            The packet; None where it cannot be had.
        """
        with reading(self._file):
            reader = self._reader.another() if self._seekable else self._reader
            return reader.peek_keyframe(stream_id, pts)

    def stated_length(self, stream_id: int) -> tuple[int | None, int | None]:
        """Presented ticks and packets of a stream as the end of the file states them; None where it is not known."""
        end = self._current.end or self._end_of_file()
        stream = end.streams.get(stream_id) if end else None
        return (stream.length, stream.packets) if stream else (None, None)

    def _end_of_file(self) -> End | None:
        """The end chunk of a file that can seek; looked for once, since that moves about in the file."""
        if not self._end_was_sought:
            with reading(self._file):
                self._tail = (self._reader.another() if self._seekable else self._reader).load_end()
            self._end_was_sought = True
        return self._tail

    def seconds(self, packet: Packet) -> float:
        """When a packet is presented."""
        header = self.header.stream(packet.stream_id)
        return float((packet.pts - header.pre_skip) * header.time_base)

    def audio_decoder(self, stream: StreamHeader) -> AudioDecoderBackend:
        """A new decoder for a stream of audio.

        Raises:
            UnsupportedFeatureError: the codec is not known.
            ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
            DeviceError: the device cannot be used.
        """
        return audio_family_of(stream).decoder(model_of(stream, self.models), stream, self._runtime)

    def video_decoder(self, stream: StreamHeader) -> VideoDecoderBackend:
        """A new decoder for a stream of video. Errors as for `audio_decoder`."""
        return video_family_of(stream).decoder(model_of(stream, self.models), stream, self._runtime)
