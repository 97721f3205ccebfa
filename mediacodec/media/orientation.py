"""How a frame must be turned and mirrored to be upright, as the file asks for: by a display matrix or by EXIF."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final, cast

import av
import av.filter
import numpy as np
from av.sidedata.sidedata import SideData, Type

from mediacodec.frames import Plane

Matrix = tuple[int, int, int, int]
"""Signs (a, b, c, d) of the display matrix, x' = a x + c y and y' = b x + d y."""

_LARGEST_TYPE = 64  # of side data that FFmpeg may ever number; 8.1 has 32
_UNNAMED: Final = sorted(set(range(_LARGEST_TYPE)) - {each.value for each in Type})


def display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """The display matrix of a frame; None if nothing is to be done.

    Angles that are no multiple of 90 degrees are rounded to one.

    Args:
        frame: as FFmpeg decoded it.
    """
    for data in _side_data(frame):
        if data.type == Type.DISPLAYMATRIX:
            a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
            if abs(b) + abs(c) > abs(a) + abs(d):
                return (0, 1 if b > 0 else -1, 1 if c > 0 else -1, 0)
            signs = (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
            return None if signs == (1, 0, 0, 1) else signs
    return None


def upright(plane: Plane, matrix: Matrix) -> Plane:
    """A view of a plane, turned.

    Args:
        plane: uint8 [height, width].
        matrix: see `display_matrix`.
    """
    a, b, c, d = matrix
    if a == 0:
        plane, a, d = plane.T, c, b
    return plane[:: d or 1, :: a or 1]


def turning(matrix: Matrix) -> str:
    """A line for the user about what was done."""
    names = {
        (0, 1, -1, 0): "turned by 90 degrees clockwise",
        (0, -1, 1, 0): "turned by 90 degrees counterclockwise",
        (-1, 0, 0, -1): "turned by 180 degrees",
    }
    return names.get(matrix, "mirrored") + ", as the file asks for"


def _side_data(frame: av.VideoFrame) -> Iterable[SideData]:
    """What comes with a frame, as far as PyAV has names for it.

    PyAV refuses to list any side data beside a type that it cannot name (FFmpeg 8 attaches EXIF, which it cannot). Then
    FFmpeg drops the types without a name first.
    """
    try:
        return cast("Iterable[SideData]", frame.side_data)  # PyAV's stubs take it for a plain dictionary
    except ValueError:
        return cast("Iterable[SideData]", _without_unnamed(frame).side_data)


def _without_unnamed(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    end = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 25)
    )
    for number in [*_UNNAMED, None]:
        step = graph.add("buffersink") if number is None else graph.add("sidedata", f"mode=delete:type={number}")
        end.link_to(step)
        end = step
    graph.configure()
    graph.push(frame)
    plain = graph.pull()
    assert isinstance(plain, av.VideoFrame)
    return plain
