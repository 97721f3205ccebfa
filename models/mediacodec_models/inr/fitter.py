"""The fitter of the family `inr`: fits a network to each group of frames and codes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mediacodec.codecs.fitting.protocol import FitMonitor, FitTask, FittedFrame
from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import FRAME, CodedGroup, PacketReader, pack_frame, pack_group
from mediacodec.codecs.inr.settings import InrTables, read_architecture
from mediacodec.codecs.inr.tensors import Floats, best_coding
from mediacodec.entropy_coding.signed_golomb import Int32s
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import Packet
from mediacodec_models.inr.append import EarlierClips, Initialisation, choose
from mediacodec_models.inr.group_fit import FitTarget, GroupFit
from mediacodec_models.inr.network import FittedNetwork
from mediacodec_models.inr.plan import (
    EPOCHS,
    PREDICTED_SHARE,
    REFERRING_SHARE,
    Budget,
    budget_for,
    group_sizes,
    network_for,
)
from mediacodec_models.inr.quantise import step_index
from mediacodec_models.torch_runtime import mixed_precision, num_threads

SEED = 20250101


@dataclass(frozen=True)
class FitOverrides:
    """What an experiment sets in place of a recipe and of the encoder's options.

    Attributes:
        architecture: one of `mediacodec.codecs.inr.network.ARCHITECTURES`.
        parameters: weights and embeddings together.
        epochs: of a key group.
        bits: a weight, to aim at.
    """

    architecture: str
    parameters: int
    epochs: int
    bits: float


class InrFitter:
    """A `mediacodec.codecs.fitting.protocol.AppendingFitter`.

    Args:
        model: of the family `inr`.
        task: what it is to fit, and how.
        device: to fit on.
        overrides: of an experiment.

    Attributes:
        network: of the group that was fitted last.

    Raises:
        ModelError: the model is not of this family.
    """

    def __init__(
        self, model: Manifest, task: FitTask, device: torch.device, overrides: FitOverrides | None = None
    ) -> None:
        name = None if overrides is None else overrides.architecture
        self._architecture, self._settings = read_architecture(model, name)
        self._family, self._task, self._device, self._overrides = model.family, task, device, overrides
        self._tables = InrTables(model)
        self._group_size, self._key_interval = group_sizes(task)
        self._num_groups = 0  # coded so far
        self._since_key = 0  # of them, from the last key group on
        self._first_number = 0  # of the first of them, where clips come before
        self._next: Initialisation | None = None  # of a group that is predicted from the last one
        self._earlier = EarlierClips()
        self.network: Network | None = None

    @property
    def group_size(self) -> int:
        """See `Fitter.group_size`."""
        return self._group_size

    def fit(self, frames: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedFrame]:
        """See `Fitter.fit`; where the monitor stops before the first step, nothing is coded."""
        with num_threads(self._task.threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED + self._num_groups)
            return self._fit(frames, monitor)

    def _fit(self, frames: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedFrame]:
        key = self._since_key % self._key_interval == 0
        planes = stack_planes(frames, self._device)

        def new_fit(fitted: FittedNetwork, target: FitTarget, *, quantises: bool = True) -> GroupFit:
            return GroupFit(self._family, self._num_groups + 1, fitted, planes, target, monitor, quantises=quantises)

        start: Initialisation | None = self._initialisation(len(frames), key=key)
        if key and start is not None:
            start = choose(start, self._candidates(frames), self._device, new_fit)
        if start is None:
            return []
        self.network = start.network
        torch.manual_seed(SEED + self._num_groups)  # what begins anew is what it would be without candidates
        fitted = start.build(self._device)
        if not new_fit(fitted, start.target).run():
            return []
        coded, embeddings = _code(fitted, planes, self._tables)
        number = self._first_number + self._num_groups
        first = pack_group(coded, number, embeddings[0], self._tables, key=key, distance=start.distance)
        packets = [FittedFrame(first, is_keyframe=key)]
        for position, embedding in enumerate(embeddings[1:], 1):
            data = pack_frame(coded, number, position, embedding, self._tables)
            packets.append(FittedFrame(data, is_keyframe=False))
        self._update_references(fitted, coded, start, frames[0].pts if key else None)
        self._num_groups += 1
        self._since_key = 1 if key else self._since_key + 1
        return packets

    def begin_clip(self, packets: Iterable[Packet], *, refers: bool) -> None:
        """See `AppendingFitter.begin_clip`."""
        self._earlier = EarlierClips.read(packets, (self._task.video.height, self._task.video.width), self._tables)
        self._first_number = self._earlier.num_groups
        if not refers:
            self._earlier = EarlierClips()

    def take(self, frame: VideoFrame, data: bytes) -> None:  # noqa: ARG002
        """See `Fitter.take`. The encoder of embeddings is in no packet: the group behind those taken begins anew."""
        if PacketReader(data).head.kind != FRAME:
            self._num_groups += 1

    def _initialisation(self, count: int, *, key: bool) -> Initialisation:
        """Of a group of so many frames, whatever clips came before."""
        epochs, budget = self._key_plan(count)
        if not key:
            assert self._next is not None
            share = 1.0 if self._task.options.bit_rate is not None else PREDICTED_SHARE
            target = FitTarget(max(1, round(PREDICTED_SHARE * epochs)) * count, share * budget.bits)
            return replace(self._next, network=replace(self._next.network, group=count), target=target)
        size = self._task.video.height, self._task.video.width
        network = network_for(self._architecture, self._settings, *size, group=count, parameters=budget.parameters)
        return Initialisation(network, FitTarget(epochs * count, budget.bits))

    def _candidates(self, frames: Sequence[VideoFrame]) -> list[Initialisation]:
        """Initialisations of a key group with the weights of earlier clips."""
        count, pts = len(frames), frames[0].pts
        epochs, budget = self._key_plan(count)
        share = 1.0 if self._task.options.bit_rate is not None else REFERRING_SHARE
        target = FitTarget(epochs * count, share * budget.bits)
        return [
            Initialisation(replace(kept.network, group=count), target, self._tensors(kept.weights), distance=pts - at)
            for at, kept in self._earlier.candidates()
        ]

    def _key_plan(self, count: int) -> tuple[int, Budget]:
        """Epochs and budget of a key group."""
        task, overrides = self._task, self._overrides
        if overrides is not None:
            return overrides.epochs, Budget(overrides.parameters, overrides.bits * overrides.parameters)
        return EPOCHS[task.preset_level], budget_for(task, count)

    def _tensors(self, weights: Mapping[str, Floats]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(value).to(self._device) for name, value in weights.items()}

    def _update_references(
        self, fitted: FittedNetwork, coded: CodedGroup, start: Initialisation, pts: int | None
    ) -> None:
        """Keep what the next groups may be predicted from: the weights as decoded; pts: of a keyframe."""
        reference = None
        if start.reference is not None:
            reference = {name: value.cpu().numpy() for name, value in start.reference.items()}
        weights = coded.weights(reference)
        state = {name: value.detach().clone() for name, value in fitted.encoder.state_dict().items()}
        self._next = Initialisation(coded.network, start.target, self._tensors(weights), state)
        if pts is not None:
            self._earlier.add(pts, start.distance, coded.network, weights)


def stack_planes(frames: Sequence[VideoFrame], device: torch.device) -> Tensor:
    """Stack frames as networks have them.

    Args:
        frames: of one size.
        device: to put them on.

    Returns:
        uint8 [frames, OUTPUT_CHANNELS, rows / 2, columns / 2]: the four phases of Y, then U and V.
    """
    stacked = []
    for frame in frames:
        y = np.pad(frame.y, ((0, frame.height % 2), (0, frame.width % 2)), mode="edge")
        stacked.append(np.stack([y[0::2, 0::2], y[0::2, 1::2], y[1::2, 0::2], y[1::2, 1::2], frame.u, frame.v]))
    planes = torch.from_numpy(np.stack(stacked)).to(device)
    return planes.contiguous(memory_format=torch.channels_last)


def _code(fitted: FittedNetwork, planes: Tensor, tables: InrTables) -> tuple[CodedGroup, list[Int32s]]:
    """The integers of the weights, and of every frame's embedding."""
    values, embeddings = [], []
    with torch.no_grad():
        for members, log_step in zip(fitted.members, fitted.log_steps, strict=True):
            flat = torch.cat([fitted.weights[place].reshape(-1) for place in members])
            values.append((flat / torch.exp2(log_step)).round().to(torch.int32).cpu().numpy())
        steps = torch.exp2(fitted.log_channels)
        for index in range(len(planes)):
            with mixed_precision(planes.device):
                embedding = fitted.embed(planes[index : index + 1].float() / 255)[0]
            embeddings.append((embedding / steps).round().to(torch.int32).cpu().numpy())
        block_steps = [int(index) for index in step_index(fitted.log_steps)]
        channel_steps = [int(index) for index in step_index(fitted.log_channels).flatten()]
    codings = [best_coding(block, step, tables) for block, step in zip(values, block_steps, strict=True)]
    by_channel = np.stack(embeddings, axis=1)
    channels = [best_coding(channel, step, tables) for channel, step in zip(by_channel, channel_steps, strict=True)]
    return CodedGroup(fitted.network, values, codings, channels), embeddings
