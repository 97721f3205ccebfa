"""Turn a trained scalar codec into a zoo folder: step graphs, an integer context network, tables, the manifest.

`python -m mediacodec_models.ecsq.export RECIPE --run RUN --data PACK --out ZOO/NAME`

The context network is trained here (the recipe's [context] says how long), on symbols of the weights that ship.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mediacodec.codecs.ecsq.packet import frame_bits, frame_tables, pack, unpack
from mediacodec.codecs.ecsq.settings import QUALITIES, EcsqSettings
from mediacodec.codecs.ecsq.symbols import EcsqTables
from mediacodec.manifest import Manifest, read_manifest
from mediacodec.npz import save_arrays
from mediacodec.session import StepGraph
from mediacodec_models.ecsq.context import ContextConfig, ContextNetwork
from mediacodec_models.ecsq.context_train import train_context
from mediacodec_models.ecsq.data import AugmentedSegments, Corpus
from mediacodec_models.ecsq.network import PACKET_FRAMES, ScalarCodec
from mediacodec_models.ecsq.resume import TRAINING, save_training
from mediacodec_models.ecsq.symbol_tables import SymbolCounts
from mediacodec_models.ecsq.symbols import PacketSymbols, active_channels, gain_table, packet_symbols, quality_weights
from mediacodec_models.ecsq.train import Run, plain, read_recipe
from mediacodec_models.installing import called
from mediacodec_models.onnx_files import HALVED, write_manifest
from mediacodec_models.step_graphs import Step, export_step

EXACT = ("stft", "istft")  # parts that stay float32: half precision would break perfect reconstruction
MEASURED = (*range(0, QUALITIES, 3),)  # qualities whose rates are measured; those between follow
MEASURED_SECONDS = 600  # of development speech
PACKETS = 9600  # whose symbols the context network is trained on

Arrays = dict[str, NDArray[Any]]


class EncoderStep(nn.Module):
    """Samples to latents, as one step graph."""

    def __init__(self, codec: ScalarCodec) -> None:
        super().__init__()
        self.encoder = codec.encoder

    def forward(self, samples: Tensor, knots: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        latents, after = self.encoder.step(samples, state, knots)
        return latents, *after


class DecoderStep(nn.Module):
    """Latents to samples, as one step graph."""

    def __init__(self, codec: ScalarCodec) -> None:
        super().__init__()
        self.decoder = codec.decoder

    def forward(self, latents: Tensor, knots: Tensor, state: list[Tensor]) -> tuple[Tensor, ...]:
        samples, after = self.decoder.step(latents, state, knots)
        return samples, *after


def shipped_weights(codec: ScalarCodec) -> Arrays:
    """The weights of the graphs as stored, by name: what the canonical hash of the model is taken of."""
    named = {**dict(codec.encoder.named_parameters("encoder")), **dict(codec.decoder.named_parameters("decoder"))}
    small = {name: value.detach().numpy() for name, value in named.items()}
    return {name: v.astype(np.float16) if v.size >= HALVED else v for name, v in small.items()}


@torch.no_grad()
def fitted_tables(network: ContextNetwork, found: PacketSymbols, active: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Frequency tables from what the network's distributions met."""
    counts = SymbolCounts()
    for start in range(0, len(found.symbols), 100):
        part = slice(start, start + 100)
        coded = active[found.quality[part]][:, None]
        symbols = found.symbols[part] * coded
        quality = torch.from_numpy(found.quality[part])
        mean, scale = network.distribution(torch.from_numpy(symbols.astype(np.float32)), quality)
        chosen = np.broadcast_to(coded, symbols.shape)
        counts.add(symbols[chosen].astype(np.int64), mean.long().numpy()[chosen], scale.long().numpy()[chosen])
    return counts.tables().to_array()


