"""A family of video codecs without a network, for tests of what lies around codecs: planes through zlib.

`with_family(folder)` puts a model of it into `folder` with the aliases `conditional` and `live`, newer than any that
ships, so that whatever asks for these gets this one: quick, of exactly known quality, strict in the order of packets.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mediacodec.codecs.options import Runtime, VideoFormat, VideoOptions
from mediacodec.codecs.registry import CODECS, VideoFamily
from mediacodec.errors import CorruptError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import (
    RC24,
    Packet,
    StreamHeader,
    VideoParameters,
    canonical_hash,
    check_symbols,
    seal,
    symbol_crc,
    unseal,
)

HASH = canonical_hash({"plain": np.zeros(1, np.uint8)})


def write_model(folder: Path) -> None:
    """A model `plain-1`, alias `conditional`, and `live`."""
    place = folder / "plain-1"
    place.mkdir(parents=True)
    manifest = {
        "schema": 1, "name": "plain-1", "alias": "conditional", "aliases": ["live"], "generation": 10**6,
        "family": "plain", "licence": "none", "description": "planes through zlib",
        "weights_sha256": HASH.hex(), "tables_sha256": HASH.hex(),
        "tables": {"file": "tables.npz", "sha256": "0" * 64}, "graphs": {}, "settings": {},
    }  # fmt: skip
    (place / "model.json").write_text(json.dumps(manifest))


@contextlib.contextmanager
def with_family(folder: Path) -> Iterator[None]:
    """Inside the block the family exists, and its model is found."""
    if not (folder / "plain-1").exists():
        write_model(folder)
    before = os.environ.get("MEDIACODEC_CACHE")
    os.environ["MEDIACODEC_CACHE"] = str(folder)
    CODECS["plain"] = VideoFamily("plvd", PlainEncoder, PlainDecoder)
    try:
        yield
    finally:
        del CODECS["plain"], os.environ["MEDIACODEC_CACHE"]
        if before is not None:
            os.environ["MEDIACODEC_CACHE"] = before


def coarse(planes: tuple[Any, Any, Any], crf: float) -> tuple[Any, Any, Any]:
    """Planes in steps of 1 + crf / 8 levels: what a frame is decoded to."""
    step = 1 + int(crf) // 8
    y, u, v = ((plane // step * step + step // 2).astype(np.uint8) for plane in planes)
    return y, u, v


class PlainEncoder:
    """A keyframe holds its planes, any other frame the difference from the one before, modulo 256."""

    def __init__(
        self,
        _: Any,
        video: VideoFormat,
        options: VideoOptions,
        runtime: Runtime,
        *,
        stream_id: int = 0,
    ) -> None:
        self.options, self.runtime = options, runtime
        self._crf = 30 if options.crf is None else options.crf
        self._gop = options.gop or max(1, round(2 * video.frame_rate))
        self._cuts = options.scene_cut
        self._last: tuple[Any, Any, Any] | None = None
        self._position = 0
        self.num_frames = 0
        ticks = 1 / (video.frame_rate * video.tick)
        self.header = StreamHeader(
            stream_id,
            "plvd",
            VideoParameters(video.width, video.height, video.frame_rate, video.colour),
            video.tick,
            packet_duration=int(ticks) if ticks.denominator == 1 else 0,
            coder=RC24,
            symbol_crc_size=2,
            model_hash=HASH,
            tables_hash=HASH,
            fields={"model_name": "plain-1"},
        )

    def push(self, frame: VideoFrame) -> list[Packet]:
        parameters = self.header.parameters
        assert (frame.width, frame.height) == (parameters.width, parameters.height)
        assert frame.time_base == self.header.time_base
        planes = coarse((frame.y, frame.u, frame.v), self._crf)
        key = self._last is None or self._position >= self._gop
        if not key and self._cuts:
            key = float(np.abs(planes[0].astype(int) - self._last[0]).mean()) > 60
        flat = [plane if key else plane - last for plane, last in zip(planes, self._last or planes, strict=True)]
        symbols = np.concatenate([plane.ravel() for plane in flat])
        data = seal(bytes([key]) + zlib.compress(symbols.tobytes()), symbol_crc(symbols), 2)
        self._last, self._position = planes, 1 if key else self._position + 1
        self.num_frames += 1
        return [Packet(self.header.stream_id, frame.pts, data, 0, is_keyframe=key)]

    def flush(self) -> list[Packet]:
        return []


class PlainDecoder:
    """Fails where a packet does not follow the one it was made from: nobody may hand it such a packet."""

    def __init__(self, _: Any, header: StreamHeader, runtime: Runtime) -> None:
        self.header, self.runtime = header, runtime
        self._last: VideoFrame | None = None
        self._lost = True

    def push(self, packet: Packet | None) -> list[VideoFrame]:
        if packet is None:
            self._lost = True
            return [] if self._last is None else [self._last]
        data, crc = unseal(packet.data, 2)
        key = data[:1] == b"\1"
        assert key == packet.is_keyframe
        assert key or not self._lost, "a packet whose reference is lost"
        try:
            symbols = np.frombuffer(zlib.decompress(data[1:]), np.uint8)
            check_symbols(symbols, crc, 2)
        except (zlib.error, ValueError) as error:
            self._lost = True
            raise CorruptError(str(error)) from error
        planes = self._planes(symbols)
        if not key:
            assert self._last is not None
            before = (self._last.y, self._last.u, self._last.v)
            planes = [plane + last for plane, last in zip(planes, before, strict=True)]
        self._lost = False
        self._last = VideoFrame(*planes, packet.pts, self.header.time_base, self.header.parameters.colour)
        return [replace(self._last)]

    def flush(self) -> list[VideoFrame]:
        return []

    def _planes(self, symbols: Any) -> list[Any]:
        width, height = self.header.parameters.width, self.header.parameters.height
        half = ((height + 1) // 2, (width + 1) // 2)
        cuts = np.cumsum([height * width, half[0] * half[1]])
        return [p.reshape(s) for p, s in zip(np.split(symbols, cuts), ((height, width), half, half), strict=True)]
