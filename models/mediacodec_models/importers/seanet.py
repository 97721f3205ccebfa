"""What checkpoints of SEANet codecs (EnCodec, Mimi) say alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mediacodec_models.audio.encodec import EncodecConfig
from mediacodec_models.audio.mimi import MimiConfig

MAX_WIDTH = 1 << 14  # of any number in a configuration
# of both networks' configurations, and what Hugging Face calls them
FIELDS = {
    "sample_rate": "sampling_rate",
    "filters": "num_filters",
    "latent": "hidden_size",
    "kernel": "kernel_size",
    "last_kernel": "last_kernel_size",
    "residual_kernel": "residual_kernel_size",
    "residual_layers": "num_residual_layers",
    "dilation_base": "dilation_growth_rate",
    "compress": "compress",
    "codebook_size": "codebook_size",
}


def given(raw: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The fields, and the ratios, that a configuration states. Raises TypeError, ValueError or OverflowError."""
    found: dict[str, Any] = {field: int(raw[key]) for field, key in fields.items() if raw.get(key) is not None}
    if raw.get("upsampling_ratios") is not None:
        found["ratios"] = tuple(int(ratio) for ratio in raw["upsampling_ratios"])
    return found


def described(codec: str, config: EncodecConfig | MimiConfig, kind: str) -> str:
    """The line that a manifest says of such a model; kind: how it runs."""
    lowest = config.sample_rate / config.frame_size * np.log2(config.codebook_size) / 1000
    rates = f"{lowest:g} to {lowest * config.num_codebooks:g} kbit/s"
    return f"{codec}, {config.sample_rate / 1000:g} kHz, {kind}, {rates}"
