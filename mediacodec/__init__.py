"""mediacodec: encoders, decoders and one robust file format for neural codecs.

>>> data = mediacodec.encode(samples, sample_rate=16000, codec="speech", bit_rate=3000)
>>> chunk = mediacodec.decode(data)  # AudioChunk: samples [channels, n], sample_rate

`open` reads and writes files as streams, `Encoder` and `Decoder` work live, packet by packet. Importing the package
loads neither ONNX Runtime nor FFmpeg; what needs them is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mediacodec.codecs import Decoder, Encoder
    from mediacodec.errors import BitstreamError, MediaCodecError
    from mediacodec.file_writer import FileWriter
    from mediacodec.files import FileReader, open
    from mediacodec.frames import AudioChunk, VideoFrame
    from mediacodec.memory import decode, encode
    from mediacodec.probe import FileInfo, StreamInfo, info
    from mediacodec_bitstream import Packet, StreamHeader

# Where each public name lives; the only list of them.
_HOMES = {
    "AudioChunk": "mediacodec.frames",
    "BitstreamError": "mediacodec.errors",
    "Decoder": "mediacodec.codecs",
    "Encoder": "mediacodec.codecs",
    "FileInfo": "mediacodec.probe",
    "FileReader": "mediacodec.files",
    "FileWriter": "mediacodec.file_writer",
    "MediaCodecError": "mediacodec.errors",
    "Packet": "mediacodec_bitstream",
    "StreamHeader": "mediacodec_bitstream",
    "StreamInfo": "mediacodec.probe",
    "VideoFrame": "mediacodec.frames",
    "decode": "mediacodec.memory",
    "encode": "mediacodec.memory",
    "info": "mediacodec.probe",
    "open": "mediacodec.files",
}

__all__ = [
    "AudioChunk",
    "BitstreamError",
    "Decoder",
    "Encoder",
    "FileInfo",
    "FileReader",
    "FileWriter",
    "MediaCodecError",
    "Packet",
    "StreamHeader",
    "StreamInfo",
    "VideoFrame",
    "__version__",
    "decode",
    "encode",
    "info",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mediacodec' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
