"""The audio of an opened file, in time: packets in, chunks or copied packets out."""

from __future__ import annotations

import math
from fractions import Fraction

import av
import av.container
import numpy as np

from mediacodec.errors import InputError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.media.clock import LONGEST_GAP_SECONDS
from mediacodec.media.damage import Damage, Packet
from mediacodec.media.gapless import MP4, Beginning, Trimmer, stated_lengths
from mediacodec.media.stream_copy import AudioCopy, AudioPacket

_GAP_SECONDS = 0.1  # below, time stamps are only imprecise


class AudioTrack:
    """The audio of a file, at its exact length, placed in time.

    First `probe` packets until it is True, then `open`, `place`, and `push` from then on. Where the time stamps jump
    ahead by more than 0.1 s there is silence, so that audio and video stay together.

    Args:
        container, stream: as opened.
        label: names the input in errors.
        block: seconds to gather into a chunk; 0 gives every frame at once.

    Attributes:
        stream: as given.
        damage: packets that could not be decoded.
        silence: seconds of it that were filled in so far.
        sample_rate, channels, codec_name: known once it is open.
        start: seconds on the file's clock at which the first sample is presented; None without any sample.
        done: whether nothing more will come.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.AudioStream, label: str, block: float
    ) -> None:
        self._container, self.stream, self._label, self._block = container, stream, label, block
        self.damage = Damage()
        self.silence = 0.0
        self._early: list[av.AudioFrame] = []
        self._parts: list[Samples] = []
        self._trimmer: Trimmer | None = None
        self._given = 0  # samples of the stream that were gathered, and where the next frame is due
        self._next = 0
        self.done = False
        self._shift = Fraction(0)

    def probe(self, packet: Packet) -> bool:
        """Take a packet; whether rate, channels and start are known now."""
        self._early += self._decode(packet)
        return bool(self._early)

    def open(self, beginning: Beginning) -> None:
        """Read off what is known.

        Args:
            beginning: of the file.

        Raises:
            InputError: none of it can be decoded.
        """
        context, first = self.stream.codec_context, self._early[0] if self._early else None
        self.codec_name = context.codec.canonical_name
        self.sample_rate, self.channels = (first or context).sample_rate, (first or context).layout.nb_channels
        if self.sample_rate < 1 or self.channels < 1 or (first is None and self.damage.count):
            raise InputError(f"{self._label}: none of its audio ({self.codec_name}) can be decoded")
        self._time_base = self.stream.time_base or Fraction(1)
        self._origin = (first.pts if first is not None else None) or 0
        self.start: Fraction | None = self._origin * self._time_base if first is not None else None
        self._lengths = stated_lengths(self._container, self.stream, self.sample_rate, beginning)

    def place(self, shift: Fraction, end: float | Fraction) -> None:
        """Place the audio in time, and leave out what lies outside of it.

        Args:
            shift: second of the file's clock that becomes 0.
            end: seconds that are wanted, infinite for all.
        """
        self._shift = shift
        self._offset = round(((self.start or 0) - shift) * self.sample_rate)
        self._end_seconds = end
        self._end = math.inf if math.isinf(end) else round(end * self.sample_rate)

    def seek(self) -> None:
        """After a jump: positions follow from the time stamps."""
        self._early, self._parts, self._trimmer = [], [], None

    def landed(self) -> Fraction | None:
        """After a jump and `probe`: when the first sample is presented, on the file's clock."""
        first = self._early[0] if self._early else None
        return first.pts * self._time_base if first is not None and first.pts is not None else None

    def begin(self) -> list[AudioChunk]:
        """The chunks of what `probe` decoded: live, it does not wait for the next packet."""
        early, self._early = self._early, []
        return [chunk for frame in early for chunk in self._push_frame(frame)]

    def push(self, packet: Packet) -> list[AudioChunk]:
        """Take a packet (an empty one at the end of the file), give the chunks that are complete."""
        frames = [] if self.done else self._decode(packet)
        chunks = [chunk for frame in frames for chunk in self._push_frame(frame)]
        if not packet.size:
            if self._trimmer is not None:
                self._parts += self._trimmer.flush()
            chunks += self._gathered(0)
        return chunks

    @property
    def stated_seconds(self) -> float | None:
        """How long the stream is, as the file states it."""
        return None if self._lengths.stated is None else self._lengths.stated / self.sample_rate

    @property
    def missing_seconds(self) -> float:
        """By how much what came is shorter than the file says, where that is exact."""
        if self._lengths.stated is None or not self._lengths.certain:
            return 0.0
        due = min(self._lengths.stated, self._end - self._offset)
        return float(max(0, due - self._given)) / self.sample_rate

    def seconds_per_byte(self, size: int) -> float:
        """How much audio a byte holds, on average.

        Args:
            size: bytes that the audio came of.
        """
        return self._given / self.sample_rate / max(1, size)

    def _decode(self, packet: Packet) -> list[av.AudioFrame]:
        frames = self.damage.decode(packet, self._shift)
        return [frame for frame in frames if isinstance(frame, av.AudioFrame) and frame.samples]

    def _push_frame(self, frame: av.AudioFrame) -> list[AudioChunk]:
        stamp = None if frame.pts is None else round((frame.pts - self._origin) * self._time_base * self.sample_rate)
        if self._trimmer is None:
            self._next = self._given = stamp or 0
            self._trimmer = Trimmer(
                (self.sample_rate, self.channels),
                self._lengths,
                position=self._next,
                look_ahead=self._container.format.name == MP4,
                label=self._label,
            )
        chunks: list[AudioChunk] = []
        gap = 0 if stamp is None else stamp - self._next
        if _GAP_SECONDS * self.sample_rate < gap < LONGEST_GAP_SECONDS * self.sample_rate:
            self.silence += gap / self.sample_rate
            while gap > 0 and not self.done:
                size = min(gap, self.sample_rate)
                chunks += self._push_trimmed(_silent_frame(frame, size))
                gap -= size
        return chunks + self._push_trimmed(frame)

    def _push_trimmed(self, frame: av.AudioFrame) -> list[AudioChunk]:
        assert self._trimmer is not None
        self._next += frame.samples
        self._parts += self._trimmer.push(frame)
        return self._gathered(self._block * self.sample_rate)

    def _gathered(self, least: float) -> list[AudioChunk]:
        size = sum(part.shape[1] for part in self._parts)
        if not self._parts or size < least:
            return []
        samples = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts, axis=1)
        self._parts = []
        pts = self._given + self._offset
        self._given += size
        skip, stop = max(0, -pts), min(size, self._end - pts)
        self.done = self._given + self._offset >= self._end
        if stop <= skip:
            return []
        cut = np.ascontiguousarray(samples[:, skip : int(stop)])
        return [AudioChunk(cut, self.sample_rate, pts + skip)]


