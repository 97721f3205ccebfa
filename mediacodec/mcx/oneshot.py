"""One call each way: samples to bytes and bytes to samples."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

from numpy.typing import ArrayLike

from mediacodec.frames import AudioChunk
from mediacodec.mcx import reader as files
from mediacodec.mcx.probe import Source
from mediacodec.mcx.writer import FileWriter, as_chunk
from mediacodec.transcode.reports import Progress, ProgressCallback

BLOCK_SECONDS = 5


def encode(
    samples: ArrayLike,
    *,
    sample_rate: int,
    codec: str = "speech",
    bit_rate: float | None = None,
    packet_duration: float = 1.0,
    entropy: str | None = None,
    device: str = "auto",
    threads: int = 1,
    models: Path | None = None,
    callback: ProgressCallback | None = None,
) -> bytes:
    """Samples, [n] or [channels, n] float in -1..1 at any rate, as the bytes of an .mcx file.

    They are resampled and mixed to what the codec takes. bit_rate: bits a second, the highest rate of the codec that
    does not exceed it; None for its best. entropy: as for `FileWriter.add_stream`. callback: gets a Progress after
    every few seconds of sound, and may raise to stop. Raises ParameterError, ParameterTypeError, ModelNotFoundError,
    DeviceError.
    """
    chunk = as_chunk(samples, sample_rate)
    buffer = BytesIO()
    with FileWriter(buffer, models=models, device=device, threads=threads) as writer:
        stream = writer.add_stream(
            codec,
            sample_rate=sample_rate,
            channels=chunk.channels,
            bit_rate=bit_rate,
            packet_duration=packet_duration,
            entropy=entropy,
        )
        began = time.perf_counter()
        for start in range(0, chunk.num_samples, BLOCK_SECONDS * sample_rate):  # any pieces give the same packets
            block = chunk.samples[:, start : start + BLOCK_SECONDS * sample_rate]
            writer.mux(stream.encode(AudioChunk(block, sample_rate, start)))
            if callback:
                done = (start + block.shape[1]) / sample_rate
                callback(Progress(done, chunk.duration_seconds, len(buffer.getbuffer()), time.perf_counter() - began))
    return buffer.getvalue()


def decode(data: Source, *, device: str = "auto", threads: int = 1, models: Path | None = None) -> AudioChunk:
    """The first audio stream of an .mcx file (bytes, a path, or an open file), whole, at the codec's rate.

    What is damaged is concealed; use `open` to learn where. Raises BitstreamError kinds, ModelNotFoundError,
    ModelMismatchError, DeviceError.
    """
    with files.FileReader(data, models=models, device=device, threads=threads) as reader:
        return reader.audio.read()
