"""The fit of one group: first freely, then with quantized numbers and a rate term, last with frozen steps."""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from mediacodec.codecs.fitting.protocol import FitMonitor, FitProgress
from mediacodec_models.inr.losses import frame_loss
from mediacodec_models.inr.network import FittedNetwork
from mediacodec_models.inr.plan import BITS_PER_WEIGHT
from mediacodec_models.torch_runtime import mixed_precision

LEARNING_RATE = {"hnerv": 3e-3, "nerv++": 3e-3, "boost": 2e-3}  # at 8e-3 some fits of 0.35 M weights diverge
MAX_GRADIENT_NORM = 1.0  # over all parameters: one odd frame must not undo a fit
STEP_LEARNING_RATE = 0.02  # of the logarithms of quantization steps
WARM_UP = 0.05  # share of the steps in which the learning rate rises
QUANTISED_FROM = 0.5  # share of the steps after which numbers are quantized
FROZEN_FROM = 0.85  # and after which the quantization steps are frozen
EXTRA_BITS = 1.5  # beyond BITS_PER_WEIGHT, with which quantization begins
RATE_WEIGHT = 0.05  # of all bits aimed at, against the loss, at first
RATE_GAIN = 4.0  # how sharply the rate weight answers to too many bits
RATE_DRIFT = 0.03  # and how fast it adapts
MIN_ERROR = 1e-10  # mean square, where a group is black and so is what it decodes to


@dataclass(frozen=True)
class FitTarget:
    """What one group is fitted for.

    Attributes:
        steps: of the optimizer, one frame each.
        bits: for the whole group.
    """

    steps: int
    bits: float


class GroupFit:
    """The fit of one group of frames.

    Args:
        family: of the codec, for reports.
        number: of the group in the stream, from 1, for reports.
        fitted: what is fitted, in place.
        planes: of the frames, uint8 [frames, OUTPUT_CHANNELS, rows, columns].
        target: steps and bits.
        monitor: told of the progress, and asked whether to stop.
        quantises: whether numbers are quantized on the way; not where only the encoder of embeddings is kept.
    """

    def __init__(
        self,
        family: str,
        number: int,
        fitted: FittedNetwork,
        planes: Tensor,
        target: FitTarget,
        monitor: FitMonitor,
        *,
        quantises: bool = True,
    ) -> None:
        self._quantises = quantises
        self._family, self._number, self._monitor, self._target = family, number, monitor, target
        self._fitted, self._planes = fitted, planes
        encodings = [torch.from_numpy(fitted.network.time_encoding(index)[0]) for index in range(len(planes))]
        self._time_encodings = torch.stack(encodings).to(planes.device)
        steps = [fitted.log_steps, fitted.log_channels]
        learned = [value for value in fitted.parameters() if value.requires_grad]
        others = [value for value in learned if all(value is not step for step in steps)]
        self._optimiser = torch.optim.Adam([{"params": others}, {"params": steps}], betas=(0.9, 0.99), fused=True)
        self._others = others
        self._learning_rate = LEARNING_RATE[fitted.network.architecture]
        self._rate_weight = RATE_WEIGHT / target.bits
        self._loss = 0.0
        self._error: float | None = None  # squared, a running mean
        self._began = time.monotonic()

    def run(self) -> bool:
        """Fit.

        Returns:
            False where the monitor stopped it before the first step.
        """
        steps = self._target.steps
        order: list[int] = []
        done = 0
        while done < steps:
            self._report(done)
            if self._monitor.stopped:
                break
            if not order:
                order = torch.randperm(len(self._planes)).tolist()
            if self._quantises:
                self._begin_phases(done)
            self._step(order.pop(), done / steps)
            done += 1
        if self._quantises:
            self._begin_phases(steps)
        return done > 0

    @property
    def psnr(self) -> float | None:
        """6:1:1 over Y, U and V in dB, a running mean, at most 100; None before the first step."""
        if self._error is None:
            return None
        return -10 * math.log10(max(self._error, MIN_ERROR)) if math.isfinite(self._error) else -math.inf

    def _begin_phases(self, done: int) -> None:
        """Begin what is due after so many steps."""
        fitted, steps = self._fitted, self._target.steps
        if not fitted.is_quantised and done >= QUANTISED_FROM * steps:
            fitted.begin_quantisation(BITS_PER_WEIGHT + EXTRA_BITS)
        if not fitted.has_frozen_steps and done >= FROZEN_FROM * steps:
            fitted.freeze_steps()

    def _step(self, index: int, done: float) -> None:
        rate = self._learning_rate * min(1.0, done / WARM_UP + 1e-3) * 0.5 * (1 + math.cos(math.pi * done))
        for group, value in zip(self._optimiser.param_groups, (rate, STEP_LEARNING_RATE), strict=True):
            group["lr"] = value
        frame = self._planes[index : index + 1].float() / 255
        with mixed_precision(self._planes.device):
            output, bits = self._fitted(frame, self._time_encodings[index : index + 1])
        loss = total = frame_loss(output, frame)
        if self._fitted.is_quantised:
            total = loss + self._rate_term(self._fitted.weight_bits() + bits * len(self._planes))
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self._others, MAX_GRADIENT_NORM)
        self._optimiser.step()
        self._loss = float(loss.detach())
        self._update_error(output.detach(), frame)

    def _rate_term(self, expected: Tensor) -> Tensor:
        """What the group's bits cost: so much that it comes to its target."""
        over = math.log(max(float(expected.detach()), 1.0) / self._target.bits)
        over = max(-1.0, min(1.0, over))
        self._rate_weight *= math.exp(RATE_DRIFT * over)
        return self._rate_weight * math.exp(RATE_GAIN * over) * expected

    def _update_error(self, output: Tensor, frame: Tensor) -> None:
        with torch.no_grad():
            error = (output.clamp(0, 1) - frame).square().mean((0, 2, 3))
            value = float((1.5 * error[:4].sum() + error[4] + error[5]) / 8)
        share = max(1 / len(self._planes), 0.05)
        self._error = value if self._error is None else self._error + share * (value - self._error)

    def _report(self, step: int) -> None:
        passed = time.monotonic() - self._began
        left = passed / step * (self._target.steps - step) if step else None
        steps = self._target.steps
        self._monitor.report(FitProgress(self._family, self._number, step, steps, self._loss, self.psnr, left))
