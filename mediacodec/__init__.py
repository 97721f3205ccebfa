"""mediacodec: encoders, decoders and one robust file format for neural codecs.

>>> data = mediacodec.encode(samples, sample_rate=16000, codec="speech", bit_rate=3000)
>>> chunk = mediacodec.decode(data)  # AudioChunk: samples [channels, n], sample_rate

`open` reads and writes files as streams, `AudioEncoder` and `AudioDecoder`, `VideoEncoder`
and `VideoDecoder` work live, packet by packet. Importing the package loads neither ONNX Runtime nor FFmpeg; what needs
them is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mediacodec.codecs.options import AudioOptions, VideoOptions
    from mediacodec.codecs.streaming import AudioDecoder, AudioEncoder, VideoDecoder, VideoEncoder, decoder_for
    from mediacodec.errors import BitstreamError, MediaCodecError
    from mediacodec.frames import AudioChunk, VideoFrame
    from mediacodec.mcx.appender import FileAppender
    from mediacodec.mcx.oneshot import decode, encode
    from mediacodec.mcx.opening import open
    from mediacodec.mcx.probe import FileInfo, StreamInfo, info
    from mediacodec.mcx.reader import FileReader
    from mediacodec.mcx.writer import FileWriter
    from mediacodec.metadata import Chapter
    from mediacodec_bitstream import Packet, StreamHeader

# Where each public name lives; the only list of them.
_HOMES = {
    "AudioChunk": "mediacodec.frames",
    "BitstreamError": "mediacodec.errors",
    "AudioDecoder": "mediacodec.codecs.streaming",
    "AudioEncoder": "mediacodec.codecs.streaming",
    "AudioOptions": "mediacodec.codecs.options",
    "VideoDecoder": "mediacodec.codecs.streaming",
    "VideoEncoder": "mediacodec.codecs.streaming",
    "VideoOptions": "mediacodec.codecs.options",
    "Chapter": "mediacodec.metadata",
    "decoder_for": "mediacodec.codecs.streaming",
    "FileAppender": "mediacodec.mcx.appender",
    "FileInfo": "mediacodec.mcx.probe",
    "FileReader": "mediacodec.mcx.reader",
    "FileWriter": "mediacodec.mcx.writer",
    "MediaCodecError": "mediacodec.errors",
    "Packet": "mediacodec_bitstream",
    "StreamHeader": "mediacodec_bitstream",
    "StreamInfo": "mediacodec.mcx.probe",
    "VideoFrame": "mediacodec.frames",
    "decode": "mediacodec.mcx.oneshot",
    "encode": "mediacodec.mcx.oneshot",
    "info": "mediacodec.mcx.probe",
    "open": "mediacodec.mcx.opening",
}

__all__ = [
    "AudioChunk",
    "AudioDecoder",
    "AudioEncoder",
    "AudioOptions",
    "BitstreamError",
    "Chapter",
    "FileAppender",
    "FileInfo",
    "FileReader",
    "FileWriter",
    "MediaCodecError",
    "Packet",
    "StreamHeader",
    "StreamInfo",
    "VideoDecoder",
    "VideoEncoder",
    "VideoFrame",
    "VideoOptions",
    "__version__",
    "decode",
    "decoder_for",
    "encode",
    "info",
    "open",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'mediacodec' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
