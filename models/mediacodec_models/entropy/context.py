"""The context network of an RVQ codec's codes, trained as the integers that `mediacodec.codecs.rvq.context` computes.

What is known of a packet goes in as sums of codebook entries, since that is what codes mean: the three frames before,
two moving averages of older ones, the lower codebooks of this frame. A neural autoregressive estimator (Larochelle and
Murray 2011) over the codebooks: what depends on earlier frames is computed once a frame, and each code adds its entry
to a running sum. The 1024 entries of a codebook lie in 32 groups of 32 near ones; a code is a coarse symbol for its
group, then a fine one within it, so that a decoder looks at 64 numbers and not at 1024.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec.codecs.rvq.context_weights import AGES, ENTRY_SCALE, INPUT_TOP, LAGS, LOGIT_UNIT, RATES, SHIFT, TOP
from mediacodec_models.layers.rounding import requantise, round_through

LIMIT = 127 / 2**SHIFT  # of a weight
BIAS_GAIN = 32.0  # biases are learnt in these units: they must move as far as whole sums do


@dataclass(frozen=True)
class Batch:
    """Frames: codes int64 [n, books] (`size` where the codebook was dropped); entries of the frame before and the sum
    of lower ones [n, books, dim]; the same of this frame's sums; history [n, inputs]; count, age int64 [n]."""

    codes: Tensor
    before: Tensor
    partial: Tensor
    history: Tensor
    count: Tensor
    age: Tensor


