"""EnCodec, as its authors save it (`encodec_24khz-*.th`) and as Hugging Face does (`model_type` "encodec")."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediacodec.errors import ModelError
from mediacodec_models.audio.encodec import PUBLISHED_24K, PUBLISHED_48K, EncodecConfig, Network, shapes
from mediacodec_models.graph_builder import GraphBuilder
from mediacodec_models.importers import seanet
from mediacodec_models.importers.checkpoint import Checkpoint
from mediacodec_models.importers.model_folder import About, write_model
from mediacodec_models.importers.weights import plain_weights, renamed
from mediacodec_models.layers.graph_layers import GraphLayers, Stream, Whole

LICENCE = "not stated for the weights; ask their authors"
PARITY = "proved against transformers' EncodecModel with random weights"
# tensors that only the authors' layout has
AUTHORS = {"encoder.model.0.conv.conv.bias", "quantizer.vq.layers.0._codebook.embed"}
RENAMED = (
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"\.conv\.conv\.", ".conv."),
    (r"\.convtr\.convtr\.", ".conv."),
    (r"\.(conv|convtr)\.norm\.", ".norm."),
    (r"^quantizer\.vq\.layers\.(\d+)\._codebook\.", r"quantizer.layers.\1.codebook."),
    (r"\.parametrizations\.weight\.original0$", ".weight_g"),
    (r"\.parametrizations\.weight\.original1$", ".weight_v"),
)
FIELDS = {**seanet.FIELDS, "channels": "audio_channels", "lstm_layers": "num_lstm_layers"}


def recognises(checkpoint: Checkpoint) -> bool:
    """Whether this is EnCodec, in either layout."""
    return checkpoint.config.get("model_type") == "encodec" or checkpoint.tensors.keys() >= AUTHORS


def convert(checkpoint: Checkpoint, name: str, out: Path) -> dict[str, Any]:
    """Write the model `name` into the folder `out`; returns its manifest. Raises ModelError."""
    config = config_of(checkpoint)
    weights = weights_of(checkpoint, config)
    graphs = {"encoder": encoder_graph(config, weights), "decoder": decoder_graph(config, weights)}
    kind = "causal" if config.causal else f"segments of {config.segment / config.sample_rate:g} s"
    about = About(
        name,
        family="rvq" if config.causal else "segment",
        network="step" if config.causal else "",
        licence=LICENCE,
        description=seanet.described("EnCodec", config, kind),
        parity=PARITY,
    )
    return write_model(out, about, graphs, settings(config))


def settings(config: EncodecConfig) -> dict[str, Any]:
    """What the runtime must know beyond the graphs."""
    always = {
        "sample_rate": config.sample_rate,
        "channels": config.channels,
        "frame_size": config.frame_size,
        "pre_skip": 0,
        "num_codebooks": config.num_codebooks,
        "codebook_size": config.codebook_size,
        "chooses_codebooks": True,
    }
    if config.causal:
        # an LSTM forgets, but never all
        own = {"algorithmic_delay": config.frame_size, "preroll_frames": -1, "start_frames": config.start_frames}
        return {**always, **own, "ragged": True}
    overlap = config.segment - config.stride
    own = {"algorithmic_delay": config.segment, "preroll_frames": -(-overlap // config.frame_size)}
    return {**always, **own, "lookahead": overlap, "segment": config.segment, "segment_stride": config.stride}


def encoder_graph(config: EncodecConfig, weights: dict[str, NDArray[np.float32]]) -> GraphBuilder:
    """Samples to codes of at least `num_codebooks` codebooks, a step or a segment and then its scale."""
    graph = GraphBuilder("encoder")
    samples = graph.input("samples", [1, config.channels, "samples"])
    if config.normalize:
        scale = loudness(graph, samples)
        graph.output("scale", scale, [1])
        samples = graph.op("Div", samples, scale)
    wanted = graph.input("num_codebooks", [1], "int64")
    codes = Network(config, weights, layers(config, graph)).encode(samples, wanted)
    graph.output("codes", codes, [1, "codebooks", "frames"], "int64")
    return graph


def decoder_graph(config: EncodecConfig, weights: dict[str, NDArray[np.float32]]) -> GraphBuilder:
    """Codes of the first codebooks to samples, a step or a segment with its scale."""
    graph = GraphBuilder("decoder")
    codes = graph.input("codes", [1, "codebooks", "frames"], "int64")
    samples = Network(config, weights, layers(config, graph)).decode(codes)
    if config.normalize:
        samples = graph.op("Mul", samples, graph.input("scale", [1]))
    graph.output("samples", samples, [1, config.channels, "samples"])
    return graph


def layers(config: EncodecConfig, graph: GraphBuilder) -> GraphLayers:
    return Stream(graph) if config.causal else Whole(graph)


def loudness(graph: GraphBuilder, samples: str) -> str:
    """[1]: the root mean square of the channels' mean."""
    mono = graph.op("ReduceMean", samples, graph.ints(1), keepdims=0)
    power = graph.op("ReduceMean", graph.op("Mul", mono, mono), graph.ints(1), keepdims=0)
    return str(graph.op("Add", graph.op("Sqrt", power), graph.constant(np.array([1e-8], dtype=np.float32))))


