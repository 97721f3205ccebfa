"""Damaged files: what is whole plays as ever and in its place, what is not is concealed, and every gap is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest

import mediacodec
from mediacodec import session
from mediacodec.errors import BitstreamError
from mediacodec_bitstream import Reader, Writer

RATE, SECONDS, TOLERANCE = 16_000, 6.3, 1e-4

open_once = cache(session.open_session)


@pytest.fixture(scope="module", autouse=True)
def one_session() -> Iterator[None]:
    """Loading the networks again for every test would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "open_session", open_once)
        yield


@pytest.fixture(scope="module")
def data(speech: Callable[..., Any]) -> bytes:
    return mediacodec.encode(speech(SECONDS, RATE), sample_rate=RATE)


@pytest.fixture(scope="module")
def whole(data: bytes) -> Any:
    """The full decode, [n]."""
    return mediacodec.decode(data).samples[0]


def chunks_of(data: bytes) -> list[tuple[int, int]]:
    """(start, stop) of the data chunks of a file with one stream, found by what the format says of heads."""
    found, at = [], data.index(b"\xf5\x4e")
    while at < len(data):
        size = int.from_bytes(data[at + 7 : at + 10], "little") + 24
        if data[at + 2] == 0:
            found.append((at, at + size))
        at += size
    return found


