"""How an encoder turns one picture into integers: analysis, quantization, skipping, and refinement by real cost."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.candidates import Coded, Draft, Prediction, Target, Trial
from mediacodec.codecs.conditional.early_skip import bit_worth, block_errors, keep_cells, paste, step_size, zero_bits
from mediacodec.codecs.conditional.packet import pack_picture, places, rows_at
from mediacodec.codecs.conditional.rdo_quantization import quantise
from mediacodec.codecs.conditional.reconstructor import (
    Floats,
    Integers,
    Known,
    LiveState,
    Mask,
    Reconstructor,
    Rows,
    Trail,
    batched,
)
from mediacodec.codecs.conditional.settings import Preset
from mediacodec.codecs.conditional.symbols import LiveTables
from mediacodec.video_coding.adaptive_quantization import for_inter, for_key, inherit, masking, wanted
from mediacodec.video_coding.motion.compensate import FILTERS, Planes, compensate, moved_luma, source_cells
from mediacodec.video_coding.motion.search import search

SAME = 1.0  # squared steps of a block's error up to which a source counts as the one coded last
STILL = 7.0  # squared steps of a block's error up to which it is skipped unseen: coding it would not come closer
MOTION_WEIGHT = 0.25  # steps of absolute difference that a bit is worth
FILTER_TURN = 8  # pictures from one choice of the luma filter to the next in preset fast
SMOOTHER = 2.5  # times that, tried by preset slow
STRIDES = (0.5, 1.0)  # of the way from what was decoded to the source, in the latent, tried by preset slow
ROUNDS = 2


class PictureCoder:
    """Codes pictures of one stream; holds no state but what tells it that a picture is the same as the last."""

    def __init__(self, shared: Reconstructor, tables: LiveTables, preset: Preset) -> None:
        self._shared, self._tables, self._preset = shared, tables, preset
        self._source: Planes | None = None  # of the last picture that was not skipped whole
        self._source_level = 0

    def key(self, planes: Planes, level: int) -> Coded:
        """A keyframe."""
        worth = masking(planes[0])
        levels = for_key(wanted(worth))
        known = self._shared.key(level, levels)
        found = self._shared.run_wide(
            "key_analysis", reach=4, **batched(planes), local=known.local, quality=known.quality
        )
        begun = Integers(level, False, levels)
        target = Target(planes, known, None, begun, None, worth, found["latent"], found["hyper"])
        draft = self._pass(target, None)
        return self._refined(Trial(self._coded(target, draft), target, draft))

    def predict(self, planes: Planes, level: int, state: LiveState, *, smooth: float = 1) -> Prediction:
        """The motion of a picture and the prediction that follows; nothing moves where the source is the same.

        smooth: by how much dearer than usual vectors are.
        """
        if self._is_same(planes, level):
            motion = np.zeros_like(state.trail.motion)
            return Prediction(motion, state.trail.filter_id, state.shown.planes, True)
        weight = smooth * MOTION_WEIGHT * step_size(level)
        before = state.shown.planes
        motion = search(planes[0], before[0], previous=state.trail.motion, effort=self._preset, rate_weight=weight)
        filter_id = self._filter(planes[0], state, motion)
        return Prediction(motion, filter_id, compensate(before, motion, filter_id=filter_id), False)

    def _filter(self, luma: npt.NDArray[np.uint8], state: LiveState, motion: npt.NDArray[np.int16]) -> int:
        """The filter that predicts luma best; in preset fast only now and then another than the last one."""
        if not (motion & 3).any() or (self._preset == "fast" and state.trail.position % FILTER_TURN):
            return state.trail.filter_id
        kinds = range(len(FILTERS))
        moved = (moved_luma(state.shown.planes[0], motion, filter_id=kind) for kind in kinds)
        errors = [float(np.square(np.subtract(luma, one, dtype=np.float32)).sum()) for one in moved]
        return min(kinds, key=errors.__getitem__)

    def inter(self, planes: Planes, level: int, prediction: Prediction, state: LiveState, *, refresh: bool) -> Coded:
        """A predicted picture."""
        trial = self._tried(planes, level, prediction, state, refresh=refresh)
        if self._preset == "slow" and prediction.motion.any():
            smoother = self.predict(planes, level, state, smooth=SMOOTHER)
            other = self._tried(planes, level, smoother, state, refresh=refresh)
            trial = min(trial, other, key=lambda trial: trial.coded.cost)
        return self._refined(trial)

    def _tried(self, planes: Planes, level: int, prediction: Prediction, state: LiveState, *, refresh: bool) -> Trial:
        """A picture with this prediction."""
        shared, motion = self._shared, prediction.motion
        worth = self._shared.beside(lambda: masking(planes[0]))
        unseen = block_errors(planes, prediction.moved)
        skip: Mask = unseen <= worth.result() * (STILL * step_size(level) ** 2)
        inherited = inherit(state.trail.levels, motion)
        levels = for_inter(wanted(worth.result()), inherited, ~skip)
        known = shared.inter(level, state.trail, levels)
        known.predicted, known.cells = prediction.moved, source_cells(motion)
        begun = Integers(level, True, levels, refresh, prediction.filter_id, motion)
        if skip.all() or prediction.same:
            return self._skipped(replace(begun, levels=inherited), known, state, unseen / worth.result())
        shared.look(known, state.shown.features, refresh=refresh)
        found = shared.run_wide(
            "inter_analysis",
            reach=4,
            **batched(planes),
            **{f"predicted_{name}": plane for name, plane in batched(prediction.moved).items()},
            context=known.seen["context"],
            mean=known.seen["mean"],
            memory=known.memory,
            local=known.local,
            quality=known.quality,
        )
        target = Target(planes, known, state, begun, unseen, worth.result(), found["latent"], found["hyper"])
        draft = self._pass(target, skip)
        draft, more = self._settled(target, draft)
        if more is not None and self._preset != "fast":
            draft, _ = self._settled(target, self._pass(target, more))
        if _all_skipped(draft):
            return self._skipped(replace(begun, levels=inherited), known, state, unseen / worth.result())
        return Trial(self._coded(target, draft), target, draft)

    def accept(self, planes: Planes, coded: Coded, state: LiveState | None) -> LiveState:
        """Note that this picture was sent as coded, and give what it leaves; state: what the one before left."""
        if coded.integers.symbols is not None:
            self._source, self._source_level = planes, coded.integers.quality
        trail = None if state is None else state.trail
        return LiveState(self._shared.after(coded.integers, coded.memory.result(), trail), coded.shown)

    def _is_same(self, planes: Planes, level: int) -> bool:
        """Whether the source is that of the picture coded last, which was coded as well as is asked for now."""
        if self._source is None or level < self._source_level:
            return False
        allowed = SAME * step_size(level) ** 2
        few = np.subtract(planes[0][::8], self._source[0][::8], dtype=np.float32)
        if float(np.square(few, out=few).max()) > allowed:  # most sources differ in every eighth row as well
            return False
        return bool(block_errors(planes, self._source).max() <= allowed)

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
        known = symbols.astype(np.float32)
        shifted = shared.beside(lambda: shared.shift(target.known, known))
        index_second = shared.second(target.known, prior, known)
        shift = shifted.result()
        at = places(index_second, shared.coded(skip, second=True))
        values = latent[at] - shift.reshape(-1)[at]
        flat[at] = self._quantised(target, values, index_second, at)
        index = np.where(shared.first_pass, prior.index, index_second)
        both = symbols.astype(np.float32)
        result = shared.synthesise(target.known, both, shift, skip)
        memory = shared.beside(lambda: shared.recall(target.known, prior, both))
        return Draft(hyper, symbols, index, shift, skip, memory, result)

    def _quantised(
        self, target: Target, values: Floats, index: Rows, at: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.int32]:
        worth = (target.masking / target.known.local[0, 0] ** 2).reshape(-1)
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
        integers = replace(target.begun, skip=draft.skip, hyper=draft.hyper, symbols=draft.symbols, index=draft.index)
        trail = None if target.state is None else target.state.trail
        error = float((block_errors(target.planes, draft.result.planes) / target.masking).sum())
        return Coded(integers, draft.result, draft.memory, self._packed(integers, trail), error)

    def _skipped(self, begun: Integers, known: Known, state: LiveState, error: Floats) -> Trial:
        integers = replace(begun, skip=np.ones(error.shape, np.bool_))
        shown = self._shared.moved(known, state.shown.features, refresh=begun.refresh)
        memory: Future[Floats] = Future()
        memory.set_result(state.trail.memory)
        return Trial(Coded(integers, shown, memory, self._packed(integers, state.trail), float(error.sum())))

    def _packed(self, integers: Integers, trail: Trail | None) -> Future[bytes]:
        return self._shared.beside(lambda: pack_picture(integers, trail, self._tables, self._shared))

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
                name,
                **_differences(target.planes, draft.result.planes),
                local=target.known.local,
                quality=target.known.quality,
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
