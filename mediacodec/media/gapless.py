"""Where the audio of a lossy file really ends, in the cases that FFmpeg leaves to its caller.

Encoders add samples in front (priming) and fill up their last frame (padding). FFmpeg drops the priming of every format
that tells it, and the padding of Ogg, Matroska and MP3 files; it keeps the padding of MP4, and of MP3 from a pipe.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import av.container

from mediacodec.errors import InputError
from mediacodec.frames import Samples
from mediacodec.media.avio import planar_float32

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the container format of MP4, M4A and MOV."""
_EXACT_SEEK = frozenset({"flac", "mp3", "ogg", MP4})
_EXACT_SEEK_OF_PCM = frozenset({"aiff", "wav"})  # which estimate where compressed audio is, by a rate in the header
_MAX_PADDING = 8192  # samples; a length tag further off than this belongs to another version of the file


def seeks_exactly(container: str, codec: str) -> bool:
    """Whether time stamps name samples and seeks land where they say; each combination is tested.

    Others (Matroska counts milliseconds, raw AC-3 estimates) are decoded from the start and cut, where every sample
    counts.

    Args:
        container, codec: FFmpeg's names.
    """
    return container in _EXACT_SEEK or (container in _EXACT_SEEK_OF_PCM and codec.startswith("pcm_"))


def itunes_length(metadata: Mapping[str, str]) -> int | None:
    """Samples of audio according to Apple's iTunSMPB tag: four hexadecimal numbers, the last is the length."""
    match = re.match(r"\s*0+\s+[0-9A-Fa-f]{8}\s+[0-9A-Fa-f]{8}\s+([0-9A-Fa-f]{16})", metadata.get("iTunSMPB", ""))
    return int(match.group(1), 16) if match else None


def mp3_length(head: bytes) -> int | None:
    """Samples of audio according to the LAME tag in the first frame of an MP3 file, or None without one.

    Args:
        head: the first bytes of the file, an ID3v2 tag included.
    """
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    frame = head[start : start + 200]
    if len(frame) < 200 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    mpeg1, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    tag = frame[4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17)) :]
    if tag[:4] not in (b"Xing", b"Info") or not tag[7] & 1:  # flag 1: the number of frames is given
        return None
    # The tag is as long as its flags say; LAME always sets all four (frames, bytes, table of contents, quality).
    if tag[7] & 0x0F != 0x0F or tag[120:124] not in (b"LAME", b"Lavf", b"Lavc"):
        return None
    frames = int.from_bytes(tag[8:12], "big")
    delay, padding = tag[141] << 4 | tag[142] >> 4, (tag[142] & 0x0F) << 8 | tag[143]
    length = frames * (1152 if mpeg1 else 576) - delay - padding
    return length if frames > 0 and length > 0 else None


@dataclass(frozen=True)
class Lengths:
    """How long a stream is, in samples.

    Attributes:
        stated: as the container says, possibly rounded or estimated; None if it does not.
        exact: where to cut for sure; infinite if nothing says so.
    """

    stated: int | None
    exact: float


def stated_lengths(
    container: av.container.InputContainer, stream: av.AudioStream, sample_rate: int, head: bytes | None
) -> Lengths:
    """What container and tags say about the length.

    Args:
        container, stream: as opened.
        sample_rate: Hz.
        head: the beginning of a file that cannot seek.
    """
    stated = None
    if stream.duration:
        stated = round(stream.duration * (stream.time_base or Fraction(1)) * sample_rate)
    elif container.duration:
        stated = round(container.duration * sample_rate / av.time_base)
    exact: int | None = None
    if container.format.name == MP4:
        exact = itunes_length({**container.metadata, **stream.metadata})
        if exact is not None and abs(exact - (stated or 0)) > _MAX_PADDING:
            exact = None
    elif container.format.name == "mp3" and head:
        exact = mp3_length(head)
    return Lengths(stated, math.inf) if exact is None else Lengths(exact, exact)


class Trimmer:
    """Turns the frames of one audio stream into arrays, without the padding at the end.

    Args:
        shape: Hz and channels that every frame must have.
        lengths: of the whole stream.
        position: of the first frame, in samples since the start of the stream.
        look_ahead: hold each frame back until the next one comes, to know which is the last: for MP4, whose last
            frame tells its padding by its duration or the edit list. Elsewhere it would only delay live audio.
        label: names the input in errors.

    Attributes:
        position: of the next sample that `push` or `flush` gives.
    """

    def __init__(
        self, shape: tuple[int, int], lengths: Lengths, *, position: int, look_ahead: bool, label: str
    ) -> None:
        self.position = position
        self._shape, self._lengths, self._look_ahead, self._label = shape, lengths, look_ahead, label
        self._held: av.AudioFrame | None = None

    @property
    def done(self) -> bool:
        """Whether the exact end has been reached: nothing more will come."""
        return self.position >= self._lengths.exact

    def push(self, frame: av.AudioFrame) -> list[Samples]:
        """Take a frame, give what is known to be no padding, float32 [channels, n] each."""
        if self._look_ahead:
            frame_or_none, self._held = self._held, frame
            if frame_or_none is None:
                return []
            frame = frame_or_none
        return self._cut(frame, frame.samples)

    def flush(self) -> list[Samples]:
        """The last frame, where it was held back."""
        held, self._held = self._held, None
        return [] if held is None else self._cut(held, self._without_padding(held))

    def _cut(self, frame: av.AudioFrame, stop: int) -> list[Samples]:
        if self.done:
            return []
        if (frame.sample_rate, frame.layout.nb_channels) != self._shape:
            raise InputError(
                f"{self._label} changes from {self._shape[0]} Hz and {self._shape[1]} channel(s) to "
                f"{frame.sample_rate} Hz and {frame.layout.nb_channels} on the way; split or convert it first"
            )
        samples = planar_float32(frame)[:, : int(min(stop, self._lengths.exact - self.position))]
        self.position += frame.samples
        return [samples]

    def _without_padding(self, last: av.AudioFrame) -> int:
        """How many samples of an MP4's last frame are no padding.

        Either the length of its last packet says so (FFmpeg's muxer writes it to the sample), or the edit list. The
        edit list often counts milliseconds, so a difference below one is rounding.
        """
        rate = self._shape[0]
        lasts = round((last.duration or 0) * (last.time_base or Fraction(1)) * rate)
        if 0 < lasts < last.samples:
            return lasts
        padding = self.position + last.samples - (self._lengths.stated or 0)
        return last.samples - padding if rate / 1000 < padding < last.samples else last.samples