class TestDamage:
    @pytest.mark.parametrize("tenth", range(1, 20))
    def test_cut_anywhere(self, data: bytes, whole: Any, tenth: int, pipe: Any) -> None:
        cut = data[: len(data) * tenth // 20]
        first = chunks_of(data)[0][0]
        if len(cut) < first:
            with pytest.raises(BitstreamError):
                mediacodec.open(cut)
            return
        complete = sum(stop <= len(cut) for _, stop in chunks_of(data))
        length = max(0, complete * RATE - 320)
        for source in (cut, pipe(cut)):
            with mediacodec.open(source) as file:
                found = file.audio.read().samples[0]
                assert file.truncated
                assert any("cut" in gap.reason for gap in file.gaps)
            assert len(found) == length
            assert np.array_equal(found, whole[:length])

    @pytest.mark.parametrize("end", [1, 2, 10, 30])
    def test_the_end_is_missing(self, data: bytes, whole: Any, end: int) -> None:
        with mediacodec.open(data[:-end]) as file:
            assert file.audio.num_samples is None
            found = file.audio.read().samples[0]
            assert file.truncated
            assert file.gaps
        assert len(whole) <= len(found) < len(whole) + 320
        assert np.array_equal(found[: len(whole)], whole)

    @pytest.mark.parametrize("index", range(7))
    def test_a_flipped_byte_costs_its_packet(self, data: bytes, whole: Any, index: int) -> None:
        start, stop = chunks_of(data)[index]
        damaged = bytearray(data)
        damaged[(start + stop) // 2] ^= 0x10
        with mediacodec.open(bytes(damaged)) as file:
            found = file.audio.read()
            (gap,) = file.gaps
            assert (gap.stream_id, gap.pts_start) == (0, index * RATE)
            assert "CRC" in gap.reason
        self.check(found, whole, index)

    @pytest.mark.parametrize("index", range(7))
    def test_a_chunk_that_is_gone(self, data: bytes, whole: Any, index: int) -> None:
        """No byte of what remains is wrong, and yet a second is missing."""
        start, stop = chunks_of(data)[index]
        with mediacodec.open(data[:start] + data[stop:]) as file:
            found = file.audio.read()
            assert any("missing" in gap.reason for gap in file.gaps)
        self.check(found, whole, index)

    def check(self, found: Any, whole: Any, index: int) -> None:
        """All but a packet, and the second in which the decoder warms up again, is as ever."""
        assert (found.pts, found.num_samples) == (0, len(whole))
        before = max(0, index * RATE - 320)
        assert np.array_equal(found.samples[0][:before], whole[:before])
        after = (index + 1) * RATE - 320 + RATE
        assert np.abs(found.samples[0][after:] - whole[after:]).max(initial=0) < TOLERANCE

    def test_the_first_chunk_gone_and_a_start_inside_it(self, data: bytes, whole: Any) -> None:
        start, stop = chunks_of(data)[0]
        with mediacodec.open(data[:start] + data[stop:]) as file:
            chunk = file.audio.get_samples_played_in_range(0.5, 3.0)
        assert (chunk.pts, chunk.num_samples) == (RATE // 2, 5 * RATE // 2)
        assert np.abs(chunk.samples[0][-RATE // 2 :] - whole[5 * RATE // 2 : 3 * RATE]).max() < TOLERANCE

    def test_seeking_sees_the_missing_end(self, data: bytes) -> None:
        start, stop = chunks_of(data)[-1]
        with mediacodec.open(data[:start] + data[stop:]) as file:
            assert file.audio.get_samples_played_in_range(4.0).num_samples == round((SECONDS - 4) * RATE)
            assert any("missing" in gap.reason for gap in file.gaps)

    def test_nothing_but_the_frame_is_left(self, data: bytes, whole: Any) -> None:
        first, last = chunks_of(data)[0][0], chunks_of(data)[-1][1]
        with mediacodec.open(data[:first] + data[last:]) as file:
            found = file.audio.read().samples
            assert found.shape == (1, len(whole))
            assert not found.any()
            assert file.gaps

    def test_gaps_are_told_once(self, data: bytes) -> None:
        damaged = bytearray(data)
        damaged[sum(chunks_of(data)[2]) // 2] ^= 1
        with mediacodec.open(bytes(damaged)) as file:
            file.audio.read()
            before = file.gaps
            file.audio.read()
            assert file.gaps == before
            assert len(before) == 1

    def rewritten(self, file: bytes, index: int, **changes: Any) -> bytes:
        """The file with another packet, all CRCs of bytes right."""
        reader, buffer = Reader(BytesIO(file)), BytesIO()
        writer = Writer(buffer, reader.header)
        for i, packet in enumerate(list(reader)):
            writer.write(replace(packet, **changes) if i == index else packet)
        assert reader.end is not None
        length = reader.end.streams[0].length
        assert length is not None
        writer.close({0: length})
        return buffer.getvalue()

    @pytest.mark.parametrize("index", [0, 2, 6])
    def test_whole_bytes_with_wrong_symbols(self, data: bytes, whole: Any, index: int) -> None:
        packet = list(Reader(BytesIO(data)))[index]
        changed = packet.data[:-4] + bytes(b ^ 0xFF for b in packet.data[-4:])
        wrong = self.rewritten(data, index, data=changed)
        with mediacodec.open(wrong) as file:
            found = file.audio.read()
            (gap,) = file.gaps
            assert (gap.pts_start, gap.pts_end) == (packet.pts, packet.pts + packet.duration)
            assert "symbols" in gap.reason
        self.check(found, whole, index)
        with mediacodec.open(wrong) as file, pytest.raises(BitstreamError, match="right model"):
            file.audio.codes()
        with mediacodec.open(wrong, strict=True) as file, pytest.raises(BitstreamError, match="right model"):
            file.audio.read()

    def test_a_short_packet_with_wrong_symbols_stays_short(self, data: bytes) -> None:
        """In the middle of a file that was cut: what follows must stay in its place."""
        packets = list(Reader(BytesIO(data)))
        header = Reader(BytesIO(data)).header
        buffer = BytesIO()
        writer = Writer(buffer, header)
        short = replace(packets[0], duration=3200, data=b"garbage")
        for packet in (short, replace(packets[1], pts=3200)):
            writer.write(packet)
        with mediacodec.open(buffer.getvalue()) as file:
            blocks = list(file.audio.blocks())
        assert sum(b.num_samples for b in blocks) == 3200 + RATE - 320
        assert [b.pts for b in blocks] == np.cumsum([0, *[b.num_samples for b in blocks[:-1]]]).tolist()

    def test_strict_raises_on_the_first_damage(self, data: bytes) -> None:
        damaged = bytearray(data)
        damaged[sum(chunks_of(data)[2]) // 2] ^= 1
        start, stop = chunks_of(data)[-1]
        for wrong in (bytes(damaged), data[:-5], data[:start] + data[stop:]):
            with mediacodec.open(wrong, strict=True) as file, pytest.raises(BitstreamError):
                file.audio.read()
        with mediacodec.open(data[:start] + data[stop:], strict=True) as file, pytest.raises(BitstreamError):
            file.audio.get_samples_played_in_range(4.0)

    def test_random_damage_keeps_length_and_shape(self, data: bytes, whole: Any) -> None:
        random = np.random.default_rng(11)
        first = chunks_of(data)[0][0]
        for _ in range(10):
            damaged = bytearray(data)
            for at in random.integers(first, len(data) - 30, 3):
                damaged[at] ^= int(random.integers(1, 256))
            with mediacodec.open(bytes(damaged)) as file:
                found = file.audio.read()
                assert file.gaps
            assert (found.pts, found.samples.shape) == (0, (1, len(whole)))
            assert np.isfinite(found.samples).all()
