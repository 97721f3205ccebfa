"""Turn a trained codec into a zoo folder: step graphs, integer tables, manifest.

`python -m mediacodec_models.audio.export RECIPE --run RUN --data PACK --out FOLDER/NAME`

Weights are stored in half precision and cast back when the graph loads; arithmetic is float32. Fixed transforms stay
float32.
"""

import argparse
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mediacodec.codecs.rvq.analysis import backtrack
from mediacodec.errors import ParameterError
from mediacodec.manifest import Manifest, read_manifest
from mediacodec.npz import save_arrays
from mediacodec.session import StepGraph
from mediacodec_models.audio.data import Segments
from mediacodec_models.audio.resume import QUANTIZER, save_quantizer
from mediacodec_models.audio.spectral import SpectralCodec, SpectralConfig
from mediacodec_models.audio.train import read_recipe
from mediacodec_models.entropy.code_tables import fit_tables, mean_bits
from mediacodec_models.entropy.code_vectors import code_vectors
from mediacodec_models.entropy.search import beam_search, rate_penalties
from mediacodec_models.installing import called
from mediacodec_models.onnx_files import HALVED, write_manifest
from mediacodec_models.quantizers.moving import MovingCodebooks
from mediacodec_models.quantizers.rvq import ResidualVQ
from mediacodec_models.step_graphs import Step, export_step

EXACT = ("stft", "istft")  # parts that stay float32: half precision would break perfect reconstruction


