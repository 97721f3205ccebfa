"""How an encoder turns one picture into integers: analysis, quantization, skipping, and refinement by real cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.live_packet import pack_picture, places, rows_at
from mediacodec.codecs.live_quantise import RATE_WEIGHT, quantise
from mediacodec.codecs.live_settings import Preset
from mediacodec.codecs.live_skip import bit_worth, block_errors, keep_cells, paste, step_size, zero_bits
from mediacodec.codecs.live_state import (
    Floats,
    Integers,
    Known,
    LiveState,
    Mask,
    Reconstructor,
    Rows,
    Synthesis,
    batched,
)
from mediacodec.codecs.live_symbols import LiveTables
from mediacodec.motion.compensate import Planes
from mediacodec.motion.search import search

SAME = 1.0  # squared steps of a block's error up to which a source counts as the one coded last
STILL = 4.0  # squared steps of a block's error up to which it is skipped unseen: coding it would not come closer
MOTION_WEIGHT = 0.35  # steps of absolute difference that a bit is worth: the root of RATE_WEIGHT
DEAD_ZONES = (0.6, 1.6)  # of RATE_WEIGHT, tried by preset slow
STRIDES = (0.5, 1.0)  # of the way from what was decoded to the source, in the latent, tried by preset slow
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Coded:
    """A picture as it would be sent. data: the packet's; state: what it leaves; error: squared, chroma twice."""

    integers: Integers
    state: LiveState
    data: bytes
    error: float

    @property
    def bits(self) -> int:
        return 8 * len(self.data)

    @property
    def cost(self) -> float:
        """Squared error and bits, in squared error."""
        return self.error + bit_worth(self.integers.quality) * self.bits


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be coded, and how. latent: float32 [1, coefficients, h, w] minus its mean; hyper: not rounded;
    weight: squared steps that a bit is worth to the quantizer."""

    planes: Planes
    known: Known
    state: LiveState | None
    refresh: bool
    motion: npt.NDArray[np.int16] | None
    latent: Floats
    hyper: Floats
    weight: float = RATE_WEIGHT


@dataclass(frozen=True, eq=False)
class Draft:
    """The outcome of one pass."""

    hyper: npt.NDArray[np.int8]
    symbols: npt.NDArray[np.int32]
    index: Rows
    skip: Mask | None
    result: Synthesis


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the motion search found for a picture."""

    motion: npt.NDArray[np.int16]
    known: Known
    refresh: bool


