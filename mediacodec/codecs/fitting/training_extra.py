"""The one door from the runtime to `mediacodec_models`, which the extra `train` completes with torch.

What the runtime may call there is registered as entry points of the group `mediacodec.training`. None of it is imported
before it is asked for, so that decoding never waits for torch nor needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, overload

from mediacodec.codecs.fitting.protocol import FitTask, Fitter
from mediacodec.errors import MissingExtraError
from mediacodec.manifest import Manifest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

EXTRA = "train"  # what brings torch
GROUP = "mediacodec.training"
DEFAULTS = {
    "fit": "mediacodec_models.fit:open_fitter",
    "import_model": "mediacodec_models.importers:import_model",
    "calibrate": "mediacodec_models.entropy.calibrate:calibrate",
}
"""The entry points by name, as pyproject.toml registers them: for a source tree that is on the path, not installed."""

OpenFitter = Callable[[Manifest, FitTask], Fitter]


class ImportModel(Protocol):
    """See `mediacodec_models.importers.import_model`."""

    def __call__(
        self, path: Path, /, *, name: str | None = None, folder: Path | None = None, overwrite: bool = False
    ) -> Manifest: ...


class Calibration(Protocol):
    """See `mediacodec_models.entropy.calibrate.Calibration`."""

    @property
    def model(self) -> Manifest: ...
    @property
    def before(self) -> Sequence[float]: ...
    @property
    def after(self) -> Sequence[float]: ...
    @property
    def seconds(self) -> float: ...


class Calibrate(Protocol):
    """See `mediacodec_models.entropy.calibrate.calibrate`."""

    def __call__(
        self,
        model: Manifest,
        recordings: Path,
        /,
        *,
        name: str | None = None,
        folder: Path | None = None,
        overwrite: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Calibration: ...


@overload
def load(name: Literal["fit"], feature: str) -> OpenFitter: ...
@overload
def load(name: Literal["import_model"], feature: str) -> ImportModel: ...
@overload
def load(name: Literal["calibrate"], feature: str) -> Calibrate: ...
def load(name: str, feature: str) -> object:
    """Import a function of `mediacodec_models`.

    Args:
        name: of the entry point.
        feature: what the user asked for; the error message begins with it.

    Returns:
        The function: `open_fitter`, `import_model` or `calibrate`.

    Raises:
        MissingExtraError: `mediacodec_models` or a package that the function imports, such as torch, is not installed.

    Example:
        >>> calibrate = load("calibrate", "fitting tables")
    """
    try:
        function: object = _entry_point(name).load()
    except ImportError as error:
        missing = error.name or ""
        if missing.startswith(("mediacodec_models.", "mediacodec.", "mediacodec_bitstream")) or missing == "mediacodec":
            raise  # a fault of ours, which installing something would not mend
        raise MissingExtraError(feature, EXTRA) from error
    return function


def _entry_point(name: str) -> EntryPoint:
    from importlib.metadata import EntryPoint, entry_points  # here: every use of a codec would wait 14 ms for it

    registered = entry_points(group=GROUP)
    return registered[name] if name in registered.names else EntryPoint(name, DEFAULTS[name], GROUP)
