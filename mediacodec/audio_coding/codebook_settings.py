"""What a model with codebooks says of itself, and what its rates follow from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mediacodec.entropy_coding.code_tables import CodeTables
from mediacodec.errors import CorruptError, ModelError, ParameterError
from mediacodec.frames import AudioChunk, Samples
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, AudioParameters, StreamHeader

MAX_PACKET_SECONDS = 10
MAX_CHANNELS = 2
MAX_CODEBOOKS = 255  # their number is a byte of a stream's extradata
MAX_ENTRIES = 0xFFFF  # of a codebook: codes are 16 bits, and one more number stands for no code
MAX_DELAY_SECONDS = 600
BYTE_ALIGNMENT_BITS = 4  # the mean cost of ending a payload on a whole byte


@dataclass(frozen=True)
class CodeRates:
    """Bits that 1, 2, ... codebooks take on average.

    Attributes:
        first_frame: in a packet's first frame.
        per_frame: in a later one.
    """

    first_frame: tuple[float, ...]
    per_frame: tuple[float, ...]


class CodebookSettings:
    """What `model.json` says of a model with codebooks; checked once.

    Beside what every one must say: `channels` (1), `start_frames` (1), the frames that a stream's first step takes at
    least, because its network looks that far when it begins; `ragged` (false), whether the last step is given as it is,
    for the network to fill up to a whole frame in its own way; `least_codebooks` (1), without which nothing can be
    decoded; `chooses_codebooks` (false), whether the encoder graph takes the number of codebooks that are wanted, and
    may leave the others out. `preroll_frames` is -1 where a network's memory has no end.
    """

    def __init__(self, model: Manifest) -> None:
        try:
            raw = model.settings
            self.sample_rate = int(raw["sample_rate"])
            self.frame_size = int(raw["frame_size"])
            self.pre_skip = int(raw["pre_skip"])
            self.algorithmic_delay = int(raw["algorithmic_delay"])
            self.preroll_frames = int(raw["preroll_frames"])
            self.channels = int(raw.get("channels", 1))
            self.start_frames = int(raw.get("start_frames", 1))
            self.ragged = bool(raw.get("ragged", False))
            self.chooses_codebooks = bool(raw.get("chooses_codebooks", False))
            self.num_codebooks = int(raw["num_codebooks"])
            self.least_codebooks = int(raw.get("least_codebooks", 1))
            self.codebook_size = int(raw["codebook_size"])
            first, later = ([float(b) for b in raw[f"bits_{kind}"]] for kind in ("first_frame", "per_frame"))
            self.rates = CodeRates(tuple(first), tuple(later))  # with the model's static tables
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # an int of what JSON calls Infinity
            raise ModelError(f"model {model.name}: settings of an RVQ codec are missing or wrong: {error!r}") from error
        self._check(model)

    def _check(self, model: Manifest) -> None:
        """Raise ModelError where a number is none that a stream can have."""
        most_delay = MAX_DELAY_SECONDS * self.sample_rate
        delays = self.pre_skip, self.algorithmic_delay
        if min(self.sample_rate, self.frame_size) < 1 or not 0 <= min(delays) <= max(delays) <= most_delay:
            raise ModelError(f"model {model.name}: its sample rate, frame size or delays are out of range")
        books, size = self.num_codebooks, self.codebook_size
        if books > MAX_CODEBOOKS or not 1 <= size <= MAX_ENTRIES:
            raise ModelError(f"model {model.name}: {books} codebooks of {size} entries cannot be coded")
        longest = MAX_PACKET_SECONDS * self.sample_rate // self.frame_size
        if not (1 <= self.channels <= MAX_CHANNELS and 1 <= self.start_frames <= longest and self.preroll_frames >= -1):
            raise ModelError(f"model {model.name}: channels, start_frames or preroll_frames are out of range")
        if not 1 <= self.least_codebooks <= self.num_codebooks:
            raise ModelError(f"model {model.name}: {self.least_codebooks} codebooks of {self.num_codebooks} at least")
        if not len(self.rates.per_frame) == len(self.rates.first_frame) == self.num_codebooks:
            raise ModelError(f"model {model.name}: there must be bits for each of {self.num_codebooks} codebooks")

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.frame_size

    @property
    def max_frames(self) -> int:
        """Frames of the longest packet there may be."""
        return int(MAX_PACKET_SECONDS * self.frame_rate)

    def bit_rate(self, num_codebooks: int, packet_frames: int, crc_size: int, rates: CodeRates | None = None) -> float:
        """Payload bits a second that packets take on average, from entropies measured when the tables were fitted.

        A packet's first frame has no context and costs more, and a packet is whole bytes.

        Args:
            num_codebooks: of the packets.
            packet_frames: frames of a packet.
            crc_size: bytes of its check.
            rates: other ones than the model's, of another entropy model.
        """
        rates = rates or self.rates
        first, later = rates.first_frame[num_codebooks - 1], rates.per_frame[num_codebooks - 1]
        bits = first + (packet_frames - 1) * later + BYTE_ALIGNMENT_BITS + 8 * crc_size
        return bits * self.frame_rate / packet_frames

    def codebooks_for(
        self, bit_rate: float | None, packet_frames: int, crc_size: int, rates: CodeRates | None = None
    ) -> int:
        """The most codebooks whose average rate is at most a bit rate.

        Args:
            bit_rate: bit/s; None means all codebooks.
            packet_frames, crc_size, rates: as for `bit_rate`.

        Raises:
            ParameterError: even the least number of codebooks takes more.
        """
        least = self.least_codebooks
        takes = [self.bit_rate(n, packet_frames, crc_size, rates) for n in range(least, self.num_codebooks + 1)]
        fitting = sum(bit_rate is None or rate <= bit_rate for rate in takes)
        if not fitting:
            raise ParameterError(f"bit_rate {bit_rate:g} is too low: packets like these take {takes[0]:.0f} at least")
        return least - 1 + fitting

    def wanted(self, num_codebooks: int) -> dict[str, NDArray[np.int64]]:
        """What tells the encoder graph how many codebooks are wanted."""
        return {"num_codebooks": np.array([num_codebooks])} if self.chooses_codebooks else {}

    def packet_frames(self, packet_duration: float) -> int:
        """Frames in a packet of so many seconds. Raises ParameterError where that is out of range."""
        shortest = 1 / self.frame_rate
        if not shortest / 2 < packet_duration <= MAX_PACKET_SECONDS:  # also refuses NaN
            raise ParameterError(f"packet_duration {packet_duration} s is not in {shortest:g}..{MAX_PACKET_SECONDS} s")
        return round(packet_duration * self.frame_rate)

    def stream_header(
        self, model: Manifest, fourcc: str, stream_id: int, *, packet_duration: int, crc_size: int, extradata: bytes
    ) -> StreamHeader:
        """The header of a stream of the model.

        Args:
            model: that the settings are of.
            fourcc: of its family.
            stream_id: of the stream.
            packet_duration: samples that no packet exceeds.
            crc_size: bytes of the symbol check of a packet.
            extradata: of its family.
        """
        return StreamHeader(
            stream_id,
            fourcc,
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

    def check_header(self, model: Manifest, header: StreamHeader, num_codebooks: int) -> None:
        """Check that a stream is one that the model's encoder makes.

        Args:
            model: that the settings are of.
            header: of the stream.
            num_codebooks: that its extradata states.

        Raises:
            CorruptError: it is none.
        """
        if not self.least_codebooks <= num_codebooks <= self.num_codebooks:
            raise CorruptError(f"stream {header.stream_id}: {num_codebooks} codebooks of {self.num_codebooks}")
        expected = AudioParameters(self.sample_rate, self.channels, self.pre_skip, self.frame_size)
        time_base = Fraction(1, self.sample_rate)
        if header.parameters != expected or header.time_base != time_base or header.coder != RC24:
            raise CorruptError(f"stream {header.stream_id}: its parameters are not those of model {model.name}")
        if header.packet_duration > self.max_frames * self.frame_size:  # concealment makes as much at once
            raise CorruptError(f"stream {header.stream_id}: packets of {header.packet_duration} samples are too long")

    def presented(self, samples: Samples, coded_pts: int) -> AudioChunk:
        """Decoded samples without those that pre-skip drops.

        Args:
            samples: float32 [channels, n].
            coded_pts: where they begin, on the coded timeline.
        """
        dropped = min(samples.shape[1], max(0, self.pre_skip - coded_pts))
        return AudioChunk(samples[:, dropped:], self.sample_rate, max(0, coded_pts - self.pre_skip))

    def tables(self, model: Manifest) -> CodeTables:
        """The entropy tables of the model. Raises ModelError where they are not for such codebooks."""
        tables = CodeTables.of(model)
        if tables.classes.shape != (self.num_codebooks, self.codebook_size):
            raise ModelError(f"model {model.name}: its entropy tables are for codebooks {tables.classes.shape}")
        return tables
