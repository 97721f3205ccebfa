"""The classic side of the house: sound from any file or pipe, into any file or pipe.

`AudioSource` reads, `Converter` changes rate and channels, `AudioSink` writes; `open_output` gives any writer an output
that appears whole or not at all.
"""

from mediacodec.media.atomic import AtomicFile, LiveFile, open_output
from mediacodec.media.bridge import open_input
from mediacodec.media.convert import Converter
from mediacodec.media.resample import Resampler, resample_audio
from mediacodec.media.sink import FORMATS, AudioSink, format_of
from mediacodec.media.source import AudioSource

__all__ = [
    "FORMATS",
    "AtomicFile",
    "AudioSink",
    "AudioSource",
    "Converter",
    "LiveFile",
    "Resampler",
    "format_of",
    "open_input",
    "open_output",
    "resample_audio",
]
