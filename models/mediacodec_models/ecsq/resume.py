"""Weights of a shipped scalar codec, to train on from: a checkpoint may be gone, the zoo is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mediacodec.npz import save_arrays
from mediacodec_models.audio.resume import graph_weights
from mediacodec_models.ecsq.network import ScalarCodec
from mediacodec_models.ecsq.rates import RateSteering

TRAINING = "training.npz"  # in the model's folder: what no graph holds
PRICE = "steering.log_price"


def save_training(codec: ScalarCodec, steering: RateSteering, folder: Path) -> None:
    """Write the weights that training needs and running does not, in half precision."""
    own = {name: value for name, value in codec.state_dict().items() if not name.startswith(("encoder.", "decoder."))}
    arrays = {name: value.numpy().astype(np.float16) for name, value in own.items()}
    save_arrays(folder / TRAINING, arrays | {PRICE: steering.log_price.numpy()})


def load_shipped(codec: ScalarCodec, steering: RateSteering, folder: Path) -> None:
    """Start from a shipped model of the same shape; the optimiser begins anew.

    Raises:
        RuntimeError: it has another shape.
    """
    state: dict[str, Tensor] = {}
    for name in ("encoder", "decoder"):
        state |= graph_weights(folder, name)
    with np.load(folder / TRAINING, allow_pickle=False) as archive:
        state |= {name: torch.tensor(archive[name], dtype=torch.float32) for name in archive.files}
    steering.log_price.copy_(state.pop(PRICE))
    own = codec.state_dict()
    codec.load_state_dict({name: own[name] for name in own if name not in state} | state)
