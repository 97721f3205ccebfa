"""RVQ audio codecs: an encoder graph that searches the codebooks, a decoder graph that looks codes up (family `rvq`).

A packet holds whole frames of codes. The stream header's extradata says how many codebooks there are at most, what
codes them and whether each packet begins with its own number of them (`rvq_entropy`): long packets do where a bit rate
was asked for, so that the rate is kept whatever is said. Encoder and decoder run step graphs with explicit state, so
any number of streams share a model.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.base import LIVE_BELOW, Codes, Samples, channel_samples
from mediacodec.codecs.rvq_entropy import open_entropy, read_extradata, write_extradata
from mediacodec.codecs.rvq_rate import RateCap
from mediacodec.codecs.rvq_settings import MAX_PACKET_SECONDS, RvqSettings
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk
from mediacodec.manifest import Manifest
from mediacodec.session import State, shared_graph
from mediacodec_bitstream import (
    RC24,
    AudioParameters,
    CorruptError,
    Packet,
    StreamHeader,
    check_symbols,
    seal,
    symbol_crc,
    unseal,
)

Paths = NDArray[Any]  # what the encoder graph found, its second axis the frames; see best_path

OVERHEAD_BITS = 16  # at most, of a payload over its information content: the number of codebooks, the coder, byte ends
HEADROOM = 2  # codebooks above the average that an easy stretch may use
FADED_SECONDS = 1
HOLD_SECONDS, FADE_SECONDS = 0.06, 0.10  # concealment: go on for so long, then fade over so long


class RvqEncoder:
    """Encodes samples; see `mediacodec.codecs.base.AudioEncoder`.

    entropy: "static", or "context" for fewer bits and more time (`mediacodec.codecs.rvq_entropy`).
    """

    fourcc: ClassVar = "rvq1"

    def __init__(
        self,
        model: Manifest,
        *,
        bit_rate: float | None = None,
        packet_duration: float = 1.0,
        entropy: str = "static",
        stream_id: int = 0,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        self._settings = settings = RvqSettings(model)
        self._entropy = open_entropy(entropy, model, settings)
        self._packet_frames = frames = settings.packet_frames(packet_duration)
        # a short packet cannot carry four bytes of check, a long one can
        crc_size = 4 if frames >= LIVE_BELOW * settings.frame_rate else 1
        self._cap = None
        self._num_codebooks = settings.codebooks_for(bit_rate, frames, crc_size)
        chooses = settings.least_codebooks < settings.num_codebooks
        if bit_rate is not None and chooses and frames >= LIVE_BELOW * settings.frame_rate:
            self._cap = RateCap(bit_rate)
            self._num_codebooks = min(self._num_codebooks + HEADROOM, settings.num_codebooks)
        # Live, frame by frame; else a packet at once. The step is fixed here: a network run over another number of
        # frames differs in the last bit.
        self._step_frames = frames if frames >= LIVE_BELOW * settings.frame_rate else 1
        self._graph = shared_graph(model.graph_path("encoder"), model.graph("encoder"), device=device, threads=threads)
        self._state = self._graph.initial_state()
        self._waiting: list[Samples] = []  # samples that do not fill a step yet
        self._num_waiting = 0
        self._begun = False  # whether the network has run
        self._found: list[Paths] = []  # frames that do not fill a packet yet
        self._next_pts = 0
        self._flushed = False
        self.num_samples = 0
        extradata = write_extradata(model, entropy, self._num_codebooks, counted=self._cap is not None)
        self.header = self._make_header(model, stream_id, crc_size, extradata)

    def _make_header(self, model: Manifest, stream_id: int, crc_size: int, extradata: bytes) -> StreamHeader:
        s = self._settings
        return StreamHeader(
            stream_id,
            self.fourcc,
            AudioParameters(s.sample_rate, s.channels, s.pre_skip, s.frame_size),
            Fraction(1, s.sample_rate),
            packet_duration=self._packet_frames * s.frame_size,
            algorithmic_delay=s.algorithmic_delay,
            coder=RC24,
            symbol_crc_size=crc_size,
            model_hash=model.weights_hash,
            tables_hash=model.tables_hash,
            fields={"model_name": model.name, "extradata": extradata},
        )

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """Take samples in any number; return the packets that are complete."""
        if self._flushed:
            raise ParameterError("this encoder was flushed; open a new one for another stream")
        array = channel_samples(samples, self._settings.sample_rate, self._settings.channels)
        self.num_samples += array.shape[1]
        self._analyse(array)
        return self._packets()

    def flush(self) -> list[Packet]:
        """Code what is left, with zeros behind it until the decoder's delay is paid."""
        if self._flushed or not self.num_samples:
            self._flushed = True
            return []
        self._flushed = True
        s = self._settings
        due = -(-(self.num_samples + s.pre_skip) // s.frame_size) - self._next_pts // s.frame_size
        self._drain(due)
        self._found = [joined(self._found)[:, :due]]  # what the last step coded beyond the end goes
        return self._packets() + self._packets(at_least=1)

    @property
    def _frames_found(self) -> int:
        return sum(paths.shape[1] for paths in self._found)

    @property
    def _step_size(self) -> int:
        """Samples that the network takes next."""
        frames = self._step_frames if self._begun else max(self._step_frames, self._settings.start_frames)
        return frames * self._settings.frame_size

    def _analyse(self, samples: Samples) -> None:
        """Run the network over every whole step of samples, [channels, n]."""
        self._waiting.append(samples)
        self._num_waiting += samples.shape[1]
        if self._num_waiting < self._step_size:
            self._waiting[-1] = samples.copy()  # the caller may fill its buffer anew
            return
        waiting, start = joined(self._waiting), 0
        while waiting.shape[1] - start >= (step := self._step_size):
            self._found.append(self._run(waiting[:, start : start + step]))
            self._begun = True
            start += step
        self._waiting, self._num_waiting = [waiting[:, start:]], waiting.shape[1] - start

    def _run(self, samples: Samples) -> Paths:
        """One step of the network."""
        outputs, self._state = self._graph.step({"samples": samples}, self._state)
        return np.stack([outputs["entries"][0], outputs["parents"][0]])

    def _drain(self, frames: int) -> None:
        """Run the network until so many frames are found."""
        while self._frames_found < frames:
            self._analyse(np.zeros((self._settings.channels, self._step_size), dtype=np.float32))

    def _codes(self, paths: Paths, num_codebooks: int) -> Codes:
        """The codes of some frames, with so many codebooks."""
        return best_path(paths, num_codebooks)

    def _packets(self, at_least: int | None = None) -> list[Packet]:
        """Packets while enough frames wait for one, or `at_least` so many."""
        packets: list[Packet] = []
        while self._frames_found >= (at_least or self._packet_size):
            paths, size = joined(self._found), self._packet_size
            packets.append(self._packet(paths[:, :size]))
            self._found = [paths[:, size:]]
        return packets

    @property
    def _packet_size(self) -> int:
        """Frames of the next packet. The first holds what its decoder's network looks at when it begins."""
        return self._packet_frames if self._next_pts else max(self._packet_frames, self._settings.start_frames)

    def _packet(self, paths: Paths) -> Packet:
        duration = paths.shape[1] * self._settings.frame_size
        codes = self._codes(paths, self._num_codebooks)
        if self._cap is None:
            coded = self._entropy.encode(codes)
        else:
            heard = self._presented(self._next_pts + duration) - self._presented(self._next_pts)
            codes, coded = self._capped(paths, codes, heard / self._settings.sample_rate)
        data = seal(coded, symbol_crc(codes), self.header.symbol_crc_size)
        packet = Packet(self.header.stream_id, self._next_pts, data, duration)
        self._next_pts += duration
        return packet

    def _presented(self, pts: int) -> int:
        """Samples that are heard of the first `pts` coded ones: rates are counted over what is heard."""
        return min(max(0, pts - self._settings.pre_skip), self.num_samples)

    def _capped(self, paths: Paths, codes: Codes, seconds: float) -> tuple[Codes, bytes]:
        """The most codebooks that the rate leaves room for, at least the fewest there may be, and their payload."""
        assert self._cap is not None
        least = self._settings.least_codebooks
        bits_left = self._cap.room(seconds) - 8 * self.header.symbol_crc_size
        lengths = np.cumsum(self._entropy.lengths(codes))
        # other numbers of codebooks have other best paths, so these lengths are a guess to begin with
        count = min(self._num_codebooks, max(least, int(np.searchsorted(lengths, bits_left)) + 1))
        codes = self._codes(paths, count)
        while count > least and self._entropy.lengths(codes).sum() + OVERHEAD_BITS > bits_left:
            count -= 1
            codes = self._codes(paths, count)
        coded = self._entropy.encode(codes, max_codebooks=self._num_codebooks)
        self._cap.spend(8 * (len(coded) + self.header.symbol_crc_size), seconds)
        return codes, coded


def joined(found: list[Paths]) -> Paths:
    """Arrays that follow each other along their second axis, as one."""
    return np.concatenate(found, axis=1) if len(found) > 1 else found[0]


def best_path(paths: Paths, num_codebooks: int) -> Codes:
    """The codes of the best candidate after `num_codebooks` stages of a beam search.

    paths: integers [2, frames, stages, width]: the entry that candidate w of a stage chose, and which candidate of the
    stage before it extends; candidates are sorted, best first. Returns [num_codebooks, frames] uint16.
    """
    entries, parents = paths
    frames = np.arange(len(entries))
    chosen = np.zeros(len(entries), dtype=np.int64)
    codes = np.empty((num_codebooks, len(entries)), dtype=np.uint16)
    for stage in range(num_codebooks - 1, -1, -1):
        codes[stage] = entries[frames, stage, chosen]
        chosen = parents[frames, stage, chosen]
    return codes


class RvqCodeReader:
    """Codes of packets, without a network; see `mediacodec.codecs.base.CodeReader`."""

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        settings = RvqSettings(model)
        self._header = header
        self._frame_size, self._least = settings.frame_size, settings.least_codebooks
        self._max_frames = int(MAX_PACKET_SECONDS * settings.frame_rate)
        self.frame_rate, self.codebook_size = settings.frame_rate, settings.codebook_size
        entropy, self.num_codebooks, self._counted = read_extradata(header.fields.get("extradata"), model)
        self._entropy = open_entropy(entropy, model, settings)
        if not settings.least_codebooks <= self.num_codebooks <= settings.num_codebooks:
            raise CorruptError(f"stream {header.stream_id}: {self.num_codebooks} codebooks of {settings.num_codebooks}")
        s = settings
        expected = AudioParameters(s.sample_rate, s.channels, s.pre_skip, s.frame_size)
        time_base = Fraction(1, settings.sample_rate)
        if header.parameters != expected or header.time_base != time_base or header.coder != RC24:
            raise CorruptError(f"stream {header.stream_id}: its parameters are not those of model {model.name}")
        if header.packet_duration > self._max_frames * self._frame_size:  # concealment makes as much at once
            raise CorruptError(f"stream {header.stream_id}: packets of {header.packet_duration} samples are too long")

    def read(self, packet: Packet) -> Codes:
        """[codebooks, frames] uint16, at most num_codebooks. Raises CorruptError, TruncatedError or DesyncError."""
        frames, rest = divmod(packet.duration, self._frame_size)
        if rest or not 1 <= frames <= self._max_frames:
            raise CorruptError(f"a packet of {packet.duration} samples is not whole frames of {self._frame_size}")
        size = self._header.symbol_crc_size
        coded, crc = unseal(packet.data, size)
        codes = self._decoded(coded, frames)
        check_symbols(codes, crc, size)
        return codes

    def _decoded(self, coded: bytes, frames: int) -> Codes:
        """Codes that are enough for the model's network. Raises CorruptError."""
        codes = self._entropy.decode(coded, self.num_codebooks, frames, counted=self._counted)
        if len(codes) < self._least:
            raise CorruptError(f"a packet has {len(codes)} codebooks, which decode from {self._least} on")
        return codes


class RvqDecoder:
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoder`."""

    delay = 0

    def __init__(self, model: Manifest, header: StreamHeader, *, device: str = "auto", threads: int = 1) -> None:
        self.header = header
        self._settings = RvqSettings(model)
        self._reader = RvqCodeReader(model, header)
        self._graph = shared_graph(model.graph_path("decoder"), model.graph("decoder"), device=device, threads=threads)
        self._state: State = self._graph.initial_state()
        self._next_pts: int | None = None  # where the next packet should begin, on the coded timeline
        self._last: Codes | None = None  # the last frame received, [codebooks, 1]
        self._lost = 0  # samples concealed since

    @property
    def preroll(self) -> int:
        """Samples; after this many the output is that of a whole decode.

        Exactly so where memory ends. A network whose memory only fades gets a second, by which it has faded.
        """
        frames = self._settings.preroll_frames
        return frames * self._settings.frame_size if frames >= 0 else FADED_SECONDS * self._settings.sample_rate

    def push(self, packet: Packet | None) -> AudioChunk:
        """Decode or conceal one packet."""
        if packet is None:
            return self._conceal()
        codes = self._reader.read(packet)
        samples = self._synthesise(codes)
        if self._lost:
            # come back over one frame: a hard switch from a faded gap would click
            count = min(samples.shape[1], self._settings.frame_size)
            samples[:, :count] *= np.linspace(self._fade(self._lost), 1, count, dtype=np.float32)
        self._last, self._lost = codes[:, -1:], 0
        return self._chunk(samples, packet.pts)

    def flush(self) -> AudioChunk:
        """Nothing: every packet is decoded as it comes."""
        return self._chunk(np.zeros((self._settings.channels, 0), dtype=np.float32), self._next_pts or 0)

    def _synthesise(self, codes: Codes) -> Samples:
        """[channels, samples] of [codebooks, frames]."""
        s = self._settings
        # codebook_size is one past the last entry: "no code", for the codebooks that the stream drops
        padded = np.full((1, s.num_codebooks, codes.shape[1]), s.codebook_size, dtype=np.int64)
        padded[0, : len(codes)] = codes
        outputs, self._state = self._graph.step({"codes": padded}, self._state)
        return np.array(outputs["samples"])  # a batch of one is its one channel

    def _conceal(self) -> AudioChunk:
        """The last frame goes on, then fades out.

        The network keeps running, so that it is warm when packets return, until it has settled on that frame.
        """
        s = self._settings
        frames = max(1, self.header.packet_duration // s.frame_size)
        faded = (HOLD_SECONDS + FADE_SECONDS) * s.sample_rate
        if self._last is None or self._lost > max(faded, self.preroll):
            samples = np.zeros((s.channels, frames * s.frame_size), dtype=np.float32)
        else:
            samples = self._synthesise(np.repeat(self._last, frames, axis=1))
            samples *= self._fade(self._lost + np.arange(samples.shape[1]))
        self._lost += samples.shape[1]
        return self._chunk(samples, self._next_pts or 0)

    def _fade(self, lost: Any) -> Any:
        """Gain after so many samples without a packet."""
        rate = self._settings.sample_rate
        gain = 1 - (np.asarray(lost, dtype=np.float32) - HOLD_SECONDS * rate) / (FADE_SECONDS * rate)
        return np.clip(gain, 0, 1)

    def _chunk(self, samples: Samples, coded_pts: int) -> AudioChunk:
        """Samples that begin at coded_pts, without those that pre-skip drops."""
        self._next_pts = coded_pts + samples.shape[1]
        dropped = min(samples.shape[1], max(0, self._settings.pre_skip - coded_pts))
        pts = max(0, coded_pts - self._settings.pre_skip)
        return AudioChunk(samples[:, dropped:], self._settings.sample_rate, pts)
