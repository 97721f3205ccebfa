"""Imported codecs at their published size, with random weights: parity with another implementation, and both speeds.

python tests/bench/imported.py [NAME ...] [--seconds 10]

Speeds are CPU time of one thread, medians of repeats, as times real time; the range coder is counted on our side. Live
steps are percentiles of CPU time a packet of one frame. PUBLISHED is the table of what is measured; a codec more is an
entry more.
"""

import argparse
import os
import runpy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile
import torch

from mediacodec.codecs import CODECS
from mediacodec.codecs.rvq_settings import RvqSettings
from mediacodec.manifest import Manifest
from mediacodec.media import resample_audio
from mediacodec_models.importers import import_model

TESTS = Path(__file__).parents[1]
SAMPLE = TESTS.parent / "examples" / "speech.wav"
CHECKPOINTS = runpy.run_path(str(TESTS / "checkpoints.py"))
random_encodec, random_mimi = CHECKPOINTS["random_encodec"], CHECKPOINTS["random_mimi"]
REPEATS = 3
WARM = 50  # live steps that do not count


@dataclass(frozen=True)
class Oracle:
    """Another implementation with its weights.

    save: writes its checkpoint into a folder; encode: samples [channels, n] to something; codes: that as
    [codebooks, frames], in the order of our packets; decode: that, with such codes in place of its own, to samples
    [channels, n]; ties: from samples, its codes and ours, how much farther than its own choices ours are, at the first
    codebook of each frame that differs, as a share of the distance.
    """

    module: torch.nn.Module
    save: Callable[[Path], object]
    encode: Callable[[np.ndarray], Any]
    codes: Callable[[Any], np.ndarray]
    decode: Callable[[Any, np.ndarray], np.ndarray]
    ties: Callable[[np.ndarray, np.ndarray, np.ndarray], list[float]] | None = None


def encodec_ties(model: Any, samples: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> list[float]:
    """See `Oracle.ties`; of EnCodec's Euclidean codebooks."""
    latents: list[torch.Tensor] = []
    hook = model.encoder.register_forward_hook(lambda _, __, output: latents.append(output[0]))
    model.encode(torch.from_numpy(samples)[None], bandwidth=model.config.target_bandwidths[-1])
    hook.remove()
    latent = torch.cat(latents, dim=1).T.double()
    books = torch.stack([layer.codebook.embed for layer in model.quantizer.layers]).double()
    shares = []
    for frame in np.flatnonzero((theirs != ours).any(axis=0)):
        k = int(np.argmax(theirs[:, frame] != ours[:, frame]))
        rest = latent[frame] - sum((books[j, theirs[j, frame]] for j in range(k)), torch.zeros(1).double())
        near, far = ((rest - books[k, codes[k, frame]]).square().sum() for codes in (theirs, ours))
        shares.append(float((far - near).abs() / near))
    return shares


def encodec_24k() -> Oracle:
    model = random_encodec()

    def encode(samples: np.ndarray) -> Any:
        return model.quantizer.encode(model.encoder(torch.from_numpy(samples)[None]))

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decoder(model.quantizer.decode(torch.from_numpy(codes)[:, None]))[0])

    def ties(*arguments: np.ndarray) -> list[float]:
        return encodec_ties(model, *arguments)

    return Oracle(model, model.save_pretrained, encode, lambda codes: np.asarray(codes[:, 0]), decode, ties)


