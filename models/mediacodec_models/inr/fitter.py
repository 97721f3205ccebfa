"""Fits a network to each group of pictures and codes it; what `mediacodec_models.fit` opens for the family `inr`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.fitting.encoder import FitMonitor, FitOptions, FittedPicture
from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import PICTURE, CodedGroup, Opened, pack_group, pack_picture
from mediacodec.codecs.inr.tensors import Floats, InrTables, best_coding
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.errors import ModelError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet
from mediacodec_models.fit import threads
from mediacodec_models.inr.growing import EarlierClips, Start, chosen
from mediacodec_models.inr.job import Job, Target
from mediacodec_models.inr.model import FittedNetwork
from mediacodec_models.inr.plan import (
    EPOCHS,
    FOLLOWING,
    REFERRING,
    Budget,
    Shape,
    budget_for,
    group_sizes,
    network_for,
)
from mediacodec_models.inr.quantise import step_number

SEED = 20250101


@dataclass(frozen=True)
class Choice:
    """What an experiment sets in place of a recipe and of the encoder's options: architecture, weights and embeddings
    together, epochs, bits a weight to aim at."""

    architecture: str
    parameters: int
    epochs: int
    bits: float


class InrFitter:
    """See `mediacodec.codecs.fitting.encoder.Fitter`. Raises ModelError where the model is not of this family.

    Attributes:
        network: of the group that was fitted last.
    """

    def __init__(
        self, model: Manifest, options: FitOptions, device: torch.device, choice: Choice | None = None
    ) -> None:
        self._architecture = choice.architecture if choice else str(model.settings.get("architecture"))
        try:
            self._shape = Shape(**model.settings["shapes"][self._architecture])
        except (KeyError, TypeError) as error:
            raise ModelError(f"model {model.name}: settings of an `inr` codec are missing: {error!r}") from error
        self._family, self._options, self._device, self._choice = model.family, options, device, choice
        self._tables = InrTables(model)
        self._size, self._key_every = group_sizes(options)
        self._number = 0  # groups coded so far
        self._since = 0  # of them, from the last that began anew
        self._behind = 0  # the number of the first of them, where clips come before
        self._last: Start | None = None  # where the group behind the last one begins
        self._earlier = EarlierClips()
        self.network: Network | None = None

    @property
    def group_size(self) -> int:
        return self._size

    def fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        """See `Fitter.fit`; where the monitor stops before the first step, nothing is coded."""
        with threads(self._options.threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED + self._number)
            return self._fit(pictures, monitor)

    def _fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        key = self._since % self._key_every == 0
        planes = planes_of(pictures, self._device)

        def job_of(fitted: FittedNetwork, target: Target, *, rounds: bool = True) -> Job:
            return Job(self._family, self._number + 1, fitted, planes, target, monitor, rounds=rounds)

        start = self._start(len(pictures), key=key)
        start = chosen(start, self._referring(pictures), self._device, job_of) if key else start
        if start is None:
            return []
        self.network = start.network
        torch.manual_seed(SEED + self._number)  # what begins anew is what it would be without trials
        fitted = start.fitted(self._device)
        if not job_of(fitted, start.target).run():
            return []
        coded, embeddings = _coded(fitted, planes, self._tables)
        number = self._behind + self._number
        first = pack_group(coded, number, embeddings[0], self._tables, key=key, back=start.back)
        packets = [FittedPicture(first, is_keyframe=key)]
        for place, embedding in enumerate(embeddings[1:], 1):
            data = pack_picture(coded, number, place, embedding, self._tables)
            packets.append(FittedPicture(data, is_keyframe=False))
        self._remember(fitted, coded, start, pictures[0].pts if key else None)
        self._number += 1
        self._since = 1 if key else self._since + 1
        return packets

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """See `GrowingFitter.begin_clip`."""
        self._earlier = EarlierClips.of(packets, (self._options.height, self._options.width), self._tables)
        self._behind = self._earlier.groups
        if not refers:
            self._earlier = EarlierClips()

    def take(self, picture: VideoFrame, data: bytes) -> None:  # noqa: ARG002
        """See `Fitter.take`. What makes embeddings is not in packets: the group behind those taken over begins anew."""
        if Opened(data).head.kind != PICTURE:
            self._number += 1

    def _start(self, count: int, *, key: bool) -> Start:
        """Where a group of so many pictures begins, whatever clips came before."""
        epochs, budget = self._asked(count)
        if not key:
            assert self._last is not None
            share = 1.0 if self._options.bit_rate is not None else FOLLOWING
            target = Target(max(1, round(FOLLOWING * epochs)) * count, share * budget.bits)
            return replace(self._last, network=replace(self._last.network, group=count), target=target)
        size = self._options.height, self._options.width
        network = network_for(self._architecture, self._shape, *size, group=count, parameters=budget.parameters)
        return Start(network, Target(epochs * count, budget.bits))

    def _referring(self, pictures: Sequence[VideoFrame]) -> list[Start]:
        """Where a key group may begin in earlier clips."""
        count, pts = len(pictures), pictures[0].pts
        epochs, budget = self._asked(count)
        share = 1.0 if self._options.bit_rate is not None else REFERRING
        target = Target(epochs * count, share * budget.bits)
        return [
            Start(replace(base.network, group=count), target, self._moved(base.weights), back=pts - at)
            for at, base in self._earlier.candidates()
        ]

    def _asked(self, count: int) -> tuple[int, Budget]:
        """Epochs and budget of a key group."""
        options, choice = self._options, self._choice
        if choice is not None:
            return choice.epochs, Budget(choice.parameters, choice.bits * choice.parameters)
        return EPOCHS[options.effort], budget_for(options, count)

    def _moved(self, weights: Mapping[str, Floats]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self._device) for name, value in weights.items()}

    def _remember(self, fitted: FittedNetwork, coded: CodedGroup, start: Start, pts: int | None) -> None:
        """What the next groups may go on from: the weights as a decoder has them; pts: of a keyframe."""
        before = start.weights and {name: value.cpu().numpy() for name, value in start.weights.items()}
        weights = coded.weights(before)
        state = {name: value.detach().clone() for name, value in fitted.encoder.state_dict().items()}
        self._last = Start(coded.network, start.target, self._moved(weights), state)
        if pts is not None:
            self._earlier.note(pts, start.back, coded.network, weights)


def planes_of(pictures: Sequence[VideoFrame], device: torch.device) -> Tensor:
    """uint8 [n, OUTPUTS, rows / 2, columns / 2]: the four places of Y, then U and V."""
    stacked = []
    for frame in pictures:
        y = np.pad(frame.y, ((0, frame.height % 2), (0, frame.width % 2)), mode="edge")
        stacked.append(np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], frame.u, frame.v]))
    planes = torch.from_numpy(np.stack(stacked)).to(device)
    return planes.contiguous(memory_format=torch.channels_last)


def _coded(fitted: FittedNetwork, planes: Tensor, tables: InrTables) -> tuple[CodedGroup, list[Int32s]]:
    """The integers of the weights and of every picture's embedding."""
    values, embeddings = [], []
    with torch.no_grad():
        for members, log_step in zip(fitted.members, fitted.log_steps, strict=True):
            flat = torch.cat([fitted.weights[place].reshape(-1) for place in members])
            values.append((flat / torch.exp2(log_step)).round().to(torch.int32).cpu().numpy())
        steps = torch.exp2(fitted.log_channels)
        for index in range(len(planes)):
            with torch.autocast(planes.device.type, torch.bfloat16):
                embedding = fitted.embed(planes[index : index + 1].float() / 255)[0]
            embeddings.append((embedding / steps).round().to(torch.int32).cpu().numpy())
        numbers = [int(number) for number in step_number(fitted.log_steps)]
        channel_numbers = [int(number) for number in step_number(fitted.log_channels).flatten()]
    codings = [best_coding(part, number, tables) for part, number in zip(values, numbers, strict=True)]
    by_channel = np.stack(embeddings, axis=1)
    channels = [best_coding(part, number, tables) for part, number in zip(by_channel, channel_numbers, strict=True)]
    return CodedGroup(fitted.network, values, codings, channels), embeddings
