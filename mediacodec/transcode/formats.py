"""Formats that .mcx files are decoded into, by name and by suffix."""

from __future__ import annotations

import os
from typing import BinaryIO, Final

from mediacodec import memory_errors
from mediacodec.errors import UsageError
from mediacodec.media.audio_sink import FORMATS, format_of
from mediacodec.media.media_sink import MEDIA_FORMATS, media_format_of
from mediacodec.media.target import check_name

AUDIO_ONLY: Final = frozenset(FORMATS)
VIDEO_ONLY: Final = frozenset({"y4m", "rawvideo", "png"})


@memory_errors.named
def output_format(target: str | os.PathLike[str] | BinaryIO, name: str | None = None) -> str:
    """The format of an output: as named, or else by its suffix.

    Args:
        target: a path, or an open file, whose name counts.
        name: as somebody gave it; None where nobody did.

    Returns:
        A key of FORMATS or MEDIA_FORMATS.

    Raises:
        UsageError: neither tells; the message lists what there is.
        ParameterTypeError: an argument is of the wrong kind.
    """
    check_name(target, name)
    for kind in (format_of, media_format_of):
        try:
            return kind(target, name)
        except UsageError:
            continue
    known = ", ".join((*FORMATS, *MEDIA_FORMATS))
    if name is not None:
        raise UsageError(f"unknown format '{name}'; there are {known}")
    path = target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", "")
    raise UsageError(f"cannot tell the format of '{path}' from its suffix; name one with -f: {known}")
