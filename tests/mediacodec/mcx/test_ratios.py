"""Times that the format can state and nothing can play: one clear error, when a file is opened."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest

import mediacodec
from mediacodec.errors import CorruptError
from mediacodec_bitstream import FileHeader, StreamHeader, VideoParameters, Writer


@pytest.mark.parametrize(
    ("rate", "tick"),
    [
        (Fraction(1 << 31), Fraction(1, 25)),
        (Fraction(1, 1 << 31), Fraction(1, 25)),
        (Fraction(25), Fraction((1 << 32) - 1)),
        (Fraction(25), Fraction(1, 1 << 31)),
    ],
)
def test_a_ratio_beyond_31_bits_is_refused(rate: Fraction, tick: Fraction) -> None:
    buffer = io.BytesIO()
    stream = StreamHeader(0, "live", VideoParameters(64, 64, rate), tick)
    Writer(buffer, FileHeader((stream,))).close()
    with pytest.raises(CorruptError, match="which nothing can be played at"):
        mediacodec.open(buffer.getvalue())
    assert mediacodec.info(buffer.getvalue()).streams[0].frame_rate == rate