class PictureCoder:
    """Codes pictures of one stream; holds no state but what tells it that a picture is the same as the last."""

    def __init__(self, shared: Reconstructor, tables: LiveTables, preset: Preset) -> None:
        self._shared, self._tables, self._preset = shared, tables, preset
        self._source: Planes | None = None  # of the last picture that was not skipped whole
        self._source_level = 0

    def key(self, planes: Planes, level: int) -> Coded:
        """A keyframe."""
        known = self._shared.key(level)
        found = self._shared.run("key_analysis", **batched(planes), quality=known.quality)
        target = Target(planes, known, None, False, None, found["latent"], found["hyper"])
        return self._refined(target, self._pass(target, None), None)

    def predict(self, planes: Planes, level: int, state: LiveState, *, refresh: bool) -> Prediction:
        """The motion of a picture and the prediction that follows; nothing moves where the source is the same."""
        if self._is_same(planes, level):
            motion = np.zeros_like(state.motion)
        else:
            weight = MOTION_WEIGHT * step_size(level)
            motion = search(planes[0], state.planes[0], previous=state.motion, effort=self._preset, rate_weight=weight)
        return Prediction(motion, self._shared.inter(level, state, motion, refresh=refresh), refresh)

    def inter(self, planes: Planes, prediction: Prediction, state: LiveState) -> Coded:
        """A predicted picture."""
        motion, known = prediction.motion, prediction.known
        assert known.predicted is not None
        unseen = block_errors(planes, known.predicted)
        skip: Mask = unseen <= STILL * step_size(known.level) ** 2
        if skip.all() or (self._is_same(planes, known.level) and not motion.any()):
            return self._skipped(prediction, state, unseen)
        self._shared.look(known)
        found = self._shared.run(
            "inter_analysis",
            **batched(planes),
            **{f"predicted_{name}": plane for name, plane in batched(known.predicted).items()},
            context=known.seen["context"],
            mean=known.seen["mean"],
            memory=known.memory,
            quality=known.quality,
        )
        target = Target(planes, known, state, prediction.refresh, motion, found["latent"], found["hyper"])
        draft = self._pass(target, skip)
        draft, held = self._settled(target, draft, unseen)
        if held and self._preset != "fast" and not _all_skipped(draft):
            draft, _ = self._settled(target, self._pass(target, self._wanted(target, draft, unseen)), unseen)
        if _all_skipped(draft):
            return self._skipped(prediction, state, unseen)
        return self._refined(target, draft, unseen)

    def accept(self, planes: Planes, coded: Coded) -> None:
        """Note that this picture was sent as coded."""
        if coded.integers.symbols is not None:
            same = self._source is not None and self._is_same(planes, coded.integers.quality)
            self._source_level = min(self._source_level, coded.integers.quality) if same else coded.integers.quality
            self._source = planes

    def _is_same(self, planes: Planes, level: int) -> bool:
        """Whether the source is that of the picture coded last, which was coded as well as is asked for now."""
        if self._source is None or level < self._source_level:
            return False
        return bool(block_errors(planes, self._source).max() <= SAME * step_size(level) ** 2)

    def _pass(self, target: Target, skip: Mask | None) -> Draft:
        """Quantise and reconstruct; skip: blocks to leave as predicted."""
        shared, latent = self._shared, target.latent.reshape(-1)
        limit = self._tables.settings.hyper_limit
        hyper = np.clip(np.rint(target.hyper[0]), -limit, limit).astype(np.int8)
        hyper *= shared.coded_cells(skip)
        prior = shared.first(target.known, hyper)
        symbols = np.zeros(prior.index.shape, np.int32)
        flat = symbols.reshape(-1)
        at = places(prior.index, shared.coded(skip, second=False))
        flat[at] = self._quantised(latent[at], rows_at(prior.index, at, self._tables), target.weight)
        index_second, shift = shared.second(target.known, prior, symbols.astype(np.float32))
        at = places(index_second, shared.coded(skip, second=True))
        values = latent[at] - shift.reshape(-1)[at]
        flat[at] = self._quantised(values, rows_at(index_second, at, self._tables), target.weight)
        index = np.where(shared.first_pass, prior.index, index_second)
        result = shared.synthesise(target.known, prior, symbols.astype(np.float32), shift, skip)
        return Draft(hyper, symbols, index, skip, result)

    def _quantised(self, values: Floats, rows: Rows, weight: float) -> npt.NDArray[np.int32]:
        return quantise(values, rows, self._tables.costs, weight=weight)

    def _regret(self, target: Target, draft: Draft, unseen: Floats) -> Floats:
        """What skipping each block would cost, in squared error: below 0 where it is the better bargain, [h, w].

        Blocks with a symbol cannot be skipped: infinite.
        """
        lost = unseen - block_errors(target.planes, draft.result.planes)
        lost -= bit_worth(target.known.level) * zero_bits(draft.index, self._tables)
        lost[draft.symbols[0].any(axis=0)] = np.inf
        return lost

    def _wanted(self, target: Target, draft: Draft, unseen: Floats) -> Mask:
        assert draft.skip is not None
        return draft.skip | (self._regret(target, draft, unseen) < 0)

    def _settled(self, target: Target, draft: Draft, unseen: Floats) -> tuple[Draft, bool]:
        """The draft with every block skipped that is better so, as far as its hyper-latents allow.

        The second value tells whether they stood in the way. Symbols and tables stay: a block without symbols gives
        the others no information, whether it is skipped or not.
        """
        assert draft.skip is not None
        assert target.known.predicted is not None
        regret = self._regret(target, draft, unseen)
        wanted = draft.skip | (regret < 0)
        held = False
        if not wanted.all():
            wanted, held = keep_cells(wanted, regret, draft.hyper, draft.skip)
        planes = paste(draft.result.planes, target.known.predicted, wanted & ~draft.skip)
        return replace(draft, skip=wanted, result=replace(draft.result, planes=planes)), held

    def _coded(self, target: Target, draft: Draft) -> Coded:
        integers = Integers(
            target.known.level,
            target.known.inter,
            target.refresh,
            target.motion,
            draft.skip,
            draft.hyper,
            draft.symbols,
            draft.index,
        )
        data = pack_picture(integers, target.state, self._tables, self._shared)
        error = float(block_errors(target.planes, draft.result.planes).sum())
        return Coded(integers, self._shared.after(integers, draft.result, target.state), data, error)

    def _skipped(self, prediction: Prediction, state: LiveState, unseen: Floats) -> Coded:
        skip = np.ones(unseen.shape, np.bool_)
        integers = Integers(prediction.known.level, True, prediction.refresh, prediction.motion, skip)
        data = pack_picture(integers, state, self._tables, self._shared)
        after = self._shared.after_skipped(integers, prediction.known, state)
        return Coded(integers, after, data, float(unseen.sum()))

    def _refined(self, target: Target, draft: Draft, unseen: Floats | None) -> Coded:
        """The draft as it would be sent; in preset slow, the cheapest of what is tried around it."""
        best = self._coded(target, draft)
        if self._preset != "slow":
            return best
        for zone in DEAD_ZONES:
            best, target = self._better(best, target, replace(target, weight=zone * RATE_WEIGHT), draft, unseen)
        name = "inter_refine" if target.known.inter else "key_refine"
        for _ in range(ROUNDS if self._shared.has(name) else 0):
            step = self._shared.run(
                name, **_differences(target.planes, best.state.planes), quality=target.known.quality
            )["latent"]
            start = target.latent
            for stride in STRIDES:
                moved = replace(target, latent=start + np.multiply(step, stride, dtype=np.float32))
                best, target = self._better(best, target, moved, draft, unseen)
        return best

    def _better(
        self, best: Coded, target: Target, tried: Target, draft: Draft, unseen: Floats | None
    ) -> tuple[Coded, Target]:
        """The cheaper of the best so far and another try, with what it aimed at."""
        found = self._pass(tried, draft.skip)
        if unseen is not None:
            found, _ = self._settled(tried, found, unseen)
            if _all_skipped(found):
                return best, target
        coded = self._coded(tried, found)
        return (coded, tried) if coded.cost < best.cost else (best, target)


def _all_skipped(draft: Draft) -> bool:
    return draft.skip is not None and bool(draft.skip.all())


def _differences(planes: Planes, others: Planes) -> dict[str, Floats]:
    pairs = zip(("y", "u", "v"), planes, others, strict=True)
    return {name: np.subtract(a, b, dtype=np.float32)[None, None] for name, a, b in pairs}
