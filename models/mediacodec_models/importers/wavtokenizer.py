"""WavTokenizer, as its authors save it (`WavTokenizer_*.ckpt`).

Its shape is told by its tensors: the file brings no configuration that says it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from mediacodec.errors import ModelError
from mediacodec_models.audio.encodec import EncodecConfig
from mediacodec_models.audio.wavtokenizer import WavTokenizerConfig, decoder_graph, encoder_graph, tensors
from mediacodec_models.importers import encodec
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.model_folder import About, write_model
from mediacodec_models.importers.weights import plain_weights
from mediacodec_models.layers.global_layers import GROUPS

LICENCE = "MIT"
PARITY = "unproved; its encoder is that of EnCodec, proved against transformers' EncodecModel with random weights"
PREFIX = "feature_extractor.encodec."
SAMPLE_RATE = 24_000  # of all published ones
# no context makes windows exact; tests/models/importers/test_wavtokenizer.py measures what remains
WINDOW_SECONDS, CONTEXT_SECONDS = 8.0, 2.0
KEYS = {"backbone.embed.weight", "head.out.weight", "head.istft.window", f"{PREFIX}encoder.model.0.conv.conv.bias"}
MAX_WIDTH = 1 << 14  # of any number that a tensor's shape tells


def recognises(checkpoint: Checkpoint) -> bool:
    """Whether this is WavTokenizer."""
    return checkpoint.tensors.keys() >= KEYS


def convert(checkpoint: Checkpoint, name: str, out: Path) -> dict[str, Any]:
    """Write the model `name` into the folder `out`; returns its manifest. Raises ModelError."""
    found = {canonical(key): value for key, value in checkpoint.tensors.items()}
    config = config_of(checkpoint, found)
    weights = plain_weights(checkpoint, found, tensors(config))
    graphs = {"encoder": encoder_graph(config, weights), "decoder": decoder_graph(config, weights)}
    frame_size = config.encodec.frame_size
    description = f"WavTokenizer, {SAMPLE_RATE / 1000:g} kHz, one codebook, {SAMPLE_RATE / frame_size:g} codes a second"
    about = About(name, network="window", licence=LICENCE, description=description, parity=PARITY)
    return write_model(out, about, graphs, settings(config))


def settings(config: WavTokenizerConfig) -> dict[str, Any]:
    """What the runtime must know beyond the graphs."""
    frame_size = config.encodec.frame_size
    window, context = (round(s * SAMPLE_RATE / frame_size) for s in (WINDOW_SECONDS, CONTEXT_SECONDS))
    return {
        "sample_rate": SAMPLE_RATE,
        "channels": 1,
        "frame_size": frame_size,
        "pre_skip": 0,
        "algorithmic_delay": 2 * (window + context) * frame_size,
        "preroll_frames": window + context,  # only a whole window decodes as it does in a whole decode
        "context_frames": context,
        "window_frames": window,
        "num_codebooks": 1,
        "codebook_size": config.encodec.codebook_size,
    }


def canonical(key: str) -> str:
    """A tensor's name as this program calls it."""
    return encodec.canonical(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else key


def config_of(checkpoint: Checkpoint, found: dict[str, Tensor]) -> WavTokenizerConfig:
    """What the shapes of tensors say. Raises ModelError where they say nothing sensible."""

    def size(name: str, axis: int, dimensions: int) -> int:
        shape = tuple(found[name].shape) if name in found else ()
        if len(shape) != dimensions or not 1 <= shape[axis] <= MAX_WIDTH:
            raise ModelError(f"{checkpoint.path}: {name} is {shape or 'missing'}; its shape should tell the network's")
        return shape[axis]

    # the encoder's convolutions with a stride are twice as long as that
    ratios = tuple(size(f"encoder.layers.{n}.conv.weight_v", 2, 3) // 2 for n in (12, 9, 6, 3))
    shape = EncodecConfig(
        sample_rate=SAMPLE_RATE,
        filters=size("encoder.layers.0.conv.weight_v", 0, 3),
        latent=size("encoder.layers.15.conv.weight_v", 0, 3),
        ratios=ratios,
        num_codebooks=1,
        codebook_size=size("quantizer.layers.0.codebook.embed", 0, 2),
    )
    config = WavTokenizerConfig(
        encodec=shape,
        width=size("backbone.embed.weight", 0, 3),
        hidden=size("backbone.convnext.0.pwconv1.weight", 0, 2),
        blocks=sum(key.startswith("backbone.convnext.") and key.endswith(".gamma") for key in found),
        bandwidths=size("backbone.norm.scale.weight", 0, 2),
        fft=size("head.istft.window", 0, 1),
    )
    hop = shape.frame_size
    if min(ratios) < 2 or config.width % GROUPS or config.fft % 2 or not hop <= config.fft or (config.fft - hop) % 2:
        raise ModelError(
            f"{checkpoint.path}: strides {ratios}, {config.width} channels and {config.fft} samples of a transform are "
            "no WavTokenizer"
        )
    return config
