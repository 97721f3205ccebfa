"""The encoder of RVQ codecs: a network finds codes (`analysis`), an entropy model codes them, packets hold frames.

The stream header's extradata says how many codebooks there are at most, what codes them and whether each packet begins
with its own number of them (`entropy`): long packets do where a bit rate was asked for, so that the rate is kept
whatever is said.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.audio_coding.queues import Queue
from mediacodec.audio_coding.rate_cap import RateCap
from mediacodec.codecs.base import LIVE_BELOW, channel_samples
from mediacodec.codecs.options import DEFAULT_RUNTIME, AudioOptions, Runtime
from mediacodec.codecs.rvq.analysis import STEP_NETWORKS, Analysis, Found
from mediacodec.codecs.rvq.entropy import open_entropy, write_extradata
from mediacodec.codecs.rvq.settings import FOURCC, WINDOW, network_of
from mediacodec.codecs.rvq.window import WindowAnalysis
from mediacodec.errors import ParameterError
from mediacodec.frames import AudioChunk, Codes, Samples
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet, seal, symbol_crc

OVERHEAD_BITS = 16  # at most, of a payload over its information content: the number of codebooks, the coder, byte ends
HEADROOM = 2  # codebooks above the average that an easy stretch may use


class RvqEncoder:
    """Encodes samples; see `mediacodec.codecs.base.AudioEncoderBackend`."""

    def __init__(
        self, model: Manifest, options: AudioOptions, runtime: Runtime = DEFAULT_RUNTIME, *, stream_id: int = 0
    ) -> None:
        self._settings = settings = CodebookSettings(model)
        entropy = options.entropy or "static"
        self._entropy = open_entropy(entropy, model, settings)
        self._packet_frames = frames = settings.packet_frames(options.packet_duration)
        live = frames < LIVE_BELOW * settings.frame_rate
        crc_size = 1 if live else 4  # a short packet cannot carry four bytes of check, a long one can
        self._cap = None
        self._num_codebooks = settings.codebooks_for(options.bit_rate, frames, crc_size, self._entropy.rates)
        chooses = settings.least_codebooks < settings.num_codebooks
        if options.bit_rate is not None and chooses and not live:
            self._cap = RateCap(options.bit_rate)
            self._num_codebooks = min(self._num_codebooks + HEADROOM, settings.num_codebooks)
        self._analysis = open_analysis(model, settings, frames, self._num_codebooks, runtime)
        self._found: Queue[np.integer] = Queue()  # frames that do not fill a packet yet
        self._next_pts = 0
        self._flushed = False
        self.num_samples = 0
        extradata = write_extradata(model, entropy, self._num_codebooks, counted=self._cap is not None)
        header = settings.stream_header(
            model,
            FOURCC,
            stream_id,
            packet_duration=frames * settings.frame_size,
            crc_size=crc_size,
            extradata=extradata,
        )
        self.header = replace(header, algorithmic_delay=self._analysis.algorithmic_delay)

    def push(self, samples: AudioChunk | Samples) -> list[Packet]:
        """See `AudioEncoderBackend.push`."""
        if self._flushed:
            raise ParameterError("this encoder was flushed; open a new one for another stream")
        array = channel_samples(samples, self._settings.sample_rate, self._settings.channels)
        self.num_samples += array.shape[1]
        for found in self._analysis.push(array):
            self._found.put(found)
        return self._packets()

    def flush(self) -> list[Packet]:
        """Code what is left, with zeros behind it until the decoder's delay is paid."""
        if self._flushed or not self.num_samples:
            self._flushed = True
            return []
        self._flushed = True
        s = self._settings
        due = -(-(self.num_samples + s.pre_skip) // s.frame_size) - self._next_pts // s.frame_size
        for found in self._analysis.drain(due - len(self._found)):
            self._found.put(found)
        self._found.drop_behind(due)  # what the last step coded beyond the end goes
        packets = self._packets()
        if rest := len(self._found):
            packets.append(self._packet(self._found.take(rest)))
        return packets

    def _packets(self) -> list[Packet]:
        """Packets while enough frames wait for one."""
        packets: list[Packet] = []
        while len(self._found) >= (size := self._packet_size):
            packets.append(self._packet(self._found.take(size)))
        return packets

    @property
    def _packet_size(self) -> int:
        """Frames of the next packet. The first holds what its decoder's network looks at when it begins."""
        return self._packet_frames if self._next_pts else max(self._packet_frames, self._settings.start_frames)

    def _packet(self, found: Found) -> Packet:
        duration = found.shape[1] * self._settings.frame_size
        codes = self._analysis.codes(found, self._num_codebooks)
        if self._cap is None:
            coded = self._entropy.encode(codes)
        else:
            presented = self._presented(self._next_pts + duration) - self._presented(self._next_pts)
            codes, coded = self._capped(self._cap, found, codes, presented / self._settings.sample_rate)
        data = seal(coded, symbol_crc(codes), self.header.symbol_crc_size)
        packet = Packet(self.header.stream_id, self._next_pts, data, duration)
        self._next_pts += duration
        return packet

    def _presented(self, pts: int) -> int:
        """Samples that are presented of the first `pts` coded ones: rates are counted over what is presented."""
        return min(max(0, pts - self._settings.pre_skip), self.num_samples)

    def _capped(self, cap: RateCap, found: Found, codes: Codes, seconds: float) -> tuple[Codes, bytes]:
        """The most codebooks that the rate leaves room for, at least the fewest there may be, and their payload."""
        least = self._settings.least_codebooks
        bits_left = cap.room(seconds) - 8 * self.header.symbol_crc_size
        lengths = np.cumsum(self._entropy.lengths(codes))
        # other numbers of codebooks have other best codes, so these lengths are a guess to begin with
        count = min(self._num_codebooks, max(least, int(np.searchsorted(lengths, bits_left)) + 1))
        codes = self._analysis.codes(found, count)
        while count > least and self._entropy.lengths(codes).sum() + OVERHEAD_BITS > bits_left:
            count -= 1
            codes = self._analysis.codes(found, count)
        coded = self._entropy.encode(codes, max_codebooks=self._num_codebooks)
        cap.spend(8 * (len(coded) + self.header.symbol_crc_size), seconds)
        return codes, coded


def open_analysis(
    model: Manifest, settings: CodebookSettings, packet_frames: int, num_codebooks: int, runtime: Runtime
) -> Analysis:
    """The analysis network of a model.

    Args:
        model: that has it.
        settings: of the model.
        packet_frames: frames of a packet.
        num_codebooks: how many are wanted at most.
        runtime: what it runs on.
    """
    if (network := network_of(model)) == WINDOW:
        return WindowAnalysis(model, packet_frames, runtime)
    return STEP_NETWORKS[network](model, settings, packet_frames, num_codebooks, runtime)
