"""Fitting the pictures of a stream, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mediacodec.codecs.fitting.encoder import FitMonitor, FitOptions, FitProgress, FittedPicture
from mediacodec.codecs.overfit.packet import PictureCoder, Reference
from mediacodec.codecs.overfit.settings import Geometry, OverfitModel, quality_of, step_of
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec.video_coding.gop import quality_offset
from mediacodec.video_coding.motion.compensate import Planes as Bytes
from mediacodec.video_coding.motion.search import search
from mediacodec.video_coding.motion.search_preset import SearchPreset
from mediacodec.video_coding.rate_control import RateControl
from mediacodec.video_coding.scene_cut import SceneCuts
from mediacodec_models.fit import threads
from mediacodec_models.overfit.fit import Fit, PictureFit, Prediction, predict
from mediacodec_models.overfit.network import Planes

DEFAULT_CRF = 30.0
GOP_SECONDS = 2.0
ROUNDS = (1, 3, 6, 12, 25, 50, 100, 200, 400)  # by effort
FEW = 10  # rounds in which weights do not learn enough to pay
MOTION_WEIGHT = 0.35  # steps of absolute difference that a bit of motion is worth


class OverfitFitter:
    """Codes every picture as it comes: keyframes at regular places and new scenes, the others from the one before."""

    group_size = 1

    def __init__(self, model: Manifest, options: FitOptions, _device: torch.device) -> None:
        self._options = options
        self._model = OverfitModel(model)
        self._size = Geometry(options.width, options.height)
        self._coder = PictureCoder(self._model, self._size)
        self._gop = options.gop or max(1, round(GOP_SECONDS * options.frame_rate))
        self._cuts = SceneCuts(self._gop) if options.scene_cut else None
        self._control: RateControl | None = None
        if options.bit_rate is not None:
            pixels = options.width * options.height
            self._control = RateControl(options.bit_rate, float(options.frame_rate), self._gop, pixels)
        self._before: Reference | None = None
        self._position = 0  # of the next picture, from its keyframe
        self._coded = 0

    def fit(self, pictures: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedPicture]:
        coded = []
        with threads(self._options.threads):
            for picture in pictures:
                coded.append(self._code(padded(picture, self._size), monitor))
                if monitor.stopped:
                    break
        return coded

    def take(self, picture: VideoFrame, data: bytes) -> None:
        """See `Fitter.take`. What the next picture depends on is then as if this one had been fitted here."""
        level = self._begin()
        coded = self._coder.unpack(data, self._before)
        if self._position and coded.motion is None:
            level = self._cut()
        elif coded.motion is not None:
            assert self._before is not None
            luma = padded(picture, self._size)[0]
            self._is_cut(luma, predict(self._coder, coded.motion, self._before))
        self._before = self._coder.reconstruct(coded, self._before)
        self._end(data, level, key=coded.motion is None)

    def _code(self, planes: Bytes, monitor: FitMonitor) -> FittedPicture:
        level = self._begin()
        inter = self._predict(planes[0], step_of(quality_of(level))) if self._position else None
        if self._position and inter is None:
            level = self._cut()
        data = self._fit(planes, quality_of(level), inter, monitor)
        self._end(data, level, key=inter is None)
        return FittedPicture(data, is_keyframe=inter is None)

    def _begin(self) -> float:
        """The quality level of the next picture, unless a scene begins with it."""
        if self._control is not None:
            self._control.wait(float(1 / self._options.frame_rate))
        if self._position >= self._gop:
            self._position = 0
        return self._level()

    def _cut(self) -> float:
        """A scene begins: the level of its keyframe."""
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
        crf = DEFAULT_CRF if self._options.crf is None else self._options.crf
        return crf + (quality_offset(self._position) if self._gop > 1 else 0)

    def _predict(self, luma: np.ndarray, step: float) -> Prediction | None:
        """The prediction from the picture before; None where a scene begins."""
        before = self._before
        assert before is not None
        preset: SearchPreset = "slow" if self._options.effort >= 4 else "medium"
        weight = MOTION_WEIGHT * step
        motion = search(luma, before.planes[0], rate_weight=weight, previous=before.motion, preset=preset)
        found = predict(self._coder, motion, before)
        return None if self._is_cut(luma, found) else found

    def _is_cut(self, luma: np.ndarray, prediction: Prediction) -> bool:
        return self._cuts is not None and self._cuts.is_cut(luma, _shown(prediction), self._position)

    def _fit(self, planes: Bytes, quality: int, inter: Prediction | None, monitor: FitMonitor) -> bytes:
        y, u, v = (torch.from_numpy(plane.astype(np.float32) - 128) for plane in planes)
        real: Planes = (y, u, v)
        fit = PictureFit(self._model, real, (self._size.height, self._size.width), quality, inter)
        rounds, began = ROUNDS[self._options.effort], time.perf_counter()

        def watch(state: Fit) -> bool:
            done = min(state.round + 1, rounds)
            left = (time.perf_counter() - began) / done * (rounds - done)
            monitor.report(FitProgress("overfit", self._coded + 1, done, rounds, state.loss, state.psnr, left))
            return monitor.stopped

        fit.run(rounds, watch, learn=rounds >= FEW)
        picture = fit.picture()
        data = self._coder.pack(picture, self._before)
        self._before = self._coder.reconstruct(picture, self._before)
        return data


def _shown(prediction: Prediction) -> npt.NDArray[np.uint8]:
    """Luma as it would be without anything added."""
    return np.rint(prediction.planes[0].numpy() + 128).astype(np.uint8)


def padded(picture: VideoFrame, size: Geometry) -> Bytes:
    """Planes with their right and bottom borders repeated up to whole units."""
    rows, columns = size.padded
    y, u, v = (
        np.pad(plane, ((0, (rows >> small) - plane.shape[0]), (0, (columns >> small) - plane.shape[1])), mode="edge")
        for plane, small in ((picture.y, 0), (picture.u, 1), (picture.v, 1))
    )
    return y, u, v