class CopyTrack(AudioTrack):
    """The audio of a file, as packets; only the first ones are also decoded, to know what is in them.

    Args:
        container, stream: as opened.
        label: names the input in errors.

    Attributes:
        description: what a container must know of the packets, once it is open.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream, label: str) -> None:
        super().__init__(container, stream, label, 0)
        self._first: int | None = None
        self._packets: list[Packet] = []

    def probe(self, packet: Packet) -> bool:
        """See AudioTrack."""
        self._first = packet.pts if self._first is None else self._first
        self._packets.append(packet)
        return super().probe(packet)

    def open(self, beginning: Beginning) -> None:
        """See AudioTrack."""
        super().open(beginning)
        context = self.stream.codec_context
        codec, extradata = context.codec.canonical_name, context.extradata or b""
        early = self._origin - (self._origin if self._first is None else self._first)
        priming = max(0, round(early * self._time_base * self.sample_rate))
        if codec == "opus" and len(extradata) >= 12:
            priming = extradata[10] | extradata[11] << 8  # exact, where the time stamps count milliseconds
        self.description = AudioCopy(codec, extradata, self.sample_rate, self.channels, self._time_base, priming)

    def seek(self) -> None:
        """See AudioTrack."""
        super().seek()
        self._packets = []

    @property
    def missing_seconds(self) -> float:
        """Nothing: copied packets are not counted in samples."""
        return 0.0

    def begin(self) -> list[AudioChunk]:
        """Nothing: packets are copied."""
        return []

    def copy(self, packet: Packet) -> list[AudioPacket]:
        """Take a packet, give those that lie within the time asked for, shifted and otherwise untouched."""
        packets, self._packets = [*self._packets, packet], []
        shift, tick = round(self._shift / self._time_base), self._time_base
        copies = []
        for each in packets:
            pts = each.pts if each.pts is not None else each.dts
            if not each.size or pts is None:
                continue
            length = each.duration or 0
            # From the very start nothing is left out: the priming lies before 0.
            before = self._shift > (self.start or 0) and pts + length <= shift
            self.done = self.done or (pts - shift) * self._time_base >= self._end_seconds
            if not before and not self.done:
                dts = pts if each.dts is None else each.dts
                copies.append(AudioPacket(bytes(each), pts - shift, dts - shift, length, tick, each.is_keyframe))
        return copies


def _silent_frame(like: av.AudioFrame, size: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.zeros((like.layout.nb_channels, size), np.float32), format="fltp", layout=like.layout
    )
    frame.sample_rate = like.sample_rate
    return frame
