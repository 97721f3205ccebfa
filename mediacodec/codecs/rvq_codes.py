"""Codes back into packets, without a network: the other way of `RvqCodeReader`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mediacodec.codecs.base import Codes
from mediacodec.codecs.rvq_settings import RvqSettings
from mediacodec.codecs.rvq_symbols import encode_codes
from mediacodec.errors import ParameterError
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, AudioParameters, Packet, StreamHeader, seal, symbol_crc

CRC_SIZE = 4


class RvqCodeWriter:
    """Packets of a second for codes; see `mediacodec.codecs.base.CodeWriter`.

    A frame may hold "no code" from some codebook on; packets then say how many codebooks they have, and one ends where
    that number changes.
    """

    def __init__(self, model: Manifest, fourcc: str, codes: Codes, *, stream_id: int = 0) -> None:
        self._settings = s = RvqSettings(model)
        self._tables = s.tables(model)
        self._codes, self._counts = codes, self._checked(model, codes)
        self._packet_frames = s.packet_frames(1.0)
        self._num_codebooks = len(codes)
        self._varies = bool((self._counts != self._num_codebooks).any())
        self.header = StreamHeader(
            stream_id,
            fourcc,
            AudioParameters(s.sample_rate, s.channels, s.pre_skip, s.frame_size),
            Fraction(1, s.sample_rate),
            packet_duration=self._packet_frames * s.frame_size,
            algorithmic_delay=s.algorithmic_delay,
            coder=RC24,
            symbol_crc_size=CRC_SIZE,
            model_hash=model.weights_hash,
            tables_hash=model.tables_hash,
            fields={"model_name": model.name, "extradata": bytes([self._num_codebooks, self._varies])},
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
