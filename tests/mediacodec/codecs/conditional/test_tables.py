"""Tables of the conditional codec, the order of what is coded under them, and how an encoder chooses symbols."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder
from mediacodec.codecs.conditional.rdo_quantization import quantise
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.codecs.conditional.tables import TABULATED, ConditionalTables
from mediacodec.errors import ModelError


@pytest.fixture(scope="module")
def tables() -> ConditionalTables:
    model = manifest.find_by_name("conditional")
    return ConditionalTables(model, ConditionalSettings(model))


def test_quantization_is_the_cheapest_integer(tables: ConditionalTables) -> None:
    rng = np.random.default_rng(2)
    rows = rng.integers(1, 48, 3000).astype(np.uint8)
    values = rng.laplace(0, 2, 3000).astype(np.float32)
    found = quantise(values, rows, tables.costs)
    sizes = np.arange(TABULATED)
    price = (np.abs(values)[:, None] - sizes) ** 2 + 0.18 * tables.costs[rows]
    near = np.rint(np.abs(values))[:, None]
    price[(sizes != 0) & (sizes != near) & (sizes != near - 1)] = np.inf
    least = price[np.arange(3000), np.abs(found)]
    assert np.allclose(least, price.min(axis=1), atol=1e-4)
    assert (np.sign(found) * np.sign(values) >= 0).all()
    assert np.count_nonzero(found) < np.count_nonzero(np.rint(values)), "bits count for nothing"


def test_a_higher_perceptual_weight_makes_bits_dearer(tables: ConditionalTables) -> None:
    values, rows = np.linspace(-3, 3, 500, dtype=np.float32), np.full(500, 12, np.uint8)
    light, heavy = (quantise(values, rows, tables.costs, weight=np.full(500, w, np.float32)) for w in (0.1, 6))
    assert np.abs(heavy).sum() < np.abs(light).sum()


def test_hyper_rows_tell_channel_quality_and_the_value_before(tables: ConditionalTables) -> None:
    previous = np.zeros((tables.settings.hyper, 2, 2), np.int8)
    previous[5, 0, 1] = -7
    assert tables.hyper_rows(19, None, (2, 2))[5, 0, 0] == 15
    assert tables.hyper_rows(20, None, (2, 2))[5, 0, 0] == 16
    assert tables.hyper_rows(36, previous, (2, 2))[5].ravel().tolist() == [51, 53, 51, 51]


def test_the_two_passes_share_the_coefficients_of_blocks_that_are_not_skipped(tables: ConditionalTables) -> None:
    settings = tables.settings
    order = CoefficientOrder(settings, FrameGeometry(40, 24))
    scale_index = np.random.default_rng(0).integers(0, 3, (1, settings.coefficients, *order.geometry.blocks))
    skip = np.array([[True, False, False], [False, False, True]])
    passes = [order.coded(scale_index.astype(np.uint8), skip, second=second) for second in (False, True)]
    together = np.sort(np.concatenate(passes))
    assert len(np.unique(together)) == len(together)
    assert together.tolist() == np.flatnonzero(scale_index * ~skip).tolist()
    rows = order.rows(scale_index.astype(np.uint8), together)
    chroma = together >= settings.luma * skip.size
    assert (rows == scale_index.reshape(-1)[together] + settings.scales * chroma).all()
    assert order.coded_cells(skip).tolist() == [[True, True]]
    assert order.coded_cells(np.array([[True, True, True], [True, True, False]])).tolist() == [[False, True]]


def test_tables_of_another_model_are_refused() -> None:
    model = manifest.find_by_name("conditional")
    for name in ("hyper_limit", "scales", "hyper"):
        changed = replace(model, settings=model.settings | {name: model.settings[name] + 1})
        with pytest.raises(ModelError, match="tables"):
            ConditionalTables(changed, ConditionalSettings(changed))
    with pytest.raises(ModelError, match="not for a conditional codec"):
        ConditionalTables(manifest.find_by_name("speech"), ConditionalSettings(model))
