"""The classic side: audio and video from any file or pipe, into any file or pipe, through FFmpeg.

`AudioSource` reads, `Converter` changes rate and channels, `AudioSink` writes; `MediaSource` and `MediaSink` do so for
video with audio beside it; `open_output` gives any writer an output that appears whole or not at all.
"""

from mediacodec.media.atomic import AtomicFile, LiveFile, open_output
from mediacodec.media.audio_sink import FORMATS, AudioSink, format_of
from mediacodec.media.audio_source import AudioSource
from mediacodec.media.avio import open_input
from mediacodec.media.convert import Converter
from mediacodec.media.media_sink import MEDIA_FORMATS, MediaSink, media_format_of
from mediacodec.media.media_source import MediaSource
from mediacodec.media.resample import Resampler, resample_audio
from mediacodec.media.stream_copy import AudioCopy, AudioPacket

__all__ = [
    "FORMATS",
    "MEDIA_FORMATS",
    "AtomicFile",
    "AudioCopy",
    "AudioPacket",
    "AudioSink",
    "AudioSource",
    "Converter",
    "LiveFile",
    "MediaSink",
    "MediaSource",
    "Resampler",
    "format_of",
    "media_format_of",
    "open_input",
    "open_output",
    "resample_audio",
]
