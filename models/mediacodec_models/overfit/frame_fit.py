"""Fitting one picture: its integers, and what it changes of the shipped weights.

Grids start as the exact analysis of the picture. Then, again and again: the error of the decoded picture and the bits
of all latents are differentiated; each latent moves to the integer that costs least, by the second-order model of the
error (grids are nearly orthonormal, so its curvature is known), by its own bits, and by what it does to the tables
of others (first order); weights take a step of Adam. Integers are integers all the time: nothing is relaxed, hence
nothing is lost when it ends, and a few dozen rounds do (proximal gradient, after Daubechies et al. 2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mediacodec.codecs.overfit.context import FEATURE_SHIFT
from mediacodec.codecs.overfit.latents import Grids
from mediacodec.codecs.overfit.packet import Picture, PictureCoder, Reference
from mediacodec.codecs.overfit.settings import CHROMA_STEP, LEVELS, NEUTRAL, OverfitModel, step_of
from mediacodec.codecs.overfit.symbols import IntegerTables
from mediacodec.codecs.overfit.weight_updates import Change, Changes
from mediacodec_models.overfit.context import QUALITY_UNIT, bits, features, parities
from mediacodec_models.overfit.export import from_integers, scale_of
from mediacodec_models.overfit.network import Latents, Planes, interleave, join, less, plus, seen_of, split
from mediacodec_models.overfit.rdo_quantization import RATE_WEIGHT, nearest
from mediacodec_models.overfit.weight_updates import best_change, change_bits

CURVATURE = 1.1  # of the error over a latent, above that of an orthonormal transform: what keeps rounds stable
MEMORY = 0.85  # of a latent's target, from round to round
LEARNING_RATE = 4e-3
COARSE = (0.7, 1.4, 2.8)  # multiples tried, over the root mean square of a tensor's changes, about
CHROMA_WEIGHT = CHROMA_STEP**-2  # of a squared error in chroma


@dataclass
class Fit:
    """Where the fit of a picture stands. loss: squared steps and weighted bits a pixel; psnr: 6:1:1, dB."""

    round: int
    loss: float
    psnr: float
    bits: float


Watch = Callable[[Fit], bool]
"""Called after each round; True ends the fit."""


@dataclass
class Prediction:
    """What an inter picture starts from. planes: padded, around 0; memory: features of luma's parts, finest first."""

    planes: Planes
    motion: NDArray[np.int16]
    memory: list[Tensor]


def predict(coder: PictureCoder, motion: NDArray[np.int16], before: Reference) -> Prediction:
    y, u, v = (torch.from_numpy(plane) for plane in coder.predict(motion, before))
    by = 1 / (1 << FEATURE_SHIFT)
    memory = [parities(torch.from_numpy(grids).float() * by).flatten(0, 1) for grids in before.memory.luma]
    return Prediction((y, u, v), motion, memory)


