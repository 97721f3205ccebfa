"""What the packet of a frame says: its syntax elements, as both ends know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mediacodec.codecs.conditional.settings import ConditionalSettings
from mediacodec.errors import CorruptError
from mediacodec.video_coding.aq_syntax import MAX_OFFSET, AqOffsets
from mediacodec.video_coding.gop import MAX_QUALITY
from mediacodec.video_coding.motion.skip_map import SkipMap
from mediacodec.video_coding.motion.vectors import LIMIT, MotionVectors
from mediacodec_bitstream import symbol_crc

INTER, REFRESH = 0x40, 0x80  # flags of the first byte, whose lower six bits are the quality level

HyperLatent = npt.NDArray[np.int8]
"""int8 [hyper, hh, ww]."""

Symbols = npt.NDArray[np.int32]
"""Quantized coefficients, int32 [1, coefficients, h, w]."""

ScaleIndex = npt.NDArray[np.uint8]
"""Which table codes each coefficient, uint8 [1, coefficients, h, w]; under index 0 it is 0 and not coded."""


@dataclass(frozen=True)
class FrameHead:
    """The first byte of a packet.

    Attributes:
        quality: level 0..63.
        inter: predicted from another frame, or a keyframe.
        refresh: propagated features count as zero.
    """

    quality: int
    inter: bool
    refresh: bool = False

    def pack(self) -> int:
        """The byte."""
        return self.quality | INTER * self.inter | REFRESH * self.refresh

    @classmethod
    def unpack(cls, byte: int) -> FrameHead:
        """The head that a byte stands for.

        Raises:
            CorruptError: its flags contradict each other.
        """
        head = cls(byte & MAX_QUALITY, bool(byte & INTER), bool(byte & REFRESH))
        if head.refresh and not head.inter:
            raise CorruptError("a keyframe cannot be marked as a refresh")
        return head


@dataclass(frozen=True, eq=False)
class FrameSyntax:
    """All syntax elements of a frame, which its symbol CRC is of.

    Attributes:
        head: the first byte.
        aq_offsets: of the blocks' quantization steps, int8 [h, w].
        filter_id: interpolation filter of luma.
        motion: int16 [2, H/8, W/8], None in keyframes.
        skip: blocks that are their prediction, bool [h, w], None in keyframes.
        hyper: hyper-latents; these, symbols and scale_index are None where every block is skipped.
        symbols: of both passes.
        scale_index: of each coefficient in its own pass.
    """

    head: FrameHead
    aq_offsets: AqOffsets
    filter_id: int = 0
    motion: MotionVectors | None = None
    skip: SkipMap | None = None
    hyper: HyperLatent | None = None
    symbols: Symbols | None = None
    scale_index: ScaleIndex | None = None

    def crc(self, settings: ConditionalSettings) -> int:
        """The symbol CRC, over all elements with an offset that makes them lie in 0..65535."""
        parts = [
            (self.motion, LIMIT),
            (None if self.skip is None else self.skip.view(np.uint8), 0),
            (self.aq_offsets, MAX_OFFSET),
            (self.hyper, settings.hyper_limit),
            (self.symbols, 1 << 15),
            (self.scale_index, 0),
        ]
        crc = 0
        for values, offset in parts:
            if values is not None:
                crc = symbol_crc(values + np.int32(offset) if offset else values, crc)
        return crc
