"""Checkpoints of published codecs, small and with random weights, saved as they are published.

CHECKPOINTS is the one table of them: what importers and their models promise is tested with each. Torch and the
library that makes a checkpoint are imported when it is made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Published:
    """A published codec.

    Attributes:
        family: of the model that its importer makes.
        save: writes a checkpoint into a new folder, and returns what is to be imported.
        network: how the graphs of the model run, where the family has several ways.
    """

    family: str
    save: Callable[[Path], Path]
    network: str | None = None


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
    """A transformers EncodecModel whose codes vary with its input. The configuration's defaults are the published
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
                module.bias *= 0.05  # as initialised, biases drown the input
        rest = model.encoder(0.3 * noise)[0].T
        for layer in model.quantizer.layers:
            book = layer.codebook.embed
            book.copy_(rest.mean(0) + 0.4 * rest.std(0) * torch.randn(book.shape))
            rest = rest - book[torch.cdist(rest, book).argmin(1)]
    return model


def save_mimi(folder: Path) -> Path:
    """Mimi as Hugging Face saves it: 16 kHz, frames of 20 ms, sixteen codebooks of 64, a window of twelve positions."""
    shape = SMALL_MIMI | {"num_quantizers": 16}
    random_mimi(sampling_rate=16_000, upsampling_ratios=[8, 5, 4], **shape).save_pretrained(folder)
    return folder


SMALL_MIMI = {
    "num_filters": 4,
    "hidden_size": 32,
    "upsample_groups": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 64,
    "sliding_window": 12,
    "codebook_size": 64,
    "codebook_dim": 16,
    "vector_quantization_hidden_dimension": 16,
    "num_quantizers": 6,
}


def random_mimi(**config: Any) -> Any:
    """A transformers MimiModel whose codes vary with its input and whose audio is about as loud as speech. The
    configuration's defaults are the published model's.
    """
    import torch

    transformers = pytest.importorskip("transformers", reason="pip install 'mediacodec[parity]'")
    torch.manual_seed(0)
    model = transformers.MimiModel(transformers.MimiConfig(**config)).eval()
    noise = 0.3 * torch.randn(1, 1, 40 * model.config.frame_size)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("layer_scale.scale"):
                value.copy_(0.3 + 0.1 * torch.randn(value.shape))
            elif name.endswith("conv.bias"):
                value *= 0.05  # as initialised, biases drown the input
        latent = model.encoder(noise).latents
        quantizer = model.quantizer
        for part in (quantizer.semantic_residual_vector_quantizer, quantizer.acoustic_residual_vector_quantizer):
            rest = part.input_proj(latent)[0].T
            for layer in part.layers:
                book = layer.codebook
                entries = rest.mean(0) + 0.6 * rest.std(0) * torch.randn(book.embed_sum.shape)
                book.cluster_usage.copy_(3 * torch.rand(len(entries)) + 0.01)
                book.embed_sum.copy_(entries * book.cluster_usage[:, None])
                rest = rest - entries[torch.cdist(rest, entries).argmin(1)]
        last = model.decoder.decoder_seanet.layers[-1].conv
        level = model.decode(model.encode(noise).audio_codes).audio_values.std()
        last.weight *= 0.2 / level
        last.bias *= 0.2 / level
        for module in model.modules():
            if hasattr(module, "_embed"):
                module._embed = None  # made of what was there before
    return model


def save_dac(folder: Path) -> Path:
    """DAC as Hugging Face saves it: 16 kHz, frames of 20 ms, sixteen codebooks of 64."""
    random_dac(n_codebooks=16, **SMALL_DAC).save_pretrained(folder)
    return folder


SMALL_DAC = {
    "encoder_hidden_size": 4,
    "decoder_hidden_size": 32,
    "downsampling_ratios": [2, 4, 5, 8],
    "codebook_size": 64,
    "sampling_rate": 16_000,
}


def random_dac(**config: Any) -> Any:
    """A transformers DacModel that neither drowns its input nor overdrives. The configuration's defaults are those
    of the published models, but for sampling rate and codebooks.
    """
    import torch

    transformers = pytest.importorskip("transformers", reason="pip install 'mediacodec[parity]'")
    torch.manual_seed(0)
    model = transformers.DacModel(transformers.DacConfig(**config)).eval()
    with torch.no_grad():
        settle(model)
        for layer in model.quantizer.quantizers:
            layer.codebook.weight.normal_()
        samples = model.decoder(torch.randn(1, model.config.hidden_size, 50))
        model.decoder.conv2.weight *= 0.3 / torch.atanh(samples.clamp(-0.999, 0.999)).std()
    return model


