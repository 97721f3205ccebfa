"""How the networks of an RVQ model run, as its `model.json` says."""

from __future__ import annotations

from mediacodec.errors import ModelError
from mediacodec.manifest import Manifest

FOURCC = "rvq1"  # of every stream whose packets hold RVQ codes, whatever network found them
SEARCH, STEP, WINDOW = "search", "step", "window"
NETWORKS = (SEARCH, STEP, WINDOW)


def network_of(model: Manifest) -> str:
    """How the graphs of a model run, one of NETWORKS: `search` and `step` are in `analysis`, `window` has its own file.

    Raises:
        ModelError: this version does not know what the model names.
    """
    name = str(model.settings.get("network", SEARCH))
    if name not in NETWORKS:
        raise ModelError(f"model {model.name}: network {name!r} is none of {', '.join(NETWORKS)}")
    return name
