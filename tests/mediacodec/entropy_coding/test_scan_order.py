"""The scan order of block grids."""

from __future__ import annotations

import numpy as np

from mediacodec.entropy_coding.scan_order import groups


def test_every_block_is_coded_once_after_its_neighbours() -> None:
    for shape in ((46, 80), (3, 5), (1, 1), (9, 1), (23, 40)):
        known = np.zeros(shape[0] * shape[1], bool)
        for group in groups(*shape):
            assert group.around is None or known[group.around].all()
            assert not known[group.ids].any()
            known[group.ids] = True
        assert known.all()
