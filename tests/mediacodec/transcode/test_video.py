"""Video there and back: sync, time stamps, sizes, kinds of outputs, copied audio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support import plain_video as plain
from support.coding import encode_options

import mediacodec
from mediacodec.errors import InputError, UsageError
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.reader import FileReader
from mediacodec.media import AudioSource
from mediacodec.media.media_sink import MediaSink
from mediacodec.progress import Progress
from mediacodec.transcode.decode import decode_file
from mediacodec.transcode.encode import encode_file
from mediacodec.transcode.options import DecodeOptions
from mediacodec.transcode.reports import DecodeReport, EncodeReport
from mediacodec_bitstream import Reader
from mediacodec_bitstream.chunk import DATA

WIDTH, HEIGHT = 96, 64
SECONDS = 1.6  # 40 frames
RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with plain.with_family(tmp_path_factory.mktemp("models")):
        yield


@pytest.fixture(scope="module")
def make(
    make_frames: Callable[..., Any], make_video: Callable[..., None], speech: Callable[..., Any]
) -> Callable[..., BytesIO]:
    """make(seconds=, size=, times=, audio=, late=...) -> a clip in memory."""

    def made(
        size: tuple[int, int] = (WIDTH, HEIGHT), times: list[int] | None = None, *, muxer: str = "mp4",
        tick: Fraction = Fraction(1, 1000), audio: str | None = "aac", **options: Any,
    ) -> BytesIO:  # fmt: skip
        times = [40 * i for i in range(40)] if times is None else times
        frames = make_frames(len(times), *size, times=times, time_base=tick)
        samples = None if audio is None else (speech(SECONDS, RATE), RATE, audio)
        buffer = BytesIO()
        make_video(buffer, frames, options.pop("codec", "libx264"), muxer=muxer, audio=samples, **options)
        buffer.seek(0)
        return buffer

    return made


@pytest.fixture(scope="module")
def clip(make: Callable[..., BytesIO]) -> bytes:
    return make().getvalue()


@pytest.fixture(scope="module")
def coded(clip: bytes) -> bytes:
    return encoded(BytesIO(clip), crf=0, gop=10)[0]


def encoded(source: Any, **options: Any) -> tuple[bytes, EncodeReport]:
    target = BytesIO()
    report = encode_file(source, target, encode_options(**options))
    return target.getvalue(), report


def decoded(data: bytes, kind: str = "mp4", **options: Any) -> tuple[BytesIO, DecodeReport]:
    target = BytesIO()
    report = decode_file(data, target, DecodeOptions(format=kind, **options))
    target.seek(0)
    return target, report


def times_of(clip: BytesIO) -> list[float]:
    """When frames are presented, with nothing of the code under test."""
    clip.seek(0)
    with av.open(clip) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def packets_of(clip: BytesIO) -> list[bytes]:
    clip.seek(0)
    with av.open(clip) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def audio_of(clip: BytesIO) -> Any:
    clip.seek(0)
    with AudioSource(clip) as audio:
        return np.concatenate([chunk.samples for chunk in audio.blocks()], axis=1)


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_the_last_frame_of_uneven_times_is_presented_as_long_as_in_the_source(
    kind: str, make_frames: Callable[..., Any]
) -> None:
    tick, times, end = Fraction(1, 1000), [0, 100, 600, 620, 1620], 3620
    source = BytesIO()
    with MediaSink(source, width=WIDTH, height=HEIGHT, time_base=tick, format="mkv") as sink:
        frames = make_frames(len(times), WIDTH, HEIGHT, times=times, time_base=tick)
        for frame, until in zip(frames, [*times[1:], end], strict=True):
            sink.write(replace(frame, duration=until - frame.pts))
    source.seek(0)
    data, report = encoded(source)
    assert report.seconds == pytest.approx(3.62)
    assert mediacodec.info(data).streams[0].duration == pytest.approx(3.62)
    target, back = decoded(data, kind)
    assert back.seconds == pytest.approx(3.62)
    assert times_of(target) == [time / 1000 for time in times]
    target.seek(0)
    with av.open(target) as container:
        last = [packet for packet in container.demux(video=0) if packet.size][-1]
        assert (last.pts + last.duration) * last.time_base == pytest.approx(3.62)
    with FileReader(data) as reader:
        assert [frame.duration * frame.time_base for frame in reader.video.frames()][-1] == 2
    assert decoded(data, kind, duration=2.0)[1].seconds == pytest.approx(2.0)


class TestThereAndBack:
    def test_everything_is_kept(self, clip: bytes, read_media: Any, psnr: Any) -> None:
        steps: list[Progress] = []
        target = BytesIO()
        report = encode_file(BytesIO(clip), target, encode_options(crf=0, bit_rate=3000), progress=steps.append)
        data = target.getvalue()
        video, audio = mediacodec.info(data).streams
        assert (report.frames, report.seconds) == (40, pytest.approx(SECONDS))
        assert (report.video_payload_bytes, report.file_bytes) == (video.payload_bytes, len(data))
        assert report.payload_bytes == video.payload_bytes + audio.payload_bytes
        assert report.video_kbps == pytest.approx(video.bit_rate / 1000)
        assert report.fps > 1
        assert steps[-1].frames == 40
        assert steps[-1].video_bytes == report.video_payload_bytes
        assert [s.seconds_done for s in steps] == sorted(s.seconds_done for s in steps)

        steps.clear()
        out = BytesIO()
        back = decode_file(data, out, DecodeOptions(format="mp4"), progress=steps.append)
        assert (back.frames, back.damaged, back.notes) == (40, False, [])
        assert back.seconds == pytest.approx(SECONDS)
        assert steps[-1].seconds_total == pytest.approx(SECONDS)
        before, _, _ = read_media(BytesIO(clip))
        after, audio, _ = read_media(out)
        assert [f.pts_seconds for f in after] == pytest.approx([f.pts_seconds for f in before], abs=1e-3)
        assert min(psnr(a, b) for a, b in zip(after, before, strict=True)) > 38
        assert sum(chunk.num_samples for chunk in audio) == round(SECONDS * RATE)

    @pytest.mark.parametrize("size", [(97, 65), (96, 33), (17, 16)])
    def test_odd_sizes(self, make: Any, read_media: Any, size: tuple[int, int]) -> None:
        source = make(size, codec="ffv1", muxer="matroska", audio=None)
        for kind in ("mp4", "mkv", "y4m"):
            presented, _, media = read_media(decoded(encoded(source, crf=8)[0], kind)[0])
            assert ((media.width, media.height), len(presented)) == (size, 40)
            source.seek(0)

    def test_one_frame(self, make: Any) -> None:
        source = make(times=[0], audio=None)
        data, report = encoded(source)
        assert (report.frames, mediacodec.info(data).streams[0].num_frames) == (1, 1)
        assert times_of(decoded(data)[0]) == [0]

    def test_a_variable_frame_rate(self, make: Any) -> None:
        times = [0, 33, 100, 133, 400, 440, 441, 900, 1500]
        for muxer, out in (("mp4", "mp4"), ("matroska", "mkv")):
            data, _ = encoded(make(times=times, muxer=muxer))
            found = times_of(decoded(data, out)[0])
            assert found == pytest.approx([t / 1000 for t in times], abs=1e-3)

    def test_portrait(self, make: Any, read_media: Any) -> None:
        data, report = encoded(make(rotation=90))
        assert any("turned by 90 degrees" in note for note in report.notes)
        _, _, media = read_media(decoded(data)[0])
        assert (media.width, media.height) == (HEIGHT, WIDTH)

    def test_one_kind_alone(self, make: Any, coded: bytes) -> None:
        silent, _ = encoded(make(audio=None))
        assert [s.kind for s in mediacodec.info(silent).streams] == ["video"]
        assert len(times_of(decoded(silent)[0])) == 40
        for options, kinds in (({"audio": False}, ["video"]), ({"video": False}, ["audio"])):
            part, _ = encoded(make(), **options)
            assert [s.kind for s in mediacodec.info(part).streams] == kinds
            clip, report = decoded(coded, **options)
            with av.open(clip) as container:
                assert [s.type for s in container.streams] == kinds
            assert (report.frames is None) == ("video" not in kinds)


class TestSync:
    def shifted(self, make: Any, ticks: int) -> BytesIO:
        """The clip in Matroska, its audio (positive) or its frames (negative) later by milliseconds."""
        source, target = make(muxer="matroska", audio="pcm_s16le", options={"bf": "0"}), BytesIO()
        with av.open(source) as reader, av.open(target, "w", format="matroska") as writer:
            streams = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
            for packet in reader.demux():
                if not packet.size:
                    continue
                if (packet.stream.type == "audio") == (ticks > 0):
                    packet.pts = packet.dts = packet.pts + abs(ticks)
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
        target.seek(0)
        return target

    def test_audio_that_begins_late_has_silence_in_front(self, make: Any, lag: Any) -> None:
        plain_audio = mediacodec.decode(encoded(make(muxer="matroska", audio="pcm_s16le"))[0]).samples
        data, report = encoded(self.shifted(make, 500))
        assert any("0.50 s after the video" in note for note in report.notes)
        late = mediacodec.decode(data).samples
        assert late.shape[1] == pytest.approx(plain_audio.shape[1] + 8000, abs=32)
        assert lag(plain_audio, late) == pytest.approx(8000, abs=32)
        assert mediacodec.info(data).streams[0].num_frames == 40
        clip, _ = decoded(data)
        assert times_of(clip)[0] == 0
        assert lag(plain_audio, audio_of(clip)) == pytest.approx(8000, abs=64)

    def test_frames_that_begin_late_stay_late(self, make: Any) -> None:
        data, report = encoded(self.shifted(make, -500))
        assert not any("silence" in note for note in report.notes)
        with FileReader(data) as file:
            assert next(file.video.frames()).pts_seconds == 0.5
        for kind in ("mp4", "mkv"):
            clip, _ = decoded(data, kind)
            assert times_of(clip)[0] == pytest.approx(0.5, abs=1e-3)
            clip.seek(0)
            with av.open(clip) as container:
                assert next(container.decode(audio=0)).pts == 0

    def test_at_the_end(self, make_frames: Any, make_video: Any, speech: Any) -> None:
        """A flash and a burst of audio near the end of 20 s at 23.976 frames a second."""
        tick = Fraction(1001, 24_000)
        frames = make_frames(480, 32, 32, time_base=tick)
        flash = 470
        frames[flash].y[:] = 235
        samples = 0.05 * speech(20.02, RATE)
        click = round(flash * tick * RATE)
        samples[:, click : click + 400] += 0.9 * np.sin(np.arange(400) * 0.9)
        source = BytesIO()
        make_video(
            source, frames, muxer="mp4", rate=1 / tick, audio=(samples, RATE, "aac"), options={"preset": "ultrafast"}
        )
        source.seek(0)
        found, _ = decoded(encoded(source, crf=40)[0])
        with av.open(found) as container:
            presented = [
                (float(f.pts * f.time_base), f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)
            ]
        assert len(presented) == 480
        seen = max(presented, key=lambda item: item[1])[0]
        audio = float(np.argmax(np.abs(audio_of(found)[0]))) / RATE
        assert seen == pytest.approx(float(flash * tick), abs=1e-3)
        assert abs(audio - seen) < 0.02


class TestStretches:
    def test_of_the_source(self, make: Any) -> None:
        data, report = encoded(make(), start=0.5, duration=0.8)
        video, audio = mediacodec.info(data).streams
        assert (video.num_frames, report.seconds) == (20, pytest.approx(0.8, abs=0.041))
        assert audio.duration == pytest.approx(0.8, abs=1e-3)

    @pytest.mark.parametrize("start", [0.2, 0.21, 0.8])
    def test_of_the_file(self, coded: bytes, start: float) -> None:
        clip, report = decoded(coded, start=start, duration=0.4)
        first = -(-round(start * 1000) // 40) * 0.04 - start
        found = times_of(clip)
        assert found == pytest.approx([first + 0.04 * i for i in range(10)], abs=1e-3)
        assert report.frames == 10
        assert audio_of(clip).shape[1] == pytest.approx(0.4 * RATE, abs=32)

    def test_keyframes_only(self, coded: bytes) -> None:
        clip, report = decoded(coded, keyframes_only=True)
        assert times_of(clip) == pytest.approx([0, 0.4, 0.8, 1.2], abs=1e-3)
        assert report.frames == 4


class TestOutputs:
    def test_formats_take_what_they_hold(self, coded: bytes) -> None:
        _, report = decoded(coded, "wav")
        assert report.notes == ["wav holds no video: it is left out"]
        y4m, report = decoded(coded, "y4m")
        assert report.notes == ["y4m holds no audio: it is left out"]
        assert y4m.getvalue().count(b"FRAME\n") == 40
        planes, _ = decoded(coded, "rawvideo")
        assert len(planes.getvalue()) == 40 * WIDTH * HEIGHT * 3 // 2

    def test_ffv1_is_lossless(self, coded: bytes, read_media: Any) -> None:
        presented, _, _ = read_media(decoded(coded, "mkv", video_codec="ffv1")[0])
        with FileReader(coded) as file:
            for a, b in zip(presented, file.video.frames(), strict=True):
                assert np.array_equal(a.y, b.y)
                assert np.array_equal(a.u, b.u)

    def test_numbered_frames(self, coded: bytes, tmp_path: Path) -> None:
        report = decode_file(coded, tmp_path / "f%03d.png", DecodeOptions(duration=0.2))
        assert sorted(p.name for p in tmp_path.iterdir()) == [f"f{i:03d}.png" for i in range(1, 6)]
        assert report.frames == 5
        data, report = encoded(tmp_path / "f%03d.png", crf=0)
        assert (report.frames, mediacodec.info(data).streams[0].frame_rate) == (5, 25)

    @pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.y4m", "a.wav"])
    def test_stopped_by_its_progress(self, coded: bytes, tmp_path: Path, name: str) -> None:
        def stop(progress: Progress) -> None:
            if progress.seconds_done > 0.5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            decode_file(coded, tmp_path / name, progress=stop)
        assert list(tmp_path.iterdir()) == []

    def test_pipes_at_both_ends(self, coded: bytes, pipe: Any, read_media: Any) -> None:
        source = decoded(coded, "y4m")[0].getvalue()
        target = pipe()
        encode_file(pipe(source), target, encode_options(crf=0))
        out = pipe()
        decode_file(pipe(bytes(target.written)), out, DecodeOptions(format="y4m"))
        presented, _, _ = read_media(BytesIO(bytes(out.written)))
        assert len(presented) == 40
        clip = pipe()
        decode_file(pipe(coded), clip, DecodeOptions(format="mkv"))
        presented, audio, _ = read_media(BytesIO(bytes(clip.written)))
        assert (len(presented), bool(audio)) == (40, True)

    @pytest.mark.parametrize(("kind", "options", "words"), [
        ("wav", {"keyframes_only": True}, "keyframes only"), ("wav", {"video_codec": "ffv1"}, "ffv1"),
        ("wav", {"audio": False}, "-an"), ("y4m", {"video": False}, "-vn"), ("y4m", {"channels": 2}, "no audio"),
        ("mp4", {"video_codec": "ffv1"}, "mkv"), ("y4m", {"video_codec": "h264"}, "no choice"),
    ])  # fmt: skip
    def test_what_makes_no_sense(self, coded: bytes, kind: str, options: dict[str, Any], words: str) -> None:
        with pytest.raises(UsageError, match=words):
            decoded(coded, kind, **options)

    def test_what_is_not_there(self, make: Any) -> None:
        silent, _ = encoded(make(audio=None))
        with pytest.raises(InputError, match="no audio"):
            decoded(silent, "wav")
        for options, words in (
            ({"bit_rate": 3000.0}, "no audio"),
            ({"audio_codec": "copy", "bit_rate": 3000.0}, "no audio"),
        ):
            with pytest.raises(UsageError, match=words):
                encoded(make(audio=None), **options)
        with pytest.raises(UsageError, match="crf and gop"):
            encoded(decoded(encoded(make())[0], "wav")[0], crf=20, gop=4)


class TestCopies:
    @pytest.mark.parametrize(("muxer", "codec", "out"), [
        ("mp4", "aac", "mp4"), ("mp4", "aac", "mkv"), ("matroska", "libopus", "mkv"), ("matroska", "flac", "mkv"),
        ("mp4", "libmp3lame", "mp4"), ("matroska", "pcm_s16le", "mkv"),
    ])  # fmt: skip
    def test_packets_are_kept_to_the_bit(self, make: Any, lag: Any, muxer: str, codec: str, out: str) -> None:
        source = make(muxer=muxer, audio=codec)
        data, report = encoded(source, audio_codec="copy", crf=40)
        assert report.notes == []
        stream = mediacodec.info(data).streams[1]
        assert (stream.codec, stream.header.coder) == ("copy", 2)
        clip, _ = decoded(data, out)
        assert packets_of(clip) == packets_of(source)
        before, after = audio_of(source), audio_of(clip)
        assert 0 <= after.shape[1] - before.shape[1] + 32 < 1300, "padding at the end may come along"
        assert abs(lag(before, after)) <= 16  # Matroska counts milliseconds
        wav, _ = decoded(data, "wav")
        played = audio_of(wav)
        assert lag(before, played) == 0
        size = min(before.shape[1], played.shape[1])
        assert abs(before.shape[1] - played.shape[1]) <= 1024
        assert np.abs(before[:, 2048 : size - 2048] - played[:, 2048 : size - 2048]).max() < 2e-3

    def test_a_stretch_of_copied_audio(self, make: Any, lag: Any) -> None:
        data, _ = encoded(make(), audio_codec="copy")
        whole = audio_of(decoded(data, "wav")[0])
        part = audio_of(decoded(data, "wav", start=0.7, duration=0.5)[0])
        assert part.shape[1] == 8000
        assert np.abs(part - whole[:, 11_200:19_200]).max() < 1e-3
        clip, _ = decoded(data, start=0.7, duration=0.5)
        assert abs(lag(part, audio_of(clip)[:, :8000])) <= 16
        cut, _ = encoded(make(), audio_codec="copy", start=0.7, duration=0.5)
        audio = audio_of(decoded(cut, "wav")[0])
        assert abs(lag(part, audio)) <= 16

    def test_at_another_rate_it_is_decoded(self, make: Any) -> None:
        data, _ = encoded(make(), audio_codec="copy")
        clip, _ = decoded(data, sample_rate=48_000, channels=2)
        with av.open(clip) as container:
            assert (container.streams.audio[0].rate, container.streams.audio[0].channels) == (48_000, 2)
        with FileReader(data) as file:
            assert isinstance(file.audio, CopyReader)
            assert file.audio.foreign_codec == "aac"

    def test_a_hole_in_copied_audio_is_silent(self, make: Any) -> None:
        data, _ = encoded(make(), audio_codec="copy")
        whole = audio_of(decoded(data, "wav")[0])
        reader, cut = Reader(BytesIO(data)), None
        while (chunk := reader._next_chunk()) is not None:
            if chunk.head.type == DATA and chunk.head.stream_id == 1 and chunk.head.pts > 0 and cut is None:
                cut = chunk
        assert cut is not None
        wav, report = decoded(data[: cut.offset] + data[cut.offset + cut.head.total :], "wav")
        assert len(report.gaps) == 1
        found = audio_of(wav)
        assert found.shape == whole.shape
        begin, end = cut.head.pts - 1024, cut.head.end - 1024
        assert not found[:, begin + 1024 : end].any()
        good = np.r_[0:begin, end + 2048 : whole.shape[1]]
        assert np.abs(found - whole)[:, good].max() < 1e-3
