"""Fits a network to each group of pictures and codes it; what `mediacodec_models.fit` opens for the family `inr`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.escapes import Integers
from mediacodec.codecs.fitting import FitMonitor, FitOptions, FittedPicture
from mediacodec.codecs.inr_network import Network
from mediacodec.codecs.inr_packet import PICTURE, CodedGroup, Opened, pack_group, pack_picture
from mediacodec.codecs.inr_tensors import InrTables, best_coding
from mediacodec.errors import ModelError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_models.fit import threads
from mediacodec_models.inr.job import Job, Target
from mediacodec_models.inr.model import FittedNetwork
from mediacodec_models.inr.plan import EPOCHS, FOLLOWING, Budget, Shape, budget_for, group_sizes, network_for
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
    """See `mediacodec.codecs.fitting.Fitter`. Raises ModelError where the model is not of this family.

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
        self._weights: dict[str, Tensor] = {}  # of the group before, as a decoder has them
        self._encoder: dict[str, Tensor] = {}
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
        self.network, target = self._plan(len(pictures), key=key)
        fitted = FittedNetwork(self.network, None if key else self._weights).to(self._device)
        if not key:
            fitted.encoder.load_state_dict(self._encoder)
        if not Job(self._family, self._number + 1, fitted, planes, target, monitor).run():
            return []
        coded, embeddings = _coded(fitted, planes, self._tables)
        packets = [
            FittedPicture(pack_group(coded, self._number, embeddings[0], self._tables, key=key), is_keyframe=key)
        ]
        for place, embedding in enumerate(embeddings[1:], 1):
            data = pack_picture(coded, self._number, place, embedding, self._tables)
            packets.append(FittedPicture(data, is_keyframe=False))
        self._remember(fitted, coded)
        self._number += 1
        self._since = 1 if key else self._since + 1
        return packets

    def take(self, picture: VideoFrame, data: bytes) -> None:  # noqa: ARG002
        """See `Fitter.take`. What makes embeddings is not in packets: the group behind those taken over begins anew."""
        if Opened(data).head.kind != PICTURE:
            self._number += 1

    def _plan(self, count: int, *, key: bool) -> tuple[Network, Target]:
        options, choice = self._options, self._choice
        epochs = choice.epochs if choice else EPOCHS[options.effort]
        budget = Budget(choice.parameters, choice.bits * choice.parameters) if choice else budget_for(options, count)
        if key:
            size = options.height, options.width
            network = network_for(self._architecture, self._shape, *size, group=count, parameters=budget.parameters)
            return network, Target(epochs * count, budget.bits)
        old = self.network
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
