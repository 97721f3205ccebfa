"""What an `ecsq` model says of itself, and the integer tables that it ships."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import CorruptError, ModelError, ParameterError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, AudioParameters, Packet, StreamHeader

FOURCC = "ecsq"
QUALITIES = 64
MAX_PACKET_SECONDS = 10
MAX_LATENT = 1024
MAX_SYMBOL = 1 << 14  # magnitude of a symbol
OVERHEAD_BITS = 14  # of a payload over the information content of its frames: the quality, the coder, byte ends


@dataclass(frozen=True)
class Shape:
    """Numbers of a model's networks.

    Attributes:
        latent: scalars a frame.
        groups: how many of them are coded together, in this order.
        dilations: frames that each layer of the context network looks back.
        knots: at which what networks know of the quality is stored.
    """

    latent: int
    groups: tuple[int, ...]
    dilations: tuple[int, ...]
    knots: int

    def __post_init__(self) -> None:
        if not (1 <= self.latent <= MAX_LATENT and self.groups and min(self.groups) >= 1):
            raise ValueError(f"{self.latent} latents in groups {self.groups}")
        if sum(self.groups) != self.latent or self.knots < 2:
            raise ValueError(f"groups {self.groups} are not {self.latent} latents, or {self.knots} knots are too few")
        if not all(1 <= d <= 64 for d in self.dilations) or len(self.dilations) > 32:
            raise ValueError(f"dilations {self.dilations} are out of range")

    def knot_weights(self, quality: int) -> NDArray[np.float32]:
        """Interpolation weights of a quality 0..63 over the knots, [1, knots]."""
        place = quality / (QUALITIES - 1) * (self.knots - 1)
        weights = np.maximum(0, 1 - np.abs(place - np.arange(self.knots)))
        return np.asarray(weights[None], np.float32)


class EcsqSettings:
    """What `model.json` says; checked once.

    Attributes:
        sample_rate, frame_size, pre_skip, algorithmic_delay: Hz, and samples.
        preroll_frames: after which the decoder's output no longer depends on where it began.
        shape: of the networks.
        bits_first_frame, bits_per_frame: means of a packet's first frame and of a later one, of each quality, on
            development speakers.

    Raises:
        ModelError: a setting is missing or out of range.
    """

    channels = 1

    def __init__(self, model: Manifest) -> None:
        try:
            raw = model.settings
            self.sample_rate, self.frame_size = int(raw["sample_rate"]), int(raw["frame_size"])
            self.pre_skip, self.algorithmic_delay = int(raw["pre_skip"]), int(raw["algorithmic_delay"])
            self.preroll_frames = int(raw["preroll_frames"])
            self.shape = Shape(
                int(raw["latent"]),
                tuple(int(n) for n in raw["groups"]),
                tuple(int(n) for n in raw["dilations"]),
                int(raw["knots"]),
            )
            self.bits_first_frame = [float(bits) for bits in raw["bits_first_frame"]]
            self.bits_per_frame = [float(bits) for bits in raw["bits_per_frame"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"model {model.name}: settings of an `ecsq` codec are wrong: {error!r}") from error
        most = 600 * self.sample_rate
        sizes = (self.pre_skip, self.algorithmic_delay, self.preroll_frames)
        if min(self.sample_rate, self.frame_size) < 1 or not 0 <= min(sizes) <= max(sizes) <= most:
            raise ModelError(f"model {model.name}: its sample rate, frame size or delays are out of range")
        for bits in (self.bits_first_frame, self.bits_per_frame):
            if len(bits) != QUALITIES or sorted(bits) != bits or not 0 < bits[0] <= bits[-1] < 1e6:
                raise ModelError(f"model {model.name}: rates must grow with the {QUALITIES} qualities")

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.frame_size

    @cached_property
    def max_frames(self) -> int:
        """Frames of the longest packet there may be."""
        return int(MAX_PACKET_SECONDS * self.frame_rate)

    def packet_frames(self, packet_duration: float) -> int:
        """Frames in a packet of so many seconds. Raises ParameterError."""
        shortest = 1 / self.frame_rate
        if not shortest / 2 < packet_duration <= MAX_PACKET_SECONDS:
            raise ParameterError(f"packet_duration {packet_duration} s is not in {shortest:g}..{MAX_PACKET_SECONDS} s")
        return round(packet_duration * self.frame_rate)

    def frames_of(self, packet: Packet) -> int:
        """Frames that a packet holds. Raises CorruptError where no packet has so many."""
        frames, rest = divmod(packet.duration, self.frame_size)
        if rest or not 1 <= frames <= self.max_frames:
            raise CorruptError(f"a packet of {packet.duration} samples is not whole frames of {self.frame_size}")
        return frames

    def bit_rate(self, quality: int, packet_frames: int, crc_size: int) -> float:
        """Bits a second that packets of so many frames, with so many bytes of symbol CRC, take on average."""
        frames = self.bits_first_frame[quality] + (packet_frames - 1) * self.bits_per_frame[quality]
        return (frames + OVERHEAD_BITS + 8 * crc_size) / packet_frames * self.frame_rate

    def quality_for(self, bit_rate: float | None, packet_frames: int, crc_size: int) -> int:
        """The highest quality that takes at most a bit rate on average.

        Args:
            bit_rate: bit/s; None for the highest quality.
            packet_frames: frames of a packet.
            crc_size: bytes of its symbol CRC.

        Raises:
            ParameterError: even the lowest quality takes more.
        """
        if bit_rate is None:
            return QUALITIES - 1
        takes = [self.bit_rate(quality, packet_frames, crc_size) for quality in range(QUALITIES)]
        if takes[0] > bit_rate:
            raise ParameterError(f"bit_rate {bit_rate:g} is too low: packets like these take {takes[0]:.0f} at least")
        return int(np.searchsorted(takes, bit_rate, side="right")) - 1

    def stream_header(
        self, model: Manifest, stream_id: int, *, packet_duration: int, crc_size: int, extradata: bytes
    ) -> StreamHeader:
        """The header of a stream of the model; packet_duration in samples."""
        return StreamHeader(
            stream_id,
            FOURCC,
            AudioParameters(self.sample_rate, self.channels, self.pre_skip, self.frame_size),
            Fraction(1, self.sample_rate),
            packet_duration=packet_duration,
            algorithmic_delay=self.algorithmic_delay,
            coder=RC24,
            symbol_crc_size=crc_size,
            model_hash=model.weights_hash,
            tables_hash=model.tables_hash,
            fields={"model_name": model.name, "extradata": extradata},
        )

    def check_header(self, model: Manifest, header: StreamHeader) -> None:
        """Raise CorruptError where a stream is none that the model's encoder makes."""
        expected = AudioParameters(self.sample_rate, self.channels, self.pre_skip, self.frame_size)
        time_base = Fraction(1, self.sample_rate)
        if header.parameters != expected or header.time_base != time_base or header.coder != RC24:
            raise CorruptError(f"stream {header.stream_id}: its parameters are not those of model {model.name}")
        if header.packet_duration > self.max_frames * self.frame_size:  # concealment makes as much at once
            raise CorruptError(f"stream {header.stream_id}: packets of {header.packet_duration} samples are too long")

    def presented(self, samples: Samples, coded_pts: int) -> AudioChunk:
        """Decoded samples [channels, n] that begin at coded_pts, without those that pre-skip drops."""
        dropped = min(samples.shape[1], max(0, self.pre_skip - coded_pts))
        return AudioChunk(samples[:, dropped:], self.sample_rate, max(0, coded_pts - self.pre_skip))
