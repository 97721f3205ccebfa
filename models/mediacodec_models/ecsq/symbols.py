"""Symbols of a trained scalar codec, packet by packet: what its context network and its tables are fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.ecsq.settings import MAX_SYMBOL, QUALITIES
from mediacodec_models.ecsq.data import AugmentedSegments
from mediacodec_models.ecsq.network import PACKET_FRAMES, ScalarCodec
from mediacodec_models.layers.quality import knot_weights

SEGMENTS = 16  # that go through the encoder at once
RANGE = 0.9998  # share of the latents that the context network's inputs are to hold


@dataclass(frozen=True)
class PacketSymbols:
    """Symbols of packets.

    Attributes:
        symbols: int16 [packets, PACKET_FRAMES, latent].
        quality: int64 [packets], 0..63.
        largest: float32 [latent]: of RANGE of the latents' magnitudes.
    """

    symbols: NDArray[np.int16]
    quality: NDArray[np.int64]
    largest: NDArray[np.float32]


def quality_weights(quality: Tensor, knots: int) -> Tensor:
    """Interpolation weights of qualities 0..63, [batch, knots]."""
    return knot_weights(quality / (QUALITIES - 1), knots)


def gain_table(codec: ScalarCodec) -> Tensor:
    """Logarithm of the gain of each channel at each quality, [64, latent]."""
    return quality_weights(torch.arange(QUALITIES), codec.config.knots) @ codec.log_gain.detach()


@torch.no_grad()
def packet_symbols(codec: ScalarCodec, segments: AugmentedSegments, packets: int, *, seed: int) -> PacketSymbols:
    """Encode segments of whole packets, each at a random quality.

    Args:
        codec: trained.
        segments: of PACKET_FRAMES frames times some number.
        packets: at least so many.
        seed: of the qualities.
    """
    random = torch.Generator().manual_seed(seed)
    table, count = gain_table(codec), 0
    symbols: list[Tensor] = []
    qualities: list[Tensor] = []
    magnitudes: list[Tensor] = []
    while count < packets:
        samples = segments.batch(SEGMENTS)
        quality = torch.randint(QUALITIES, (SEGMENTS,), generator=random)
        knots = quality_weights(quality, codec.config.knots)
        with torch.autocast("cpu", torch.bfloat16):
            latent, _ = codec.encoder.step(samples, codec.encoder.initial_state(SEGMENTS), knots)
        scaled = (latent.float() * table[quality].exp()[:, None]).round().clamp(-MAX_SYMBOL, MAX_SYMBOL)
        found = scaled.to(torch.int16).reshape(-1, PACKET_FRAMES, latent.shape[2])
        symbols.append(found)
        qualities.append(quality.repeat_interleave(len(found) // SEGMENTS))
        count += len(found)
        magnitudes.append(latent.float().abs().flatten(0, 1)[::5])
    largest = torch.cat(magnitudes).numpy()
    return PacketSymbols(
        torch.cat(symbols).numpy(),
        torch.cat(qualities).numpy(),
        np.quantile(largest, RANGE, axis=0).astype(np.float32),
    )


def active_channels(found: PacketSymbols, least: float = 5e-4) -> NDArray[np.bool_]:
    """Whether a channel is coded at a quality, [64, latent]: not where fewer than `least` of its symbols are not 0.

    Shares are smoothed over neighbouring qualities, and a channel stays on from the first quality that wants it.
    """
    used = np.zeros((QUALITIES, found.symbols.shape[2]))
    count = np.zeros(QUALITIES)
    share = (found.symbols != 0).mean(1)
    np.add.at(used, found.quality, share)
    np.add.at(count, found.quality, 1)
    kernel = np.array([1, 2, 3, 2, 1.0])
    used, count = (np.apply_along_axis(np.convolve, 0, x, kernel, "same") for x in (used, count))
    wanted = used >= least * np.maximum(count, 1)[:, None]
    return np.logical_or.accumulate(wanted, axis=0)
