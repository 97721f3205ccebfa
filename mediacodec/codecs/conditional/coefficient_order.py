"""Which coefficients and hyper-latents a packet codes, and in which of the two passes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.frame_syntax import ScaleIndex
from mediacodec.codecs.conditional.settings import ConditionalSettings, FrameGeometry
from mediacodec.video_coding.motion.skip_map import SkipMap

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
Rows = npt.NDArray[np.uint8]


class CoefficientOrder:
    """The order for frames of one size.

    Attributes:
        geometry: of the frames.
        first_pass: where the first pass codes, bool [coefficients, h, w]: a checkerboard in three dimensions.
    """

    def __init__(self, settings: ConditionalSettings, geometry: FrameGeometry) -> None:
        self.geometry = geometry
        self._luma, self._scales = settings.luma, settings.scales
        shape = (settings.coefficients, *geometry.blocks)
        self.first_pass: Mask = np.indices(shape, np.uint16).sum(axis=0) % 2 == 0

    def coded(self, scale_index: ScaleIndex, skip: SkipMap | None, *, second: bool) -> Index:
        """Flat places of the coefficients that a pass codes.

        Args:
            scale_index: as the pass has it; what has index 0 is not coded.
            skip: blocks that are not coded, None in keyframes.
            second: whether it is the second pass.
        """
        places = ~self.first_pass if second else self.first_pass
        if skip is not None:
            places = places & ~skip
        return np.flatnonzero(scale_index * places.view(np.uint8))

    def rows(self, scale_index: ScaleIndex, places: Index) -> Rows:
        """The table of each of these coefficients, uint8 [n]; chroma's tables follow luma's."""
        rows = scale_index.reshape(-1)[places]
        chroma = self._luma * scale_index.shape[2] * scale_index.shape[3]
        rows[np.searchsorted(places, chroma) :] += np.uint8(self._scales)
        return rows

    def coded_cells(self, skip: SkipMap | None) -> Mask:
        """Cells of the hyper-latent with a block that is not skipped, bool [hh, ww]."""
        rows, columns = self.geometry.cells
        if skip is None:
            return np.ones((rows, columns), np.bool_)
        padded = np.ones((2 * rows, 2 * columns), np.bool_)
        padded[: skip.shape[0], : skip.shape[1]] = skip
        return np.asarray(~padded.reshape(rows, 2, columns, 2).all((1, 3)))
