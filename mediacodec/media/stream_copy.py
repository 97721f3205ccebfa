"""Audio that is passed on as it is: packets of the source, and what a container must know to hold them."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.error

from mediacodec.arguments import as_flag, as_instance, as_integer, as_positive_fraction, check_fields
from mediacodec.errors import UsageError
from mediacodec.frames import as_sample_rate


@dataclass(frozen=True)
class AudioPacket:
    """One packet of encoded audio, untouched.

    Attributes:
        data: the bytes.
        pts, dts: when it is played and decoded, in ticks of time_base since the start of the file. Packets that only
            set the decoder going (priming) lie before 0.
        duration: in ticks, 0 if unknown.
        time_base: seconds per tick, above 0.
        is_keyframe: whether a decoder can start here; nearly always, for audio.
    """

    data: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction
    is_keyframe: bool = True

    def __post_init__(self) -> None:
        check_fields(
            self, data=_bytes, pts=as_integer, dts=as_integer, duration=lambda name, value: as_integer(name, value, 0),
            time_base=as_positive_fraction, is_keyframe=as_flag,
        )  # fmt: skip

    @property
    def pts_seconds(self) -> float:
        """When it is played, in seconds."""
        return float(self.pts * self.time_base)

    def __repr__(self) -> str:
        return f"AudioPacket({len(self.data)} bytes, pts={self.pts}, duration={self.duration}, {self.time_base})"


@dataclass(frozen=True)
class AudioCopy:
    """A stream of encoded audio, as a container must know it.

    Attributes:
        codec: FFmpeg's name: aac, mp3, opus, flac, pcm_s16le ...
        extradata: the codec's configuration as FFmpeg has it, b"" if it needs none.
        sample_rate: Hz.
        channels: at least 1.
        time_base: of the packets, seconds per tick.
        priming: samples at the start that the encoder added and players drop.
    """

    codec: str
    extradata: bytes
    sample_rate: int
    channels: int
    time_base: Fraction
    priming: int = 0

    def __post_init__(self) -> None:
        check_fields(
            self, codec=lambda name, value: as_instance(name, value, str), extradata=_bytes,
            sample_rate=as_sample_rate, channels=lambda name, value: as_integer(name, value, 1),
            time_base=as_positive_fraction, priming=lambda name, value: as_integer(name, value, 0),
        )  # fmt: skip


def _bytes(name: str, value: object) -> bytes:
    return as_instance(name, value, bytes)


_MATROSKA: Final[dict[str, str]] = {
    "aac": "A_AAC",
    "ac3": "A_AC3",
    "alac": "A_ALAC",
    "dts": "A_DTS",
    "eac3": "A_EAC3",
    "flac": "A_FLAC",
    "mp2": "A_MPEG/L2",
    "mp3": "A_MPEG/L3",
    "opus": "A_OPUS",
    "pcm_f32le": "A_PCM/FLOAT/IEEE",
    "pcm_s16be": "A_PCM/INT/BIG",
    "pcm_s16le": "A_PCM/INT/LIT",
    "pcm_s24be": "A_PCM/INT/BIG",
    "pcm_s24le": "A_PCM/INT/LIT",
    "pcm_s32le": "A_PCM/INT/LIT",
    "pcm_u8": "A_PCM/INT/LIT",
    "truehd": "A_TRUEHD",
    "tta": "A_TTA1",
    "vorbis": "A_VORBIS",
}
_BITS: Final = {"8": 8, "16": 16, "24": 24, "32": 32}


@contextlib.contextmanager
def template_stream(copy: AudioCopy) -> Iterator[av.AudioStream]:
    """Make a stream that `add_stream_from_template` takes, from the description alone.

    PyAV has no way to set the parameters of a stream that is not encoded here (extradata, channels, priming). But it
    copies them from an opened file; so a Matroska file is made that holds such a stream and no packets.

    Args:
        copy: what the packets are.

    Raises:
        UsageError: audio of this codec cannot be copied.
    """
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(io.BytesIO(_matroska(copy)), "r", format="matroska"))
            stream = container.streams.audio[0]
        except (KeyError, IndexError, ValueError, av.error.FFmpegError) as error:
            raise UsageError(f"{copy.codec} audio cannot be copied; encode it (leave out -c:a copy)") from error
        yield stream


def fits(format: str, copy: AudioCopy) -> bool:  # noqa: A002 - the name that every such interface has
    """Whether a container can hold packets as they are, found by writing one in memory: muxers differ, and some say so
    only at the end (mp4 of PCM with several channels).

    Args:
        format: FFmpeg's name of the container.
        copy: what the packets are.
    """
    try:
        with template_stream(copy) as template, av.open(io.BytesIO(), "w", format=format) as container:
            stream = container.add_stream_from_template(template)
            stream.time_base = copy.time_base
            container.start_encoding()
            if copy.codec.startswith("pcm_"):  # silence is whole packets of it, whatever the size of a sample
                packet = av.Packet(bytes(12 * copy.channels))
                packet.pts = packet.dts = 0
                packet.time_base, packet.stream = copy.time_base, stream
                container.mux(packet)
    except (ValueError, OverflowError, av.error.FFmpegError):
        return False
    return True


def _matroska(copy: AudioCopy) -> bytes:
    private = copy.extradata
    if copy.codec == "flac":  # FFmpeg keeps the bare STREAMINFO, Matroska the head of a FLAC file
        private = b"fLaC\x80\x00\x00\x22" + private[:34]
    elif copy.codec == "alac":
        private = private[12:]  # without the head of MP4's box
    audio = _element(0xB5, struct.pack(">d", copy.sample_rate)) + _element(0x9F, _number(copy.channels))
    if copy.codec.startswith("pcm_"):
        audio += _element(0x6264, _number(_BITS["".join(filter(str.isdigit, copy.codec))]))
    track = _element(0xD7, b"\x01") + _element(0x73C5, b"\x01") + _element(0x83, b"\x02")
    track += _element(0x86, _MATROSKA[copy.codec].encode()) + _element(0x63A2, private) * bool(private)
    track += _element(0x56AA, _number(round(copy.priming * 10**9 / copy.sample_rate))) + _element(0xE1, audio)
    segment = _element(0x1549A966, _element(0x2AD7B1, _number(10**6))) + _element(0x1654AE6B, _element(0xAE, track))
    segment += _element(0x1F43B675, _element(0xE7, b"\x00"))  # an empty cluster: FFmpeg's reader looks for one
    return _element(0x1A45DFA3, _element(0x4282, b"matroska")) + _element(0x18538067, segment)


def _element(identifier: int, data: bytes) -> bytes:
    return _number(identifier) + (1 << 56 | len(data)).to_bytes(8, "big") + data


def _number(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
