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
from mediacodec.media.wav_header import Seekable, WavHeader

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the container format of MP4, M4A and MOV."""
_EXACT_SEEK = frozenset({"flac", "mp3", "ogg", MP4})
_EXACT_SEEK_OF_PCM = frozenset({"aiff", "wav"})  # which estimate where compressed audio is, by a rate in the header
_STATES_LENGTH = frozenset({"aiff", "flac", MP4})  # exactly, not estimated from the size of the file
_TAG_SIZE = 200
_MP3_DECODER_DELAY = 529  # samples, which FFmpeg drops in front beside the encoder's
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


@dataclass(frozen=True)
class Mp3Tag:
    """What the Xing and LAME tags in the first frame of an MP3 file say.

    Attributes:
        length: samples of audio, without priming and padding.
        end: samples to the end of the padding, where what was joined to the file goes on.
    """

    length: int
    end: int


@dataclass(frozen=True)
class Beginning:
    """What is known of the first bytes of a file.

    Attributes:
        head: its bytes from the first one on (of a pipe), or from where audio begins on; b"" where nobody looked.
        wav: the header of a WAV file that can seek.
        seekable: whether FFmpeg can look at any place, and so removes the padding of MP3 itself.
    """

    head: bytes | bytearray = b""
    wav: WavHeader | None = None
    seekable: bool = True


def mp3_head(file: Seekable) -> bytes:
    """The first frame of an MP3 file that can seek, whatever tag precedes it; the position stays.

    Args:
        file: open for reading.
    """
    place = file.tell()
    file.seek(0)
    file.seek(_id3_size(file.read(10)))
    head = file.read(_TAG_SIZE)
    file.seek(place)
    return head


def mp3_tag(head: bytes | bytearray) -> Mp3Tag | None:
    """The tag of an MP3 file, or None without one.

    Args:
        head: the first bytes of the file, an ID3v2 tag included.
    """
    start = _id3_size(head)
    frame = head[start : start + _TAG_SIZE]
    if len(frame) < _TAG_SIZE or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    mpeg1, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    tag = frame[4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17)) :]
    frames = int.from_bytes(tag[8:12], "big")
    if tag[:4] not in (b"Xing", b"Info") or not tag[7] & 1 or not frames:  # flag 1: the number of frames is given
        return None
    whole = frames * (1152 if mpeg1 else 576)
    # The tag is as long as its flags say; LAME always sets all four (frames, bytes, table of contents, quality).
    if tag[7] & 0x0F != 0x0F or tag[120:124] not in (b"LAME", b"Lavf", b"Lavc"):
        return Mp3Tag(whole, whole)
    delay, padding = tag[141] << 4 | tag[142] >> 4, (tag[142] & 0x0F) << 8 | tag[143]
    length = whole - delay - padding
    return Mp3Tag(length, max(length, whole - delay - _MP3_DECODER_DELAY)) if length > 0 else None


def _id3_size(head: bytes | bytearray) -> int:
    """Bytes of the ID3v2 tag that a file begins with; 0 without one."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


@dataclass(frozen=True)
class Lengths:
    """How long a stream is, in samples.

    Attributes:
        stated: as the container says, possibly rounded or estimated; None if it does not.
        exact: where to cut for sure; infinite if nothing says so.
        resume: where audio goes on behind what is cut, in files that were joined; infinite if nothing does.
        certain: whether a file that holds less than stated was cut.
    """

    stated: int | None
    exact: float = math.inf
    resume: float = math.inf
    certain: bool = False


def stated_lengths(
    container: av.container.InputContainer, stream: av.AudioStream, sample_rate: int, beginning: Beginning
) -> Lengths:
    """What container and tags say about the length.

    Args:
        container, stream: as opened.
        sample_rate: Hz.
        beginning: of the file.
    """
    name, wav = container.format.name, beginning.wav
    stated = None
    if stream.duration:
        stated = round(stream.duration * (stream.time_base or Fraction(1)) * sample_rate)
    elif container.duration:
        stated = round(container.duration * sample_rate / av.time_base)
    certain = name in _STATES_LENGTH
    if name == MP4:
        exact = itunes_length({**container.metadata, **stream.metadata})
        if exact is not None and abs(exact - (stated or 0)) <= _MAX_PADDING:
            return Lengths(exact, exact, certain=True)
    elif name == "mp3" and (tag := mp3_tag(beginning.head)) is not None:
        if beginning.seekable:
            return Lengths(tag.length, certain=True)
        return Lengths(tag.length, tag.length, tag.end, certain=True)
    elif name == "wav" and wav is not None and wav.num_samples is not None:  # FFmpeg never says more than there is
        return Lengths(wav.num_samples, math.inf if wav.exact is None else wav.exact, certain=True)
    return Lengths(stated, certain=certain)


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
        return self.position >= self._lengths.exact and math.isinf(self._lengths.resume)

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
        samples, begin = planar_float32(frame)[:, :stop], self.position
        self.position += frame.samples
        parts = [samples[:, : int(min(stop, max(0, self._lengths.exact - begin)))]]
        if self.position > self._lengths.resume:  # the tag knows nothing of what was joined to the file
            parts.append(samples[:, int(max(0, self._lengths.resume - begin)) :])
        return [part for part in parts if part.shape[1]]

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
