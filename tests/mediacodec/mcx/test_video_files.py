"""Video in files: written and read through the API, times, order, seeking, what probe says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import plain_video as plain

import mediacodec
from mediacodec.errors import InputError, ParameterError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.reader import FileReader
from mediacodec_bitstream import Reader

CRF = 24
WIDTH, HEIGHT = 67, 45  # odd, both


@pytest.fixture(scope="module", autouse=True)
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with plain.with_family(tmp_path_factory.mktemp("models")):
        yield


@pytest.fixture(scope="module")
def frames(make_frames: Callable[..., Any]) -> list[VideoFrame]:
    """Three seconds at 10 frames a second."""
    made: list[VideoFrame] = make_frames(30, WIDTH, HEIGHT, time_base=Fraction(1, 10), colour=(1, 1, 1, 0))
    return made


@pytest.fixture(scope="module")
def audio(speech: Callable[..., Any]) -> Any:
    return speech(3.0, 16_000)


def written(
    frames: list[VideoFrame], audio: Any = None, *, live: bool = False, rate: int = 10, **options: Any
) -> bytes:
    """An .mcx, with audio in step with the frames."""
    buffer, first = BytesIO(), frames[0]
    with mediacodec.open(buffer, "w", live=live) as file:
        size = {"width": first.width, "height": first.height}
        video = file.add_video_stream(
            **size, frame_rate=rate, time_base=first.time_base, colour=first.colour, **options
        )
        track = None
        if audio is not None:
            track = file.add_audio_stream(
                "speech", sample_rate=16_000, bit_rate=3000, packet_duration=0.1 if live else 1.0
            )
        for index, frame in enumerate(frames):
            file.mux(video.encode(frame))
            if track is not None:
                step = 16_000 // rate
                file.mux(track.encode(audio[:, index * step : (index + 1) * step]))
        assert video.num_frames == len(frames)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data(frames: list[VideoFrame], audio: Any) -> bytes:
    """Keyframes at 0, 1 and 2 s, audio beside them."""
    return written(frames, audio, crf=CRF, gop=10)


def same(presented: VideoFrame, frame: VideoFrame, crf: float = CRF) -> bool:
    """Whether one is what the other decodes to, at the same time."""
    expected = plain.coarse((frame.y, frame.u, frame.v), crf)
    planes = zip((presented.y, presented.u, presented.v), expected, strict=True)
    return presented.pts_seconds == frame.pts_seconds and all(np.array_equal(a, b) for a, b in planes)


class TestReading:
    def test_every_frame_comes_back_at_its_time(self, data: bytes, frames: list[VideoFrame]) -> None:
        with FileReader(data) as file:
            video = file.video
            assert (video.width, video.height, video.frame_rate, video.colour) == (WIDTH, HEIGHT, 10, (1, 1, 1, 0))
            assert (video.num_frames, video.duration) == (30, 3.0)
            presented = list(video.frames())
            assert len(presented) == 30
            assert all(map(same, presented, frames))
            assert all(frame.colour == (1, 1, 1, 0) for frame in presented)
            assert (file.gaps, file.truncated) == ([], False)

    def test_audio_beside_frames_is_that_of_a_file_of_audio(self, data: bytes, audio: Any) -> None:
        alone = mediacodec.encode(audio, sample_rate=16_000, bit_rate=3000)
        assert np.array_equal(mediacodec.decode(data).samples, mediacodec.decode(alone).samples)

    @pytest.mark.parametrize(("start", "stop"), [(0.0, None), (0.3, 0.5), (1.0, 2.0), (1.95, None), (2.9, 3.0)])
    def test_a_stretch(self, data: bytes, frames: list[VideoFrame], start: float, stop: float | None) -> None:
        wanted = [f for f in frames if f.pts_seconds >= start and (stop is None or f.pts_seconds < stop)]
        with FileReader(data) as file:
            presented = list(file.video.frames(start=start, stop=stop))
            assert [f.pts for f in presented] == [f.pts for f in wanted]
            assert all(map(same, presented, wanted))
            assert file.gaps == []

    def test_a_start_decodes_from_the_keyframe_before(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        decoded = []
        push = plain.PlainDecoder.push

        def counted(self: Any, packet: Any) -> Any:
            decoded.append(packet.pts)
            return push(self, packet)

        monkeypatch.setattr(plain.PlainDecoder, "push", counted)
        with FileReader(data) as file:
            next(file.video.frames(start=2.5))
        assert decoded == [20, 21, 22, 23, 24, 25]

    def test_keyframes_only(self, data: bytes) -> None:
        with FileReader(data) as file:
            assert [f.pts for f in file.video.frames(keyframes_only=True)] == [0, 10, 20]
            assert [f.pts for f in file.video.frames(start=0.5, stop=2.0, keyframes_only=True)] == [10]
            assert file.gaps == []

    @pytest.mark.parametrize("start", [0.0, 1.25])
    @pytest.mark.parametrize("piped", [False, True])
    def test_both_in_one_pass(self, data: bytes, pipe: Any, start: float, piped: bool) -> None:
        source = pipe(data) if piped else data
        with FileReader(source) as file:
            items = list(file.items(start=start, stop=2.5))
        times = [item.pts_seconds for item in items]  # type: ignore[union-attr]
        back = max(before - after for before, after in pairwise(times))
        assert back <= (1.0 if piped else 0), "the length is known late: audio may come a packet late"
        assert [i.pts for i in items if isinstance(i, VideoFrame)] == [p for p in range(30) if start <= p / 10 < 2.5]
        audio = np.concatenate([i.samples for i in items if isinstance(i, AudioChunk)], axis=1)
        whole = mediacodec.decode(data).samples
        assert np.abs(audio - whole[:, round(start * 16_000) : 40_000]).max() < 2e-4

    def test_times_that_cannot_be(self, data: bytes) -> None:
        with FileReader(data) as file:
            for start, stop, word in ((-1.0, None, "from 0 on, not -1.0"), (2.0, 1.0, "0 <= start <= stop")):
                with pytest.raises(ParameterError, match=word):
                    list(file.video.frames(start=start, stop=stop))

    def test_kinds_that_are_not_there(self, audio: Any, frames: list[VideoFrame]) -> None:
        with FileReader(mediacodec.encode(audio, sample_rate=16_000)) as file:
            assert (file.has_audio, file.has_video) == (True, False)
            with pytest.raises(InputError, match="no video"):
                _ = file.video
        with FileReader(written(frames)) as file:
            assert (file.has_audio, file.has_video) == (False, True)
            with pytest.raises(InputError, match="no audio"):
                _ = file.audio


class TestTimes:
    @pytest.mark.parametrize("live", [False, True])
    def test_a_variable_frame_rate(self, make_frames: Callable[..., Any], live: bool) -> None:
        times = [3, 40, 79, 300, 301, 340, 2000, 2041]
        frames = make_frames(len(times), 32, 32, times=times, time_base=Fraction(1, 1000))
        data = written(frames, rate=25, crf=CRF, live=live)
        with FileReader(data) as file:
            assert [f.pts for f in file.video.frames()] == times
            assert file.video.duration == pytest.approx(2.081)
            assert file.gaps == []

    def test_other_ticks_than_the_stream_has(self, make_frames: Callable[..., Any]) -> None:
        """A caller's frames may count in any ticks; so fine that no duration would fit, a stream gets its own."""
        nanoseconds = make_frames(3, 32, 32, times=[0, 40_000_000, 90_000_000], time_base=Fraction(1, 10**9))
        with FileReader(written(nanoseconds, rate=25)) as file:
            assert file.video.time_base == Fraction(1, 90_000)
            assert [f.pts_seconds for f in file.video.frames()] == [0, 0.04, 0.09]

    def test_order(self, frames: list[VideoFrame]) -> None:
        with pytest.raises(ParameterError, match="in the order of time"):
            written([frames[1], frames[0]])
        with pytest.raises(ParameterError, match="in the order of time"):
            written([frames[1], frames[1]])

    def test_one_frame(self, frames: list[VideoFrame]) -> None:
        data = written(frames[:1], crf=CRF)
        info = mediacodec.info(data).streams[0]
        assert (info.packets, info.duration) == (1, 0.1)
        with FileReader(data) as file:
            assert same(*file.video.frames(), frames[0])


