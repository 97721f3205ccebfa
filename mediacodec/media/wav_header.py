"""What the header of a WAV file says, where FFmpeg takes it for something else or does not pass it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

_MAX_FORM = 1 << 16
_MOST_CHUNKS = 1000  # before the samples
_EXTENSIBLE, _PCM, _FLOAT = 0xFFFE, 1, 3
_WITH_BLOCKS: Final = frozenset({0x02, 0x11, 0x31})  # MS ADPCM, IMA ADPCM, GSM: they tell the samples of a block
UNKNOWN_LENGTH = 0x7FFF0000
"""Programs that write to a pipe announce about 2 or 4 GiB, or nothing."""


class Seekable(Protocol):
    """What is needed of an AvioFile."""

    def read(self, size: int) -> bytes:
        """Up to size bytes; b"" at the end."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; returns the new position in bytes."""

    def tell(self) -> int:
        """Position in bytes."""


@dataclass(frozen=True)
class WavFormat:
    """A `fmt ` chunk.

    Attributes:
        tag: of the codec: 1 is PCM, 3 floating point.
        channels, sample_rate (Hz), byte_rate, block_align (bytes), bits: as they stand there.
        valid_bits: of the `bits` of a sample; the same unless the chunk is an extensible one.
        block_samples: of compressed audio, per channel; 0 where nothing says.
    """

    tag: int
    channels: int
    sample_rate: int
    byte_rate: int
    block_align: int
    bits: int
    valid_bits: int
    block_samples: int

    @property
    def is_plain(self) -> bool:
        """Whether the samples are integers or floats of whole bytes, side by side."""
        plain = self.tag in (_PCM, _FLOAT) and self.channels > 0 and self.sample_rate > 0 and self.bits > 0
        return plain and self.block_align * 8 == self.channels * self.bits


@dataclass(frozen=True)
class WavHeader:
    """All that precedes the samples.

    Attributes:
        form: the format.
        num_samples: per channel, as stated; None where the header leaves that open.
        exact: of compressed audio, how many samples of its last block count; None if unknown.
        corrections: what FFmpeg should read instead of what stands there, by place in the file.
    """

    form: WavFormat
    num_samples: int | None
    exact: int | None
    corrections: dict[int, bytes]


def parse_format(form: bytes) -> WavFormat | None:
    """Read a `fmt ` chunk; None if it is too short.

    Args:
        form: what the chunk holds.
    """
    if len(form) < 16:
        return None
    tag, channels, rate, byte_rate, align, bits = (_number(form, *place) for place in _PLACES)
    valid = bits
    if tag == _EXTENSIBLE and len(form) >= 26:  # the tag stands in the first bytes of a GUID
        tag, valid = _number(form, 24, 26), _number(form, 18, 20)
    block = _number(form, 18, 20) if tag in _WITH_BLOCKS and len(form) >= 20 else 0
    return WavFormat(tag, channels, rate, byte_rate, align, bits, valid or bits, block)


def read_header(file: Seekable) -> WavHeader | None:
    """Read the header of a WAV (or RF64) file that can seek; the position stays. None if it is anything else.

    Args:
        file: at its beginning.
    """
    begin = file.tell()
    try:
        return _read(file) if begin == 0 else None
    finally:
        file.seek(begin)


_PLACES: Final = ((0, 2), (2, 4), (4, 8), (8, 12), (12, 14), (14, 16))


def _read(file: Seekable) -> WavHeader | None:
    riff = _exactly(file, 12)
    if riff[:4] not in (b"RIFF", b"RF64") or riff[8:] != b"WAVE":
        return None
    form, place, fact, wide = b"", 0, None, None
    for _ in range(_MOST_CHUNKS):
        head = _exactly(file, 8)
        if len(head) < 8:
            return None
        name, size = head[:4], _number(head, 4, 8)
        if name == b"data":
            parsed = parse_format(form)
            if wide is not None and size == 0xFFFFFFFF:
                size = wide
            elif size >= UNKNOWN_LENGTH:
                size = 0
            return None if parsed is None else _header(parsed, place, len(form), size, fact)
        start = file.tell()
        if name == b"fmt ":
            form, place = _exactly(file, min(size, _MAX_FORM)), start
        elif name == b"fact" and size >= 4:
            fact = _number(_exactly(file, 4), 0, 4)
        elif name == b"ds64" and size >= 16:
            wide = _number(_exactly(file, 16), 8, 16)
        file.seek(start + size + size % 2)
    return None


def _header(form: WavFormat, place: int, form_size: int, size: int, fact: int | None) -> WavHeader:
    corrections: dict[int, bytes] = {}
    if form.is_plain:
        if form_size >= 26 and form.valid_bits < form.bits:
            # FFmpeg would take the valid bits for the size of a sample; the samples are aligned to the left.
            corrections[place + 18] = form.bits.to_bytes(2, "little")
        # FFmpeg seeks by it
        corrections[place + 8] = (form.block_align * form.sample_rate & 0xFFFFFFFF).to_bytes(4, "little")
        return WavHeader(form, size // form.block_align or None, None, corrections)
    blocks = -(-size // form.block_align) if form.block_align else 0
    whole = blocks * form.block_samples
    if not whole:
        return WavHeader(form, None, None, corrections)
    exact = fact if fact and whole - form.block_samples < fact <= whole else None
    return WavHeader(form, exact or whole, exact, corrections)


def _number(data: bytes, start: int, stop: int) -> int:
    return int.from_bytes(data[start:stop], "little")


def _exactly(file: Seekable, size: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    data = b""
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data
