"""The network of Mimi (Défossez et al. 2024, "Moshi", arXiv:2410.00037) as step graphs.

A causal convolutional encoder, a transformer with a sliding window, a convolution that halves the frame rate, a
residual vector quantizer whose first codebooks stand apart (one for what is said, the rest for how it sounds, both of
the same latent), and the way back: repetition with learnt weights, a transformer, a convolutional decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.layers.causal_transformer import Attention, CausalTransformer, Layer
from mediacodec_models.layers.graph_layers import Conv
from mediacodec_models.layers.zero_stream import ZeroStream

Array = NDArray[np.float32]
HALVING = 2  # positions of the transformers a frame
SEMANTIC, ACOUSTIC = "quantizer.semantic_residual_vector_quantizer", "quantizer.acoustic_residual_vector_quantizer"


@dataclass(frozen=True, kw_only=True)
class MimiConfig:
    """Shape of the network; the defaults are the published model.

    ratios: upsampling factors of the decoder, the encoder's are these backwards; width: of the transformers; context:
    positions that one sees; num_semantic: codebooks of the first quantizer, which num_codebooks includes.
    """

    sample_rate: int = 24_000
    filters: int = 64
    width: int = 512
    ratios: tuple[int, ...] = (8, 6, 5, 4)
    kernel: int = 7
    last_kernel: int = 3
    residual_kernel: int = 3
    residual_layers: int = 1
    dilation_base: int = 2
    compress: int = 2
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
        return math.prod(self.ratios) * HALVING

    @property
    def attention(self) -> Attention:
        return Attention(self.heads, self.width // self.heads, self.context, self.theta, self.norm_epsilon)

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


@dataclass(frozen=True)
class Part:
    """A convolution named as it is saved, or a residual unit of two; kind: conv, up (transposed) or residual."""

    kind: str
    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    dilation: int = 1


def encoder_parts(config: MimiConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 0, config.filters
    yield Part("conv", "encoder.layers.0", 1, width, config.kernel)
    for ratio in reversed(config.ratios):
        for j in range(config.residual_layers):
            n += 1
            dilation = config.dilation_base**j
            yield Part("residual", f"encoder.layers.{n}", width, width, config.residual_kernel, 1, dilation)
        n += 2
        yield Part("conv", f"encoder.layers.{n}", width, 2 * width, 2 * ratio, ratio)
        width *= 2
    yield Part("conv", f"encoder.layers.{n + 2}", width, config.width, config.last_kernel)


def decoder_parts(config: MimiConfig) -> Iterator[Part]:
    """In order; numbers in names count activations too."""
    n, width = 0, config.filters * 2 ** len(config.ratios)
    yield Part("conv", "decoder.layers.0", config.width, width, config.kernel)
    for ratio in config.ratios:
        n += 2
        yield Part("up", f"decoder.layers.{n}", width, width // 2, 2 * ratio, ratio)
        width //= 2
        for j in range(config.residual_layers):
            n += 1
            dilation = config.dilation_base**j
            yield Part("residual", f"decoder.layers.{n}", width, width, config.residual_kernel, 1, dilation)
    yield Part("conv", f"decoder.layers.{n + 2}", width, 1, config.last_kernel)


def unit(config: MimiConfig, part: Part) -> tuple[Part, Part]:
    """The two convolutions of a residual unit."""
    hidden = part.inputs // config.compress
    wide = Part("conv", f"{part.name}.block.1", part.inputs, hidden, part.kernel, 1, part.dilation)
    return wide, Part("conv", f"{part.name}.block.3", hidden, part.inputs, 1)


def shapes(config: MimiConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor that the network is made of, as Hugging Face names it."""
    result: dict[str, tuple[int, ...]] = {}
    for part in (*encoder_parts(config), *decoder_parts(config)):
        for conv in unit(config, part) if part.kind == "residual" else [part]:
            ends = (conv.inputs, conv.outputs) if conv.kind == "up" else (conv.outputs, conv.inputs)
            result |= {f"{conv.name}.conv.weight": (*ends, conv.kernel), f"{conv.name}.conv.bias": (conv.outputs,)}
    d, h = config.width, config.hidden
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

    def __init__(self, config: MimiConfig, weights: Mapping[str, Array], graph: GraphBuilder) -> None:
        self.config, self._weights, self._graph = config, weights, graph
        self._layers = ZeroStream(graph)

    def encode(self, samples: str) -> str:
        """[1, 1, n], n a multiple of the frame size, to codes [1, codebooks, frames]."""
        g, first = self._graph, self.config.num_semantic
        *fast, down, last = encoder_parts(self.config)
        x = self._layers.elu(self._convolved(samples, fast))
        x = self._layers.conv_rows(g.op("Squeeze", g.op("Transpose", x, perm=[0, 2, 1]), g.ints(0)), self._conv(down))
        x = self._layers.conv_rows(self._layers.elu(x), self._conv(last))
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
        x = self._layers.elu(self._layers.conv_rows(x, self._conv(opening)))
        x = self._layers.transposed_rows(x, self._conv(up))
        return self._convolved(g.op("Unsqueeze", g.op("Transpose", x, perm=[1, 0]), g.ints(0)), fast)

    def _convolved(self, x: str, parts: list[Part]) -> str:
        """Parts in a row, with an activation before each but the first; a unit has its own."""
        for i, part in enumerate(parts):
            if part.kind == "residual":
                y = x
                for conv in unit(self.config, part):
                    y = self._layers.conv(self._layers.elu(y), self._conv(conv))
                x = self._graph.op("Add", x, y)
            else:
                layer = self._layers.transposed if part.kind == "up" else self._layers.conv
                x = layer(self._layers.elu(x) if i else x, self._conv(part))
        return x

    def _conv(self, part: Part) -> Conv:
        w = self._weights
        weights = w[f"{part.name}.conv.weight"], w[f"{part.name}.conv.bias"]
        return Conv(part.name, *weights, part.stride, part.dilation)

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
        g, d = self._graph, self.config.width
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
        g, d = self._graph, self.config.width
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