def random_snac(folder: Path, **config: Any) -> Any:
    """A model of the package snac, saved in `folder` as it is published, and then without its noise."""
    import torch

    package = pytest.importorskip("snac", reason="pip install 'mediacodec[parity]'")
    torch.manual_seed(0)
    model = package.SNAC(**config).eval()
    with torch.no_grad():
        settle(model)
        for quantizer in model.quantizer.quantizers:
            quantizer.codebook.weight.normal_()
        folder.mkdir()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        for module in model.modules():
            if type(module).__name__ == "NoiseBlock":
                module.linear.parametrizations.weight.original0.zero_()
    (folder / "config.json").write_text(json.dumps(config))
    return model


def wavtokenizer_state(encodec: Any, *, width: int, hidden: int, blocks: int, fft: int) -> dict[str, Any]:
    """A checkpoint of WavTokenizer in its authors' layout: a random decoder, and an EnCodec whose decoder nobody uses.

    width: of the decoder; hidden: of its ConvNeXt blocks; fft: samples of an inverse transform.
    """
    import torch

    state = _wavtokenizer_decoder(encodec.config.hidden_size, width, hidden, blocks)
    state["head.out.weight"] = 0.3 * torch.randn(fft + 2, width) / width**0.5
    state["head.out.bias"] = 0.1 * torch.randn(fft + 2) + 1
    state["head.istft.window"] = torch.hann_window(fft)
    for key, value in encodec.state_dict().items():
        name = key
        for old, new in (
            ("encoder.layers.", "encoder.model."),
            ("decoder.layers.", "decoder.model."),
            (".conv.parametrizations.weight.original0", ".conv.conv.weight_g"),
            (".conv.parametrizations.weight.original1", ".conv.conv.weight_v"),
            (".conv.bias", ".conv.conv.bias"),
            ("quantizer.layers", "quantizer.vq.layers"),
            (".codebook.", "._codebook."),
        ):
            name = name.replace(old, new)
        state[f"feature_extractor.encodec.{name}"] = value
    return state


def _wavtokenizer_decoder(latent: int, width: int, hidden: int, blocks: int) -> dict[str, Any]:
    """Random weights under the authors' names, of about the size that keeps signals as large as they are."""
    import torch

    torch.manual_seed(1)
    shapes: dict[str, tuple[int, ...]] = {"embed": (width, latent, 7)}
    for i in (0, 1, 3, 4):
        shapes |= {f"pos_net.{i}.conv{part}": (width, width, 3) for part in "12"}
    shapes |= {f"pos_net.2.{part}": (width, width, 1) for part in ("q", "k", "v", "proj_out")}
    for i in range(blocks):
        name = f"convnext.{i}"
        shapes |= {f"{name}.dwconv": (width, 1, 7)}
        shapes |= {f"{name}.pwconv1": (hidden, width), f"{name}.pwconv2": (width, hidden)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape) / math.prod(shape[1:]) ** 0.5
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0])
    norms = [f"pos_net.{i}.norm{part}" for i in (0, 1, 3, 4) for part in "12"]
    for name in [*norms, "pos_net.2.norm", "pos_net.5", "final_layer_norm"]:
        state |= {f"{name}.weight": 1 + 0.1 * torch.randn(width), f"{name}.bias": 0.1 * torch.randn(width)}
    for name in ("norm", *(f"convnext.{i}.norm" for i in range(blocks))):
        state[f"{name}.scale.weight"] = 1 + 0.1 * torch.randn(4, width)
        state[f"{name}.shift.weight"] = torch.randn(4, width)
    state |= {f"convnext.{i}.gamma": 0.3 * torch.randn(width) for i in range(blocks)}
    return {f"backbone.{name}": value for name, value in state.items()}


def settle(model: Any) -> None:
    """Random weights by which every layer gives about as much as it gets, in a network of snakes and convolutions."""
    import torch

    for name, weight in model.named_parameters():
        if name.endswith("alpha"):
            weight.uniform_(0.3, 2.0)
        elif name.endswith("bias"):
            weight.normal_(0, 0.02)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv1d):
            # what is added to a unit's input must not make it grow from unit to unit
            gain = 0.3 if module.kernel_size == (1,) and module.in_channels == module.out_channels else 1.0
            spread = gain / (module.weight.shape[1] * module.weight.shape[2]) ** 0.5
        elif isinstance(module, torch.nn.ConvTranspose1d):
            spread = (2 * module.in_channels) ** -0.5
        else:
            continue
        value = spread * torch.randn(module.weight.shape)
        # torch splits what is assigned to a normalised weight
        module.weight = value if hasattr(module, "parametrizations") else torch.nn.Parameter(value)


CHECKPOINTS = {
    "encodec": Published("rvq", save_encodec, "step"),
    "encodec-segments": Published("segment", save_encodec_segments),
    "mimi": Published("rvq", save_mimi, "step"),
    "dac": Published("rvq", save_dac, "window"),
}
