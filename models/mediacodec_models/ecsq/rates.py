"""The price of a bit at each quality, steered so that qualities take the rates they are to take."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mediacodec_models.ecsq.network import ScalarConfig
from mediacodec_models.layers.quality import knot_weights

MOST = 1.5  # of an error, as a logarithm, that counts in one step
START = 0.1  # price of a bit, times the bits of a frame


class RateSteering(nn.Module):
    """Prices at the knots of the quality, whose logarithms follow the error of the logarithm of the rate.

    Rates lie evenly on a logarithmic scale between the two given; `rates` in kbit/s, of the lowest and the highest
    quality; `speed`: how much of an error a step takes into the price.
    """

    targets: Tensor
    log_price: Tensor

    def __init__(self, network: ScalarConfig, rates: tuple[float, float], speed: float) -> None:
        super().__init__()
        self._per_frame = network.sample_rate / network.hop / 1000  # kbit/s of a bit a frame
        self._speed, self._knots = speed, network.knots
        lowest, highest = torch.tensor(rates).log().tolist()
        targets = torch.linspace(lowest, highest, network.knots)
        self.register_buffer("targets", targets, persistent=False)
        self.register_buffer("log_price", torch.log(START * self._per_frame / targets.exp()))

    def kbps(self, bits: Tensor) -> Tensor:
        """The rate of so many bits a frame."""
        return bits * self._per_frame

    def price(self, quality: Tensor) -> Tensor:
        """Loss that a bit a frame is worth, [batch], at qualities [batch] in 0..1."""
        return (knot_weights(quality, self._knots) @ self.log_price).exp()

    @torch.no_grad()
    def learn(self, quality: Tensor, bits: Tensor, steps: int) -> None:
        """Take what segments of these qualities took, in bits a frame, into the prices; for so many steps at once."""
        knots = knot_weights(quality, self._knots)
        error = (self.kbps(bits).clamp_min(0.01).log() - knots @ self.targets).clamp(-MOST, MOST)
        share = (knots * error[:, None]).sum(0) / (knots.sum(0) + 1)
        self.log_price += steps * self._speed * share / 2
