"""The fitter of the family `overfit`: fits the frames of a stream, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mediacodec.codecs.conditional.settings import quality_offset
from mediacodec.codecs.fitting.protocol import FitMonitor, FitProgress, FitTask, FittedFrame
from mediacodec.codecs.overfit.packet import OverfitFrameCoder, ReferenceFrame
from mediacodec.codecs.overfit.settings import OverfitGeometry, OverfitModel, quality_of, step_of
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.motion.compensate import Planes as BytePlanes
from mediacodec.video_coding.motion.search import search
from mediacodec.video_coding.motion.search_preset import Effort
from mediacodec.video_coding.rate_control import RateControl
from mediacodec.video_coding.scene_cut import SceneCuts
from mediacodec_models.overfit.frame_fit import FitState, FrameFit, Prediction, predict
from mediacodec_models.overfit.network import Planes
from mediacodec_models.torch_runtime import num_threads

DEFAULT_CRF = 30.0
GOP_SECONDS = 2.0
ITERATIONS = (1, 3, 6, 12, 25, 50, 100, 200, 400)  # by preset level
MIN_TO_LEARN = 10  # iterations below which weights do not learn enough to pay
SLOW_SEARCH_LEVEL = 4  # preset level from which motion is searched slowly
MOTION_WEIGHT = 0.35  # steps of absolute difference that a bit of motion is worth


class OverfitFitter:
    """A `mediacodec.codecs.fitting.protocol.Fitter` that codes every frame as it comes.

    Keyframes come at regular places and where scenes begin; the others are predicted from the frame before.

    Args:
        model: of the family `overfit`.
        task: what it is to fit, and how.

    Attributes:
        group_size: 1.

    Raises:
        ModelError: the model is not of this family.
    """

    group_size = 1

    def __init__(self, model: Manifest, task: FitTask, _device: torch.device) -> None:
        self._task, options = task, task.options
        self._model = OverfitModel(model)
        self._geometry = OverfitGeometry(task.video.width, task.video.height)
        self._coder = OverfitFrameCoder(self._model, self._geometry)
        self._gop = options.gop or max(1, round(GOP_SECONDS * task.video.frame_rate))
        self._cuts = SceneCuts(self._gop) if options.scene_cut else None
        self._control: RateControl | None = None
        if options.bit_rate is not None:
            pixels = task.video.width * task.video.height
            self._control = RateControl(options.bit_rate, float(task.video.frame_rate), self._gop, pixels)
        self._reference: ReferenceFrame | None = None
        self._position = 0  # of the next frame, from its keyframe
        self._coded = 0

    def fit(self, frames: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedFrame]:
        """See `Fitter.fit`."""
        coded = []
        with num_threads(self._task.threads):
            for frame in frames:
                coded.append(self._code(pad(frame, self._geometry), monitor))
                if monitor.stopped:
                    break
        return coded

    def take(self, frame: VideoFrame, data: bytes) -> None:
        """See `Fitter.take`. What the next frame depends on is then as if this one had been fitted here."""
        level = self._begin()
        coded = self._coder.unpack(data, self._reference)
        if self._position and coded.motion is None:
            level = self._begin_scene()
        elif coded.motion is not None:
            assert self._reference is not None
            luma = pad(frame, self._geometry)[0]
            self._is_cut(luma, predict(self._coder, coded.motion, self._reference))
        self._reference = self._coder.reconstruct(coded, self._reference)
        self._end(data, level, key=coded.motion is None)

    def _code(self, planes: BytePlanes, monitor: FitMonitor) -> FittedFrame:
        level = self._begin()
        prediction = self._predict(planes[0], step_of(quality_of(level))) if self._position else None
        if self._position and prediction is None:
            level = self._begin_scene()
        data = self._fit(planes, quality_of(level), prediction, monitor)
        self._end(data, level, key=prediction is None)
        return FittedFrame(data, is_keyframe=prediction is None)

    def _begin(self) -> float:
        """The quality level of the next frame, unless a scene begins with it."""
        if self._control is not None:
            self._control.wait(float(1 / self._task.video.frame_rate))
        if self._position >= self._gop:
            self._position = 0
        return self._level()

    def _begin_scene(self) -> float:
        """A scene begins: the quality level of its keyframe."""
        self._position = 0
        return self._level()

    def _end(self, data: bytes, level: float, *, key: bool) -> None:
        if self._control is not None:
            self._control.learn(8 * len(data), round(level), key=key)
            self._control.spend(8 * len(data))
        self._position += 1
        self._coded += 1

    def _level(self) -> float:
        if self._control is not None:
            return self._control.level(self._position)
        crf = DEFAULT_CRF if self._task.options.crf is None else self._task.options.crf
        return crf + (quality_offset(self._position) if self._gop > 1 else 0)

    def _predict(self, luma: npt.NDArray[np.uint8], step: float) -> Prediction | None:
        """The prediction from the frame before; None where a scene begins."""
        reference = self._reference
        assert reference is not None
        effort: Effort = "slow" if self._task.preset_level >= SLOW_SEARCH_LEVEL else "medium"
        weight = MOTION_WEIGHT * step
        motion = search(luma, reference.planes[0], rate_weight=weight, previous=reference.motion, effort=effort)
        found = predict(self._coder, motion, reference)
        return None if self._is_cut(luma, found) else found

    def _is_cut(self, luma: npt.NDArray[np.uint8], prediction: Prediction) -> bool:
        return self._cuts is not None and self._cuts.is_cut(luma, _predicted_luma(prediction), self._position)

    def _fit(self, planes: BytePlanes, quality: int, prediction: Prediction | None, monitor: FitMonitor) -> bytes:
        y, u, v = (torch.from_numpy(plane.astype(np.float32) - 128) for plane in planes)
        original: Planes = (y, u, v)
        fit = FrameFit(self._model, original, (self._geometry.height, self._geometry.width), quality, prediction)
        iterations, began = ITERATIONS[self._task.preset_level], time.perf_counter()

        def report(state: FitState) -> bool:
            done = min(state.iteration + 1, iterations)
            left = (time.perf_counter() - began) / done * (iterations - done)
            progress = FitProgress("overfit", self._coded + 1, done, iterations, state.loss, state.psnr, left)
            monitor.report(progress)
            return monitor.stopped

        fit.run(iterations, report, learn=iterations >= MIN_TO_LEARN)
        frame = fit.frame()
        data = self._coder.pack(frame, self._reference)
        self._reference = self._coder.reconstruct(frame, self._reference)
        return data


def _predicted_luma(prediction: Prediction) -> npt.NDArray[np.uint8]:
    """Luma as it would be without anything added."""
    return np.rint(prediction.planes[0].numpy() + 128).astype(np.uint8)


def pad(frame: VideoFrame, geometry: OverfitGeometry) -> BytePlanes:
    """Repeat the right and bottom borders of a frame's planes up to whole units."""
    rows, columns = geometry.padded
    y, u, v = (
        np.pad(plane, ((0, (rows >> small) - plane.shape[0]), (0, (columns >> small) - plane.shape[1])), mode="edge")
        for plane, small in ((frame.y, 0), (frame.u, 1), (frame.v, 1))
    )
    return y, u, v