class PictureFit:
    """One picture being fitted.

    planes: padded, around 0; shown: (height, width) that count; inter: the prediction, None for a keyframe.
    """

    def __init__(
        self,
        model: OverfitModel,
        planes: Planes,
        shown: tuple[int, int],
        quality: int,
        inter: Prediction | None = None,
    ) -> None:
        self._model, self._planes, self._quality, self._inter = model, planes, quality, inter
        self._kind = "key" if inter is None else "inter"
        self.networks = from_integers(model.weights, self._kind)
        self._step = step_of(quality)
        self._place = (quality - NEUTRAL) / QUALITY_UNIT
        self._costs = torch.from_numpy(IntegerTables(model.latents).costs())
        height, width = shown
        self._shown = [(height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2]
        with torch.no_grad():
            real = split(planes if inter is None else less(planes, inter.planes), self._step)
            self._low = [plane.round() for plane in real.low]
            self._targets = real.parts
            self.parts = [part.sign() * torch.floor(part.abs() + 0.35) for part in real.parts]
        self.changes: Changes = {}
        tunable = model.tunable(self._kind)
        self._weights = {}
        for name, parameter in self.networks.named_parameters():
            if f"{self._kind}.{name}" in tunable:
                self._weights[f"{self._kind}.{name}"] = parameter
            else:
                parameter.requires_grad_(False)

    def run(self, rounds: int, watch: Watch, *, learn: bool = True) -> None:
        """So many rounds of latents and weights, then an eighth as many of latents alone under the weights as sent.

        learn: whether weights change at all.
        """
        for _ in range(2):
            self._settle()
        if not learn:
            self.networks.requires_grad_(False)
        adam = torch.optim.Adam(self._weights.values(), LEARNING_RATE)
        for k in range(rounds):
            for group in adam.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * k / rounds))
            adam.zero_grad()
            state = self._round(k)
            adam.step()
            if watch(state):
                break
        self.networks.requires_grad_(False)
        if learn and rounds:
            self._round_weights()
            for k in range(max(rounds // 8, 2)):
                if watch(self._round(rounds + k)):
                    break

    def _round(self, k: int) -> Fit:
        """Differentiate, and let latents take their step."""
        parts = [part.requires_grad_() for part in self.parts]
        error, psnr = self._error(parts)
        seen = [features(part.detach()).requires_grad_() for part in parts]
        indices = self._indices(seen)
        rate = torch.stack(
            [bits(index, part.detach(), self._costs).sum() for index, part in zip(indices, parts, strict=True)]
        ).sum()
        loss = error + RATE_WEIGHT * rate
        loss.backward()
        with torch.no_grad():
            for n, (part, index) in enumerate(zip(parts, indices, strict=True)):
                assert part.grad is not None
                target = part - part.grad / (2 * CURVATURE)
                self._targets[n] = MEMORY * self._targets[n] + (1 - MEMORY) * target
                self.parts[n] = self._moved(self._targets[n], index, seen[n].grad)
        pixels = self._shown[0][0] * self._shown[0][1]
        return Fit(k, float(loss.detach()) / pixels, psnr, float(rate.detach()))

    def _moved(self, target: Tensor, index: Tensor, influence: Tensor | None) -> Tensor:
        return nearest(target, index, self._costs, curvature=CURVATURE, influence=influence)

    def _indices(self, seen: list[Tensor]) -> list[Tensor]:
        with torch.autocast(seen[0].device.type, torch.bfloat16):
            return self.networks.indices(seen, self._place, None if self._inter is None else self._inter.memory)

    def _error(self, parts: list[Tensor]) -> tuple[Tensor, float]:
        """The weighted squared error of the decoded picture in squared steps; and its PSNR."""
        decoded = join(Latents.of_parts(parts, self._low), self._step)
        if self._inter is None:
            planes = self.networks.synthesis(decoded, self._step)
        else:
            planes = self.networks.synthesis(plus(decoded, self._inter.planes), self._step, decoded)
        errors, ratios = [], []
        for plane, given, (rows, columns), weight in zip(planes, self._planes, self._shown, (6, 1, 1), strict=True):
            squared = (plane - given)[:rows, :columns].square().sum()
            ratios.append(weight * 10 * math.log10(255**2 * rows * columns / max(float(squared.detach()), 1e-9)))
            errors.append(squared)
        error = errors[0] + CHROMA_WEIGHT * (errors[1] + errors[2])
        return error / self._step**2, sum(ratios) / 8

    @torch.no_grad()
    def _settle(self) -> None:
        """Integers for the targets as they are, under the tables that the integers before give."""
        indices = self._indices(seen_of(self.parts))
        self.parts = [self._moved(target, index, None) for target, index in zip(self._targets, indices, strict=True)]

    @torch.no_grad()
    def _round_weights(self) -> None:
        """Choose, tensor by tensor, what is sent of the changes: the multiple that pays, or nothing."""
        parameters = self._weights
        wanted = {
            name: p.double().numpy() * scale_of(name) - self._model.weights[name] for name, p in parameters.items()
        }
        self.changes = {}
        least, rounded = math.inf, {}
        for coarse in COARSE:
            tried = {name: best_change(values, self._costs.numpy(), coarse) for name, values in wanted.items()}
            for name, change in tried.items():
                self._set(name, parameters[name], change)
            price = sum(change_bits(change, self._costs.numpy()) for change in tried.values() if change is not None)
            if (cost := self._cost() + RATE_WEIGHT * price) < least:
                least, rounded = cost, tried
        for name, change in rounded.items():
            self._set(name, parameters[name], change)
        least = self._cost()
        for name, change in rounded.items():
            if change is None:
                continue
            self._set(name, parameters[name], None)
            without = self._cost()
            price = RATE_WEIGHT * change_bits(change, self._costs.numpy())
            if without <= least + price:
                least = without
            else:
                self._set(name, parameters[name], change)
                self.changes[name] = change

    def _set(self, name: str, parameter: Tensor, change: Change | None) -> None:
        integers = self._model.weights[name]
        if change is not None:
            integers = integers + (change.values.astype(np.int64) << change.shift)
        parameter.copy_(torch.from_numpy((integers / scale_of(name)).astype(np.float32)))

    def _cost(self) -> float:
        """Error and bits of the latents as they are."""
        indices = self._indices(seen_of(self.parts))
        rate = sum(float(bits(i, part, self._costs).sum()) for i, part in zip(indices, self.parts, strict=True))
        return float(self._error(self.parts)[0]) + RATE_WEIGHT * rate

    def picture(self) -> Picture:
        """What is to be packed."""
        rows, columns = self._low[0].shape
        luma, chroma = [], []
        for k, parts in enumerate(self.parts):
            level = k if k < LEVELS else k - LEVELS + 1
            grid = interleave(parts.detach(), rows << LEVELS - 1 - level, columns << LEVELS - 1 - level)
            (luma if k < LEVELS else chroma).append(_integers(grid))
        low = [_integers(plane) for plane in self._low]
        motion = None if self._inter is None else self._inter.motion
        return Picture(self._quality, Grids(luma, chroma, low), self.changes, motion)


def _integers(values: Tensor) -> NDArray[np.int32]:
    return np.ascontiguousarray(values.numpy()).astype(np.int32)
