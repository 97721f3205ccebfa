"""The one place the runtime calls to encode with a codec that is fitted: a fitter for a family, by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module

import torch

from mediacodec.codecs.fitting.encoder import FitOptions, Fitter
from mediacodec.errors import DeviceError, ModelError
from mediacodec.manifest import Manifest

FITTERS: dict[str, str] = {
    "inr": "mediacodec_models.inr.fitter:InrFitter",
    "overfit": "mediacodec_models.overfit.fitter:OverfitFitter",
}
"""By family `package.module:Class`, imported when it is wanted. The class takes (model, options, device)."""


def open_fitter(model: Manifest, options: FitOptions) -> Fitter:
    """A fitter for one stream. Raises DeviceError, ModelError, ParameterError."""
    if model.family not in FITTERS:
        raise ModelError(f"model {model.name}: nothing here fits a codec of family {model.family!r}")
    module, _, name = FITTERS[model.family].partition(":")
    fitter: Fitter = getattr(import_module(module), name)(model, options, device_of(options))
    return fitter


def device_of(options: FitOptions) -> torch.device:
    """Where to fit. Raises DeviceError where it is not there."""
    if options.device not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"unknown device {options.device!r}; choose one of auto, cpu, cuda")
    cuda = torch.cuda.is_available()
    if options.device == "cuda" and not cuda:
        raise DeviceError("device 'cuda' was asked for, but this torch finds none; run `mediacodec doctor`")
    return torch.device("cuda" if cuda and options.device != "cpu" else "cpu")


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside the block torch computes with so many threads, as before behind it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
