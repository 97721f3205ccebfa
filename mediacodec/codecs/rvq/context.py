"""A context network for RVQ codes, in exact integers: which table codes a code, from the codes decoded before it.

What is known goes in as sums of codebook entries: the frames before and moving averages of older ones in this packet,
and the lower codebooks of this frame. A code is two symbols, a coarse one for a group of near entries and a fine one
within the group, each under a table made from integer logits. Weights are integers over 2^SHIFT, activations integers
in 0..TOP; all are held in float32, and since no sum reaches 2^24 (checked when a model loads) every machine gets the
same tables, whatever the order in which it adds. A packet's first frame knows of no frame before it, so packets decode
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec.audio_coding.codebook_settings import CodeRates
from mediacodec.codecs.rvq.context_weights import (
    AGES,
    INPUT_TOP,
    LAGS,
    RATES,
    SHIFT,
    TOP,
    ContextWeights,
    Exact,
    frequencies,
    one_row,
)
from mediacodec.entropy_coding.code_tables import count_row
from mediacodec.frames import Codes
from mediacodec_bitstream import CorruptError, open_decoder, open_encoder
from mediacodec_bitstream.tables import PRECISION, TableRow

Sums = NDArray[np.int32]
Indices = NDArray[np.int64]
Tables = NDArray[np.uint32]

# A payload holds the bits of its codes but for zeros at its end, which are cut; so many of them never happen.
ZEROS = 512

_STEP, _ZERO, _TOP = np.float32(2.0**-SHIFT), np.float32(0), np.float32(TOP)
_LOW, _HIGH = np.float32(-INPUT_TOP), np.float32(INPUT_TOP)


@dataclass
class History:
    """Sums of entries of the frames of a packet so far; `push` takes the next frame's.

    Attributes:
        latest: int32 [dim] each, the last frame first.
        averages: int32 [dim] each, over 16.
        age: frames so far.
    """

    latest: list[Sums]  # [dim] each, the last frame first
    averages: list[Sums]  # [dim] each, over 16
    age: int = 0

    @classmethod
    def empty(cls, dim: int) -> History:
        """At the start of a packet, for entries of `dim` dimensions."""
        zeros = np.zeros(dim, dtype=np.int32)
        return cls([zeros] * len(LAGS), [zeros] * len(RATES))

    def push(self, entries: Sums) -> None:
        """Take the sum of the entries of a frame over its codebooks, int32 [dim]."""
        total = np.clip(entries, -INPUT_TOP, INPUT_TOP)
        self.latest = [total, *self.latest[:-1]]
        self.averages = [a + ((total * 16 - a) >> rate) for a, rate in zip(self.averages, RATES, strict=True)]
        self.age += 1

    def inputs(self) -> Sums:
        """What the network gets of it, int32 [inputs]."""
        return np.concatenate([*self.latest, *(average >> 4 for average in self.averages)])


class ContextModel:
    """Codes packets under a model's context network; see `mediacodec.codecs.rvq.entropy.EntropyModel`."""

    def __init__(self, weights: ContextWeights) -> None:
        self._w = weights
        self.rates = CodeRates(tuple(weights.bits_first_frame), tuple(weights.bits_per_frame))

    def encode(self, codes: Codes, *, max_codebooks: int | None = None) -> bytes:
        """See `EntropyModel.encode`."""
        encoder = open_encoder()
        if max_codebooks is not None:
            encoder.encode_one(len(codes) - 1, count_row(max_codebooks))
        coarse, fine, coarse_tables, fine_tables = self._tables(codes)
        for t in range(codes.shape[1]):
            for k in range(len(codes)):
                encoder.encode_one(int(coarse[k, t]), TableRow(coarse_tables[k, t]))
                encoder.encode_one(int(fine[k, t]), TableRow(fine_tables[k, t]))
        return encoder.finish()

    def lengths(self, codes: Codes) -> NDArray[np.float64]:
        """See `EntropyModel.lengths`."""
        result: NDArray[np.float64] = self.bits(codes).sum(1)
        return result

    def bits(self, codes: Codes) -> NDArray[np.float64]:
        """Bits of each code of a packet, [codebooks, frames]."""
        coarse, fine, coarse_tables, fine_tables = self._tables(codes)
        chosen = np.take_along_axis(coarse_tables, coarse[..., None], 2)[..., 0].astype(np.float64)
        chosen *= np.take_along_axis(fine_tables, fine[..., None], 2)[..., 0]
        result: NDArray[np.float64] = 2 * PRECISION - np.log2(chosen)
        return result

    def decode(self, payload: bytes, num_codebooks: int, num_frames: int, *, counted: bool = False) -> Codes:
        """See `EntropyModel.decode`."""
        w, decoder = self._w, open_decoder(payload)
        count = decoder.decode_one(count_row(num_codebooks)) + 1 if counted else num_codebooks
        places = np.empty((count, num_frames), dtype=np.int64)
        history, past, spent = History.empty(w.dim), np.zeros((count, 1, w.dim), dtype=np.float32), 0
        arrays = w.partial, w.coarse, w.coarse_bias, w.fine, w.fine_bias, w.entries
        books = list(enumerate(zip(*arrays, strict=True)))[:count]
        for t in range(num_frames):
            sums = self._frame_sums(history.inputs()[None], np.array([history.age]), past)[:, 0]
            partial = np.zeros(w.dim, dtype=np.float32)
            for k, (weight, coarse, coarse_bias, fine, fine_bias, entries) in books:
                x = np.minimum(np.maximum(partial, _LOW), _HIGH)
                hidden = activated(weight.dot(x) + sums[k])
                row = one_row(coarse.dot(hidden) + coarse_bias, w.powers)
                coarse_symbol = decoder.decode_one(row)
                spent += PRECISION - int(row.frequencies[coarse_symbol]).bit_length()
                row = one_row(fine[coarse_symbol].dot(hidden) + fine_bias[coarse_symbol], w.powers)
                fine_symbol = decoder.decode_one(row)
                spent += PRECISION - int(row.frequencies[fine_symbol]).bit_length()
                places[k, t] = coarse_symbol * w.num_fine + fine_symbol
                past[k, 0] = entry = entries[coarse_symbol, fine_symbol]
                partial += entry
            history.push(partial.astype(np.int32))
            if spent > 8 * len(payload) + ZEROS:  # so a forged duration costs no time
                size = f"{count} codebooks x {num_frames} frames"
                raise CorruptError(f"a payload of {len(payload)} bytes cannot hold {size}")
        decoder.finish()
        return np.take_along_axis(w.order[:count], places, 1).astype(np.uint16)

    def _tables(self, codes: Codes) -> tuple[Indices, Indices, Tables, Tables]:
        """Coarse and fine symbol of each code [codebooks, frames], and the tables of both [codebooks, frames, n]."""
        w, (count, frames) = self._w, codes.shape
        place = np.take_along_axis(w.place[:count], codes.astype(np.int64), 1)
        coarse, fine = np.divmod(place, w.num_fine)
        now = w.entries[np.arange(count)[:, None], coarse, fine]  # [books, frames, dim]
        past = np.concatenate([np.zeros_like(now[:, :1]), now[:, :-1]], 1)
        history, inputs = History.empty(w.dim), np.empty((frames, w.inputs), dtype=np.int32)
        for t, total in enumerate(now.sum(0).astype(np.int32)):
            inputs[t] = history.inputs()
            history.push(total)
        sums = self._frame_sums(inputs, np.arange(frames), past)
        partial = np.clip(np.cumsum(now, axis=0) - now, -INPUT_TOP, INPUT_TOP)
        hidden = activated(sums + partial @ w.partial[:count].swapaxes(1, 2))
        coarse_tables = frequencies(hidden @ w.coarse[:count].swapaxes(1, 2) + w.coarse_bias[:count, None], w.powers)
        fine_sums = np.stack([(w.fine[k][row] @ hidden[k][..., None])[..., 0] for k, row in enumerate(coarse)])
        fine_tables = frequencies(fine_sums + w.fine_bias[np.arange(count)[:, None], coarse], w.powers)
        return coarse, fine, coarse_tables, fine_tables

    def _frame_sums(self, inputs: Sums, age: NDArray[np.int64], past: Exact) -> Exact:
        """What earlier frames add to the hidden sums, [books, frames, hidden].

        inputs [frames, inputs]; age [frames]; past [books, frames, dim]: the entries of the frame before each.
        """
        w, count = self._w, len(past)
        x = inputs.astype(np.float32) @ w.first.T + w.count_bias[count - 1] + w.age_bias[np.minimum(age, AGES - 1)]
        x = activated(activated(x) @ w.second.T + w.second_bias)
        lower = np.cumsum(past, axis=0) - past
        before = np.concatenate([past * w.gain[:count], lower], 2)
        before = np.clip(before, -INPUT_TOP, INPUT_TOP)
        result: Exact = before @ w.before[:count].swapaxes(1, 2) + w.bias[:count, None]
        result += (x @ w.frame[: count * w.hidden].T).reshape(len(x), count, w.hidden).swapaxes(0, 1)
        return result


def activated(sums: Exact) -> Exact:
    """Sums over 2^SHIFT to activations, rounded down; in place."""
    sums *= _STEP
    np.floor(sums, out=sums)
    np.maximum(sums, _ZERO, out=sums)
    return np.minimum(sums, _TOP, out=sums)
