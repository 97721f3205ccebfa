"""One call each way: samples to bytes and bytes to samples."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

from numpy.typing import ArrayLike

from mediacodec.codecs.options import AudioOptions
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
    options: AudioOptions | None = None,
    device: str = "auto",
    threads: int | None = None,
    models: Path | None = None,
    callback: ProgressCallback | None = None,
    **changes: object,
) -> bytes:
    """Samples as the bytes of an .mcx file.

    Args:
        samples: [n] or [channels, n], float in -1..1 at any rate; resampled and mixed to what the codec takes.
        sample_rate: of the samples, Hz.
        codec: name of a model.
        options: how to encode; None for the defaults.
        device, threads, models: as for `AudioEncoder`.
        callback: gets a Progress after every few seconds of audio, and may raise to stop.
        changes: options by name, in place of those of `options`: `bit_rate=3000`.

    Raises:
        ParameterError, ParameterTypeError: an argument makes no sense; the message says which.
        ModelNotFoundError: there is no such model.
        DeviceError: the device cannot be used.
    """
    chunk = as_chunk(samples, sample_rate)
    buffer = BytesIO()
    with FileWriter(buffer, models=models, device=device, threads=threads) as writer:
        stream = writer.add_audio_stream(
            codec, options, sample_rate=sample_rate, channels=chunk.channels, **changes
        )
        began = time.perf_counter()
        for start in range(0, chunk.num_samples, BLOCK_SECONDS * sample_rate):  # any pieces give the same packets
            block = chunk.samples[:, start : start + BLOCK_SECONDS * sample_rate]
            writer.mux(stream.encode(AudioChunk(block, sample_rate, start)))
            if callback:
                done = (start + block.shape[1]) / sample_rate
                callback(Progress(done, chunk.duration_seconds, len(buffer.getbuffer()), time.perf_counter() - began))
    return buffer.getvalue()


def decode(data: Source, *, device: str = "auto", threads: int | None = None, models: Path | None = None) -> AudioChunk:
    """The first audio stream of an .mcx file (bytes, a path, or an open file), whole, at the codec's rate.

    What is damaged is concealed; use `open` to learn where. Raises BitstreamError kinds, ModelNotFoundError,
    ModelMismatchError, DeviceError.
    """
    with files.FileReader(data, models=models, device=device, threads=threads) as reader:
        return reader.audio.read()
