"""SNAC, as its authors save it: `config.json` beside `pytorch_model.bin`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mediacodec.errors import ModelError
from mediacodec_models.audio.snac import SnacConfig, context_frames, decoder_graph, encoder_graph, tensors
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.model_folder import About, write_model
from mediacodec_models.importers.weights import plain_weights
from mediacodec_models.importers.window_settings import window_settings
from mediacodec_models.layers.local_attention import HEAD_SIZE

LICENCE = "MIT"
PARITY = "proved against the package snac with random weights and its noise set to zero"
MAX_WIDTH = 1 << 14  # of any number in a configuration
MAX_SLOTS = 255  # codes in a frame: their number is a byte in a stream's header
NUMBERS = {
    "sample_rate": "sampling_rate",
    "encoder_dim": "encoder_dim",
    "latent": "latent_dim",
    "decoder_dim": "decoder_dim",
    "window": "attn_window_size",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
}
LISTS = ("encoder_rates", "decoder_rates", "vq_strides")
FLAGS = ("noise", "depthwise")


def recognises(checkpoint: Checkpoint) -> bool:
    """Whether this is SNAC."""
    return "vq_strides" in checkpoint.config and "encoder_rates" in checkpoint.config


def convert(checkpoint: Checkpoint, name: str, out: Path) -> dict[str, Any]:
    """Write the model `name` into the folder `out`; returns its manifest. Raises ModelError."""
    config = config_of(checkpoint)
    weights = plain_weights(checkpoint, checkpoint.tensors, tensors(config))
    graphs = {"encoder": encoder_graph(config, weights), "decoder": decoder_graph(config, weights)}
    settings = window_settings(
        sample_rate=config.sample_rate, frame_size=config.frame_size, context_frames=context_frames(config)
    )
    slots = sum(config.slots)
    settings |= {"num_codebooks": slots, "least_codebooks": slots, "codebook_size": config.codebook_size}
    settings |= {"vq_strides": list(config.vq_strides), "slots": list(config.slots)}
    description = f"SNAC, {config.sample_rate / 1000:g} kHz, {len(config.vq_strides)} codebooks at as many rates"
    about = About(name, network="window", licence=LICENCE, description=description, parity=PARITY)
    return write_model(out, about, graphs, settings)


def config_of(checkpoint: Checkpoint) -> SnacConfig:
    """What the configuration says. Raises ModelError where it makes no sense."""
    raw = checkpoint.config
    if missing := [name for name in (*NUMBERS.values(), *LISTS, *FLAGS) if name not in raw and name != "latent_dim"]:
        raise ModelError(f"{checkpoint.path}: its config.json does not say {', '.join(missing)}")
    try:
        given: dict[str, Any] = {field: int(raw[name]) for field, name in NUMBERS.items() if raw.get(name) is not None}
        given |= {name: tuple(int(n) for n in raw[name]) for name in LISTS}
        given |= {name: bool(raw[name]) for name in FLAGS}
        config = SnacConfig(**given)
        _check(config)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{checkpoint.path}: its config.json makes no sense: {error}") from error
    return config


def _check(config: SnacConfig) -> None:
    """Raise ValueError on numbers that no such network has."""
    for field in ("encoder_dim", "decoder_dim", "width", "codebook_size", "codebook_dim"):
        if not 1 <= getattr(config, field) <= MAX_WIDTH:
            raise ValueError(f"{field} is {getattr(config, field)}")
    down, up, strides = config.encoder_rates, config.decoder_rates, config.vq_strides
    if not all(2 <= rate <= 64 for rate in (*down, *up)) or not 1 <= len(down) <= 8 or sorted(down) != sorted(up):
        raise ValueError(f"rates are {down} and {up}")
    if not strides or not all(1 <= stride <= 64 and strides[0] % stride == 0 for stride in strides):
        raise ValueError(f"vq_strides are {strides}")
    if not 0 <= config.window <= 1024 or sum(config.slots) > MAX_SLOTS:
        raise ValueError(f"attn_window_size {config.window} makes frames of {sum(config.slots)} codes")
    ends = (config.encoder_dim * 2 ** len(down), config.decoder_dim)
    if config.window and any(width % HEAD_SIZE for width in ends):
        raise ValueError(f"attention over {ends} channels")
    if not 1000 <= config.sample_rate <= 192_000 or config.decoder_dim % 2 ** len(up) or config.width != ends[0]:
        raise ValueError(f"sample rate, decoder_dim or latent_dim are {config.sample_rate}, {ends[1]}, {config.width}")
