"""Fitters by codec family: what the runtime opens to encode with a codec that is fitted."""

from __future__ import annotations

from importlib import import_module

from mediacodec.codecs.fitting.protocol import FitTask, Fitter
from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest
from mediacodec_models.torch_runtime import device_of

FITTERS: dict[str, str] = {
    "inr": "mediacodec_models.inr.fitter:InrFitter",
    "overfit": "mediacodec_models.overfit.fitter:OverfitFitter",
}
"""By family `package.module:Class`, imported when it is wanted. The class takes (model, task, device)."""


def open_fitter(model: Manifest, task: FitTask) -> Fitter:
    """Open the fitter of a model's family for one stream.

    Args:
        model: to encode with.
        task: what it is to fit, and how.

    Returns:
        The fitter, which has coded nothing yet.

    Raises:
        ModelError: nothing fits codecs of this family, or the model is not of it.
        DeviceError: the device is not there.
        ParameterError: an option is out of range for this family.
    """
    if model.family not in FITTERS:
        raise ModelError(f"model {model.name}: nothing here fits a codec of family {model.family!r}")
    module, _, name = FITTERS[model.family].partition(":")
    fitter: Fitter = getattr(import_module(module), name)(model, task, device_of(task.runtime.device))
    return fitter
