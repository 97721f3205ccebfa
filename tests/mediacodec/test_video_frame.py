"""VideoFrame: what it refuses and what it tells."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mediacodec.errors import ParameterError, ParameterTypeError
from mediacodec.frames import VideoFrame

Y, C = np.zeros((5, 7), np.uint8), np.zeros((3, 4), np.uint8)
GOOD: dict[str, Any] = {"y": Y, "u": C, "v": C, "pts": 30, "time_base": Fraction(1, 90)}


def test_what_it_tells() -> None:
    frame = VideoFrame(**GOOD)
    assert (frame.width, frame.height, frame.colour) == (7, 5, (2, 2, 2, 0))
    assert frame.pts_seconds == pytest.approx(1 / 3)
    assert repr(frame) == ("VideoFrame(y=uint8[5, 7], u, v=uint8[3, 4], pts=30, time_base=1/90, colour=(2, 2, 2, 0))")
    assert VideoFrame(**GOOD | {"pts": np.int64(-3)}).pts == -3
    with pytest.raises(AttributeError):
        frame.pts = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"y": [[1]]}, ParameterTypeError, "y must be a uint8"),
        ({"v": C.astype(np.int16)}, ParameterTypeError, "v must be a uint8.*int16"),
        ({"y": Y[0]}, ParameterError, "height, width"),
        ({"y": Y[:0]}, ParameterError, "at least 1"),
        ({"u": C[:2]}, ParameterError, "u must have shape .3, 4.*not .2, 4"),
        ({"v": C[:, :3]}, ParameterError, "v must have shape"),
        ({"pts": 1.0}, ParameterTypeError, "pts"),
        ({"pts": True}, ParameterTypeError, "pts"),
        ({"time_base": 0.04}, ParameterTypeError, "Fraction"),
        ({"time_base": Fraction(0)}, ParameterError, "above 0"),
        ({"colour": (1, 1, 1)}, ParameterError, "colour"),
        ({"colour": (1, 1, 256, 0)}, ParameterError, "colour"),
        ({"colour": (1, 1, 1, 2)}, ParameterError, "colour"),
    ],
)
def test_what_it_refuses(change: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        VideoFrame(**GOOD | change)
