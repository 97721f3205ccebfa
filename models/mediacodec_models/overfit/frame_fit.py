"""Fitting one frame: its latents, and the updates of the shipped weights.

Grids start as the exact analysis of the frame. Then, again and again: the error of the decoded frame and the bits of
all latents are differentiated; each latent becomes the integer that costs least, by the second-order model of the error
(grids are nearly orthonormal, so its curvature is known), by its own bits, and by what it does to the tables of others
(first order); weights take a step of Adam. Integers are integers all the time: nothing is relaxed, hence nothing is
lost when it ends, and a few dozen iterations do (proximal gradient, after Daubechies et al. 2004).
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
from mediacodec.codecs.overfit.latents import LatentGrids
from mediacodec.codecs.overfit.packet import OverfitFrame, OverfitFrameCoder, ReferenceFrame
from mediacodec.codecs.overfit.settings import CHROMA_STEP, LEVELS, NEUTRAL_QUALITY, OverfitModel, step_of
from mediacodec.codecs.overfit.symbols import IntegerTables
from mediacodec.codecs.overfit.weight_updates import WeightUpdate, WeightUpdates
from mediacodec_models.overfit.context import QUALITY_UNIT, bits, features_of, parities
from mediacodec_models.overfit.export import from_integers, scale_of
from mediacodec_models.overfit.network import (
    Latents,
    Planes,
    add,
    from_parities,
    part_features,
    subtract,
    to_latents,
    to_planes,
)
from mediacodec_models.overfit.rdo_quantization import RATE_WEIGHT, rdo_quantise
from mediacodec_models.overfit.weight_updates import quantise_update, update_bits
from mediacodec_models.torch_runtime import mixed_precision

CURVATURE = 1.1  # of the error over a latent, above that of an orthonormal transform: what keeps iterations stable
TARGET_MOMENTUM = 0.85  # of a latent's target, from iteration to iteration
ROUNDING_OFFSET = 0.35  # of a step: latents of less than 0.65 start as 0
LEARNING_RATE = 4e-3
COARSENESS = (0.7, 1.4, 2.8)  # quantization steps tried, over the root mean square of a tensor's updates, about
CHROMA_WEIGHT = CHROMA_STEP**-2  # of a squared error in chroma


@dataclass
class FitState:
    """Where the fit of a frame stands.

    Attributes:
        iteration: from 0.
        loss: squared steps and weighted bits a pixel.
        psnr: 6:1:1 over Y, U and V in dB.
        bits: of all latents.
    """

    iteration: int
    loss: float
    psnr: float
    bits: float


FitCallback = Callable[[FitState], bool]
"""Called after each iteration; True ends the fit."""


@dataclass
class Prediction:
    """What an inter frame is predicted from.

    Attributes:
        planes: motion-compensated, padded, around 0.
        motion: vectors, int16 [2, rows, columns].
        temporal: features of luma's parts in the frames before, finest level first.
    """

    planes: Planes
    motion: NDArray[np.int16]
    temporal: list[Tensor]


def predict(coder: OverfitFrameCoder, motion: NDArray[np.int16], reference: ReferenceFrame) -> Prediction:
    """Predict an inter frame from the one before it."""
    y, u, v = (torch.from_numpy(plane) for plane in coder.predict(motion, reference))
    unit = 1 / (1 << FEATURE_SHIFT)
    temporal = [parities(torch.from_numpy(grids).float() * unit).flatten(0, 1) for grids in reference.temporal.luma]
    return Prediction((y, u, v), motion, temporal)


class FrameFit:
    """One frame being fitted.

    Args:
        model: whose weights it starts from.
        planes: of the frame, padded, around 0.
        size: (height, width) that count.
        quality: index of the quantization step.
        prediction: of an inter frame; None for a keyframe.

    Attributes:
        networks: being fitted.
        parts: latents, integers as floats.
        updates: of weights, once they were chosen.
    """

    def __init__(
        self,
        model: OverfitModel,
        planes: Planes,
        size: tuple[int, int],
        quality: int,
        prediction: Prediction | None = None,
    ) -> None:
        self._model, self._planes, self._quality, self._prediction = model, planes, quality, prediction
        self._kind = "key" if prediction is None else "inter"
        self.networks = from_integers(model.weights, self._kind)
        self._step = step_of(quality)
        self._quality_input = (quality - NEUTRAL_QUALITY) / QUALITY_UNIT
        self._costs = torch.from_numpy(IntegerTables(model.latents).costs())
        height, width = size
        self._sizes = [(height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2]
        with torch.no_grad():
            real = to_latents(planes if prediction is None else subtract(planes, prediction.planes), self._step)
            self._lowpass = [plane.round() for plane in real.lowpass]
            self._targets = real.parts
            self.parts = [part.sign() * torch.floor(part.abs() + ROUNDING_OFFSET) for part in real.parts]
        self.updates: WeightUpdates = {}
        updatable = model.updatable(self._kind)
        self._weights = {}
        for name, parameter in self.networks.named_parameters():
            if f"{self._kind}.{name}" in updatable:
                self._weights[f"{self._kind}.{name}"] = parameter
            else:
                parameter.requires_grad_(False)

    def run(self, iterations: int, callback: FitCallback, *, learn: bool = True) -> None:
        """Fit latents and weights, then, an eighth as long, latents alone under the weights as sent.

        Args:
            iterations: of latents and weights.
            callback: after each iteration; may end the fit.
            learn: whether weights are updated at all.
        """
        for _ in range(2):
            self._requantise()
        if not learn:
            self.networks.requires_grad_(False)
        adam = torch.optim.Adam(self._weights.values(), LEARNING_RATE)
        for k in range(iterations):
            for group in adam.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * k / iterations))
            adam.zero_grad()
            state = self._iterate(k)
            adam.step()
            if callback(state):
                break
        self.networks.requires_grad_(False)
        if learn and iterations:
            self._choose_updates()
            for k in range(max(iterations // 8, 2)):
                if callback(self._iterate(iterations + k)):
                    break

    def _iterate(self, k: int) -> FitState:
        """Differentiate, and let latents take their step."""
        parts = [part.requires_grad_() for part in self.parts]
        error, psnr = self._error(parts)
        features = [features_of(part.detach()).requires_grad_() for part in parts]
        indices = self._indices(features)
        rate = torch.stack(
            [bits(index, part.detach(), self._costs).sum() for index, part in zip(indices, parts, strict=True)]
        ).sum()
        loss = error + RATE_WEIGHT * rate
        loss.backward()
        with torch.no_grad():
            for n, (part, index) in enumerate(zip(parts, indices, strict=True)):
                assert part.grad is not None
                target = part - part.grad / (2 * CURVATURE)
                self._targets[n] = TARGET_MOMENTUM * self._targets[n] + (1 - TARGET_MOMENTUM) * target
                self.parts[n] = self._quantised(self._targets[n], index, features[n].grad)
        pixels = self._sizes[0][0] * self._sizes[0][1]
        return FitState(k, float(loss.detach()) / pixels, psnr, float(rate.detach()))

    def _quantised(self, target: Tensor, index: Tensor, context_gradient: Tensor | None) -> Tensor:
        return rdo_quantise(target, index, self._costs, curvature=CURVATURE, context_gradient=context_gradient)

    def _indices(self, features: list[Tensor]) -> list[Tensor]:
        temporal = None if self._prediction is None else self._prediction.temporal
        with mixed_precision(features[0].device):
            return self.networks.indices(features, self._quality_input, temporal)

    def _error(self, parts: list[Tensor]) -> tuple[Tensor, float]:
        """The weighted squared error of the decoded frame in squared steps; and its PSNR."""
        decoded = to_planes(Latents.of_parts(parts, self._lowpass), self._step)
        if self._prediction is None:
            planes = self.networks.synthesis(decoded, self._step)
        else:
            planes = self.networks.synthesis(add(decoded, self._prediction.planes), self._step, decoded)
        errors, ratios = [], []
        for plane, original, (rows, columns), weight in zip(planes, self._planes, self._sizes, (6, 1, 1), strict=True):
            squared = (plane - original)[:rows, :columns].square().sum()
            ratios.append(weight * 10 * math.log10(255**2 * rows * columns / max(float(squared.detach()), 1e-9)))
            errors.append(squared)
        error = errors[0] + CHROMA_WEIGHT * (errors[1] + errors[2])
        return error / self._step**2, sum(ratios) / 8

    @torch.no_grad()
    def _requantise(self) -> None:
        """Quantize the targets as they are, under the tables that the integers before give."""
        indices = self._indices(part_features(self.parts))
        self.parts = [self._quantised(real, index, None) for real, index in zip(self._targets, indices, strict=True)]

    @torch.no_grad()
    def _choose_updates(self) -> None:
        """Choose, tensor by tensor, what is sent: the quantization that pays, or nothing."""
        parameters = self._weights
        wanted = {
            name: p.double().numpy() * scale_of(name) - self._model.weights[name] for name, p in parameters.items()
        }
        self.updates = {}
        least, chosen = math.inf, {}
        for coarseness in COARSENESS:
            tried = {name: quantise_update(values, self._costs.numpy(), coarseness) for name, values in wanted.items()}
            for name, update in tried.items():
                self._set(name, parameters[name], update)
            price = sum(update_bits(update, self._costs.numpy()) for update in tried.values() if update is not None)
            if (cost := self._cost() + RATE_WEIGHT * price) < least:
                least, chosen = cost, tried
        for name, update in chosen.items():
            self._set(name, parameters[name], update)
        least = self._cost()
        for name, update in chosen.items():
            if update is None:
                continue
            self._set(name, parameters[name], None)
            without = self._cost()
            price = RATE_WEIGHT * update_bits(update, self._costs.numpy())
            if without <= least + price:
                least = without
            else:
                self._set(name, parameters[name], update)
                self.updates[name] = update

    def _set(self, name: str, parameter: Tensor, update: WeightUpdate | None) -> None:
        integers = self._model.weights[name]
        if update is not None:
            integers = integers + (update.values.astype(np.int64) << update.shift)
        parameter.copy_(torch.from_numpy((integers / scale_of(name)).astype(np.float32)))

    def _cost(self) -> float:
        """Error and weighted bits of the latents as they are."""
        indices = self._indices(part_features(self.parts))
        rate = sum(float(bits(i, part, self._costs).sum()) for i, part in zip(indices, self.parts, strict=True))
        return float(self._error(self.parts)[0]) + RATE_WEIGHT * rate

    def frame(self) -> OverfitFrame:
        """What is to be packed."""
        rows, columns = self._lowpass[0].shape
        luma: list[NDArray[np.int32]] = []
        chroma: list[NDArray[np.int32]] = []
        for k, parts in enumerate(self.parts):
            level = k if k < LEVELS else k - LEVELS + 1
            grid = from_parities(parts.detach(), rows << LEVELS - 1 - level, columns << LEVELS - 1 - level)
            (luma if k < LEVELS else chroma).append(_integers(grid))
        lowpass = [_integers(plane) for plane in self._lowpass]
        motion = None if self._prediction is None else self._prediction.motion
        return OverfitFrame(self._quality, LatentGrids(luma, chroma, lowpass), self.updates, motion)


def _integers(values: Tensor) -> NDArray[np.int32]:
    return np.ascontiguousarray(values.numpy()).astype(np.int32)
