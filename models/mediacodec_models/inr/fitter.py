"""Fits a network to each group of pictures and codes it; what `mediacodec_models.fit` opens for the family `inr`."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.fitting import FitMonitor, FitOptions, FitProgress, FittedPicture
from mediacodec.codecs.inr_network import Network
from mediacodec.codecs.inr_packet import CodedGroup, pack_group, pack_picture
from mediacodec.codecs.inr_tensors import Coding, InrTables, Integers, best_coding
from mediacodec.errors import ModelError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_models.fit import threads
from mediacodec_models.inr.losses import pictures_loss
from mediacodec_models.inr.model import FittedNetwork
from mediacodec_models.inr.plan import BITS, EPOCHS, FOLLOWING, Shape, budget_for, group_sizes, network_for
from mediacodec_models.inr.quantise import step_number

LEARNING_RATE = 4e-3
STEP_RATE = 10.0  # of the quantisation steps' learning rate to that of the weights
WARM_UP = 0.05  # of the steps, in which the learning rate rises
QUANTISED = 0.5  # share of the steps after which numbers are rounded
SETTLED = 0.85  # and after which the steps stand
FIRST_BITS = 2.0  # more than BITS, with which rounding begins
SEED = 20250101


@dataclass(frozen=True)
class Target:
    """What one group is fitted for: steps, and bits for everything."""

    steps: int
    bits: float


class InrFitter:
    """See `mediacodec.codecs.fitting.Fitter`. Raises ModelError where the model is not of this family."""

    def __init__(self, model: Manifest, options: FitOptions, device: torch.device) -> None:
        try:
            self._architecture = str(model.settings["architecture"])
            self._shape = Shape(**model.settings["shapes"][self._architecture])
        except (KeyError, TypeError) as error:
            raise ModelError(f"model {model.name}: settings of an `inr` codec are missing: {error!r}") from error
        self._family, self._options, self._device = model.family, options, device
        self._tables = InrTables(model)
        self._size, self._key_every = group_sizes(options)
        self._number = 0  # groups coded so far
        self._network: Network | None = None
        self._weights: dict[str, Tensor] = {}  # of the group before, as a decoder has them
        self._encoder: dict[str, Tensor] = {}

    @property
    def group_size(self) -> int:
        return self._size

    def fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        """See `Fitter.fit`; where the monitor stops before the first step, nothing is coded."""
        with threads(self._options.threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED + self._number)
            return self._fit(pictures, monitor)

    def _fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        key = self._number % self._key_every == 0
        planes = planes_of(pictures, self._device)
        network, target = self._plan(len(pictures), key=key)
        fitted = FittedNetwork(network, None if key else self._weights).to(self._device)
        if not key:
            fitted.encoder.load_state_dict(self._encoder)
        job = _Job(self._family, self._number + 1, fitted, planes, target, monitor)
        if not job.run():
            return []
        coded, embeddings = _coded(fitted, planes, self._tables)
        self._remember(fitted, coded)
        packets = []
        for place, embedding in enumerate(embeddings):
            if place:
                data = pack_picture(coded, self._number, place, embedding, self._tables)
            else:
                data = pack_group(coded, self._number, embedding, self._tables, key=key)
            packets.append(FittedPicture(data, key and not place))
        self._number += 1
        return packets

    def _plan(self, count: int, *, key: bool) -> tuple[Network, Target]:
        options = self._options
        budget = budget_for(options, count)
        epochs = EPOCHS[options.effort]
        if key:
            self._network = network_for(
                *(self._architecture, self._shape, options.height, options.width),
                group=count,
                parameters=budget.parameters,
            )
            return self._network, Target(epochs * count, budget.bits)
        old = self._network
        assert old is not None
        network = Network(old.architecture, old.height, old.width, count, old.embedding, old.strides, old.widths)
        share = 1.0 if options.bit_rate is not None else FOLLOWING
        return network, Target(max(1, round(FOLLOWING * epochs)) * count, share * budget.bits)

    def _remember(self, fitted: FittedNetwork, coded: CodedGroup) -> None:
        """What the next group goes on from: the weights as a decoder has them."""
        before = None if fitted.base is None else {name: value.cpu().numpy() for name, value in self._weights.items()}
        weights = coded.weights(before)
        self._weights = {name: torch.from_numpy(value).to(self._device) for name, value in weights.items()}
        self._encoder = {name: value.detach().clone() for name, value in fitted.encoder.state_dict().items()}


class _Job:
    """The fit of one group."""

    def __init__(
        self, family: str, number: int, fitted: FittedNetwork, planes: Tensor, target: Target, monitor: FitMonitor
    ) -> None:
        self._family, self._number, self._monitor, self._target = family, number, monitor, target
        self._fitted, self._planes = fitted, planes
        self._places = torch.stack(
            [torch.from_numpy(fitted.network.place(index)[0]) for index in range(len(planes))]
        ).to(planes.device)
        steps = [fitted.log_steps, fitted.log_channels]
        others = [value for value in fitted.parameters() if all(value is not step for step in steps)]
        self._optimiser = torch.optim.Adam(
            [{"params": others, "scale": 1.0}, {"params": steps, "scale": STEP_RATE}],
            lr=LEARNING_RATE,
            betas=(0.9, 0.99),
            fused=True,
        )
        self._weight = 0.0  # of a bit, against the loss
        self._error = None
        self._began = time.monotonic()

    def run(self) -> bool:
        """Fit; False where the monitor stopped it before the first step."""
        steps, fitted = self._target.steps, self._fitted
        order: list[int] = []
        for step in range(steps):
            self._report(step, 0.0 if not step else self._loss)
            if self._monitor.stopped:
                break
            if not order:
                order = torch.randperm(len(self._planes)).tolist()
            if not fitted.quantised and step >= QUANTISED * steps:
                fitted.quantise(BITS + FIRST_BITS)
            if not fitted.is_settled and step >= SETTLED * steps:
                fitted.settle()
            self._step(order.pop(), step / steps)
        else:
            step = steps
        if not fitted.quantised:
            fitted.quantise(BITS + FIRST_BITS)
        if not fitted.is_settled:
            fitted.settle()
        return step > 0

    def _step(self, index: int, done: float) -> None:
        rate = LEARNING_RATE * min(1.0, done / WARM_UP + 1e-3) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        picture = self._planes[index : index + 1].float() / 255
        kind = self._planes.device.type
        with torch.autocast(kind, torch.bfloat16):
            output, bits = self._fitted(picture, self._places[index : index + 1])
        loss = pictures_loss(output, picture)
        total = loss
        if self._fitted.quantised:
            expected = self._fitted.weight_bits() + bits * len(self._planes)
            total = loss + self._priced(expected)
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        self._optimiser.step()
        self._note(loss, output, picture)

    def _priced(self, expected: Tensor) -> Tensor:
        """What the bits cost; the price of one follows how far the group is from its target."""
        over = math.log(max(float(expected.detach()), 1.0) / self._target.bits)
        if not self._weight:
            self._weight = 0.05 / self._target.bits
        if not self._fitted.is_settled or over > 0:
            self._weight *= math.exp(0.02 * max(-1.0, min(1.0, 4 * over)))
        return self._weight * expected

    def _note(self, loss: Tensor, output: Tensor, picture: Tensor) -> None:
        with torch.no_grad():
            error = (output.detach().clamp(0, 1) - picture).square().mean((0, 2, 3))
            error = (1.5 * error[:4].sum() + error[4] + error[5]) / 8
        value, share = float(error), 1 / len(self._planes)
        self._error = value if self._error is None else self._error + max(share, 0.05) * (value - self._error)
        self._loss = float(loss.detach())

    def _report(self, step: int, loss: float) -> None:
        psnr = None if not self._error else -10 * math.log10(max(self._error, 1e-10))
        passed = time.monotonic() - self._began
        left = passed / step * (self._target.steps - step) if step else None
        self._monitor.report(FitProgress(self._family, self._number, step, self._target.steps, loss, psnr, left))


def planes_of(pictures: Sequence[VideoFrame], device: torch.device) -> Tensor:
    """uint8 [n, OUTPUTS, rows / 2, columns / 2]: the four places of Y, then U and V."""
    stacked = []
    for frame in pictures:
        y = np.pad(frame.y, ((0, frame.height % 2), (0, frame.width % 2)), mode="edge")
        stacked.append(np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], frame.u, frame.v]))
    planes = torch.from_numpy(np.stack(stacked)).to(device)
    return planes.contiguous(memory_format=torch.channels_last)


def _coded(fitted: FittedNetwork, planes: Tensor, tables: InrTables) -> tuple[CodedGroup, list[Integers]]:
    """The integers of the weights and of every picture's embedding."""
    with torch.no_grad():
        numbers = [int(number) for number in step_number(fitted.log_steps)]
        values = []
        for part, number, members in zip(fitted.parts, numbers, fitted.members, strict=True):
            flat = torch.cat([fitted.weights[place].reshape(-1) for place in members])
            assert len(flat) == part.size
            values.append((flat / 2.0 ** ((number - 160) / 8)).round().to(torch.int32).cpu().numpy())
        steps = torch.exp2(fitted.log_channels)
        kind = planes.device.type
        embeddings = []
        for index in range(len(planes)):
            with torch.autocast(kind, torch.bfloat16):
                embedding = fitted.embed(planes[index : index + 1].float() / 255)[0]
            embeddings.append((embedding / steps).round().to(torch.int32).cpu().numpy())
    codings = [best_coding(v, number, tables) for v, number in zip(values, numbers, strict=True)]
    stacked = np.stack(embeddings, axis=1)
    channels: list[Coding] = [
        best_coding(channel, int(number), tables)
        for channel, number in zip(stacked, step_number(fitted.log_channels).flatten(), strict=True)
    ]
    return CodedGroup(fitted.network, values, codings, channels), embeddings
