"""Opening a container for reading, and FFmpeg's errors in one clear line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av
import av.container
import av.error

from mediacodec.errors import InputError, MediaCodecError
from mediacodec.media.avio import AvioFile
from mediacodec.media.wavpipe import open_wav


def open_container(avio: AvioFile) -> av.container.InputContainer:
    """Open whatever a file holds; call it inside `reading`."""
    raw, options = None, {}
    if not avio.seekable():
        raw, options = open_wav(avio) or (None, {})
    options["protocol_whitelist"] = "none"  # a playlist must not make FFmpeg open other files or the network
    return av.open(avio, "r", format=raw, options=options, metadata_errors="replace")


@contextlib.contextmanager
def reading(avio: AvioFile, label: str) -> Iterator[None]:
    """Around calls into PyAV: errors of FFmpeg and of the file become an InputError.

    Args:
        avio: what PyAV reads from.
        label: names the input.
    """
    try:
        with avio.guard():
            yield
    except MediaCodecError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if avio.num_read == 0 and isinstance(error, av.error.FFmpegError):
            raise InputError(f"{label} is empty") from error
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, av.error.FFmpegError) and not isinstance(error, OSError):
            reason = "it is damaged, or no media file of a known kind"
            if not avio.seekable():
                reason += "; an MP4 in a pipe needs its index in front (ffmpeg -movflags faststart)"
        raise InputError(f"cannot read {label}: {reason}") from error
