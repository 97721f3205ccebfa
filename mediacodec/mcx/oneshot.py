"""One call each way: samples to bytes and bytes to samples."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

from numpy.typing import ArrayLike

from mediacodec import memory_errors
from mediacodec.arguments import check_callback
from mediacodec.codecs.options import AudioOptions, with_changes
from mediacodec.frames import AudioChunk, as_sample_rate, as_samples
from mediacodec.mcx.probe import Source, opened
from mediacodec.mcx.reader import FileReader
from mediacodec.mcx.writer import FileWriter
from mediacodec.progress import Progress, ProgressCallback

BLOCK_SECONDS = 5


@memory_errors.named
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
    """Encode samples into the bytes of an .mcx file.

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

    Example:
        >>> data = mediacodec.encode(samples, sample_rate=16000, codec="speech", bit_rate=3000)
    """
    check_callback("callback", callback)
    chunk = AudioChunk(as_samples("samples", samples), as_sample_rate("sample_rate", sample_rate))
    buffer = BytesIO()
    with FileWriter(buffer, models=models, device=device, threads=threads) as writer:
        wanted = with_changes(AudioOptions, options, changes)
        stream = writer.add_audio_stream(codec, wanted, sample_rate=chunk.sample_rate, channels=chunk.channels)
        began = time.perf_counter()
        size = BLOCK_SECONDS * chunk.sample_rate  # any pieces give the same packets
        for start in range(0, chunk.num_samples, size):
            block = chunk.samples[:, start : start + size]
            writer.mux(stream.encode(AudioChunk(block, chunk.sample_rate, start)))
            if callback:
                done = (start + block.shape[1]) / chunk.sample_rate
                callback(Progress(done, chunk.duration_seconds, len(buffer.getbuffer()), time.perf_counter() - began))
    return buffer.getvalue()


@memory_errors.named
def decode(data: Source, *, device: str = "auto", threads: int | None = None, models: Path | None = None) -> AudioChunk:
    """Decode the first audio stream of an .mcx file as a whole.

    What is damaged is concealed; use `open` to learn where.

    Args:
        data: bytes, a path, or an open file.
        device, threads, models: as for `AudioDecoder`.

    Returns:
        Samples float32 [channels, n] at the codec's rate.

    Raises:
        InputError: it cannot be read, or holds no audio.
        BitstreamError: it is no .mcx file, or its header is damaged, in one of its kinds.
        ModelNotFoundError, ModelMismatchError: the model of the stream is not here.
        DeviceError: the device cannot be used.
    """
    with (
        opened(data, "data") as file,
        FileReader(file, models=models, device=device, threads=threads) as reader,
    ):
        return reader.audio.read()
