"""Mimi, as its authors save it (`tokenizer-*.safetensors`) and as Hugging Face does (`model_type` "mimi")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.errors import ModelError
from mediacodec_models.audio.mimi import ACOUSTIC, SEMANTIC, MimiConfig, Network, shapes
from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.importers import seanet
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.model_folder import About, write_model
from mediacodec_models.importers.weights import plain_weights, renamed

LICENCE = "CC-BY 4.0, as its authors state for the published weights"
PARITY = "proved against transformers' MimiModel with random weights"
MAX_LAYERS = 256
LEAST_USAGE = 1e-5  # of a codebook's entry, in the average that it is the quotient of
# tensors that only the authors' layout has
AUTHORS = {
    "encoder_transformer.transformer.layers.0.linear1.weight",
    "quantizer.rvq_first.vq.layers.0._codebook.embedding_sum",
}
RENAMED = (
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"(\.conv|\.convtr)+\.(weight|bias)$", r".conv.\2"),
    (r"^(encoder|decoder)_transformer\.transformer\.", r"\1_transformer."),
    (r"\.self_attn\.out_proj(s\.0)?\.", ".self_attn.o_proj."),
    (r"\.self_attn\.in_proj(s\.0\.|_)weight$", ".self_attn.in_proj.weight"),
    (r"\.linear([12])\.", r".mlp.fc\1."),
    (r"\.norm1\.", ".input_layernorm."),
    (r"\.norm2\.", ".post_attention_layernorm."),
    (r"\.layer_scale_1\.", ".self_attn_layer_scale."),
    (r"\.layer_scale_2\.", ".mlp_layer_scale."),
    (r"^quantizer\.rvq_first\.(vq\.)?", f"{SEMANTIC}."),
    (r"^quantizer\.rvq_rest\.(vq\.)?", f"{ACOUSTIC}."),
    (r"\._codebook\.", ".codebook."),
    (r"\.embedding_sum$", ".embed_sum"),
)
FIELDS = {
    **seanet.FIELDS,
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "context": "sliding_window",
    "codebook_dim": "codebook_dim",
    "num_semantic": "num_semantic_quantizers",
}
KNOWN = {
    "audio_channels": 1,
    "use_causal_conv": True,
    "pad_mode": "constant",
    "trim_right_ratio": 1.0,
    "use_conv_shortcut": False,
    "hidden_act": "gelu",
    "attention_bias": False,
}  # what a configuration may say of what this network cannot be otherwise


def recognises(checkpoint: Checkpoint) -> bool:
    """Whether this is Mimi, in either layout."""
    return checkpoint.config.get("model_type") == "mimi" or checkpoint.tensors.keys() >= AUTHORS


def convert(checkpoint: Checkpoint, name: str, out: Path) -> dict[str, Any]:
    """Write the model `name` into the folder `out`; returns its manifest. Raises ModelError."""
    config = config_of(checkpoint)
    weights = weights_of(checkpoint, config)
    graphs = {"encoder": encoder_graph(config, weights), "decoder": decoder_graph(config, weights)}
    about = About(
        name,
        network="step",
        licence=LICENCE,
        description=seanet.described("Mimi", config, "causal"),
        parity=PARITY,
    )
    return write_model(out, about, graphs, settings(config))


def settings(config: MimiConfig) -> dict[str, Any]:
    """What the runtime must know beyond the graphs."""
    return {
        "sample_rate": config.sample_rate,
        "channels": 1,
        "frame_size": config.frame_size,
        "pre_skip": 0,
        "algorithmic_delay": config.frame_size,
        "preroll_frames": config.memory_frames,
        "start_frames": 1,
        "ragged": False,  # its authors fill the last frame with zeros
        "num_codebooks": config.num_codebooks,
        "codebook_size": config.codebook_size,
    }


def encoder_graph(config: MimiConfig, weights: dict[str, NDArray[np.float32]]) -> GraphBuilder:
    """Samples of whole frames to codes of all codebooks, a step."""
    graph = GraphBuilder("encoder")
    samples = graph.input("samples", [1, 1, "samples"])
    codes = Network(config, weights, graph).encode(samples)
    graph.output("codes", codes, [1, config.num_codebooks, "frames"], "int64")
    return graph


def decoder_graph(config: MimiConfig, weights: dict[str, NDArray[np.float32]]) -> GraphBuilder:
    """Codes of the first codebooks to samples, a step."""
    graph = GraphBuilder("decoder")
    codes = graph.input("codes", [1, "codebooks", "frames"], "int64")
    samples = Network(config, weights, graph).decode(codes)
    graph.output("samples", samples, [1, 1, "samples"])
    return graph


def config_of(checkpoint: Checkpoint) -> MimiConfig:
    """What the configuration says; the authors' files have none, and the published shape.

    Raises ModelError on a variant that this network is not.
    """
    raw = checkpoint.config
    for key, value in KNOWN.items():
        if raw.get(key, value) != value:
            raise ModelError(f"{checkpoint.path}: {key} is {raw[key]!r}; only {value!r} is known here")
    try:
        given = seanet.given(raw, FIELDS)
        rotary = raw.get("rope_parameters") or {}
        given["theta"] = float(raw.get("rope_theta", rotary.get("rope_theta", MimiConfig.theta)))
        given["norm_epsilon"] = float(raw.get("norm_eps", MimiConfig.norm_epsilon))
        books = sum(key.endswith("codebook.embed_sum") for key in map(canonical, checkpoint.tensors))
        config = replace(MimiConfig(**given), num_codebooks=books)
        _check(config, raw)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ModelError(f"{checkpoint.path}: its config.json makes no sense: {error}") from error
    return config


def _check(config: MimiConfig, raw: dict[str, Any]) -> None:
    """Raises ValueError on numbers that no such network has."""
    for field in (*FIELDS, "num_codebooks"):
        value = getattr(config, field)
        limit = MAX_LAYERS if "layers" in field else 192_000 if field == "sample_rate" else seanet.MAX_WIDTH
        if not (1000 if field == "sample_rate" else 1) <= value <= limit:
            raise ValueError(f"{field} is {value}")
    rotary = (raw.get("rope_parameters") or {}).get("rope_type", "default")
    size = config.latent // config.heads
    same = {
        "head_dim": size,
        "num_key_value_heads": config.heads,
        "upsample_groups": config.latent,
        "vector_quantization_hidden_dimension": config.codebook_dim,
        "frame_rate": config.sample_rate / config.frame_size if config.ratios else 0,
    }
    for key, value in same.items():
        if raw.get(key) is not None and raw[key] != value:
            raise ValueError(f"{key} is {raw[key]!r} where only {value} fits the rest")
    if config.latent % (2 * config.heads) or config.context < 2 or rotary != "default" or not config.theta > 0:
        raise ValueError(f"width {config.latent}, heads {config.heads}, context {config.context} or rotary {rotary}")
    if not 1 <= len(config.ratios) <= 8 or not all(2 <= ratio <= 64 for ratio in config.ratios):
        raise ValueError(f"ratios are {config.ratios}")
    if config.num_semantic >= config.num_codebooks:
        raise ValueError(f"{config.num_semantic} of {config.num_codebooks} codebooks stand apart")


def canonical(key: str) -> str:
    """A tensor's name in either layout as this program calls it."""
    return renamed(key, RENAMED)