class TestLayout:
    def test_chunks_hold_half_a_second_and_begin_with_keyframes(self, data: bytes) -> None:
        chunks = chunks_of(data)
        video = [pts for stream, pts, _ in chunks if stream == 0]
        assert video == [0, 5, 10, 15, 20, 25]
        seconds = [pts / (10 if stream == 0 else 16_000) for stream, pts, _ in chunks]
        late = [a - b for a, b in pairwise(seconds)]
        assert max(late) <= 1.6, "a second of audio in a packet, half a second of frames in a chunk"
        framing = len(data) - sum(stream.payload_bytes for stream in mediacodec.info(data).streams)
        assert framing < 1000

    def test_live_writes_every_packet_at_once(self, frames: list[VideoFrame], audio: Any) -> None:
        data = written(frames, audio, live=True)
        assert [pts for stream, pts, _ in chunks_of(data) if stream == 0] == list(range(30))
        assert mediacodec.info(data).live

    def test_it_costs_little(self, data: bytes) -> None:
        """Half a second of frames costs a head and two bytes or so each."""
        heads = sum(24 for stream, _, _ in chunks_of(data) if stream == 0)
        tables = sum(3 * count for stream, _, count in chunks_of(data) if stream == 0)
        assert heads + tables < 30 * 10


def chunks_of(data: bytes) -> list[tuple[int, int, int]]:
    """(stream, pts, packets) of every data chunk in order."""
    from mediacodec_bitstream.chunk import DATA, unpack_data

    chunks = []
    reader = Reader(BytesIO(data))
    streams = {stream.stream_id: stream for stream in reader.header.streams}
    while (chunk := reader._next_chunk()) is not None:
        if chunk.head.type == DATA:
            packets = unpack_data(chunk.head, chunk.payload, streams[chunk.head.stream_id])
            chunks.append((chunk.head.stream_id, chunk.head.pts, len(packets)))
    return chunks


