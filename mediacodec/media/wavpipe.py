"""WAV from a pipe without a delay.

FFmpeg's WAV reader wants 64 KiB before it gives the first sample (it looks for other codecs hidden in the file), two
seconds of a microphone at 16 kHz. So the header of plain PCM in a pipe is read here, and FFmpeg gets the raw samples.
"""

from __future__ import annotations

from typing import Protocol

_MAX_HEADER = 1 << 16
_UNKNOWN_LENGTH = 0x7FFF0000  # programs that write to a pipe announce about 2 or 4 GiB, or nothing
_FORMATS = {(1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le", (3, 64): "f64le"}


class Pipe(Protocol):
    """What is needed of an AvioFile."""

    def read(self, size: int) -> bytes:
        """Up to size bytes; b"" at the end."""

    def unread(self, data: bytes) -> None:
        """Put bytes back in front, to be read again."""

    def limit(self, size: int) -> None:
        """Let the pipe end after so many bytes more."""


def open_wav(pipe: Pipe) -> tuple[str, dict[str, str]] | None:
    """Read the header of a plain PCM WAV from a pipe, up to the first sample.

    Returns:
        FFmpeg's name of the raw format, and its options; None if it is anything else, with every byte put back.
    """
    seen = bytearray()

    def take(size: int) -> bytes:
        start = len(seen)
        while len(seen) < start + size and (data := pipe.read(start + size - len(seen))):
            seen.extend(data)
        return bytes(seen[start:])

    found = None
    if take(4) == b"RIFF" and take(8)[4:] == b"WAVE":
        form = b""
        while len(seen) < _MAX_HEADER and len(head := take(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                found = _raw_format(form)
                if found is not None and 0 < size < _UNKNOWN_LENGTH:
                    pipe.limit(size)
                break
            if size > _MAX_HEADER:
                break
            payload = take(size + size % 2)
            form = payload if name == b"fmt " else form
    if found is None:
        pipe.unread(bytes(seen))
    return found


def _raw_format(form: bytes) -> tuple[str, dict[str, str]] | None:
    """FFmpeg's raw format and options for a `fmt ` chunk."""
    if len(form) < 16:
        return None
    tag, channels, rate, _, align, bits = (
        int.from_bytes(form[start:stop], "little")
        for start, stop in ((0, 2), (2, 4), (4, 8), (8, 12), (12, 14), (14, 16))
    )
    if tag == 0xFFFE and len(form) >= 26:  # "extensible": the tag stands in the first bytes of a GUID
        tag = int.from_bytes(form[24:26], "little")
    name = _FORMATS.get((tag, bits))
    if name is None or channels == 0 or rate == 0 or align * 8 != channels * bits:
        return None
    # All is known: nothing needs to be read ahead (before FFmpeg 8.1 several seconds would be).
    return name, {"sample_rate": str(rate), "ch_layout": f"{channels}c", "probesize": "32"}
