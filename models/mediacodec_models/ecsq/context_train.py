"""Train the integer context network of a scalar codec that is done."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor, nn

from mediacodec_models.ecsq.context import ContextConfig, ContextNetwork
from mediacodec_models.ecsq.symbols import PacketSymbols

RISE = 100  # steps over which the learning rate rises
FALLING = 0.5  # share of the time over which it falls
EASY = 50.0  # bits that count as a packet's least: near-silence must not weigh more than speech


def train_context(
    network: ContextNetwork, config: ContextConfig, found: PacketSymbols, active: Tensor, *, seed: int = 0
) -> list[float]:
    """Train in place.

    Args:
        network: new, or one to go on from.
        config: how.
        found: symbols of the codec.
        active: whether a channel is coded at a quality, bool [64, latent].
        seed: of the choice of packets.

    Returns:
        Bits a packet, means of a hundred steps each.
    """
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    random, start, step, bits = np.random.default_rng(seed), time.monotonic(), 0, []
    # a packet counts by the share of its bits that is saved, not by how many it has: bits where its quality is usual
    sizes = np.log2(1.0 + np.abs(found.symbols.astype(np.float32))).sum((1, 2))
    usual = np.array([sizes[np.abs(found.quality - q) <= 4].mean() if len(sizes) else 1.0 for q in range(64)])
    weight = torch.from_numpy(1 / (np.maximum(sizes, 0.3 * usual[found.quality]) + EASY)).float()
    while (done := max(step / (config.steps or math.inf), (time.monotonic() - start) / 60 / config.minutes)) < 1:
        chosen = random.integers(0, len(found.symbols), config.batch)
        symbols = torch.from_numpy(found.symbols[chosen].astype(np.float32))
        quality = torch.from_numpy(found.quality[chosen])
        coded = active[quality][:, None]
        rate = config.learning_rate * min(1.0, (step + 1) / RISE) * min(1.0, (1 - done) / FALLING + 0.01)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            each = (network(symbols * coded, quality) * coded).sum((1, 2))
        loss = (each * weight[torch.from_numpy(chosen)]).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        bits.append(float(each.detach().mean()))
        step += 1
    return [float(np.mean(bits[i : i + 100])) for i in range(0, len(bits), 100)]
