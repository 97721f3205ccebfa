"""The fit of one group: first freely, then with rounded numbers whose bits have a price, last with the steps that are
sent."""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from mediacodec.codecs.fitting.protocol import FitMonitor, FitProgress
from mediacodec_models.inr.losses import pictures_loss
from mediacodec_models.inr.network import FittedNetwork
from mediacodec_models.inr.plan import BITS

LEARNING_RATE = {"hnerv": 3e-3, "nerv++": 3e-3, "boost": 2e-3}  # at 8e-3 some fits of 0.35 M weights diverge
LARGEST_GRADIENT = 1.0  # norm over all parameters: one odd picture must not undo a fit
STEP_RATE = 0.02  # learning rate of the quantisation steps' logarithms
WARM_UP = 0.05  # share of the steps in which the learning rate rises
QUANTISED = 0.5  # share of the steps after which numbers are rounded
SETTLED = 0.85  # and after which the steps stand
FIRST_BITS = 1.5  # beyond BITS, with which rounding begins
PRICE = 0.05  # of all bits aimed at, against the loss, at first
GAIN = 4.0  # how sharply the price answers to too many bits
DRIFT = 0.03  # and how fast it learns
LEAST_ERROR = 1e-10  # mean square, where a group is black and so is what comes of it


@dataclass(frozen=True)
class Target:
    """What one group is fitted for: steps, and bits for everything."""

    steps: int
    bits: float


class Job:
    """The fit of one group of pictures, uint8 [n, OUTPUTS, h, w].

    rounds: whether numbers are rounded on the way; without, it is a fit of which only the encoder is kept.
    """

    def __init__(
        self,
        family: str,
        number: int,
        fitted: FittedNetwork,
        planes: Tensor,
        target: Target,
        monitor: FitMonitor,
        *,
        rounds: bool = True,
    ) -> None:
        self._rounds = rounds
        self._family, self._number, self._monitor, self._target = family, number, monitor, target
        self._fitted, self._planes = fitted, planes
        places = [torch.from_numpy(fitted.network.place(index)[0]) for index in range(len(planes))]
        self._places = torch.stack(places).to(planes.device)
        steps = [fitted.log_steps, fitted.log_channels]
        learned = [value for value in fitted.parameters() if value.requires_grad]
        others = [value for value in learned if all(value is not step for step in steps)]
        self._optimiser = torch.optim.Adam([{"params": others}, {"params": steps}], betas=(0.9, 0.99), fused=True)
        self._others = others
        self._rate = LEARNING_RATE[fitted.network.architecture]
        self._price = PRICE / target.bits
        self._loss = 0.0
        self._error: float | None = None  # squared, of late
        self._began = time.monotonic()

    def run(self) -> bool:
        """Fit; False where the monitor stopped it before the first step."""
        steps = self._target.steps
        order: list[int] = []
        done = 0
        while done < steps:
            self._report(done)
            if self._monitor.stopped:
                break
            if not order:
                order = torch.randperm(len(self._planes)).tolist()
            if self._rounds:
                self._round(done)
            self._step(order.pop(), done / steps)
            done += 1
        if self._rounds:
            self._round(steps)
        return done > 0

    @property
    def psnr(self) -> float | None:
        """Of late, 6:1:1 in dB, at most 100; None before the first step."""
        if self._error is None:
            return None
        return -10 * math.log10(max(self._error, LEAST_ERROR)) if math.isfinite(self._error) else -math.inf

    def _round(self, done: int) -> None:
        """What is due after so many steps."""
        fitted, steps = self._fitted, self._target.steps
        if not fitted.quantised and done >= QUANTISED * steps:
            fitted.quantise(BITS + FIRST_BITS)
        if not fitted.is_settled and done >= SETTLED * steps:
            fitted.settle()

    def _step(self, index: int, done: float) -> None:
        rate = self._rate * min(1.0, done / WARM_UP + 1e-3) * 0.5 * (1 + math.cos(math.pi * done))
        for group, value in zip(self._optimiser.param_groups, (rate, STEP_RATE), strict=True):
            group["lr"] = value
        picture = self._planes[index : index + 1].float() / 255
        with torch.autocast(self._planes.device.type, torch.bfloat16):
            output, bits = self._fitted(picture, self._places[index : index + 1])
        loss = total = pictures_loss(output, picture)
        if self._fitted.quantised:
            total = loss + self._priced(self._fitted.weight_bits() + bits * len(self._planes))
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self._others, LARGEST_GRADIENT)
        self._optimiser.step()
        self._loss = float(loss.detach())
        self._note(output.detach(), picture)

    def _priced(self, expected: Tensor) -> Tensor:
        """What the bits cost: so much that the group comes to its target."""
        over = math.log(max(float(expected.detach()), 1.0) / self._target.bits)
        over = max(-1.0, min(1.0, over))
        self._price *= math.exp(DRIFT * over)
        return self._price * math.exp(GAIN * over) * expected

    def _note(self, output: Tensor, picture: Tensor) -> None:
        with torch.no_grad():
            error = (output.clamp(0, 1) - picture).square().mean((0, 2, 3))
            value = float((1.5 * error[:4].sum() + error[4] + error[5]) / 8)
        share = max(1 / len(self._planes), 0.05)
        self._error = value if self._error is None else self._error + share * (value - self._error)

    def _report(self, step: int) -> None:
        passed = time.monotonic() - self._began
        left = passed / step * (self._target.steps - step) if step else None
        steps = self._target.steps
        self._monitor.report(FitProgress(self._family, self._number, step, steps, self._loss, self.psnr, left))
