"""Streaming networks of published codecs (family `causal`): samples to codes, codes to samples, in steps with a state.

The encoder graph takes `samples` [1, channels, n] and gives `codes` [1, codebooks, frames], of all codebooks or, where
it takes their number, of as many as are wanted or more; the decoder graph takes `codes` of any number of codebooks and
gives `samples`. What a network does at the start of a stream instead of looking back (reflection, repetition) hangs on
a state too, so one graph serves start, middle and end. Packets are those of family `rvq`; the first one of a stream is
longer where the network looks ahead when it begins.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mediacodec.codecs.base import Codes, Samples
from mediacodec.codecs.rvq.decoder import RvqDecoder
from mediacodec.codecs.rvq.encoder import Paths, RvqEncoder, joined
from mediacodec.errors import ModelError


class CausalEncoder(RvqEncoder):
    """Encodes samples [channels, n]; see `mediacodec.codecs.base.AudioEncoder`."""

    fourcc: ClassVar = "caus"

    def _run(self, samples: Samples) -> Paths:
        s, count = self._settings, self._num_codebooks
        outputs, self._state = self._graph.step({"samples": samples[None], **s.wanted(count)}, self._state)
        codes = outputs["codes"][0, :count]
        if codes.shape != (count, -(-samples.shape[1] // s.frame_size)):
            raise ModelError(f"the encoder graph gave codes {codes.shape} for samples {samples.shape}")
        return np.asarray(codes, dtype=np.uint16)

    def _drain(self, frames: int) -> None:
        """The last step is as long as what is left: a ragged one the network fills by itself."""
        s = self._settings
        rest = joined([*self._waiting, np.zeros((s.channels, s.pre_skip), dtype=np.float32)])
        if self._frames_found < frames:
            short = 0 if s.ragged else -rest.shape[1] % s.frame_size
            self._found.append(self._run(np.pad(rest, ((0, 0), (0, short)))))

    def _codes(self, paths: Paths, num_codebooks: int) -> Codes:
        return paths[:num_codebooks]


class CausalDecoder(RvqDecoder):
    """Decodes packets; see `mediacodec.codecs.base.AudioDecoder`."""

    def _synthesise(self, codes: Codes) -> Samples:
        outputs, self._state = self._graph.step({"codes": codes[None].astype(np.int64)}, self._state)
        return np.array(outputs["samples"][0])