def graphs(codec: ScalarCodec, out: Path) -> dict[str, Any]:
    """Write the step graphs; returns their entries in the manifest."""
    config = codec.config
    knots = quality_weights(torch.tensor([20]), config.knots)
    samples = {"samples": torch.zeros(1, 2 * config.hop), "knots": knots}
    latents = {"latents": torch.zeros(1, 2, config.latent), "knots": knots}
    steps = (
        Step("encoder", EncoderStep(codec), samples, 1, codec.encoder.initial_state(1), ["latents"]),
        Step("decoder", DecoderStep(codec), latents, 1, codec.decoder.initial_state(1), ["samples"]),
    )
    with torch.no_grad():
        return {step.name: export_step(step, out, exact=EXACT) for step in steps}


def settings(codec: ScalarCodec, context: ContextConfig, first: list[float], later: list[float]) -> dict[str, Any]:
    """What the runtime must know beyond the graphs; bits are means over development speakers, by quality."""
    config = codec.config
    return {
        "sample_rate": config.sample_rate,
        "frame_size": config.hop,
        "pre_skip": config.delay,
        "algorithmic_delay": config.hop + config.delay,
        "preroll_frames": 6 * config.decoder[2] + 1,  # every block remembers six frames; the overlap-add one more
        "latent": config.latent,
        "groups": list(config.groups),
        "dilations": list(context.dilations),
        "knots": config.knots,
        "bits_first_frame": first,
        "bits_per_frame": later,
    }


