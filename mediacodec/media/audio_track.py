"""The sound of an opened file, in time: packets in, chunks or copied packets out."""

from __future__ import annotations

from fractions import Fraction

import av
import av.container
import numpy as np

from mediacodec.errors import InputError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.media.damage import Damage, Packet
from mediacodec.media.gapless import MP4, Trimmer, stated_lengths
from mediacodec.media.stream_copy import AudioCopy, AudioPacket

_GAP_SECONDS = 0.1  # below, time stamps are only imprecise
_LONGEST_GAP_SECONDS = 3600


class AudioTrack:
    """The sound of a file, decoded as AudioSource does it, placed in time.

    First `probe` packets until it is True, then `open`, `place`, and `push` from then on. Where the time stamps jump
    ahead by more than 0.1 s there is silence, so that sound and picture stay together.

    Args:
        container, stream: as opened.
        label: names the input in errors.
        block: seconds to gather into a chunk; 0 gives every frame at once.
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
        self._done = False
        self._shift = Fraction(0)

    def probe(self, packet: Packet) -> bool:
        """Take a packet; whether rate, channels and start are known now."""
        self._early += self._decode(packet)
        return bool(self._early)

    def open(self, head: bytes | None) -> None:
        """Read off what is known; `head` as for `stated_lengths`."""
        context, first = self.stream.codec_context, self._early[0] if self._early else None
        self.sample_rate, self.channels = (first or context).sample_rate, (first or context).layout.nb_channels
        if self.sample_rate < 1 or self.channels < 1 or (first is None and self.damage.count):
            raise InputError(f"{self._label}: none of its audio ({context.codec.canonical_name}) can be decoded")
        self._time_base = self.stream.time_base or Fraction(1)
        self._origin = (first.pts if first is not None else None) or 0
        self.start: Fraction | None = self._origin * self._time_base if first is not None else None
        self._lengths = stated_lengths(self._container, self.stream, self.sample_rate, head)

    def place(self, shift: Fraction, end: float | Fraction) -> None:
        """Let second `shift` of the file's clock become 0 and leave out what lies outside of 0 .. end (seconds)."""
        self._shift = shift
        self._offset = round(((self.start or 0) - shift) * self.sample_rate)
        self._end = end * self.sample_rate

    def seek(self) -> None:
        """After a jump: positions follow from the time stamps."""
        self._early, self._parts, self._trimmer = [], [], None

    def landed(self) -> Fraction | None:
        """After a jump and `probe`: when the first sample is heard, on the file's clock."""
        first = self._early[0] if self._early else None
        return first.pts * self._time_base if first is not None and first.pts is not None else None

    def push(self, packet: Packet) -> list[AudioChunk]:
        """Take a packet (an empty one at the end of the file), give the chunks that are complete."""
        frames = self._early + ([] if self._done else self._decode(packet))
        self._early = []
        chunks: list[AudioChunk] = []
        for frame in frames:
            chunks += self._push_frame(frame)
        if not packet.size:
            if self._trimmer is not None:
                self._parts += self._trimmer.flush()
            chunks += self._gathered(0)
        return chunks

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._done

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
        if _GAP_SECONDS * self.sample_rate < gap < _LONGEST_GAP_SECONDS * self.sample_rate:
            self.silence += gap / self.sample_rate
            while gap > 0 and not self._done:
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
        self._done = self._given + self._offset >= self._end
        if stop <= skip:
            return []
        cut = np.ascontiguousarray(samples[:, skip : int(stop)])
        return [AudioChunk(cut, self.sample_rate, pts + skip)]


class CopyTrack(AudioTrack):
    """The sound of a file, as packets; only the first ones are also decoded, to know what is in them."""

    def __init__(self, container: av.container.InputContainer, stream: av.AudioStream, label: str) -> None:
        super().__init__(container, stream, label, 0)
        self._first: int | None = None
        self._packets: list[Packet] = []

    def probe(self, packet: Packet) -> bool:
        """See AudioTrack."""
        self._first = packet.pts if self._first is None else self._first
        self._packets.append(packet)
        return super().probe(packet)

    def open(self, head: bytes | None) -> None:
        """See AudioTrack."""
        super().open(head)
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
            self._done = self._done or (pts - shift) * self._time_base >= self._end / self.sample_rate
            if not before and not self._done:
                dts = pts if each.dts is None else each.dts
                copies.append(AudioPacket(bytes(each), pts - shift, dts - shift, length, tick, each.is_keyframe))
        return copies


def _silent_frame(like: av.AudioFrame, size: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.zeros((like.layout.nb_channels, size), np.float32), format="fltp", layout=like.layout
    )
    frame.sample_rate = like.sample_rate
    return frame