class TestWriting:
    def test_kinds_of_codecs(self) -> None:
        with pytest.raises(ParameterError, match="'speech' is a codec for audio"):
            mediacodec.open(BytesIO(), "w").add_video_stream("speech", width=16, height=16, frame_rate=25)
        with pytest.raises(ParameterError, match="'conditional' is a codec for video"):
            mediacodec.open(BytesIO(), "w").add_audio_stream("conditional", sample_rate=16_000)

    def test_impossible_options(self) -> None:
        for options in ({"frame_rate": 0}, {"frame_rate": 25, "crf": 20, "bit_rate": 1e5}):
            with pytest.raises(ParameterError):
                mediacodec.open(BytesIO(), "w").add_video_stream(width=16, height=16, **options)

    def test_streams_come_before_packets(self, frames: list[VideoFrame]) -> None:
        with mediacodec.open(BytesIO(), "w") as file:
            stream = file.add_video_stream(width=WIDTH, height=HEIGHT, frame_rate=10)
            file.mux(stream.encode(frames[0]))
            with pytest.raises(ParameterError, match="before the first mux"):
                file.add_video_stream(width=16, height=16, frame_rate=25)

    def test_nothing_is_left_after_an_error(self, frames: list[VideoFrame], tmp_path: Path) -> None:
        def interrupted() -> None:
            with mediacodec.open(tmp_path / "a.mcx", "w") as file:
                stream = file.add_video_stream(width=WIDTH, height=HEIGHT, frame_rate=10)
                file.mux(stream.encode(frames[0]))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []


def test_info(data: bytes) -> None:
    video, audio = mediacodec.info(data).streams
    assert (video.kind, video.width, video.height, video.frame_rate) == ("video", WIDTH, HEIGHT, 10)
    assert (video.num_frames, video.duration, video.model) == (30, 3.0, "plain-1")
    assert video.bit_rate == pytest.approx(video.payload_bytes * 8 / 3)
    assert (audio.width, audio.frame_rate, audio.num_frames) == (None, None, None)


def test_progress_of_a_call(audio: Any) -> None:
    steps: list[Any] = []
    long = np.tile(audio, 4)
    data = mediacodec.encode(long, sample_rate=16_000, callback=steps.append)
    assert data == mediacodec.encode(long, sample_rate=16_000)
    assert [step.seconds_done for step in steps] == [5.0, 10.0, 12.0]
    assert 0 < steps[-1].bytes_written < len(data)

    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mediacodec.encode(long, sample_rate=16_000, callback=stop)
