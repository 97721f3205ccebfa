"""Writing a file: streams are added, samples encoded, packets muxed; `mediacodec.open` with mode "w"."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import ArrayLike

from mediacodec.codecs import Encoder
from mediacodec.codecs.base import AudioEncoder
from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import AudioChunk
from mediacodec_bitstream import AudioParameters, FileHeader, Packet, StreamHeader, Writer

if TYPE_CHECKING:
    from mediacodec.media.atomic import AtomicFile, LiveFile


class FileWriter:
    """An .mcx file being written; streams are added before the first `mux`."""

    def __init__(
        self,
        file: str | os.PathLike[str] | BinaryIO,
        *,
        overwrite: bool = False,
        live: bool = False,
        models: Path | None = None,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self._owned: AtomicFile | LiveFile | None = None
        if isinstance(file, (str, os.PathLike)):
            from mediacodec.media.atomic import open_output

            self._owned = open_output(file, overwrite=overwrite)
        self._file = cast("BinaryIO", file if self._owned is None else self._owned)
        self._live = live
        self._options: dict[str, Any] = {"models": models, "device": device, "threads": threads}
        self._streams: list[AudioWriter] = []
        self._writer: Writer | None = None
        self._closed = False

    def add_stream(
        self,
        codec: str = "speech",
        *,
        sample_rate: int,
        channels: int = 1,
        bit_rate: float | None = None,
        packet_duration: float = 1.0,
    ) -> AudioWriter:
        """A stream for sound at `sample_rate` with `channels`; it is converted to what the codec takes.

        Raises ModelNotFoundError, ParameterError, DeviceError.
        """
        if self._writer is not None:
            raise ParameterError("streams are added before the first mux: the header is written by then")
        encoder = Encoder(
            codec,
            bit_rate=bit_rate,
            packet_duration=packet_duration,
            stream_id=len(self._streams),
            **self._options,
        )
        stream = AudioWriter(encoder, sample_rate, channels)
        self._streams.append(stream)
        return stream

    def mux(self, packets: Iterable[Packet]) -> None:
        """Write packets that a stream's `encode` returned."""
        writer = self._start()
        for packet in packets:
            writer.write(packet)

    def _start(self) -> Writer:
        if self._writer is None:
            header = FileHeader(tuple(stream.header for stream in self._streams), live=self._live)
            self._writer = Writer(self._file, header)
        return self._writer

    def close(self) -> None:
        """Flush every stream and write the end; once closed this does nothing.

        Raises ParameterError where no stream was added.
        """
        if self._closed:
            return
        self._closed = True
        if not self._streams:
            self.abort()
            raise ParameterError("a file needs a stream: call add_stream before closing it")
        for stream in self._streams:
            self.mux(stream.flush())
        self._start().close({stream.header.stream_id: stream.length for stream in self._streams})
        if self._owned is not None:
            self._owned.commit()

    def abort(self) -> None:
        """Leave nothing behind under the file's name."""
        self._closed = True
        if self._owned is not None:
            self._owned.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise


def as_chunk(samples: ArrayLike, sample_rate: int) -> AudioChunk:
    """Samples [n] or [channels, n] as a chunk. Raises ParameterTypeError on integers: their full scale is not known."""
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise ParameterTypeError(f"samples must be floating point in -1..1, got {array.dtype}; scale and convert them")
    return AudioChunk(np.atleast_2d(array.astype(np.float32, copy=False)), sample_rate)


class AudioWriter:
    """One audio stream of a file being written."""

    def __init__(self, encoder: AudioEncoder, sample_rate: int, channels: int) -> None:
        from mediacodec.media.convert import Converter

        self._encoder = encoder
        parameters = encoder.header.parameters
        assert isinstance(parameters, AudioParameters)
        self._converter = Converter(sample_rate, channels, parameters.sample_rate, parameters.channels)
        self._source_rate = sample_rate
        self.payload_bytes = 0  # of all packets returned so far, symbol CRCs included
        fields = dict(encoder.header.fields)
        fields |= {"source_sample_rate": sample_rate, "source_channels": channels}
        self.header: StreamHeader = replace(encoder.header, fields=fields)

    @property
    def length(self) -> int:
        """Ticks of sound given so far, as the end of the file states it."""
        return int(self._encoder.num_samples)

    @property
    def notes(self) -> list[str]:
        """One line for each thing the conversion did; loud ones begin with WARNING."""
        return self._converter.notes()

    def encode(self, samples: AudioChunk | ArrayLike) -> list[Packet]:
        """Packets for samples, an AudioChunk or [n] or [channels, n] at the stream's rate, in pieces of any size."""
        chunk = samples if isinstance(samples, AudioChunk) else as_chunk(samples, self._source_rate)
        return self._push(self._converter.push(chunk))

    def flush(self) -> list[Packet]:
        """The rest of the packets; `close` of the file calls it."""
        rest = self._push(self._converter.flush())
        return rest + self._counted(self._encoder.flush())

    def _push(self, chunk: AudioChunk) -> list[Packet]:
        return self._counted(self._encoder.push(chunk)) if chunk.num_samples else []

    def _counted(self, packets: list[Packet]) -> list[Packet]:
        self.payload_bytes += sum(len(packet.data) for packet in packets)
        return packets