def config_of(checkpoint: Checkpoint) -> EncodecConfig:
    """What the configuration says; the authors' files have none, and one of two published shapes.

    Raises ModelError on a variant that this network is not.
    """
    if not checkpoint.config:
        return PUBLISHED_48K if "encoder.model.0.conv.norm.weight" in checkpoint else PUBLISHED_24K
    raw = {"pad_mode": "reflect", "trim_right_ratio": 1.0, "norm_type": "weight_norm"} | checkpoint.config
    causal = bool(raw.get("use_causal_conv", True))
    known: dict[str, object] = {"pad_mode": "reflect", "norm_type": "weight_norm" if causal else "time_group_norm"}
    known |= {"trim_right_ratio": 1.0} if causal else {}
    for key, value in known.items():
        if raw[key] != value:
            raise ModelError(f"{checkpoint.path}: {key} is {raw[key]!r}; only {value!r} is known here")
    try:
        return _checked(EncodecConfig(causal=causal, **_given(raw), **_segments(raw)), checkpoint)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise ModelError(f"{checkpoint.path}: its config.json makes no sense: {error}") from error


def _given(raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of EncodecConfig that a configuration has under a name of its own, where it states them."""
    flags = {"shortcut": bool(raw.get("use_conv_shortcut", True)), "normalize": bool(raw.get("normalize", False))}
    return seanet.given(raw, FIELDS) | flags


def _segments(raw: dict[str, Any]) -> dict[str, Any]:
    if raw.get("chunk_length_s") is None:
        return {}
    length = int(raw["chunk_length_s"] * raw["sampling_rate"])
    return {"segment": length, "stride": max(1, int((1.0 - (raw.get("overlap") or 0)) * length))}


def _checked(config: EncodecConfig, checkpoint: Checkpoint) -> EncodecConfig:
    """With as many codebooks as there are. Raises ValueError on numbers that no such network has."""
    books = sum(key.endswith("codebook.embed") for key in map(canonical, checkpoint.tensors))
    config = replace(config, num_codebooks=books)
    counts = {field: getattr(config, field) for field in (*FIELDS, "num_codebooks") if field != "sample_rate"}
    for field, value in counts.items():
        if not 1 <= value <= seanet.MAX_WIDTH:
            raise ValueError(f"{field} is {value}")
    ratios = config.ratios
    if not 1000 <= config.sample_rate <= 192_000 or config.channels > 2 or not 2 <= min(ratios, default=0) <= 64:
        raise ValueError(f"sample rate, channels or ratios are {config.sample_rate}, {config.channels}, {ratios}")
    if not config.causal == (not config.normalize) == (not config.segment):
        raise ValueError("a network that looks ahead takes normalized segments, a causal one takes streams")
    return config


def canonical(key: str) -> str:
    """A tensor's name in either layout as this program calls it."""
    return renamed(key, RENAMED)


def weights_of(checkpoint: Checkpoint, config: EncodecConfig) -> dict[str, NDArray[np.float32]]:
    """Every tensor of the network, weight normalisation folded. Raises ModelError where one is missing or misshapen."""
    found = {canonical(key): value for key, value in checkpoint.tensors.items()}
    return plain_weights(checkpoint, found, shapes(config))
