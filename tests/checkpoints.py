"""Checkpoints of published codecs, small and with random weights, saved as they are published.

CHECKPOINTS is the one table of them: what importers and their models promise is tested with each. Torch and the
library that makes a checkpoint are imported when it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Published:
    """family: of the model that its importer makes; save: writes a checkpoint into a new folder, and returns what is
    to be imported.
    """

    family: str
    save: Callable[[Path], Path]


def save_encodec(folder: Path) -> Path:
    """EnCodec as Hugging Face saves it: 16 kHz, frames of 20 ms, sixteen codebooks of 64."""
    shape = {"num_filters": 4, "hidden_size": 16, "codebook_size": 64}
    random_encodec(sampling_rate=16_000, target_bandwidths=[4.8], **shape).save_pretrained(folder)
    return folder


def save_encodec_segments(folder: Path) -> Path:
    """EnCodec's 48 kHz variant, mono: segments of 20 ms, ten frames, that overlap by one and a half."""
    shape = {"num_filters": 4, "hidden_size": 16, "codebook_size": 64, "upsampling_ratios": [4, 4, 2]}
    whole = {"norm_type": "time_group_norm", "use_causal_conv": False, "normalize": True}
    cut = {"chunk_length_s": 0.02, "overlap": 0.15}
    random_encodec(sampling_rate=16_000, target_bandwidths=[48.0], **shape, **whole, **cut).save_pretrained(folder)
    return folder


def random_encodec(**config: Any) -> Any:
    """A transformers EncodecModel whose codes vary with what it hears. The configuration's defaults are the published
    24 kHz model's.
    """
    import torch

    transformers = pytest.importorskip("transformers", reason="pip install 'mediacodec[parity]'")
    torch.manual_seed(0)
    model = transformers.EncodecModel(transformers.EncodecConfig(**config)).eval()
    time = torch.arange(model.config.sampling_rate)
    noise = torch.randn(1, model.config.audio_channels, len(time)) * torch.sin(time / 500).abs()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
                module.bias *= 0.05  # as initialised, biases drown what is heard
        rest = model.encoder(0.3 * noise)[0].T
        for layer in model.quantizer.layers:
            book = layer.codebook.embed
            book.copy_(rest.mean(0) + 0.4 * rest.std(0) * torch.randn(book.shape))
            rest = rest - book[torch.cdist(rest, book).argmin(1)]
    return model


CHECKPOINTS = {
    "encodec": Published("causal", save_encodec),
    "encodec-segments": Published("segment", save_encodec_segments),
}