class ContextNetwork(nn.Module):
    """See `mediacodec.codecs.rvq.context` for what is computed; inputs are integers, weights multiples of 2^-SHIFT."""

    entries: Tensor
    order: Tensor
    place: Tensor
    gain: Tensor
    even: Tensor

    def __init__(
        self, codebooks: Tensor, *, trunk: int = 256, hidden: int = 64, fine_symbols: int = 32, dropout: float = 0.1
    ) -> None:
        super().__init__()
        books, size, dim = codebooks.shape
        self.books, self.size, self.dim = books, size, dim
        self.num_fine, self.num_coarse = fine_symbols, size // fine_symbols
        self.register_buffer("entries", (codebooks * ENTRY_SCALE).round().clamp(-127, 127))
        order = torch.stack([torch.cat(bisected(book, self.num_coarse)) for book in codebooks])
        self.register_buffer("order", order)
        self.register_buffer("place", order.argsort(1))
        norm = codebooks.norm(dim=2).mean(1)
        self.register_buffer("gain", (norm.max() / norm).log2().round().clamp(0, 5))
        even = codebooks / norm[:, None, None] * dim**0.5  # entries of about 1 in each dimension
        self.register_buffer("even", even.gather(1, order[..., None].expand_as(even)))

        def weights(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape) * scale)

        def biases(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape))

        inputs = (len(LAGS) + len(RATES)) * dim
        self.first, self.second = weights(trunk, inputs, scale=1.2 / inputs**0.5), weights(trunk, trunk, scale=0.06)
        self.count_knots, self.age_bias = biases(3, trunk), biases(AGES, trunk)
        self.second_bias = biases(trunk)
        self.frame, self.before = weights(books, hidden, trunk, scale=0.04), weights(books, hidden, 2 * dim, scale=0.08)
        self.partial, self.bias = weights(books, hidden, dim, scale=0.1), biases(books, hidden)
        # weights of entries that lie near each other are alike: a part of them is linear in the entry
        self.class_map, self.member_map = biases(books, hidden, dim), biases(books, hidden, dim)
        self.coarse = weights(books, self.num_coarse, hidden, scale=2e-3)
        self.coarse_bias = biases(books, self.num_coarse)
        self.fine, self.fine_bias = weights(books, size, hidden, scale=2e-3), biases(books, size)
        self.dropout = nn.Dropout(dropout)

    def count_bias(self) -> Tensor:
        """[books, trunk]: for packets of 1, 2, ... codebooks; a parabola, since training sees only some of these."""
        share = torch.arange(1, self.books + 1) / self.books
        return torch.stack([torch.ones(self.books), share, share.square()], 1) @ self.count_knots

    def readouts(self) -> tuple[Tensor, Tensor]:
        """[books, coarse symbols, hidden] and [books, size (by place), hidden], before rounding."""
        centre = self.even.unflatten(1, (self.num_coarse, self.num_fine)).mean(2)
        coarse = self.coarse + centre @ self.class_map.transpose(1, 2)
        return coarse, self.fine + self.even @ self.member_map.transpose(1, 2)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sums of nats of the codes by codebook, and how many codes there were, [books]."""
        x = batch.history @ rounded(self.first).T + self._bias(self.count_bias())[batch.count - 1]
        x = self.dropout(requantise(x + self._bias(self.age_bias)[batch.age], TOP))
        x = self.dropout(requantise(x @ rounded(self.second).T + self._bias(self.second_bias), TOP))
        sums = torch.einsum("ni,khi->knh", x, rounded(self.frame))
        sums = sums + torch.bmm(batch.before.transpose(0, 1), rounded(self.before).transpose(1, 2))
        sums = sums + torch.bmm(batch.partial.transpose(0, 1), rounded(self.partial).transpose(1, 2))
        hidden = self.dropout(requantise(sums + self._bias(self.bias)[:, None], TOP)).flatten(0, 1)
        return self._losses(hidden, batch.codes.T.flatten())

    def _losses(self, hidden: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """hidden [books * n, hidden] and codes [books * n], a codebook after the other."""
        book = torch.arange(self.books).repeat_interleave(len(codes) // self.books)
        place = self.place[book, codes.clamp(max=self.size - 1)]
        last = self.books * self.num_coarse
        group = torch.where(codes < self.size, book * self.num_coarse + place // self.num_fine, last)
        kept = int((codes < self.size).sum())
        order = group.sort(stable=True)[1][:kept]  # products with one matrix side by side
        group, fine_symbol, hidden = group[order], place[order] % self.num_fine, hidden[order]
        book = group // self.num_coarse
        coarse, fine = self.readouts()
        parts = hidden.split(torch.bincount(book, minlength=self.books).tolist())
        upper = torch.cat([part @ w.T for part, w in zip(parts, rounded(coarse).unbind(0), strict=True)])
        parts = hidden.split(torch.bincount(group, minlength=last).tolist())
        tables = rounded(fine).view(-1, self.num_fine, hidden.shape[1]).unbind(0)
        lower = torch.cat([part @ w.T for part, w in zip(parts, tables, strict=True)])
        upper = (upper + self._bias(self.coarse_bias)[book]) / LOGIT_UNIT
        lower = (lower + self._bias(self.fine_bias).view(-1, self.num_fine)[group]) / LOGIT_UNIT
        nats = F.cross_entropy(upper, group % self.num_coarse, reduction="none")
        nats = nats + F.cross_entropy(lower, fine_symbol, reduction="none")
        return torch.zeros(self.books).index_add(0, book, nats), torch.bincount(book, minlength=self.books)

    @staticmethod
    def _bias(bias: Tensor) -> Tensor:
        return round_through(bias * BIAS_GAIN * 2**SHIFT) / 2**SHIFT

    @torch.no_grad()
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The integers that ship, all but the measured bits."""
        coarse, fine = self.readouts()
        small = {
            "first": self.first, "second": self.second, "frame": self.frame, "before": self.before,
            "partial": self.partial, "coarse": coarse, "fine": fine.unflatten(1, (self.num_coarse, self.num_fine)),
        }  # fmt: skip
        large = {name: getattr(self, name) for name in ("age_bias", "second_bias", "bias", "coarse_bias")}
        large["count_bias"] = self.count_bias()
        large["fine_bias"] = self.fine_bias.unflatten(1, (self.num_coarse, self.num_fine))
        return {
            **{key: (rounded(value) * 2**SHIFT).numpy().astype(np.int8) for key, value in small.items()},
            **{key: (self._bias(value) * 2**SHIFT).numpy().astype(np.int32) for key, value in large.items()},
            "entries": self.entries.numpy().astype(np.int8),
            "order": self.order.numpy().astype(np.uint16),
            "gain": self.gain.numpy().astype(np.uint8),
            "powers": np.ceil(2.0**24 * np.exp(-np.arange(16 * LOGIT_UNIT) / LOGIT_UNIT)).astype(np.uint32),
        }


