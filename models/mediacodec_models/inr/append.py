"""Where the network of a clip begins that is added to a file of others: at the weights of an earlier one, or anew.

After PFNR (Kang et al., "Progressive Fourier Neural Representation for Sequential Video Compilation", ICLR 2024): one
file keeps a growing set of weights, each clip reuses those that serve it, and no earlier one ever changes. What a clip
reuses is what its residual leaves at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.packet import KEY, PICTURE, Opened
from mediacodec.codecs.inr.reference_keyframes import DEPTH, Base, Bases, read_group
from mediacodec.codecs.inr.tensors import Floats, InrTables
from mediacodec_bitstream import Packet
from mediacodec_models.inr.group_fit import Job, Target
from mediacodec_models.inr.network import FittedNetwork

CANDIDATES = 4  # keyframes of earlier clips that are tried
HELD = 0.1  # of the steps, in which only what makes embeddings is fitted, to weights that stand
TRIED = 0.1  # of the steps, in which the best of them is compared with a network that begins anew


@dataclass(frozen=True, eq=False)
class Start:
    """Where the fit of a group begins, and what for.

    weights: those that it goes on from; encoder: the state of what makes embeddings; None for either to begin anew;
    back: ticks to the keyframe whose weights they are, 0 where they are those of the group before.
    """

    network: Network
    target: Target
    weights: dict[str, Tensor] | None = None
    encoder: dict[str, Tensor] | None = None
    back: int = 0

    def fitted(self, device: torch.device) -> FittedNetwork:
        fitted = FittedNetwork(self.network, self.weights).to(device)
        if self.encoder is not None:
            fitted.encoder.load_state_dict(self.encoder)
        return fitted

    def for_share(self, share: float) -> Start:
        """The same for a share of the steps."""
        return replace(self, target=replace(self.target, steps=max(1, round(share * self.target.steps))))


class EarlierClips:
    """The keyframes of the clips that a file holds already, as far as decoders remember them.

    groups: the number of the group behind them.
    """

    def __init__(self) -> None:
        self.groups = 0
        self._bases = Bases()
        self._clips: list[int] = []  # pts of the keyframes with which clips begin
        self._last: int | None = None  # and of the last keyframe

    @classmethod
    def of(cls, packets: Iterable[Packet], size: tuple[int, int], tables: InrTables) -> EarlierClips:
        """Those of a stream; size: (height, width). Raises BitstreamError kinds."""
        clips = cls()
        for packet in packets:
            opened = Opened(packet.data)
            if opened.head.kind != PICTURE:
                clips.groups = opened.head.number + 1
            before = clips._bases.get(packet.pts - opened.head.back) if opened.head.back else None
            if opened.head.kind == KEY or before is not None:
                clips._bases.keep(packet.pts, read_group(opened, before, size, tables)[2])
                clips._last = packet.pts
                if packet.discontinuity or not clips._clips:
                    clips._clips.append(packet.pts)
        return clips

    def candidates(self) -> list[tuple[int, Base]]:
        """(pts, weights) of the keyframes worth trying: the first, the last, and those with which clips begin."""
        if self._last is None:
            return []
        order = list(dict.fromkeys([self._clips[0], self._last, *reversed(self._clips)]))
        found = [(pts, self._bases.get(pts)) for pts in order]
        return [(pts, base) for pts, base in found if base is not None and base.depth < DEPTH][:CANDIDATES]

    def note(self, pts: int, back: int, network: Network, weights: dict[str, Floats]) -> None:
        """A keyframe of the new clip, which takes the room of earlier ones."""
        if self._last is not None:
            before = self._bases.get(pts - back) if back else None
            self._bases.keep(pts, Base(network, weights, before.depth + 1 if before else 0))


JobOf = Callable[..., Job]  # of a FittedNetwork, a Target and the options of a Job


def chosen(anew: Start, earlier: Sequence[Start], device: torch.device, job_of: JobOf) -> Start | None:
    """`anew`, or one of `earlier` where it comes as far; None where the monitor stopped the trials.

    To each of the earlier ones an encoder is fitted; then the best of them and `anew` are fitted for a while, each for
    its own target.
    """
    best: tuple[float, Start] | None = None
    for start in earlier:
        short = start.for_share(HELD)
        fitted = short.fitted(device)
        fitted.weights.requires_grad_(False)
        job = job_of(fitted, short.target, rounds=False)
        if not job.run():
            return None
        state = {name: value.detach().clone() for name, value in fitted.encoder.state_dict().items()}
        if best is None or (job.psnr or 0.0) > best[0]:
            best = job.psnr or 0.0, replace(start, encoder=state)
    return worth(anew, best[1], device, job_of) if best else anew


def worth(anew: Start, start: Start, device: torch.device, job_of: JobOf) -> Start | None:
    """The one of the two that comes further in a while; None where the monitor stopped the trials."""
    reached = []
    for each in (anew, start):
        short = each.for_share(TRIED)
        job = job_of(short.fitted(device), short.target)
        if not job.run():
            return None
        reached.append(job.psnr or 0.0)
    return start if reached[1] >= reached[0] else anew
