"""RVQ audio codecs: an encoder graph that searches the codebooks, a decoder graph that looks codes up (family `rvq`).

A packet holds whole frames of codes. The stream header's extradata says how many codebooks there are at most, what
codes them and whether each packet begins with its own number of them (`rvq_entropy`): long packets do where a bit rate
was asked for, so that the rate is kept whatever is said. Encoder and decoder run step graphs with explicit state, so
any number of streams share a model.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediacodec.codecs.base import LIVE_BELOW, Codes, Samples, channel_samples
from mediacodec.codecs.rvq.entropy import open_entropy, write_extradata
from mediacodec.codecs.rvq.rate_cap import RateCap
from mediacodec.codecs.rvq.settings import RvqSettings
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk
from mediacodec.manifest import Manifest
from mediacodec.session import shared_graph
from mediacodec_bitstream import Packet, StreamHeader, seal, symbol_crc

Paths = NDArray[Any]  # what the encoder graph found, its second axis the frames; see best_path

OVERHEAD_BITS = 16  # at most, of a payload over its information content: the number of codebooks, the coder, byte ends
HEADROOM = 2  # codebooks above the average that an easy stretch may use


class RvqEncoder:
    """Encodes samples; see `mediacodec.codecs.base.AudioEncoder`.

    entropy: "static", or "context" for fewer bits and more time (`mediacodec.codecs.rvq.entropy`).
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
        duration = self._packet_frames * self._settings.frame_size
        return self._settings.stream_header(
            model, self.fourcc, stream_id, packet_duration=duration, crc_size=crc_size, extradata=extradata
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
