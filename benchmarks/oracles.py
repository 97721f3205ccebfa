"""Other implementations of published codecs, at their published size and with random weights, to compare imports with.

PUBLISHED is the table of what is measured; a codec more is an entry more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from support.checkpoints import random_dac, random_encodec, random_mimi, random_snac, wavtokenizer_state


@dataclass(frozen=True)
class Oracle:
    """Another implementation with its weights.

    checkpoint: of these weights, as published; parameters: how many; encode: samples [channels, n] to something;
    codes: that as [codebooks, frames], in the order of our packets; decode: that, with such codes in place of its own,
    to samples [channels, n], None where nothing else decodes; ties: from samples, its codes and ours, how much farther
    than its own choices ours are, at the first codebook of each frame that differs, as a share of the distance.
    """

    checkpoint: Path
    parameters: int
    encode: Callable[[np.ndarray], Any]
    codes: Callable[[Any], np.ndarray]
    decode: Callable[[Any, np.ndarray], np.ndarray] | None
    ties: Callable[[np.ndarray, np.ndarray, np.ndarray], list[float]] | None = None


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def whole(samples: np.ndarray, frame_size: int) -> torch.Tensor:
    """[1, channels, n] with zeros behind the end up to a whole frame."""
    return torch.from_numpy(np.pad(samples, ((0, 0), (0, -samples.shape[1] % frame_size))))[None]


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


def encodec_24k(folder: Path) -> Oracle:
    model = random_encodec()
    model.save_pretrained(folder)

    def encode(samples: np.ndarray) -> Any:
        return model.quantizer.encode(model.encoder(torch.from_numpy(samples)[None]))

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decoder(model.quantizer.decode(torch.from_numpy(codes)[:, None]))[0])

    ties = partial(encodec_ties, model)
    return Oracle(folder, parameters(model), encode, lambda codes: np.asarray(codes[:, 0]), decode, ties)


def encodec_48k(folder: Path) -> Oracle:
    norm = {"norm_type": "time_group_norm", "use_causal_conv": False, "normalize": True, "audio_channels": 2}
    cut = {"sampling_rate": 48_000, "chunk_length_s": 1.0, "overlap": 0.01, "target_bandwidths": [3.0, 6.0, 12.0, 24.0]}
    model = random_encodec(**norm, **cut)
    model.save_pretrained(folder)

    def encode(samples: np.ndarray) -> Any:
        return model.encode(torch.from_numpy(samples)[None], bandwidth=24.0)

    def codes(coded: Any) -> np.ndarray:
        segments = np.concatenate(list(coded.audio_codes[:, 0].numpy()), axis=1)
        return segments[:, : segments.shape[1] - int(coded.last_frame_pad_length)]

    def decode(coded: Any, codes: np.ndarray) -> np.ndarray:
        short = int(coded.last_frame_pad_length)
        size = coded.audio_codes.shape[-1]
        padded = np.pad(codes, ((0, 0), (0, short)))
        segments = torch.from_numpy(np.stack(np.split(padded, padded.shape[1] // size, axis=1)))[:, None]
        audio = model.decode(segments, coded.audio_scales, last_frame_pad_length=short)
        return np.asarray(audio.audio_values[0])

    return Oracle(folder, parameters(model), encode, codes, decode, partial(encodec_ties, model))


def mimi(folder: Path) -> Oracle:
    """Zeros fill the last frame, as Mimi's authors have it."""
    model = random_mimi()
    model.save_pretrained(folder)
    first = model.quantizer.num_semantic_quantizers

    def encode(samples: np.ndarray) -> Any:
        return model.encode(whole(samples, model.config.frame_size)).audio_codes

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decode(torch.from_numpy(codes)[None]).audio_values[0])

    def ties(samples: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> list[float]:
        latent = model.encoder(whole(samples, model.config.frame_size)).latents
        shares = []
        for frame in np.flatnonzero((theirs != ours).any(axis=0)):
            k = int(np.argmax(theirs[:, frame] != ours[:, frame]))
            kind, start = ("semantic", 0) if k < first else ("acoustic", first)
            part = getattr(model.quantizer, f"{kind}_residual_vector_quantizer")
            books = [layer.codebook.embed.double() for layer in part.layers]
            rest = part.input_proj(latent)[0, :, frame].double()
            rest = rest - sum((books[j - start][theirs[j, frame]] for j in range(start, k)), torch.zeros(1).double())
            near, far = ((rest - books[k - start][codes[k, frame]]).square().sum() for codes in (theirs, ours))
            shares.append(float((far - near).abs() / near))
        return shares

    return Oracle(folder, parameters(model), encode, lambda codes: np.asarray(codes[0]), decode, ties)


def dac(folder: Path, **config: Any) -> Oracle:
    model = random_dac(**config)
    model.save_pretrained(folder)

    def encode(samples: np.ndarray) -> Any:
        return model.encode(whole(samples, model.config.hop_length)).audio_codes

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        return np.asarray(model.decode(audio_codes=torch.from_numpy(codes)[None]).audio_values)

    return Oracle(folder, parameters(model), encode, lambda codes: np.asarray(codes[0]), decode)


def snac(folder: Path, **config: Any) -> Oracle:
    """Without its noise, which is another one in each run."""
    model = random_snac(
        folder, codebook_size=4096, codebook_dim=8, latent_dim=None, noise=True, depthwise=True, **config
    )
    strides = config["vq_strides"]
    counts = [math.lcm(strides[0], config["attn_window_size"] or 1) // stride for stride in strides]

    def encode(samples: np.ndarray) -> Any:
        return model.encode(torch.from_numpy(samples)[None])

    def codes(coded: Any) -> np.ndarray:
        return np.concatenate([book[0].numpy().reshape(-1, n).T for book, n in zip(coded, counts, strict=True)])

    def decode(_: Any, codes: np.ndarray) -> np.ndarray:
        books = [rows.T.reshape(1, -1) for rows in np.split(codes, np.cumsum(counts)[:-1])]
        return np.asarray(model.decode([torch.from_numpy(book) for book in books])[0])

    return Oracle(folder, parameters(model), encode, codes, decode)


def wavtokenizer(folder: Path, *, ratios: list[int], fft: int) -> Oracle:
    """EnCodec's encoder without its causality; no other implementation of the decoder can be installed."""
    bandwidth = 12 * 24 / math.prod(ratios)  # kbit/s of one codebook
    shape = {"hidden_size": 512, "codebook_size": 4096, "upsampling_ratios": ratios, "target_bandwidths": [bandwidth]}
    model = random_encodec(use_causal_conv=False, **shape)
    state = wavtokenizer_state(model, width=768, hidden=2304, blocks=12, fft=fft)
    folder.mkdir()
    torch.save({"state_dict": state}, folder / "model.ckpt")
    used = (value.numel() for name, value in state.items() if not name.startswith("feature_extractor."))

    def encode(samples: np.ndarray) -> Any:
        return model.quantizer.encode(model.encoder(whole(samples, math.prod(ratios))))

    size = sum(used) + parameters(model.encoder)
    return Oracle(folder / "model.ckpt", size, encode, lambda codes: np.asarray(codes[:, 0]), None)


LARGE_SNAC: Mapping[str, Any] = {
    "encoder_dim": 64,
    "encoder_rates": [2, 3, 8, 8],
    "decoder_dim": 1536,
    "decoder_rates": [8, 8, 3, 2],
    "attn_window_size": 32,
    "vq_strides": [8, 4, 2, 1],
}
SMALL_SNAC: Mapping[str, Any] = {
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "vq_strides": [4, 2, 1],
}
HOP_320 = {"downsampling_ratios": [2, 4, 5, 8]}
PUBLISHED: dict[str, Callable[[Path], Oracle]] = {
    "encodec_24khz": encodec_24k,
    "encodec_48khz": encodec_48k,
    "mimi": mimi,
    "dac_16khz": partial(dac, sampling_rate=16_000, n_codebooks=12, **HOP_320),
    "dac_24khz": partial(dac, sampling_rate=24_000, n_codebooks=32, **HOP_320),
    "dac_44khz": partial(dac, sampling_rate=44_100, n_codebooks=9),
    "snac_24khz": partial(snac, sampling_rate=24_000, **SMALL_SNAC),
    "snac_32khz": partial(snac, sampling_rate=32_000, **LARGE_SNAC),
    "snac_44khz": partial(snac, sampling_rate=44_100, **LARGE_SNAC),
    "wavtokenizer_40": partial(wavtokenizer, ratios=[6, 5, 5, 4], fft=2400),
    "wavtokenizer_75": partial(wavtokenizer, ratios=[8, 5, 4, 2], fft=1280),
}
