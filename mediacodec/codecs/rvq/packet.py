"""Packets of RVQ codes to codes, and codes back into packets, without a network."""

from __future__ import annotations

import numpy as np

from mediacodec.audio_coding.codebook_settings import CodebookSettings
from mediacodec.codecs.rvq.entropy import open_entropy, read_extradata
from mediacodec.codecs.rvq.settings import FOURCC
from mediacodec.entropy_coding.code_tables import encode_codes
from mediacodec.errors import ParameterError
from mediacodec.frames import Codes
from mediacodec.manifest import Manifest
from mediacodec_bitstream import (
    CorruptError,
    Packet,
    StreamHeader,
    check_symbols,
    seal,
    symbol_crc,
    unseal,
)

CRC_SIZE = 4


class RvqCodeReader:
    """Codes of packets, without a network; see `mediacodec.codecs.base.CodeReader`."""

    def __init__(self, model: Manifest, header: StreamHeader) -> None:
        settings = CodebookSettings(model)
        self._crc_size = header.symbol_crc_size
        self._frame_size, self._least, self._max_frames = (
            settings.frame_size, settings.least_codebooks, settings.max_frames
        )  # fmt: skip
        self.frame_rate, self.codebook_size = settings.frame_rate, settings.codebook_size
        entropy, self.num_codebooks, self._counted = read_extradata(header.fields.get("extradata"), model)
        self._entropy = open_entropy(entropy, model, settings)
        settings.check_header(model, header, self.num_codebooks)

    def read(self, packet: Packet) -> Codes:
        """See `CodeReader.read`. Raises CorruptError, TruncatedError or DesyncError."""
        frames, rest = divmod(packet.duration, self._frame_size)
        if rest or not 1 <= frames <= self._max_frames:
            raise CorruptError(f"a packet of {packet.duration} samples is not whole frames of {self._frame_size}")
        coded, crc = unseal(packet.data, self._crc_size)
        codes = self._entropy.decode(coded, self.num_codebooks, frames, counted=self._counted)
        if len(codes) < self._least:
            raise CorruptError(f"a packet has {len(codes)} codebooks, which decode from {self._least} on")
        check_symbols(codes, crc, self._crc_size)
        return codes


class RvqCodeWriter:
    """Packets of a second for codes; see `mediacodec.codecs.base.CodeWriter`.

    A frame may hold "no code" from some codebook on; packets then say how many codebooks they have, and one ends where
    that number changes.
    """

    def __init__(self, model: Manifest, codes: Codes, *, stream_id: int = 0) -> None:
        self._settings = s = CodebookSettings(model)
        self._tables = s.tables(model)
        self._codes, self._counts = codes, self._checked(model, codes)
        self._packet_frames = s.packet_frames(1.0)
        self._num_codebooks = len(codes)
        self._varies = bool((self._counts != self._num_codebooks).any())
        duration, extradata = self._packet_frames * s.frame_size, bytes([self._num_codebooks, self._varies])
        self.header = s.stream_header(
            model, FOURCC, stream_id, packet_duration=duration, crc_size=CRC_SIZE, extradata=extradata
        )

    @property
    def num_samples(self) -> int:
        """Samples per channel that the codes stand for."""
        frames = int(self._codes.shape[1])
        return max(0, frames * self._settings.frame_size - self._settings.pre_skip)

    def packets(self) -> list[Packet]:
        """All packets, in order."""
        result, start, frames = [], 0, self._codes.shape[1]
        while start < frames:
            stop = min(frames, start + (self._packet_frames if start else self._first_frames))
            changes = np.flatnonzero(self._counts[start:stop] != self._counts[start])
            if changes.size:
                stop = start + int(changes[0])
            result.append(self._packet(start, stop))
            start = stop
        return result

    @property
    def _first_frames(self) -> int:
        return max(self._packet_frames, self._settings.start_frames)

    def _packet(self, start: int, stop: int) -> Packet:
        codes = self._codes[: self._counts[start], start:stop]
        counted = {"max_codebooks": self._num_codebooks} if self._varies else {}
        data = seal(encode_codes(codes, self._tables, **counted), symbol_crc(codes), CRC_SIZE)
        size = self._settings.frame_size
        return Packet(self.header.stream_id, start * size, data, (stop - start) * size)

    def _checked(self, model: Manifest, codes: Codes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """How many codebooks each frame has. Raises ParameterError where the model has no such codes."""
        s = self._settings
        shape, least, most = list(codes.shape), s.least_codebooks, s.num_codebooks
        if codes.ndim != 2 or codes.dtype != np.uint16 or not least <= len(codes) <= most:
            raise ParameterError(
                f"codes of {model.name} are uint16 [{least}..{most} codebooks, frames], not {codes.dtype} {shape}"
            )
        if codes.size and int(codes.max()) > s.codebook_size:
            raise ParameterError(
                f"code {int(codes.max())} is none of {model.name}: they go to {s.codebook_size - 1}, "
                f"and {s.codebook_size} is no code"
            )
        present = codes < s.codebook_size
        counts: np.ndarray[tuple[int], np.dtype[np.int64]] = present.sum(0)
        if (present[1:] & ~present[:-1]).any() or (codes.shape[1] and not present[:least].all()):
            raise ParameterError(f"a frame has codes in its first codebooks, in {least} at least, and none behind")
        if counts.size and (counts[: s.start_frames] != counts[0]).any():
            raise ParameterError(f"the first {s.start_frames} frames of {model.name} have as many codebooks each")
        return counts
