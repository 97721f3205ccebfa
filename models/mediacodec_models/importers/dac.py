"""DAC, as its authors save it (`weights_44khz_8kbps.pth` ...) and as Hugging Face does (`model_type` "dac")."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mediacodec.errors import ModelError
from mediacodec_models.audio.dac import DacConfig, context_frames, decoder_graph, encoder_graph, tensors
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.model_folder import About, write_model
from mediacodec_models.importers.weights import plain_weights
from mediacodec_models.importers.window_settings import window_settings

LICENCE = "MIT"
PARITY = "proved against transformers' DacModel with random weights"
MAX_WIDTH = 1 << 14  # of any number in a configuration
# tensors that only the authors' layout of this codec has
AUTHORS = {"decoder.model.1.block.0.alpha", "quantizer.quantizers.0.codebook.weight"}
FIELDS = {  # of DacConfig, what the authors call them, and Hugging Face
    "sample_rate": ("sample_rate", "sampling_rate"),
    "encoder_dim": ("encoder_dim", "encoder_hidden_size"),
    "decoder_dim": ("decoder_dim", "decoder_hidden_size"),
    "latent": ("latent_dim", "hidden_size"),
    "num_codebooks": ("n_codebooks", "n_codebooks"),
    "codebook_size": ("codebook_size", "codebook_size"),
    "codebook_dim": ("codebook_dim", "codebook_dim"),
}
RATES = {"encoder_rates": "downsampling_ratios", "decoder_rates": "upsampling_ratios"}
UNIT = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}


def recognises(checkpoint: Checkpoint) -> bool:
    """Whether this is DAC, in either layout."""
    if "vq_strides" in checkpoint.config:  # SNAC names its tensors alike
        return False
    return checkpoint.config.get("model_type") == "dac" or checkpoint.tensors.keys() >= AUTHORS


def convert(checkpoint: Checkpoint, name: str, out: Path) -> dict[str, Any]:
    """Write the model `name` into the folder `out`; returns its manifest. Raises ModelError."""
    config = config_of(checkpoint)
    found = {canonical(key, config): value for key, value in checkpoint.tensors.items()}
    weights = plain_weights(checkpoint, found, tensors(config))
    graphs = {"encoder": encoder_graph(config, weights), "decoder": decoder_graph(config, weights)}
    settings = window_settings(
        sample_rate=config.sample_rate, frame_size=config.frame_size, context_frames=context_frames(config)
    )
    settings |= {"num_codebooks": config.num_codebooks, "codebook_size": config.codebook_size}
    description = f"DAC, {config.sample_rate / 1000:g} kHz, {config.num_codebooks} codebooks"
    about = About(name, network="window", licence=LICENCE, description=description, parity=PARITY)
    return write_model(out, about, graphs, settings)


def config_of(checkpoint: Checkpoint) -> DacConfig:
    """What the checkpoint says of its network. Raises ModelError where it says nothing, or what makes no sense."""
    raw, theirs = checkpoint.config, int(checkpoint.config.get("model_type") == "dac")
    if not raw:
        raise ModelError(f"{checkpoint.path} is DAC without a word on its shape: its metadata were left out")
    try:
        given: dict[str, Any] = {
            field: int(raw[names[theirs]]) for field, names in FIELDS.items() if raw.get(names[theirs]) is not None
        }
        for field, name in RATES.items():
            rates = raw.get(name if theirs else field)
            if rates is not None:
                given[field] = tuple(int(rate) for rate in rates)
        if theirs and "encoder_rates" in given:
            given.setdefault("decoder_rates", given["encoder_rates"][::-1])
        config = DacConfig(**given)
        _check(config)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{checkpoint.path}: its configuration makes no sense: {error}") from error
    return config


def _check(config: DacConfig) -> None:
    """Raise ValueError on numbers that no such network has."""
    for field in ("encoder_dim", "decoder_dim", "width", "num_codebooks", "codebook_size", "codebook_dim"):
        if not 1 <= getattr(config, field) <= MAX_WIDTH:
            raise ValueError(f"{field} is {getattr(config, field)}")
    down, up = config.encoder_rates, config.decoder_rates
    if not all(2 <= rate <= 64 for rate in (*down, *up)) or not 1 <= len(down) <= 8 or sorted(down) != sorted(up):
        raise ValueError(f"rates are {down} and {up}")
    if not 1000 <= config.sample_rate <= 192_000 or config.num_codebooks > 255 or config.decoder_dim % 2 ** len(up):
        raise ValueError(
            f"sample rate, codebooks or decoder_dim are {config.sample_rate}, {config.num_codebooks}, "
            f"{config.decoder_dim}"
        )


def canonical(key: str, config: DacConfig) -> str:
    """A tensor's name in either layout as the authors call it."""
    for part, root, rates, first in (
        ("encoder", "encoder.block", config.encoder_rates, 0),
        ("decoder", "decoder.model", config.decoder_rates, 2),
    ):
        ends = {"conv1": 0, "snake1": len(rates) + 1, "conv2": len(rates) + 2}
        if found := re.fullmatch(rf"{part}\.(conv1|snake1|conv2)\.(.+)", key):
            return f"{root}.{ends[found[1]]}.{found[2]}"
        if found := re.fullmatch(rf"{part}\.block\.(\d+)\.res_unit(\d)\.(\w+?)\.(.+)", key):
            return f"{root}.{int(found[1]) + 1}.block.{int(found[2]) - 1 + first}.block.{UNIT[found[3]]}.{found[4]}"
        inner = {"snake1": 3, "conv1": 4} if part == "encoder" else {"snake1": 0, "conv_t1": 1}
        if found := re.fullmatch(rf"{part}\.block\.(\d+)\.({'|'.join(inner)})\.(.+)", key):
            return f"{root}.{int(found[1]) + 1}.block.{inner[found[2]]}.{found[3]}"
    return key