class EncoderStep(nn.Module):
    """Samples to the codes of any quantizer, as one step graph: entries and parents as of a search of width 1."""

    def __init__(self, codec: SpectralCodec) -> None:
        super().__init__()
        self.encoder, self.quantizer = codec.encoder, codec.quantizer

    def forward(self, samples: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        latent, after = self.encoder.step(samples, state)
        entries = self.quantizer.encode(latent).transpose(1, 2).unsqueeze(3).int()  # [1, T, books, 1]
        return entries, torch.zeros_like(entries), *after


class SearchStep(nn.Module):
    """Samples to the beam search of residual codebooks, as one step graph."""

    penalty: Tensor

    def __init__(self, codec: SpectralCodec, penalty: Tensor, width: int) -> None:
        super().__init__()
        assert isinstance(codec.quantizer, MovingCodebooks), "a search goes through codebooks that are one tensor"
        self.encoder, self.quantizer, self.width = codec.encoder, codec.quantizer, width
        self.register_buffer("penalty", penalty)

    def forward(self, samples: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        latent, after = self.encoder.step(samples, state)
        entries, parents = beam_search(latent, self.quantizer.codebooks, self.penalty, self.width)
        return entries, parents, *after


class DecoderStep(nn.Module):
    """Codes to samples; the code `codebook_size` stands for a codebook that was dropped."""

    def __init__(self, codec: SpectralCodec) -> None:
        super().__init__()
        self.decoder, self.quantizer = codec.decoder, codec.quantizer

    def forward(self, codes: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        samples, after = self.decoder.step(self.quantizer.decode(codes), state)
        return samples, *after


def encoder_step(codec: SpectralCodec, about: dict[str, Any], data: Path) -> nn.Module:
    """The encoder of the recipe's [model]: one with `search_width` searches its residual codebooks."""
    if "search_width" not in about:
        return EncoderStep(codec)
    if type(codec.quantizer) is not ResidualVQ:
        raise ValueError(f"search_width is for the quantizer rvq; {codec.config.quantizer} codes by its own rule")
    penalty = rate_penalties(sampled_latents(codec, data), codec.quantizer.codebooks, about["rate_weight"])
    return SearchStep(codec, penalty, int(about["search_width"]))


def shipped_weights(codec: SpectralCodec) -> dict[str, np.ndarray]:
    """The weights as stored, by name: what the canonical hash of the model is taken of."""
    named: dict[str, Tensor] = {
        **dict(codec.encoder.named_parameters("encoder")),
        **dict(codec.decoder.named_parameters("decoder")),
    }
    named |= {f"quantizer.{name}": value for name, value in codec.quantizer.weights().items()}
    small = {k: v.detach().numpy() for k, v in named.items()}
    return {k: v.astype(np.float16) if v.size >= HALVED else v for k, v in small.items()}


def padded_clips(codec: SpectralCodec, data: Path, *, dev: bool) -> Iterator[Tensor]:
    """Every clip of a split, [1, samples], zeros behind it up to a whole frame."""
    size = codec.config.frame_size
    for clip in Segments(data, length=1, dev=dev, seed=0).clips:
        yield torch.from_numpy(np.pad(clip.astype(np.float32) / 32768, (0, -len(clip) % size)))[None]


def sampled_latents(codec: SpectralCodec, data: Path) -> Tensor:
    """[n, dim] of every fourth training clip."""
    clips = list(padded_clips(codec, data, dev=False))[::4]
    return torch.cat([codec.encoder.step(clip, codec.encoder.initial_state(1))[0][0] for clip in clips])


def all_codes(step: nn.Module, codec: SpectralCodec, data: Path, *, dev: bool) -> list[np.ndarray]:
    """Codes of every clip of a split, [codebooks, frames] each."""
    result = []
    for samples in padded_clips(codec, data, dev=dev):
        entries, parents, *_ = step(samples, codec.encoder.initial_state(1))
        paths = torch.stack([entries[0], parents[0]]).numpy()
        result.append(backtrack(paths, codec.config.num_codebooks))
    return result


@torch.no_grad()
def export(codec: SpectralCodec, recipe: dict[str, Any], data: Path, out: Path) -> dict[str, Any]:
    """Write the zoo folder `out`; returns its manifest."""
    out.mkdir(parents=True, exist_ok=True)
    config, about = codec.config, recipe["model"]
    weights = shipped_weights(codec)
    state = codec.state_dict()
    for name, weight in weights.items():  # what is measured from here on is what ships
        state[name].copy_(torch.from_numpy(weight.astype(np.float32)))
    step = encoder_step(codec, about, data)
    dev = all_codes(step, codec, data, dev=True)
    train = all_codes(step, codec, data, dev=False)
    tables = fit_tables(train, dev, code_vectors(train, config.codebook_size))
    arrays = {name: getattr(tables, name) for name in ("frequencies", "classes", "source", "lag")}
    save_arrays(out / "tables.npz", arrays)
    save_quantizer(weights, out)
    samples = {"samples": torch.zeros(1, 2 * config.frame_size)}
    codes = {"codes": torch.zeros(1, config.num_codebooks, 2, dtype=torch.int64)}
    steps = (
        Step("encoder", step, samples, 1, codec.encoder.initial_state(1), ["entries", "parents"]),
        Step("decoder", DecoderStep(codec), codes, 2, codec.decoder.initial_state(1), ["samples"]),
    )
    graphs = {each.name: export_step(each, out, exact=EXACT) for each in steps}
    manifest = write_manifest(
        out,
        about,
        weights=weights,
        tables=arrays,
        graphs=graphs,
        settings=settings(config, *mean_bits(dev, tables)),
        training=QUANTIZER,
    )
    check(codec, step, read_manifest(out), next(padded_clips(codec, data, dev=True)))
    return manifest


@torch.no_grad()
def check(codec: SpectralCodec, step: nn.Module, model: Manifest, speech: Tensor) -> None:
    """Raise ValueError unless the exported graphs do what torch does, on speech and on digital silence before it."""
    samples = torch.cat([torch.zeros(1, 50 * codec.config.frame_size), speech], dim=1)
    entries, parents, *_ = step(samples, codec.encoder.initial_state(1))
    ours = backtrack(torch.stack([entries[0], parents[0]]).numpy(), codec.config.num_codebooks)
    graph = StepGraph(model.graph_path("encoder"), model.graph("encoder"), device="cpu")
    outputs, state = graph.step({"samples": samples.numpy()}, graph.initial_state())
    theirs = backtrack(np.stack([outputs["entries"][0], outputs["parents"][0]]), codec.config.num_codebooks)
    differing = float((ours != theirs).mean())
    if differing > 0.005 or not all(np.isfinite(value).all() for value in state):
        raise ValueError(f"the exported encoder chose other codes than torch in {differing:.2%}")
    codes = torch.from_numpy(ours.astype(np.int64))[None]
    decoded, _ = codec.decoder.step(codec.quantizer.decode(codes), codec.decoder.initial_state(1))
    graph = StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="cpu")
    outputs, _ = graph.step({"codes": codes.numpy()}, graph.initial_state())
    distance = float(np.abs(outputs["samples"] - decoded.numpy()).max())
    if not distance < 1e-4:
        raise ValueError(f"the exported decoder is {distance} away from torch")


def settings(config: SpectralConfig, first: list[float], later: list[float]) -> dict[str, Any]:
    """What the runtime must know beyond the graphs; bits are means over development speakers."""
    blocks = sum(count for _, _, count in config.decoder)
    stride = config.frame_size // config.latent_size
    return {
        "sample_rate": config.sample_rate,
        "frame_size": config.frame_size,
        "pre_skip": config.delay,
        "algorithmic_delay": config.frame_size + config.delay,
        # every block remembers six frames of the latent, whether it looks ahead or not; the overlap-add one more
        "preroll_frames": -(-(6 * blocks + 1) // stride),
        "ahead": list(config.ahead),  # for training on from this model
        "num_codebooks": config.num_codebooks,
        "codebook_size": config.codebook_size,
        "bits_first_frame": [round(b, 3) for b in first],
        "bits_per_frame": [round(b, 3) for b in later],
    }


def load_average(codec: SpectralCodec, run: Path, free_steps: int) -> None:
    """Load what a run ships, the average of its weights.

    Args:
        codec: of the recipe's shape.
        run: folder of the run.
        free_steps: of the recipe.

    Raises:
        ParameterError: the run was stopped before its quantizer began.
    """
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    if "optimiser" in state and state["step"] <= free_steps:  # the adversarial stage counts its own steps
        raise ParameterError(
            f"'{run}' stands at step {state['step']}, and its quantizer begins after {free_steps}: train on, "
            "or start from a shipped model with --init"
        )
    codec.load_state_dict(state["average"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder with checkpoint.pt")
    parser.add_argument("--data", type=Path, required=True, help="folder made by mediacodec_models.audio.data.pack")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; the model is called as it is")
    args = parser.parse_args()
    network, config = read_recipe(args.recipe)
    recipe = tomllib.loads(args.recipe.read_text())
    recipe["model"] = called(recipe["model"], args.out.resolve().name)
    codec = SpectralCodec(network).eval()
    try:
        load_average(codec, args.run, config.free_steps)
    except ParameterError as error:
        parser.error(str(error))
    manifest = export(codec, recipe, args.data, args.out)
    print(json.dumps({k: manifest[k] for k in ("name", "weights_sha256", "settings")}, indent=1))


if __name__ == "__main__":
    main()
