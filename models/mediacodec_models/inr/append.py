"""What the network of an appended clip is initialised with: the weights of a reference keyframe, or random ones.

After PFNR (Kang et al., "Progressive Fourier Neural Representation for Sequential Video Compilation", ICLR 2024): one
file keeps all weights so far, each clip reuses those that serve it, and no earlier one ever changes. What a clip reuses
is what its residual leaves at zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import FRAME, KEY, PacketReader
from mediacodec.codecs.inr.reference_keyframes import MAX_DEPTH, ReferenceKeyframes, ReferenceWeights, decode_group
from mediacodec.codecs.inr.settings import InrTables
from mediacodec.codecs.inr.tensors import Floats
from mediacodec_bitstream import Packet
from mediacodec_models.inr.group_fit import FitTarget, GroupFit
from mediacodec_models.inr.network import FittedNetwork

MAX_CANDIDATES = 4  # keyframes of earlier clips that are tried
FROZEN_SHARE = 0.1  # of the steps, in which only an encoder is fitted, to the weights of a candidate
COMPARED_SHARE = 0.1  # of the steps, in which the best candidate is compared with a network that begins anew


@dataclass(frozen=True, eq=False)
class Initialisation:
    """What the fit of a group begins with, and its target.

    Attributes:
        network: sizes of the group's network.
        target: steps and bits.
        reference: the weights that the group is predicted from; None for a key group, which begins with random ones.
        encoder: the state of the encoder of embeddings; None to begin with random weights.
        distance: ticks back to the reference keyframe; 0 where the group before is the reference.
    """

    network: Network
    target: FitTarget
    reference: dict[str, Tensor] | None = None
    encoder: dict[str, Tensor] | None = None
    distance: int = 0

    def build(self, device: torch.device) -> FittedNetwork:
        """Make the network."""
        fitted = FittedNetwork(self.network, self.reference).to(device)
        if self.encoder is not None:
            fitted.encoder.load_state_dict(self.encoder)
        return fitted

    def shortened(self, share: float) -> Initialisation:
        """The same for a share of the steps."""
        return replace(self, target=replace(self.target, steps=max(1, round(share * self.target.steps))))


class EarlierClips:
    """The keyframes of the clips that a file holds already, as far as decoders keep them.

    Attributes:
        num_groups: number of the group behind them.
    """

    def __init__(self) -> None:
        self.num_groups = 0
        self._keyframes = ReferenceKeyframes()
        self._clips: list[int] = []  # pts of the keyframes with which clips begin
        self._last: int | None = None  # and of the last keyframe

    @classmethod
    def read(cls, packets: Iterable[Packet], size: tuple[int, int], tables: InrTables) -> EarlierClips:
        """Read a stream.

        Args:
            packets: all of it.
            size: (height, width) of its frames.
            tables: of the model.

        Returns:
            Its clips.

        Raises:
            BitstreamError: a packet is damaged.
        """
        clips = cls()
        for packet in packets:
            reader = PacketReader(packet.data)
            head = reader.head
            if head.kind != FRAME:
                clips.num_groups = head.group + 1
            reference = clips._keyframes.get(packet.pts - head.distance) if head.distance else None
            if head.kind == KEY or reference is not None:
                clips._keyframes.keep(packet.pts, decode_group(reader, reference, size, tables)[2])
                clips._last = packet.pts
                if packet.discontinuity or not clips._clips:
                    clips._clips.append(packet.pts)
        return clips

    def candidates(self) -> list[tuple[int, ReferenceWeights]]:
        """(pts, weights) of the keyframes worth trying: the first, the last, and those with which clips begin."""
        if self._last is None:
            return []
        order = list(dict.fromkeys([self._clips[0], self._last, *reversed(self._clips)]))
        found = [(pts, self._keyframes.get(pts)) for pts in order]
        return [(pts, kept) for pts, kept in found if kept is not None and kept.depth < MAX_DEPTH][:MAX_CANDIDATES]

    def add(self, pts: int, distance: int, network: Network, weights: dict[str, Floats]) -> None:
        """Note a keyframe of the new clip, which takes the room of earlier ones in a decoder.

        Args:
            pts: of the keyframe.
            distance: ticks back to its reference; 0 where there is none.
            network: of its group.
            weights: as decoded.
        """
        if self._last is not None:
            reference = self._keyframes.get(pts - distance) if distance else None
            depth = reference.depth + 1 if reference else 0
            self._keyframes.keep(pts, ReferenceWeights(network, weights, depth))


class NewFit(Protocol):
    """Makes the fit of a network to the group that is being coded."""

    def __call__(self, fitted: FittedNetwork, target: FitTarget, *, quantises: bool = True) -> GroupFit: ...


def choose(
    anew: Initialisation, candidates: Sequence[Initialisation], device: torch.device, new_fit: NewFit
) -> Initialisation | None:
    """Choose what a key group begins with.

    To each candidate an encoder of embeddings is fitted; then the best of them and `anew` are fitted for a while, each
    for its own target.

    Args:
        anew: without a reference.
        candidates: with the weights of reference keyframes.
        device: to fit on.
        new_fit: makes the fits.

    Returns:
        A candidate where it comes as far as `anew`, else `anew`; None where the monitor stopped the comparison.
    """
    best: tuple[float, Initialisation] | None = None
    for candidate in candidates:
        short = candidate.shortened(FROZEN_SHARE)
        fitted = short.build(device)
        fitted.weights.requires_grad_(False)
        fit = new_fit(fitted, short.target, quantises=False)
        if not fit.run():
            return None
        state = {name: value.detach().clone() for name, value in fitted.encoder.state_dict().items()}
        if best is None or (fit.psnr or 0.0) > best[0]:
            best = fit.psnr or 0.0, replace(candidate, encoder=state)
    return compare(anew, best[1], device, new_fit) if best else anew


def compare(
    anew: Initialisation, candidate: Initialisation, device: torch.device, new_fit: NewFit
) -> Initialisation | None:
    """Fit both for a while; returns the one that comes further, None where the monitor stopped them."""
    reached = []
    for each in (anew, candidate):
        short = each.shortened(COMPARED_SHARE)
        fit = new_fit(short.build(device), short.target)
        if not fit.run():
            return None
        reached.append(fit.psnr or 0.0)
    return candidate if reached[1] >= reached[0] else anew