def weights_of(checkpoint: Checkpoint, config: MimiConfig) -> dict[str, NDArray[np.float32]]:
    """Every tensor of the network. Raises ModelError where one is missing or misshapen."""
    found = {canonical(key): value for key, value in checkpoint.tensors.items()}
    for key in [key for key in found if key.endswith(".in_proj.weight")]:
        found |= split(found.pop(key), key.removesuffix("in_proj.weight"), config.heads)
    for name in [name for name in shapes(config) if name.endswith(".codebook.embed")]:
        book = entries(found.get(f"{name}_sum"), found.get(name.removesuffix("embed") + "cluster_usage"))
        found |= {} if book is None else {name: book}
    return plain_weights(checkpoint, found, shapes(config))


def entries(total: Tensor | None, usage: Tensor | None) -> Tensor | None:
    """The entries of a codebook: it is saved as running sums, and how often each entry was used."""
    if total is None or usage is None or total.ndim != 2 or usage.shape != total.shape[:1]:
        return None
    return total / usage.clamp(min=LEAST_USAGE)[:, None]


def split(joined: Tensor, prefix: str, heads: int) -> dict[str, Tensor]:
    """Queries, keys and values of the authors' one matrix.

    Of a head's channels theirs rotate in pairs that are neighbours; here pairs are half a head apart.
    """
    if joined.ndim != 2 or joined.shape[0] % (6 * heads):
        return {}
    q, k, v = joined.chunk(3)
    q, k = (part.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2) for part in (q, k))
    return {f"{prefix}{leaf}_proj.weight": part for leaf, part in zip("qkv", (q, k, v), strict=True)}
