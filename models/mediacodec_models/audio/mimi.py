"""The network of Mimi (Défossez et al. 2024, "Moshi", arXiv:2410.00037) as step graphs.

A causal convolutional encoder, a transformer with a sliding window, a convolution that halves the frame rate, a
residual vector quantizer whose first codebooks stand apart (one semantic, the rest acoustic, both of
the same latent), and the way back: repetition with learnt weights, a transformer, a convolutional decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.causal_transformer import Attention, CausalTransformer, Layer
from mediacodec_models.layers.seanet import Seanet, SeanetConfig, Shapes, Weights, decoder_parts, encoder_parts
from mediacodec_models.layers.seanet import shapes as seanet_shapes
from mediacodec_models.layers.zero_stream import ZeroStream

HALVING = 2  # positions of the transformers a frame
SEMANTIC, ACOUSTIC = "quantizer.semantic_residual_vector_quantizer", "quantizer.acoustic_residual_vector_quantizer"


@dataclass(frozen=True, kw_only=True)
class MimiConfig(SeanetConfig):
    """Shape of the network; the defaults are the published model.

    latent: also the width of the transformers; context: positions that one sees; num_semantic: codebooks of the first
    quantizer, which num_codebooks includes.
    """

    sample_rate: int = 24_000
    filters: int = 64
    latent: int = 512
    ratios: tuple[int, ...] = (8, 6, 5, 4)
    last_kernel: int = 3
    layers: int = 8
    heads: int = 8
    hidden: int = 2048
    context: int = 250
    theta: float = 10_000.0
    norm_epsilon: float = 1e-5
    codebook_dim: int = 256
    codebook_size: int = 2048
    num_codebooks: int = 32
    num_semantic: int = 1

    @property
    def frame_size(self) -> int:
        return self.hop * HALVING

    @property
    def attention(self) -> Attention:
        return Attention(self.heads, self.latent // self.heads, self.context, self.theta, self.norm_epsilon)

    @property
    def memory_frames(self) -> int:
        """Frames after which the decoder has forgotten all that came before."""
        dilated = sum((self.residual_kernel - 1) * self.dilation_base**j for j in range(self.residual_layers))
        positions = self.layers * (self.context - 1) + self.kernel - 1
        samples = 1.0  # of a position, while its stages unfold
        for ratio in self.ratios:
            positions += math.ceil((1 + dilated / ratio) / samples)
            samples *= ratio
        return math.ceil((positions + (self.last_kernel - 1) / samples) / HALVING) + 1


def shapes(config: MimiConfig) -> Shapes:
    """Every tensor that the network is made of, as Hugging Face names it."""
    result = seanet_shapes(config, normed=False)
    d, h = config.latent, config.hidden
    for side in ("encoder", "decoder"):
        for i in range(config.layers):
            at = f"{side}_transformer.layers.{i}"
            result |= {f"{at}.self_attn.{leaf}_proj.weight": (d, d) for leaf in "qkvo"}
            result |= {f"{at}.mlp.fc1.weight": (h, d), f"{at}.mlp.fc2.weight": (d, h)}
            norms = ("input_layernorm", "post_attention_layernorm")
            result |= {f"{at}.{norm}.{leaf}": (d,) for norm in norms for leaf in ("weight", "bias")}
            result |= {f"{at}.{block}_layer_scale.scale": (d,) for block in ("self_attn", "mlp")}
    result |= {"downsample.conv.weight": (d, d, 2 * HALVING), "upsample.conv.weight": (d, 1, 2 * HALVING)}
    for name, count in ((SEMANTIC, config.num_semantic), (ACOUSTIC, config.num_codebooks - config.num_semantic)):
        result |= {f"{name}.input_proj.weight": (config.codebook_dim, d, 1)}
        result |= {f"{name}.output_proj.weight": (d, config.codebook_dim, 1)}
        book = (config.codebook_size, config.codebook_dim)
        result |= {f"{name}.layers.{k}.codebook.embed": book for k in range(count)}
    return result


class Network:
    """One of the two step graphs being written. Between the convolutions, values are rows: [frames, width]."""

    def __init__(self, config: MimiConfig, weights: Weights, graph: GraphBuilder) -> None:
        self.config, self._weights, self._graph = config, weights, graph
        self._layers = ZeroStream(graph)
        self._seanet = Seanet(config, weights, self._layers)

    def encode(self, samples: str) -> str:
        """[1, 1, n], n a multiple of the frame size, to codes [1, codebooks, frames]."""
        g, first = self._graph, self.config.num_semantic
        *fast, down, last = encoder_parts(self.config)
        x = self._layers.elu(self._seanet.run(samples, fast))
        rows = g.op("Squeeze", g.op("Transpose", x, perm=[0, 2, 1]), g.ints(0))
        x = self._layers.conv_rows(rows, self._seanet.conv(down))
        x = self._layers.conv_rows(self._layers.elu(x), self._seanet.conv(last))
        transformer = CausalTransformer(g, self.config.attention)
        latent = self._halved(transformer.run(x, self._blocks("encoder_transformer")), transformer.filled)
        found = self._quantized(latent, SEMANTIC, first)
        found += self._quantized(latent, ACOUSTIC, self.config.num_codebooks - first)
        return str(g.op("Unsqueeze", g.op("Concat", *found, axis=0), g.ints(0)))

    def decode(self, codes: str) -> str:
        """[1, books, frames] to [1, 1, frames * frame_size]."""
        g, first = self._graph, self.config.num_semantic
        rest = self._looked_up(g.cut(codes, first, axis=1), ACOUSTIC, self.config.num_codebooks - first)
        latent = g.op("Add", self._looked_up(g.cut(codes, 0, first, axis=1), SEMANTIC, first), rest)
        transformer = CausalTransformer(g, self.config.attention)
        x = transformer.run(self._doubled(latent), self._blocks("decoder_transformer"))
        opening, up, *fast = decoder_parts(self.config)
        x = self._layers.elu(self._layers.conv_rows(x, self._seanet.conv(opening)))
        x = self._layers.transposed_rows(x, self._seanet.conv(up))
        return self._seanet.run(g.op("Unsqueeze", g.op("Transpose", x, perm=[1, 0]), g.ints(0)), fast)

    def _blocks(self, side: str) -> list[Layer]:
        """Layers of a transformer, the scales of their outputs folded into the matrices that give them."""
        result = []
        for i in range(self.config.layers):
            at = f"{side}.layers.{i}."
            w = {name.removeprefix(at): array for name, array in self._weights.items() if name.startswith(at)}
            norms = [(w[f"{n}.weight"], w[f"{n}.bias"]) for n in ("input_layernorm", "post_attention_layernorm")]
            qkv = np.concatenate([w[f"self_attn.{leaf}_proj.weight"] for leaf in "qkv"])
            out = w["self_attn_layer_scale.scale"][:, None] * w["self_attn.o_proj.weight"]
            down = w["mlp_layer_scale.scale"][:, None] * w["mlp.fc2.weight"]
            result.append(Layer(f"{side}.{i}", (norms[0], norms[1]), qkv.T, out.T, w["mlp.fc1.weight"].T, down.T))
        return result

    def _halved(self, x: str, filled: str) -> str:
        """Two positions become one frame, which sees the two before them too: at first its first one repeated."""
        g, d = self._graph, self.config.latent
        history = g.state(HALVING, d)
        goes_on = g.op("Greater", filled, g.constant(np.zeros(1, dtype=np.float32)))
        repeated = g.op("Expand", g.cut(x, 0, 1, axis=0), g.ints(HALVING, d))
        pairs = g.op("Concat", g.op("Where", goes_on, history, repeated), x, axis=0)
        g.keep(history, g.cut(pairs, -HALVING, axis=0))
        pairs = g.op("Reshape", pairs, g.ints(-1, HALVING * d))
        both = g.op("Concat", g.cut(pairs, 0, -1, axis=0), g.cut(pairs, 1, axis=0), axis=1)
        matrix = self._weights["downsample.conv.weight"].transpose(2, 1, 0).reshape(-1, d)
        return str(g.op("MatMul", both, g.weight("downsample", matrix)))

    def _doubled(self, x: str) -> str:
        """A frame becomes two positions, each channel its own mixture of this frame and the one before."""
        g, d = self._graph, self.config.latent
        history = g.state(1, d)
        window = g.op("Concat", history, x, axis=0)
        g.keep(history, g.cut(window, -1, axis=0))
        taps = self._weights["upsample.conv.weight"][:, 0].T  # [kernel, width]
        now, before = (g.weight(f"upsample.{i}", taps[i * HALVING : (i + 1) * HALVING]) for i in (0, 1))
        parts = (x, now), (g.cut(window, 0, -1, axis=0), before)
        mixed = g.op("Add", *(g.op("Mul", g.op("Unsqueeze", value, g.ints(1)), tap) for value, tap in parts))
        return str(g.op("Reshape", mixed, g.ints(-1, d)))

    def _quantized(self, latent: str, name: str, count: int) -> list[str]:
        """[1, frames] for each codebook: the entry nearest to what the ones before left over."""
        g = self._graph
        matrix = self._weights[f"{name}.input_proj.weight"][:, :, 0].T
        rest, found = g.op("MatMul", latent, g.weight(f"{name}.input_proj", matrix)), []
        for k in range(count):
            book = self._weights[f"{name}.layers.{k}.codebook.embed"]
            entries = g.weight(f"{name}.{k}", book)
            half = g.weight(f"{name}.{k}.half_square", -0.5 * np.square(book).sum(1))
            # nearest: |x|² - 2 x·e + |e|² is least where x·e - |e|²/2 is most
            best = g.op("ArgMax", g.op("Gemm", rest, entries, half, transB=1), axis=1, keepdims=0)
            rest = g.op("Sub", rest, g.op("Gather", entries, best))
            found.append(g.op("Unsqueeze", best, g.ints(0)))
        return found

    def _looked_up(self, codes: str, name: str, count: int) -> str:
        """[frames, width]: the sum of what codes [1, books, frames] of one quantizer stand for; zeros without any."""
        g, size = self._graph, self.config.codebook_size
        books = [self._weights[f"{name}.layers.{k}.codebook.embed"] for k in range(count)]
        table = g.weight(name, np.concatenate(books))
        firsts = g.op("Range", g.scalar(0), g.op("Mul", g.length(codes, 1), g.scalar(size)), g.scalar(size))
        places = g.op("Add", g.op("Squeeze", codes, g.ints(0)), g.op("Unsqueeze", firsts, g.ints(1)))
        total = g.op("ReduceSum", g.op("Gather", table, places), g.ints(0), keepdims=0)
        matrix = self._weights[f"{name}.output_proj.weight"][:, :, 0].T
        return str(g.op("MatMul", total, g.weight(f"{name}.output_proj", matrix)))