@torch.no_grad()
def measured_bits(codec: ScalarCodec, model: Manifest, data: Path, seconds: int) -> tuple[list[float], list[float]]:
    """Bits of the first frame of a packet of a second and of a later one, by quality, on development speakers."""
    corpus = Corpus(data, dev=True, sample_rate=codec.config.sample_rate)
    segments = AugmentedSegments(corpus, None, size=PACKET_FRAMES * codec.config.hop * 2, seed=5, shares=None)
    samples = torch.cat([segments.batch(30) for _ in range(seconds // 60)])
    tables = EcsqTables(model, EcsqSettings(model))
    gains = gain_table(codec).exp()
    found = []
    for quality in MEASURED:
        knots = quality_weights(torch.tensor([quality]), codec.config.knots)
        bits = []
        for segment in samples.split(30):
            state = codec.encoder.initial_state(len(segment))
            latents, _ = codec.encoder.step(segment, state, knots.expand(len(segment), -1))
            active = tables.context.weights.active[quality]
            symbols = (latents[:, PACKET_FRAMES:] * gains[quality]).round().numpy() * active
            for each in symbols.astype(np.int16):
                bits.append(frame_bits(each, quality, frame_tables(each, quality, tables), tables))
        found.append(np.mean(bits, axis=0))
    frames = np.exp(np.array([np.interp(range(QUALITIES), MEASURED, np.log(x)) for x in np.transpose(found)]))
    grown = np.maximum.accumulate([frames[0], frames[1:].mean(0)], axis=1)
    first, later = (np.round(x, 3).tolist() for x in grown)
    return first, later


@torch.no_grad()
def check(codec: ScalarCodec, model: Manifest, network: ContextNetwork, found: PacketSymbols) -> None:
    """Raise ValueError unless the runtime computes what torch does, on digital silence and noise that grows."""
    size, quality = codec.config.hop, 40
    random = torch.Generator().manual_seed(1)
    loud = torch.randn(1, 60 * size, generator=random) * torch.linspace(0, 0.3, 60 * size)
    samples = torch.cat([torch.zeros(1, 20 * size), loud], dim=1)
    knots = quality_weights(torch.tensor([quality]), codec.config.knots)
    latents, _ = codec.encoder.step(samples, codec.encoder.initial_state(1), knots)
    audio, _ = codec.decoder.step(latents, codec.decoder.initial_state(1), knots)
    for name, given, expected in (("encoder", samples, latents), ("decoder", latents, audio)):
        graph = StepGraph(model.graph_path(name), model.graph(name), device="cpu")
        feed = {"samples" if name == "encoder" else "latents": given.numpy(), "knots": knots.numpy()}
        outputs, _ = graph.step(feed, graph.initial_state())
        distance = float(np.abs(outputs[graph.outputs[0]] - expected.numpy()).max())
        if not distance < 1e-3 * max(1.0, float(expected.abs().max())):
            raise ValueError(f"the exported {name} is {distance} away from torch")
    tables = EcsqTables(model, EcsqSettings(model))
    for symbols, q in zip(found.symbols[:40], found.quality[:40].tolist(), strict=True):
        coded = symbols * tables.context.weights.active[q]
        rows = frame_tables(coded, q, tables)
        mean, scale = network.distribution(torch.from_numpy(coded.astype(np.float32))[None], torch.tensor([q]))
        scales = scale[0].long().numpy().clip(0, tables.scales - 1)
        if not (np.array_equal(rows.rows >> 2, scales) and np.array_equal(rows.means, mean[0].long().numpy() >> 2)):
            raise ValueError("the runtime's context network gives other integers than torch")
        data = pack(coded, q, rows, tables, 4)
        again = unpack([data], len(coded), tables, 4)
        if not np.array_equal(again[0].symbols, coded):
            raise ValueError("a packet does not decode to its symbols")


def export(
    run: Run,
    recipe: dict[str, Any],
    data: Path,
    noise: Path | None,
    out: Path,
    *,
    packets: int = PACKETS,
    seconds: int = MEASURED_SECONDS,
) -> dict[str, Any]:
    """Write a zoo folder.

    Args:
        run: whose average ships.
        recipe: of the run.
        data: pack of speech.
        noise: pack of noise and music, or None.
        out: the folder.
        packets: whose symbols the context network is trained on.
        seconds: of development speech that rates are measured on.

    Returns:
        The manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    codec, context = run.average, ContextConfig(**plain(recipe["context"]))
    weights, state, rate = shipped_weights(codec), codec.state_dict(), codec.config.sample_rate
    for name, weight in weights.items():  # what is measured from here on is what ships
        state[name].copy_(torch.from_numpy(weight.astype(np.float32)))
    behind = Corpus(noise, dev=False, sample_rate=rate) if noise else None
    size = 2 * PACKET_FRAMES * codec.config.hop
    segments = AugmentedSegments(Corpus(data, dev=False, sample_rate=rate), behind, size=size, seed=11)
    found = packet_symbols(codec, segments, packets, seed=3)
    active = active_channels(found)
    network = ContextNetwork(context, codec.config.groups, gain_table(codec), torch.from_numpy(found.largest))
    progress = train_context(network, context, found, torch.from_numpy(active))
    print(json.dumps({"bits of a packet, every hundred steps": [round(b, 1) for b in progress]}), flush=True)
    arrays: Arrays = {"gains": gain_table(codec).exp().numpy(), "active": active.astype(np.uint8)}
    arrays |= {**network.arrays(), "frequencies": fitted_tables(network, found, active)}
    save_arrays(out / "tables.npz", arrays)
    save_training(codec, run.steering, out)
    files, about = graphs(codec, out), recipe["model"]
    parts: dict[str, Any] = {"weights": weights, "tables": arrays, "graphs": files, "training": TRAINING}
    unmeasured = [float(q + 1) for q in range(QUALITIES)]
    write_manifest(out, about, settings=settings(codec, context, unmeasured, unmeasured), **parts)
    check(codec, read_manifest(out), network, found)
    bits = measured_bits(codec, read_manifest(out), data, seconds)
    return write_manifest(out, about, settings=settings(codec, context, *bits), **parts)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--run", type=Path, required=True, help="folder with checkpoint.pt")
    parser.add_argument("--data", type=Path, required=True, help="pack of speech that it was trained on")
    parser.add_argument("--noise", type=Path, help="pack of noise and music, as in training")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; the model is called as it is")
    args = parser.parse_args()
    recipe = tomllib.loads(args.recipe.read_text())
    recipe["model"] = called(recipe["model"], args.out.resolve().name)
    run = Run(*read_recipe(args.recipe))
    run.load(args.run / "checkpoint.pt")
    manifest = export(run, recipe, args.data, args.noise, args.out)
    print(json.dumps({k: manifest[k] for k in ("name", "weights_sha256", "settings")}, indent=1))


if __name__ == "__main__":
    main()
