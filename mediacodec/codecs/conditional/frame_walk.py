"""The syntax of a frame, written once: encoder, decoder and counter walk the same function.

In inter frames the interpolation filter of luma, the motion vectors and the skip map; unless every block is skipped,
the AQ offsets, the hyper-latents of cells that code anything, and the coefficients of both checkerboard passes of
blocks that are not skipped, where their scale index is not 0.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mediacodec.codecs.conditional.coefficient_order import CoefficientOrder
from mediacodec.codecs.conditional.entropy_state import EntropyState
from mediacodec.codecs.conditional.frame_syntax import FrameHead, FrameSyntax, HyperLatent, ScaleIndex, Symbols
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.entropy_coding.symbol_coder import SymbolCoder, code_symbol
from mediacodec.video_coding.adaptive_quantization import inherit_offsets
from mediacodec.video_coding.aq_syntax import code_offsets
from mediacodec.video_coding.motion.compensate import FILTERS
from mediacodec.video_coding.motion.skip_map import SkipMap, code_skip_map
from mediacodec.video_coding.motion.vector_coding import code_motion
from mediacodec_bitstream import TableFamily

# a frame's filter after the last one's: four times of five the same
_FILTERS = TableFamily.from_counts(99 + 700 * np.eye(len(FILTERS), dtype=np.int64))


class ScaleSource(Protocol):
    """Where the scale indices of the two passes come from: a decoder computes them as integers become known."""

    def first(self, hyper: HyperLatent) -> ScaleIndex:
        """Those of the first pass, uint8 [1, coefficients, h, w], given the hyper-latents."""

    def second(self, symbols: Symbols) -> ScaleIndex:
        """Those of the second pass, given the symbols of the first (0 elsewhere)."""


class KnownScales:
    """Those of a frame whose syntax is known."""

    def __init__(self, syntax: FrameSyntax) -> None:
        self._syntax = syntax

    def first(self, _hyper: HyperLatent) -> ScaleIndex:
        """See `ScaleSource.first`."""
        assert self._syntax.scale_index is not None
        return self._syntax.scale_index

    def second(self, _symbols: Symbols) -> ScaleIndex:
        """See `ScaleSource.second`."""
        assert self._syntax.scale_index is not None
        return self._syntax.scale_index


class FrameWalk:
    """Walks frames of one stream.

    Args:
        tables: of the model.
        order: which coefficients are coded when.
    """

    def __init__(self, tables: ConditionalTables, order: CoefficientOrder) -> None:
        self.tables, self.order = tables, order

    def code(
        self,
        coder: SymbolCoder,
        head: FrameHead,
        previous: EntropyState | None,
        scales: ScaleSource,
        syntax: FrameSyntax | None,
    ) -> FrameSyntax:
        """Pass the syntax of a frame through a coder.

        Args:
            coder: where its symbols go to or come from.
            head: of the frame.
            previous: what the frame before left; inter frames need it.
            scales: where scale indices come from.
            syntax: of the frame, None for a decoder.

        Returns:
            The syntax.

        Raises:
            CorruptError: what was read cannot be a frame.
        """
        filter_id, motion, skip, inherited = 0, None, None, None
        if head.inter:
            assert previous is not None
            filter_id = code_symbol(coder, _FILTERS, previous.filter_id, None if syntax is None else syntax.filter_id)
            given_motion, given_skip = (None, None) if syntax is None else (syntax.motion, syntax.skip)
            motion = code_motion(coder, self.tables.motion, previous.motion.shape, previous.motion, given_motion)
            skip = code_skip_map(coder, self.tables.skip, previous.skip.shape, previous.skip, given_skip)
            inherited = inherit_offsets(previous.aq_offsets, motion)
            if skip.all():
                return FrameSyntax(head, inherited, filter_id, motion, skip)
        given = None if syntax is None else syntax.aq_offsets
        offsets = code_offsets(coder, self.tables.aq_offsets, self.order.geometry.blocks, inherited, given)
        hyper = self._code_hyper(coder, head, skip, previous, None if syntax is None else syntax.hyper)
        index_first = scales.first(hyper)
        symbols = np.zeros(index_first.shape, np.int32) if syntax is None or syntax.symbols is None else syntax.symbols
        decodes = syntax is None
        self._code_pass(coder, index_first, skip, symbols, second=False, decodes=decodes)
        index_second = scales.second(symbols)
        self._code_pass(coder, index_second, skip, symbols, second=True, decodes=decodes)
        if syntax is not None:
            return syntax
        scale_index = np.where(self.order.first_pass, index_first, index_second)
        return FrameSyntax(head, offsets, filter_id, motion, skip, hyper, symbols, scale_index)

    def _code_hyper(
        self,
        coder: SymbolCoder,
        head: FrameHead,
        skip: SkipMap | None,
        previous: EntropyState | None,
        hyper: HyperLatent | None,
    ) -> HyperLatent:
        tables, limit = self.tables, self.tables.settings.hyper_limit
        cells = self.order.coded_cells(skip)
        before = previous.hyper if head.inter and previous is not None else None
        rows = tables.hyper_rows(head.quality, before, cells.shape)
        places = np.flatnonzero(np.broadcast_to(cells, rows.shape))
        symbols = None if hyper is None else hyper.reshape(-1)[places] + np.int16(limit)
        family = tables.hyper_inter if head.inter else tables.hyper_key
        found = coder.grouped(family, rows.reshape(-1)[places], symbols)
        if hyper is not None:
            return hyper
        result = np.zeros(rows.shape, np.int8)
        result.reshape(-1)[places] = found - limit
        return result

    def _code_pass(
        self,
        coder: SymbolCoder,
        scale_index: ScaleIndex,
        skip: SkipMap | None,
        symbols: Symbols,
        *,
        second: bool,
        decodes: bool,
    ) -> None:
        """One pass over the coefficients; a decoder fills in the symbols."""
        places = self.order.coded(scale_index, skip, second=second)
        rows = self.order.rows(scale_index, places)
        values = coder.integers(self.tables.coefficients, rows, None if decodes else symbols.reshape(-1)[places])
        if decodes:
            symbols.reshape(-1)[places] = values
