"""Stills: photographs with EXIF, scans, and what else FFmpeg attaches to a frame."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.frames import VideoFrame
from mediacodec.media.image_sequence import ImageSequence
from mediacodec.media.media_source import MediaSource

Image = NDArray[np.uint8]
# EXIF's orientation tag, and what makes the stored image upright
UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.T,
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].T,
    8: lambda image: np.rot90(image),
}


def stored(path: Path, codec: str, pix_fmt: str) -> Image:
    """Write a still in which every corner differs, with nothing of the code under test; uint8 [64, 96]."""
    image = np.full((64, 96), 60, np.uint8)
    image[:16, :32], image[-16:, :32], image[:16, -32:] = 220, 160, 110
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        stream.time_base = Fraction(1, 25)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray").reformat(format=pix_fmt)))
        out.mux(stream.encode(None))
    return image


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_turns_a_photograph(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "photo1.jpg"
    image = UPRIGHT[orientation](stored(path, "mjpeg", "yuvj420p"))
    path.write_bytes(with_exif(path.read_bytes(), orientation))
    with MediaSource(path) as media:
        (frame,) = media.items()
        notes = media.notes()
    assert isinstance(frame, VideoFrame)
    assert (media.width, media.height) == image.shape[::-1]
    assert np.abs(frame.y.astype(int) - image).max() < 20
    assert any("as the file asks for" in note for note in notes) == (orientation != 1)
    assert ImageSequence(tmp_path / "photo%d.jpg").width == image.shape[1]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), [("scan.tiff", "tiff", "rgb24"), ("plain.png", "png", "rgb24")])
def test_side_data_without_a_name_is_passed_over(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    image = stored(tmp_path / name, codec, pix_fmt)
    with MediaSource(tmp_path / name) as media:
        (frame,) = media.items()
    assert isinstance(frame, VideoFrame)
    expected = 16 + image * (219 / 255)  # RGB becomes limited range
    assert np.abs(frame.y - expected).max() < 3