def encodec_48k() -> Oracle:
    whole = {"norm_type": "time_group_norm", "use_causal_conv": False, "normalize": True, "audio_channels": 2}
    cut = {"sampling_rate": 48_000, "chunk_length_s": 1.0, "overlap": 0.01, "target_bandwidths": [3.0, 6.0, 12.0, 24.0]}
    model = random_encodec(**whole, **cut)

    def encode(samples: np.ndarray) -> Any:
        return model.encode(torch.from_numpy(samples)[None], bandwidth=24.0)

    def codes(coded: Any) -> np.ndarray:
        segments = np.concatenate(list(coded.audio_codes[:, 0].numpy()), axis=1)
        return segments[:, : segments.shape[1] - int(coded.last_frame_pad_length)]

    def decode(coded: Any, codes: np.ndarray) -> np.ndarray:
        short = int(coded.last_frame_pad_length)
        size = coded.audio_codes.shape[-1]
        whole = np.pad(codes, ((0, 0), (0, short)))
        segments = torch.from_numpy(np.stack(np.split(whole, whole.shape[1] // size, axis=1)))[:, None]
        sound = model.decode(segments, coded.audio_scales, last_frame_pad_length=short)
        return np.asarray(sound.audio_values[0])

    def ties(*arguments: np.ndarray) -> list[float]:
        return encodec_ties(model, *arguments)

    return Oracle(model, model.save_pretrained, encode, codes, decode, ties)


def mimi() -> Oracle:
    model = random_mimi()
    first = model.quantizer.num_semantic_quantizers

    def whole(samples: np.ndarray) -> torch.Tensor:
        """Zeros behind the end up to a whole frame, as Mimi's authors have it."""
        return torch.from_numpy(np.pad(samples, ((0, 0), (0, -samples.shape[1] % model.config.frame_size))))[None]

    def encode(samples: np.ndarray) -> Any:
        return model.encode(whole(samples)).audio_codes

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decode(torch.from_numpy(codes)[None]).audio_values[0])

    def ties(samples: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> list[float]:
        latent, quantizer, shares = model.encoder(whole(samples)).latents, model.quantizer, []
        for frame in np.flatnonzero((theirs != ours).any(axis=0)):
            k = int(np.argmax(theirs[:, frame] != ours[:, frame]))
            kind, start = ("semantic", 0) if k < first else ("acoustic", first)
            part = getattr(quantizer, f"{kind}_residual_vector_quantizer")
            books = [layer.codebook.embed.double() for layer in part.layers]
            rest = part.input_proj(latent)[0, :, frame].double()
            rest = rest - sum((books[j - start][theirs[j, frame]] for j in range(start, k)), torch.zeros(1).double())
            near, far = ((rest - books[k - start][codes[k, frame]]).square().sum() for codes in (theirs, ours))
            shares.append(float((far - near).abs() / near))
        return shares

    return Oracle(model, model.save_pretrained, encode, lambda codes: np.asarray(codes[0]), decode, ties)


def dac_44k() -> Oracle:
    model = CHECKPOINTS["random_dac"](sampling_rate=44_100, n_codebooks=9)

    def encode(samples: np.ndarray) -> Any:
        padded = np.pad(samples, ((0, 0), (0, -samples.shape[1] % model.config.hop_length)))
        return model.encode(torch.from_numpy(padded)[None]).audio_codes

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decode(audio_codes=torch.from_numpy(codes)[None]).audio_values)

    return Oracle(model, model.save_pretrained, encode, lambda codes: np.asarray(codes[0]), decode)


PUBLISHED: dict[str, Callable[[], Oracle]] = {
    "encodec_24khz": encodec_24k,
    "encodec_48khz": encodec_48k,
    "mimi": mimi,
    "dac_44khz": dac_44k,
}


def speech(seconds: float, rate: int, channels: int) -> np.ndarray:
    samples, source_rate = soundfile.read(SAMPLE, dtype="float32")
    mono = resample_audio(samples, source_rate, rate)
    size = int(seconds * rate) + 77  # no whole number of frames
    mono = np.tile(mono, size // len(mono) + 2)
    return np.stack([mono[7 * k : 7 * k + size] * 0.9**k for k in range(channels)])


def times_real(seconds: float, job: Callable[[], object]) -> float:
    """How many times faster than it lasts, in CPU time."""
    job()
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        job()
        taken.append(time.process_time() - began)
    return seconds / statistics.median(taken)


def coded(model: Manifest, samples: np.ndarray) -> tuple[Any, list[Any]]:
    encoder: Any = CODECS[model.family].encoder(model)
    return encoder.header, encoder.push(samples) + encoder.flush()


def decoded(model: Manifest, header: Any, packets: list[Any]) -> np.ndarray:
    decoder: Any = CODECS[model.family].decoder(model, header)
    chunks = [*map(decoder.push, packets), decoder.flush()]
    return np.concatenate([chunk.samples for chunk in chunks], axis=1)


def live(model: Manifest, samples: np.ndarray, codebooks: int) -> str:
    """Percentiles of single steps with so many codebooks."""
    size, family = model.settings["frame_size"], CODECS[model.family]
    bit_rate = RvqSettings(model).bit_rate(codebooks, 1, 1)
    encoder: Any = family.encoder(model, packet_duration=size / model.settings["sample_rate"], bit_rate=bit_rate)
    decoder: Any = family.decoder(model, encoder.header)
    steps: dict[str, list[float]] = {"encode": [], "decode": []}
    for start in range(0, samples.shape[1] - size, size):
        began = time.process_time()
        packets = encoder.push(samples[:, start : start + size])
        between = time.process_time()
        for packet in packets:
            decoder.push(packet)
        steps["encode"].append(between - began)
        steps["decode"].append(time.process_time() - between)
    found = {name: np.percentile(taken[WARM:], (50, 99)) * 1e3 for name, taken in steps.items()}
    step = 1000 * size / model.settings["sample_rate"]
    return f"{step:.1f} ms steps, {codebooks} codebooks: " + ", ".join(
        f"{n} p50 {a:.2f} p99 {b:.2f} ms" for n, (a, b) in found.items()
    )


def measure(name: str, seconds: float, folder: Path) -> None:
    oracle = PUBLISHED[name]()
    oracle.save(folder / name)
    model = import_model(folder / name, name=f"{name}-random", folder=folder)
    rate = model.settings["sample_rate"]
    samples = speech(seconds, rate, model.settings.get("channels", 1))
    header, packets = coded(model, samples)
    reader: Any = CODECS[model.family].code_reader(model, header)
    codes = np.concatenate([reader.read(packet) for packet in packets], axis=1).astype(np.int64)
    with torch.no_grad():
        theirs = oracle.encode(samples)
        wanted, sound = oracle.codes(theirs), oracle.decode(theirs, codes)
        ties = oracle.ties(samples, wanted, codes) if oracle.ties else []
        ours = decoded(model, header, packets)
        length = min(ours.shape[1], sound.shape[1])
        apart = float(np.abs(ours[:, :length] - sound[:, :length]).max())
        speeds = [
            times_real(seconds, lambda: coded(model, samples)),
            times_real(seconds, lambda: oracle.encode(samples)),
            times_real(seconds, lambda: decoded(model, header, packets)),
            times_real(seconds, lambda: oracle.decode(theirs, wanted)),
        ]
    print(f"{name}: {sum(p.numel() for p in oracle.module.parameters()) / 1e6:.1f} M parameters (codebooks aside)")
    print(f"  delay {1000 * header.algorithmic_delay / rate:.1f} ms, {len(np.unique(codes))} different codes heard")
    print(
        f"  {np.mean(codes == wanted):.4%} of {codes.size} codes equal; the first that differ in each of {len(ties)} "
        f"frames are at most {max(ties, default=0):.1e} farther"
    )
    print(f"  sound from the same codes {apart:.1e} away at most (peak {np.abs(sound).max():.2f})")
    print("  encode {:.1f}x (torch {:.1f}x), decode {:.1f}x (torch {:.1f}x) real time".format(*speeds))
    if model.family == "causal":
        for codebooks in sorted({model.settings["num_codebooks"], -(-model.settings["num_codebooks"] // 4)}):
            print(f"  {live(model, samples, codebooks)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *PUBLISHED], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=10.0, help="of sound")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names or PUBLISHED:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, args.seconds, Path(folder))


if __name__ == "__main__":
    main()
