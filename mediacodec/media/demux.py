"""Opening a container for reading, and FFmpeg's errors in one clear line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av
import av.container
import av.error

from mediacodec.errors import InputError, MediaCodecError
from mediacodec.media.avio import Bridge
from mediacodec.media.wavpipe import open_wav


def open_container(bridge: Bridge) -> av.container.InputContainer:
    """Open whatever the file behind a bridge holds; call it inside `reading`."""
    raw, options = None, {}
    if not bridge.seekable():
        raw, options = open_wav(bridge) or (None, {})
    options["protocol_whitelist"] = "none"  # a playlist must not make FFmpeg open other files or the network
    return av.open(bridge, "r", format=raw, options=options, metadata_errors="replace")


@contextlib.contextmanager
def reading(bridge: Bridge, label: str) -> Iterator[None]:
    """Around calls into PyAV: errors of FFmpeg and of the file become an InputError.

    Args:
        bridge: what PyAV reads from.
        label: names the input.
    """
    try:
        with bridge.guard():
            yield
    except MediaCodecError:
        raise
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if bridge.num_read == 0 and isinstance(error, av.error.FFmpegError):
            raise InputError(f"{label} is empty") from error
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, av.error.FFmpegError) and not isinstance(error, OSError):
            reason = "it is damaged, or no media file of a known kind"
            if not bridge.seekable():
                reason += "; an MP4 in a pipe needs its index in front (ffmpeg -movflags faststart)"
        raise InputError(f"cannot read {label}: {reason}") from error
