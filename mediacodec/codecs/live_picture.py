"""How an encoder turns one picture into integers: analysis, quantization, skipping, and refinement by real cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.live_packet import pack_picture, places, rows_at
from mediacodec.codecs.live_quantise import quantise
from mediacodec.codecs.live_settings import Preset
from mediacodec.codecs.live_skip import bit_worth, block_errors, keep_cells, masking, paste, step_size, zero_bits
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
SMOOTHER = 2.5  # times that, tried by preset slow
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
    """What is to be coded, and how. unseen: squared error of each block as predicted, [h, w], None in keyframes;
    masking: what a bit is worth in each block, [h, w]; latent: float32 [1, coefficients, h, w] minus its mean; hyper:
    not rounded."""

    planes: Planes
    known: Known
    state: LiveState | None
    refresh: bool
    motion: npt.NDArray[np.int16] | None
    unseen: Floats | None
    masking: Floats
    latent: Floats
    hyper: Floats


@dataclass(frozen=True, eq=False)
class Draft:
    """The outcome of one pass."""

    hyper: npt.NDArray[np.int8]
    symbols: npt.NDArray[np.int32]
    index: Rows
    shift: Floats
    skip: Mask | None
    result: Synthesis


@dataclass(frozen=True, eq=False)
class Trial:
    """A picture as coded, and how it came about; without target and draft where every block is skipped."""

    coded: Coded
    target: Target | None = None
    draft: Draft | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the motion search found for a picture."""

    motion: npt.NDArray[np.int16]
    known: Known
    refresh: bool
    same: bool  # the source is that of the picture coded last, which was coded as well as is asked for now


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
        worth = masking(planes[0])
        target = Target(planes, known, None, False, None, None, worth, found["latent"], found["hyper"])
        draft = self._pass(target, None)
        return self._refined(Trial(self._coded(target, draft), target, draft))

    def predict(self, planes: Planes, level: int, state: LiveState, *, refresh: bool, smooth: float = 1) -> Prediction:
        """The motion of a picture and the prediction that follows; nothing moves where the source is the same.

        smooth: by how much dearer than usual vectors are.
        """
        same = self._is_same(planes, level)
        if same:
            motion = np.zeros_like(state.motion)
        else:
            weight = smooth * MOTION_WEIGHT * step_size(level)
            motion = search(planes[0], state.planes[0], previous=state.motion, effort=self._preset, rate_weight=weight)
        return Prediction(motion, self._shared.inter(level, state, motion, refresh=refresh), refresh, same)

    def inter(self, planes: Planes, prediction: Prediction, state: LiveState) -> Coded:
        """A predicted picture."""
        trial = self._tried(planes, prediction, state)
        if self._preset == "slow" and prediction.motion.any():
            level, refresh = prediction.known.level, prediction.refresh
            other = self._tried(planes, self.predict(planes, level, state, refresh=refresh, smooth=SMOOTHER), state)
            trial = min(trial, other, key=lambda trial: trial.coded.cost)
        return self._refined(trial)

    def _tried(self, planes: Planes, prediction: Prediction, state: LiveState) -> Trial:
        """A picture with this prediction."""
        known = prediction.known
        assert known.predicted is not None
        unseen = block_errors(planes, known.predicted)
        worth = masking(planes[0])
        skip: Mask = unseen <= worth * (STILL * step_size(known.level) ** 2)
        if skip.all() or prediction.same:
            return self._skipped(prediction, state, unseen / worth)
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
        target = Target(
            planes, known, state, prediction.refresh, prediction.motion, unseen, worth, found["latent"], found["hyper"]
        )
        draft = self._pass(target, skip)
        draft, wanted = self._settled(target, draft)
        if wanted is not None and self._preset != "fast":
            draft, _ = self._settled(target, self._pass(target, wanted))
        if _all_skipped(draft):
            return self._skipped(prediction, state, unseen / worth)
        return Trial(self._coded(target, draft), target, draft)

    def accept(self, planes: Planes, coded: Coded) -> None:
        """Note that this picture was sent as coded."""
        if coded.integers.symbols is not None:
            self._source, self._source_level = planes, coded.integers.quality

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
        flat[at] = self._quantised(target, latent[at], prior.index, at)
        index_second, shift = shared.second(target.known, prior, symbols.astype(np.float32))
        at = places(index_second, shared.coded(skip, second=True))
        values = latent[at] - shift.reshape(-1)[at]
        flat[at] = self._quantised(target, values, index_second, at)
        index = np.where(shared.first_pass, prior.index, index_second)
        result = shared.synthesise(target.known, prior, symbols.astype(np.float32), shift, skip)
        return Draft(hyper, symbols, index, shift, skip, result)

    def _quantised(
        self, target: Target, values: Floats, index: Rows, at: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.int32]:
        worth = target.masking.reshape(-1)
        rows = rows_at(index, at, self._tables)
        return quantise(values, rows, self._tables.costs, worth=worth[at % len(worth)])

    def _regret(self, target: Target, draft: Draft) -> Floats:
        """What skipping each block would cost, in squared error: below 0 where it is the better bargain, [h, w].

        Blocks with a symbol cannot be skipped: infinite.
        """
        assert target.unseen is not None
        lost = target.unseen - block_errors(target.planes, draft.result.planes)
        lost -= bit_worth(target.known.level) * target.masking * zero_bits(draft.index, self._tables)
        lost[draft.symbols[0].any(axis=0)] = np.inf
        return lost

    def _settled(self, target: Target, draft: Draft) -> tuple[Draft, Mask | None]:
        """The draft with every block skipped that is better so, as far as its hyper-latents allow.

        Where they stand in the way, the second value is all that should be skipped. Symbols and tables stay: a block
        without symbols gives the others no information, whether it is skipped or not.
        """
        assert draft.skip is not None
        assert target.known.predicted is not None
        regret = self._regret(target, draft)
        wanted = skip = draft.skip | (regret < 0)
        if not wanted.all():
            skip = keep_cells(wanted, regret, draft.hyper, draft.skip)
        planes = paste(draft.result.planes, target.known.predicted, skip & ~draft.skip)
        settled = replace(draft, skip=skip, result=replace(draft.result, planes=planes))
        return settled, None if skip is wanted else wanted

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
        error = float((block_errors(target.planes, draft.result.planes) / target.masking).sum())
        return Coded(integers, self._shared.after(integers, draft.result, target.state), data, error)

    def _skipped(self, prediction: Prediction, state: LiveState, error: Floats) -> Trial:
        skip = np.ones(error.shape, np.bool_)
        integers = Integers(prediction.known.level, True, prediction.refresh, prediction.motion, skip)
        data = pack_picture(integers, state, self._tables, self._shared)
        after = self._shared.after_skipped(integers, prediction.known, state)
        return Trial(Coded(integers, after, data, float(error.sum())))

    def _refined(self, trial: Trial) -> Coded:
        """The trial as it would be sent; in preset slow, the cheapest of what is tried around it."""
        best, target, draft = trial.coded, trial.target, trial.draft
        if self._preset != "slow" or target is None or draft is None:
            return best
        name = "inter_refine" if target.known.inter else "key_refine"
        skip = draft.skip
        for _ in range(ROUNDS if self._shared.has(name) else 0):
            # what the latent should have been for this decoder: what it got, and what is missing still
            missing = self._shared.run(
                name, **_differences(target.planes, draft.result.planes), quality=target.known.quality
            )["latent"]
            step = draft.symbols + draft.shift + missing - target.latent
            for stride in STRIDES:
                tried = replace(target, latent=target.latent + np.float32(stride) * step)
                found = self._pass(tried, skip)
                if skip is not None:
                    found, _ = self._settled(tried, found)
                if not _all_skipped(found) and (coded := self._coded(tried, found)).cost < best.cost:
                    best, target, draft = coded, tried, found
        return best


def _all_skipped(draft: Draft) -> bool:
    return draft.skip is not None and bool(draft.skip.all())


def _differences(planes: Planes, others: Planes) -> dict[str, Floats]:
    pairs = zip(("y", "u", "v"), planes, others, strict=True)
    return {name: np.subtract(a, b, dtype=np.float32)[None, None] for name, a, b in pairs}
