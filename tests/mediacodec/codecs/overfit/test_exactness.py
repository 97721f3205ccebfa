"""No sum of a context network is rounded: checked whenever a model loads, whatever packets change of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec import manifest
from mediacodec.codecs.overfit.exactness import EXACT, LARGEST_UPDATE, MAX_ACTIVATION, largest_sum
from mediacodec.codecs.overfit.settings import CONTEXTS, MAX_QUALITY, NEUTRAL_QUALITY, UPDATABLE, OverfitModel
from mediacodec.codecs.overfit.weight_updates import SHIFTS
from mediacodec.entropy_coding.signed_golomb import LARGEST
from mediacodec.errors import ModelError

SPAN = max(NEUTRAL_QUALITY, MAX_QUALITY - NEUTRAL_QUALITY)


def network(model: OverfitModel, name: str) -> dict[str, NDArray[np.int64]]:
    return {key.rpartition(".")[2]: array for key, array in model.weights.items() if key.startswith(f"{name}.")}


def test_the_shipped_networks_stay_below() -> None:
    model = OverfitModel(manifest.find_by_name("overfit"))
    for kind, networks in CONTEXTS.items():
        for name in networks:
            found = largest_sum(network(model, f"{kind}.{name}"), largest_feature=512, quality_span=SPAN)
            assert EXACT / 100 < found < EXACT


def test_the_bound_holds_for_the_largest_that_a_packet_can_say() -> None:
    assert LARGEST_UPDATE == LARGEST << SHIFTS - 1
    weights = network(OverfitModel(manifest.find_by_name("overfit")), "key.luma")
    bound = largest_sum(weights, largest_feature=512, quality_span=SPAN)
    worst = {name: np.abs(weights[name]) + LARGEST_UPDATE for name in UPDATABLE}
    activations = np.full(weights["third"].shape[-1], MAX_ACTIVATION, dtype=object)
    total = max(int(abs(row.astype(object)) @ activations) for row in worst["third"].reshape(-1, len(activations)))
    assert total + int(worst["third_bias"].max()) <= bound
    assert int(worst["first_bias"].max()) + SPAN * int(np.abs(weights["quality"]).max()) < bound


@pytest.mark.parametrize(("hidden", "fits"), [(24, True), (60, True), (72, False)])
def test_a_model_whose_sums_could_be_rounded_is_refused(hidden: int, fits: bool) -> None:
    """Of 72 hidden units a packet can change the weights so far that their sum is beyond 2^53."""
    shipped = manifest.find_by_name("overfit").arrays
    shapes = {
        "first": (3, 12, hidden, 15, 9), "second": (3, 12, hidden, hidden), "third": (3, 12, hidden),
        "first_bias": (6, 12, hidden), "quality": (6, 12, hidden), "second_bias": (6, 12, hidden),
    }  # fmt: skip
    wide = {f"key.luma.{name}": np.ones(shape, np.int32) for name, shape in shapes.items()}
    other = replace(manifest.find_by_name("overfit"))
    other.__dict__["arrays"] = shipped | wide
    if fits:
        assert OverfitModel(other).weights["key.luma.third"].shape == (3, 12, hidden)
    else:
        with pytest.raises(ModelError, match=r"a sum of key\.luma may reach \d+, beyond 2\^53"):
            OverfitModel(other)
