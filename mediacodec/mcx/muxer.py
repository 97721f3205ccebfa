"""Packets of several streams into the chunks of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mediacodec.arguments import as_instance, quoted
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.mcx.streams import AudioWriter, StreamWriter
from mediacodec.mcx.tags import copy_interval
from mediacodec_bitstream import FileHeader, Packet, Writer
from mediacodec_bitstream.fields import FieldValue

Stream = TypeVar("Stream", bound=StreamWriter)

CHUNK_SECONDS = 0.5  # of video or copied audio under one head: 24 bytes each, and what one damaged byte costs
MAX_PACKETS = 4096  # in a chunk; the time ends it earlier


class Muxer:
    """The streams of a file being written.

    Packets of video and of copied audio are gathered into chunks of up to half a second, so that the streams
    interleave and framing costs little; a live file gets every packet at once.

    Args:
        open_writer: makes the writer of chunks, from the header and the most packets in a chunk, when the first packet
            comes.
        live: whether somebody listens meanwhile.
        fields: of the file's header.

    Attributes:
        streams: so far.
    """

    __slots__ = ("_fields", "_flushed", "_gathers", "_live", "_open_writer", "_waiting", "_writer", "streams")

    def __init__(
        self,
        open_writer: Callable[[FileHeader, int], Writer],
        *,
        live: bool,
        fields: Mapping[str, FieldValue] | None = None,
    ) -> None:
        self._open_writer, self._live, self._fields = open_writer, live, fields or {}
        self._writer: Writer | None = None
        self._waiting: float | None = None  # when the first packet begins that waits for its chunk to fill, in seconds
        self._gathers = self._flushed = False
        self.streams: list[StreamWriter] = []

    def check_unstarted(self) -> None:
        """Raise ParameterError where the header is written already."""
        if self._writer is not None:
            raise ParameterError("streams are added before the first mux: the header is written by then")

    def add(self, stream: Stream) -> Stream:
        """Take a stream in; its id is the number of those before."""
        self.streams.append(stream)
        return stream

    def mux(self, packets: Iterable[Packet]) -> None:
        """Write packets of the streams.

        Args:
            packets: in the order of their stream.

        Raises:
            ParameterError: a packet is of no stream here, or out of order.
            ParameterTypeError: something is no packet.
            OutputError: they cannot be written.
        """
        try:
            given = iter(packets)
        except TypeError as error:
            wanted = "a list of them, as `encode` gives it"
            raise ParameterTypeError(f"packets must be {wanted}, not {quoted(packets)}") from error
        writer = self._start()
        for packet in given:
            as_instance("each of packets", packet, Packet)
            if self._gathers and packet.stream_id < len(self.streams):  # the writer refuses others
                self._make_room(writer, packet)
            writer.write(packet)

    def finish(self, tags: dict[str, str] | None = None) -> None:
        """Flush every stream and write the end.

        Args:
            tags: of the file, if it is to have any.

        Raises:
            ParameterError: there is no stream.
            OutputError: it cannot be written.
        """
        self.flush_streams()
        writer = self._start()
        if tags:
            writer.write_tags(tags)
        writer.close({stream.header.stream_id: stream.length for stream in self.streams})

    def flush_streams(self) -> None:
        """Write what the encoders still hold; done once. Raises as `finish` does."""
        if not self.streams:
            raise ParameterError("a file needs a stream: add one before closing it")
        for stream in self.streams if not self._flushed else ():
            self.mux(stream.flush())
        self._flushed = True

    def _make_room(self, writer: Writer, packet: Packet) -> None:
        """Write what waits where `packet` should begin a chunk: so late, or a keyframe, where reading can start."""
        header = self.streams[packet.stream_id].header
        begin = float((packet.pts - header.pre_skip) * header.time_base)
        is_start = header.kind == "video" and packet.is_keyframe
        if self._waiting is not None and (is_start or begin - self._waiting >= CHUNK_SECONDS):
            writer.flush()
            self._waiting = None
        if self._waiting is None:
            self._waiting = begin

    def _start(self) -> Writer:
        if self._writer is None:
            interval = copy_interval(self._fields, live=self._live)
            streams = tuple(stream.header for stream in self.streams)
            header = FileHeader(streams, live=self._live, header_interval=interval, fields=self._fields)
            # audio alone comes in packets that are worth a chunk each
            self._gathers = not self._live and not all(isinstance(s, AudioWriter) for s in self.streams)
            self._writer = self._open_writer(header, MAX_PACKETS if self._gathers else 1)
        return self._writer