def rounded(weight: Tensor) -> Tensor:
    """The weight in effect: a multiple of 2^-SHIFT that fits eight bits."""
    return round_through(weight.clamp(-LIMIT, LIMIT) * 2**SHIFT) / 2**SHIFT


def bisected(book: Tensor, groups: int) -> list[Tensor]:
    """Entries of a codebook in `groups` (a power of two) groups of one size, near ones together."""
    parts = [torch.arange(len(book))]
    while len(parts) < groups:
        halves = []
        for part in parts:
            points = book[part] - book[part].mean(0)
            axis = torch.linalg.svd(points, full_matrices=False)[2][0]
            ranked = part[(points @ axis).argsort()]
            halves += [ranked[: len(part) // 2], ranked[len(part) // 2 :]]
        parts = halves
    return parts


class CodedFrames:
    """Frames of clips cut to packets, and what the network sees of each; clips: codes [books, frames] each.

    packet: frames to a packet. Codebooks that a clip was coded without are filled with the code `size`.
    """

    def __init__(self, clips: list[NDArray[np.integer]], network: ContextNetwork, packet: int) -> None:
        self.network, books = network, network.books
        full = [np.pad(c, ((0, books - len(c)), (0, 0)), constant_values=network.size) for c in clips]
        self.codes = torch.from_numpy(np.concatenate(full, 1).T.astype(np.int16))
        self.age = torch.cat([torch.arange(c.shape[1]) % packet for c in clips])
        self.count = torch.cat([torch.full((c.shape[1],), len(c)) for c in clips])
        absent = torch.zeros(books, 1, network.dim)
        self._table = torch.cat([network.entries, absent], 1).flatten(0, 1)
        self._first = torch.arange(books) * (network.size + 1)
        parts = self.codes.split(8192)
        self._sums = torch.cat([self._entries(part).sum(1) for part in parts]).clamp(-INPUT_TOP, INPUT_TOP).short()
        self._averages = self._moving(packet)

    def __len__(self) -> int:
        return len(self.codes)

    def _entries(self, codes: Tensor) -> Tensor:
        return F.embedding(codes.long() + self._first, self._table)

    def _moving(self, packet: int) -> Tensor:
        """[rates, frames, dim] int16: of the frames before each one in its packet."""
        starts = torch.nonzero(self.age == 0)[:, 0]
        result = torch.zeros(len(RATES), *self._sums.shape, dtype=torch.int16)
        for r, rate in enumerate(RATES):
            state = torch.zeros(len(starts), self.network.dim, dtype=torch.int32)
            for t in range(packet):
                at = starts + t
                there = (at < len(self.age)) & (self.age[at.clamp(max=len(self.age) - 1)] == t)
                result[r, at[there]] = (state[there] >> 4).short()
                state[there] += ((self._sums[at[there]].int() << 4) - state[there]) >> rate
        return result

    def batch(self, index: Tensor, *, alone: int = 0) -> Batch:
        """What the network sees of frames; of the first `alone` of them as if a packet began there."""
        age, gain = self.age[index], torch.pow(2.0, self.network.gain)[:, None]
        age[:alone] = 0
        now, past = (self._entries(self.codes[(index - lag).clamp(min=0)]) for lag in (0, 1))
        past = past * (age >= 1)[:, None, None]
        lags = [self._sums[(index - lag).clamp(min=0)].float() * (age >= lag)[:, None] for lag in LAGS]
        averages = [average[index].float() * (age >= 1)[:, None] for average in self._averages]
        history = torch.cat([*lags, *averages], 1)
        before = torch.cat([past * gain, past.cumsum(1) - past], 2).clamp(-INPUT_TOP, INPUT_TOP)
        partial = (now.cumsum(1) - now).clamp(-INPUT_TOP, INPUT_TOP)
        return Batch(self.codes[index].long(), before, partial, history, self.count[index], age.clamp(max=AGES - 1))
