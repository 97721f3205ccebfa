"""The network of EnCodec (Défossez et al. 2022, arXiv:2210.13438) as ONNX graphs.

A convolutional encoder with an LSTM, residual vector quantization with Euclidean codebooks, and a decoder that mirrors
the encoder. The causal variant runs in steps, the other over whole segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.graph_layers import Array, GraphLayers
from mediacodec_models.layers.seanet import Seanet, SeanetConfig, Shapes, Weights, decoder_parts, encoder_parts
from mediacodec_models.layers.seanet import shapes as seanet_shapes

GROUP = 4  # codebooks that are searched or left out together


@dataclass(frozen=True, kw_only=True)
class EncodecConfig(SeanetConfig):
    """Shape of the network; the defaults are the published 24 kHz model.

    normalize: whether each segment is divided by its RMS; segment: samples of one and `stride` from one to the next, 0
    where the signal is one.
    """

    sample_rate: int = 24_000
    filters: int = 32
    latent: int = 128
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    last_kernel: int = 7
    lstm_layers: int = 2
    shortcut: bool = True
    causal: bool = True
    normalize: bool = False
    segment: int = 0
    stride: int = 0
    num_codebooks: int = 32
    codebook_size: int = 1024

    @property
    def frame_size(self) -> int:
        return self.hop

    @property
    def start_frames(self) -> int:
        """Frames that the first step of a stream must hold: more than any padding, counted in frames.

        The longest padding is that of the kernels at the frame rate: everywhere else a frame has more samples.
        """
        ahead = [self.kernel, self.last_kernel]
        dilated = (self.residual_kernel - 1) * self.dilation_base ** max(0, self.residual_layers - 1) + 1
        return max(*ahead, -(-dilated // self.ratios[0]))


PUBLISHED_24K = EncodecConfig()
PUBLISHED_48K = EncodecConfig(
    sample_rate=48_000,
    channels=2,
    causal=False,
    normalize=True,
    segment=48_000,
    stride=47_520,
    num_codebooks=16,
)


def shapes(config: EncodecConfig) -> Shapes:
    """Every tensor that the network is made of, weight normalisation folded."""
    book = (config.codebook_size, config.latent)
    books = {f"quantizer.layers.{k}.codebook.embed": book for k in range(config.num_codebooks)}
    return seanet_shapes(config, normed=not config.causal) | books


class Network:
    """The network over some kind of layers: `Stream` where it is causal, else `Whole`."""

    def __init__(self, config: EncodecConfig, weights: Weights, layers: GraphLayers) -> None:
        self.config, self._weights = config, weights
        self._graph: GraphBuilder = layers.graph
        self._seanet = Seanet(config, weights, layers)

    def encode(self, samples: str, wanted: str) -> str:
        """[1, channels, n] to codes [1, codebooks, frames], of at least as many codebooks as are `wanted` [1]."""
        return self._quantized(self._seanet.run(samples, encoder_parts(self.config)), wanted)

    def decode(self, codes: str) -> str:
        """[1, books, frames] to [1, channels, frames * frame_size]."""
        return self._seanet.run(self._looked_up(codes), decoder_parts(self.config))

    def _book(self, k: int) -> Array:
        return self._weights[f"quantizer.layers.{k}.codebook.embed"]

    def _quantized(self, latent: str, wanted: str) -> str:
        """The nearest entry of each codebook to what the ones before left over.

        Codebooks are searched in groups: in steps, reading those that nobody wants would take a quarter of the time.
        """
        g, books = self._graph, self.config.num_codebooks
        rest = g.op("Squeeze", g.op("Transpose", latent, perm=[0, 2, 1]), g.ints(0))  # [frames, latent]
        codes, rest = self._searched(rest, range(min(books, GROUP)))
        found = [codes]
        none = g.cut(codes, 0, 0, axis=0)
        for first in range(GROUP, books, GROUP):
            group = range(first, min(books, first + GROUP))

            def search(group: range = group, rest: str = rest) -> list[str]:
                return list(self._searched(rest, group))

            def skip(rest: str = rest) -> list[str]:
                return [none, rest]

            more = g.op("Greater", wanted, g.ints(first))
            codes, rest = g.either(more, search, skip, dtypes=("int64", "float32"))
            found.append(codes)
        return str(g.op("Unsqueeze", g.op("Concat", *found, axis=0), g.ints(0)))

    def _searched(self, rest: str, group: range) -> tuple[str, str]:
        """Codes [books, frames] of some codebooks, and what they leave of `rest` [frames, latent]."""
        g, found = self._graph, []
        for k in group:
            book = self._book(k)
            entries = g.weight(f"quantizer.{k}", book)
            half = g.weight(f"quantizer.{k}.half_square", -0.5 * np.square(book).sum(1))
            # nearest: |x|² - 2 x·e + |e|² is least where x·e - |e|²/2 is most
            best = g.op("ArgMax", g.op("Gemm", rest, entries, half, transB=1), axis=1, keepdims=0)
            rest = g.op("Sub", rest, g.op("Gather", entries, best))
            found.append(g.op("Unsqueeze", best, g.ints(0)))
        return g.op("Concat", *found, axis=0), rest

    def _looked_up(self, codes: str) -> str:
        """The sum of the entries that codes of the first codebooks stand for, [1, latent, frames]."""
        g, size = self._graph, self.config.codebook_size
        table = g.weight("quantizer", np.concatenate([self._book(k) for k in range(self.config.num_codebooks)]))
        firsts = g.op("Range", g.scalar(0), g.op("Mul", g.length(codes, 1), g.scalar(size)), g.scalar(size))
        places = g.op("Add", codes, g.op("Unsqueeze", firsts, g.ints(1)))
        total = g.op("ReduceSum", g.op("Gather", table, places), g.ints(1), keepdims=0)  # [1, frames, latent]
        return str(g.op("Transpose", total, perm=[0, 2, 1]))
