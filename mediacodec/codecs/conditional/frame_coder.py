"""How an encoder codes one frame: prediction, analysis, coding passes, skipping, and refinement by real cost."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from mediacodec.codecs.conditional.candidates import Candidate, CodedFrame, CodingPass, EncodeTarget, Prediction
from mediacodec.codecs.conditional.coding_pass import PassCoder
from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder
from mediacodec.codecs.conditional.conditioning import ConditionalState, Conditioning, skipped_reconstruction
from mediacodec.codecs.conditional.entropy_state import EntropyState, Memory
from mediacodec.codecs.conditional.frame_syntax import FrameHead, FrameSyntax
from mediacodec.codecs.conditional.frame_walk import FrameWalk
from mediacodec.codecs.conditional.networks import Networks
from mediacodec.codecs.conditional.packet import pack_frame
from mediacodec.codecs.conditional.rate_distortion import Errors, block_errors, step_size
from mediacodec.codecs.conditional.settings import FrameGeometry, Preset
from mediacodec.codecs.conditional.skip_decision import early_skip, is_unchanged
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.video_coding.adaptive_quantization import (
    inherit_offsets,
    inter_offsets,
    keyframe_offsets,
    perceptual_weight,
    target_offsets,
)
from mediacodec.video_coding.motion.compensate import FILTERS, Plane, Planes, compensate, compensate_luma, source_cells
from mediacodec.video_coding.motion.search import search
from mediacodec.video_coding.motion.vectors import MotionVectors

MOTION_WEIGHT = 0.25  # steps of absolute difference that a bit is worth
FILTER_PERIOD = 8  # frames from one choice of the luma filter to the next in preset fast
SMOOTHER = 2.5  # times MOTION_WEIGHT, tried by preset slow
STRIDES = (0.5, 1.0)  # of the way from what was decoded to the source, in the latent, tried by preset slow
REFINEMENT_PASSES = 2


class FrameCoder:
    """Codes frames of one stream; holds no state but what tells it that a frame is the same as the last.

    Args:
        networks: of the model, with those of an encoder.
        tables: of the model.
        geometry: of the frames.
        preset: how much is tried.
    """

    def __init__(self, networks: Networks, tables: ConditionalTables, geometry: FrameGeometry, preset: Preset) -> None:
        order = CoefficientOrder(tables.settings, geometry)
        self._networks, self._settings, self._geometry, self._preset = networks, tables.settings, geometry, preset
        self._passes = PassCoder(networks, tables, order)
        self._walk = FrameWalk(tables, order)
        self._source: Planes | None = None  # of the last frame that was not skipped whole
        self._source_level = 0

    def code_keyframe(self, planes: Planes, level: int) -> CodedFrame:
        """Code a keyframe.

        Args:
            planes: of the source, padded, uint8.
            level: quality level.
        """
        weight = perceptual_weight(planes[0])
        offsets = keyframe_offsets(target_offsets(weight))
        conditioning = Conditioning.for_keyframe(level, offsets, self._settings, self._geometry)
        latent, hyper = self._networks.analyse(planes, conditioning)
        side_info = FrameSyntax(FrameHead(level, False), offsets)
        target = EncodeTarget(planes, conditioning, None, side_info, None, weight, latent, hyper)
        coding_pass = self._passes.run(target, None)
        return self._refined(Candidate(self._coded(target, coding_pass), target, coding_pass))

    def predict(self, planes: Planes, level: int, state: ConditionalState, *, smoothness: float = 1) -> Prediction:
        """Search the motion of a frame and predict it; nothing moves where the source is unchanged.

        Args:
            planes: of the source, padded, uint8.
            level: quality level.
            state: what the frame before left.
            smoothness: by how much dearer than usual vectors are.
        """
        before, entropy = state.reconstruction.planes, state.entropy
        if self._source is not None and level >= self._source_level and is_unchanged(planes, self._source, level):
            return Prediction(np.zeros_like(entropy.motion), entropy.filter_id, before, True)
        weight = smoothness * MOTION_WEIGHT * step_size(level)
        motion = search(planes[0], before[0], previous=entropy.motion, preset=self._preset, rate_weight=weight)
        filter_id = self._choose_filter(planes[0], state, motion)
        return Prediction(motion, filter_id, compensate(before, motion, filter_id=filter_id), False)

    def code_inter(
        self, planes: Planes, level: int, prediction: Prediction, state: ConditionalState, *, refresh: bool
    ) -> CodedFrame:
        """Code an inter frame.

        Args:
            planes: of the source, padded, uint8.
            level: quality level.
            prediction: of the frame, as `predict` gives it.
            state: what the frame before left.
            refresh: propagated features count as zero.
        """
        candidate = self._candidate(planes, level, prediction, state, refresh=refresh)
        if self._preset == "slow" and prediction.motion.any():
            smoother = self.predict(planes, level, state, smoothness=SMOOTHER)
            other = self._candidate(planes, level, smoother, state, refresh=refresh)
            candidate = min(candidate, other, key=lambda one: one.coded.cost)
        return self._refined(candidate)

    def accept(self, planes: Planes, coded: CodedFrame, state: ConditionalState | None) -> ConditionalState:
        """Note that a frame was sent.

        Args:
            planes: of the source, padded, uint8.
            coded: as it was sent.
            state: what the frame before left, None before the first.

        Returns:
            What this one leaves.
        """
        if coded.syntax.symbols is not None:
            self._source, self._source_level = planes, coded.syntax.head.quality
        previous = None if state is None else state.entropy
        memory = coded.memory.result()
        entropy = EntropyState.after(coded.syntax, memory, previous, self._settings, self._geometry)
        return ConditionalState(entropy, coded.reconstruction)

    def _choose_filter(self, luma: Plane, state: ConditionalState, motion: MotionVectors) -> int:
        """The filter that predicts luma best; in preset fast only now and then another than the last one."""
        entropy = state.entropy
        if not (motion & 3).any() or (self._preset == "fast" and entropy.position % FILTER_PERIOD):
            return entropy.filter_id
        kinds = range(len(FILTERS))
        moved = (compensate_luma(state.reconstruction.planes[0], motion, filter_id=kind) for kind in kinds)
        errors = [float(np.square(np.subtract(luma, one, dtype=np.float32)).sum()) for one in moved]
        return min(kinds, key=errors.__getitem__)

    def _candidate(
        self, planes: Planes, level: int, prediction: Prediction, state: ConditionalState, *, refresh: bool
    ) -> Candidate:
        """A frame with this prediction."""
        motion, previous = prediction.motion, state.entropy
        weighing = self._networks.worker.start(lambda: perceptual_weight(planes[0]))
        errors = block_errors(planes, prediction.planes)
        weight = weighing.result()
        skip = early_skip(errors, weight, level)
        inherited = inherit_offsets(previous.aq_offsets, motion)
        offsets = inter_offsets(target_offsets(weight), inherited, ~skip)
        conditioning = Conditioning.for_inter(level, offsets, previous)
        conditioning.predicted, conditioning.source_cells = prediction.planes, source_cells(motion)
        head = FrameHead(level, True, refresh)
        side_info = FrameSyntax(head, offsets, prediction.filter_id, motion)
        skipped = replace(side_info, aq_offsets=inherited)
        if skip.all() or prediction.unchanged:
            return self._skipped(skipped, conditioning, state, errors / weight)
        self._networks.extract_context(conditioning, state.reconstruction.features, refresh=refresh)
        latent, hyper = self._networks.analyse(planes, conditioning)
        target = EncodeTarget(planes, conditioning, previous, side_info, errors, weight, latent, hyper)
        coding_pass, more = self._passes.with_skips(target, self._passes.run(target, skip))
        if more is not None and self._preset != "fast":
            coding_pass, _ = self._passes.with_skips(target, self._passes.run(target, more))
        if coding_pass.skips_all:
            return self._skipped(skipped, conditioning, state, errors / weight)
        return Candidate(self._coded(target, coding_pass), target, coding_pass)

    def _coded(self, target: EncodeTarget, coding_pass: CodingPass) -> CodedFrame:
        syntax = replace(
            target.side_info,
            skip=coding_pass.skip,
            hyper=coding_pass.hyper,
            symbols=coding_pass.symbols,
            scale_index=coding_pass.scale_index,
        )
        reconstruction = coding_pass.reconstruction
        error = float((block_errors(target.planes, reconstruction.planes) / target.weight).sum())
        packed = self._packed(syntax, target.previous)
        return CodedFrame(syntax, reconstruction, coding_pass.memory, packed, error)

    def _skipped(
        self, side_info: FrameSyntax, conditioning: Conditioning, state: ConditionalState, error: Errors
    ) -> Candidate:
        """A frame of which every block is skipped; error: of each block, over its perceptual weight."""
        syntax = replace(side_info, skip=np.ones(error.shape, np.bool_))
        features = state.reconstruction.features
        reconstruction = skipped_reconstruction(conditioning, features, refresh=side_info.head.refresh)
        memory: Future[Memory] = Future()
        memory.set_result(state.entropy.memory)
        packed = self._packed(syntax, state.entropy)
        return Candidate(CodedFrame(syntax, reconstruction, memory, packed, float(error.sum())))

    def _packed(self, syntax: FrameSyntax, previous: EntropyState | None) -> Future[bytes]:
        return self._networks.worker.start(lambda: pack_frame(syntax, previous, self._walk))

    def _refined(self, candidate: Candidate) -> CodedFrame:
        """The candidate as it would be sent; in preset slow, the cheapest of what is tried around it."""
        best, target, coding_pass = candidate.coded, candidate.target, candidate.coding_pass
        if self._preset != "slow" or target is None or coding_pass is None:
            return best
        conditioning, skip = target.conditioning, coding_pass.skip
        for _ in range(REFINEMENT_PASSES if self._networks.can_refine(conditioning) else 0):
            # what the latent should have been for this decoder: what it got, and what is missing still
            missing = self._networks.refine(conditioning, target.planes, coding_pass.reconstruction.planes)
            step = coding_pass.symbols + coding_pass.conditional_mean + missing - target.latent
            for stride in STRIDES:
                tried = replace(target, latent=target.latent + np.float32(stride) * step)
                found = self._passes.run(tried, skip)
                if skip is not None:
                    found, _ = self._passes.with_skips(tried, found)
                if not found.skips_all and (coded := self._coded(tried, found)).cost < best.cost:
                    best, target, coding_pass = coded, tried, found
        return best
