"""Reading media files: what FFmpeg reads becomes upright 8-bit 4:2:0 at its own times, with its audio beside it."""

from __future__ import annotations

import io
import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediacodec.errors import InputError, UsageError
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.media import AudioSource
from mediacodec.media.media_sink import MediaSink
from mediacodec.media.media_source import MediaSource
from mediacodec.media.stream_copy import AudioPacket

Samples = NDArray[np.float32]
Make = Callable[..., list[VideoFrame]]
MakeVideo = Callable[..., None]
Speech = Callable[..., Samples]
ReadMedia = Callable[..., tuple[list[VideoFrame], list[AudioChunk], MediaSource]]
Psnr = Callable[[VideoFrame, VideoFrame], float]

KINDS = [
    ("mp4", "libx264", "aac"),
    ("mov", "libx264", "pcm_s16le"),
    ("mkv", "libx264", "flac"),
    ("webm", "libvpx-vp9", "libopus"),
    ("avi", "mpeg4", "pcm_s16le"),
    ("ts", "libx264", "aac"),
]


def joined(audio: list[AudioChunk]) -> Samples:
    position = audio[0].pts
    for chunk in audio:
        assert chunk.pts == position
        position += chunk.num_samples
    return np.concatenate([chunk.samples for chunk in audio], axis=1)


@pytest.mark.parametrize(("suffix", "codec", "audio_codec"), KINDS)
def test_every_container(
    suffix: str,
    codec: str,
    audio_codec: str,
    tmp_path: Path,
    make_frames: Make,
    make_video: MakeVideo,
    speech: Speech,
    read_media: ReadMedia,
    psnr: Psnr,
    lag: Callable[[Samples, Samples], int],
) -> None:
    frames, x = make_frames(50, 96, 64), speech(2.0, 48000, 2)
    path = tmp_path / f"a.{suffix}"
    options = {"qscale": "2", "b": "2M", "g": "25"} | ({"deadline": "realtime"} if "vp9" in codec else {})
    make_video(path, frames, codec, audio=(x, 48000, audio_codec), options=options)
    back, audio, media = read_media(path)
    assert (len(back), media.width, media.height, media.frame_rate) == (50, 96, 64, 25)
    assert (media.has_audio, media.has_video, media.sample_rate, media.channels) == (True, True, 48000, 2)
    assert media.duration == pytest.approx(2.0, abs=0.1)
    assert media.notes() == []
    assert min(psnr(a, b) for a, b in zip(frames, back, strict=True)) > 27
    late = [b.pts_seconds - back[0].pts_seconds - a.pts_seconds for a, b in zip(frames, back, strict=True)]
    assert max(map(abs, late)) < 1e-3
    assert back[0].pts_seconds - audio[0].pts_seconds == pytest.approx(0, abs=0.03 if suffix == "ts" else 1e-3)
    with AudioSource(path) as source:
        expected = np.concatenate([chunk.samples for chunk in source.blocks()], axis=1)
    np.testing.assert_array_equal(joined(audio), expected)
    assert lag(x, expected) in ((0,) if suffix != "ts" else range(2300))


def test_a_duration_that_floats_do_not_hold(
    tmp_path: Path, make_frames: Make, make_video: MakeVideo, read_media: ReadMedia
) -> None:
    make_video(tmp_path / "a.mkv", make_frames(20, 64, 48), "libx264")
    for duration, count in ((0.2, 5), (0.28, 7), (0.4, 10), (0.41, 11)):
        assert len(read_media(tmp_path / "a.mkv", duration=duration)[0]) == count


@pytest.mark.parametrize(("suffix", "codec", "audio_codec"), KINDS)
@pytest.mark.parametrize("start", [0.5, 2.73])
def test_a_stretch(
    suffix: str,
    codec: str,
    audio_codec: str,
    start: float,
    tmp_path: Path,
    make_frames: Make,
    make_video: MakeVideo,
    speech: Speech,
    read_media: ReadMedia,
) -> None:
    frames, x = make_frames(100, 64, 48), speech(4.0, 48000)
    path = tmp_path / f"a.{suffix}"
    make_video(path, frames, codec, audio=(x, 48000, audio_codec), options={"g": "20"})
    whole, all_audio, _ = read_media(path)
    back, audio, media = read_media(path, start=start, duration=0.6)
    expected = [f for f in whole if start <= f.pts_seconds < start + 0.6]
    assert len(back) == len(expected) == 15
    for a, b in zip(expected, back, strict=True):
        assert a.pts_seconds - start == pytest.approx(b.pts_seconds, abs=0.001)
        np.testing.assert_array_equal(a.y, b.y)
    first, cut = all_audio[0].pts, joined(audio)
    reference = joined(all_audio)[:, round(start * 48000) - first :][:, : cut.shape[1]]
    assert (audio[0].pts, cut.shape[1]) == (0, 28800)
    if suffix in ("mkv", "webm", "ts", "avi"):  # whose clocks do not name samples
        slid = [np.corrcoef(cut[0, 48:-48], np.roll(reference[0], k)[48:-48])[0, 1] for k in range(-48, 49)]
        assert max(slid) > 0.98
    else:
        assert np.abs(cut - reference).max() < 0.05  # AAC fills up with noise, which differs every time
    assert media.duration == pytest.approx(0.6)
    assert read_media(path, start=60)[:2] == ([], [])


@pytest.mark.parametrize(("codec", "extra"), [("libx264", {"b_strategy": "0", "sc_threshold": "0"}), ("mpeg4", {})])
def test_frames_of_a_container_without_presentation_times_are_evenly_spaced(
    codec: str, extra: dict[str, str], tmp_path: Path, make_frames: Make, make_video: MakeVideo, read_media: ReadMedia
) -> None:
    path = tmp_path / "a.avi"
    make_video(path, make_frames(100, 64, 48), codec, options={"bf": "2", "g": "20", **extra})
    whole, _, media = read_media(path)
    assert media.notes() == []
    assert [frame.pts for frame in whole] == list(range(100))
    assert [frame.pts for frame in read_media(path, start=2.0, duration=0.4)[0]] == list(range(10))


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_frames_say_how_long_they_are_presented(
    suffix: str, tmp_path: Path, make_frames: Make, read_media: ReadMedia
) -> None:
    path, times, ends = tmp_path / f"a.{suffix}", [0, 100, 600, 620, 1620], [100, 600, 620, 1620, 3620]
    frames = make_frames(5, 64, 48, times=times, time_base=Fraction(1, 1000))
    with MediaSink(path, width=64, height=48, time_base=Fraction(1, 1000)) as sink:
        for frame, end in zip(frames, ends, strict=True):
            sink.write(replace(frame, duration=end - frame.pts))
    back, _, _ = read_media(path)
    assert [round(frame.pts_seconds * 1000) for frame in back] == times
    assert [round((frame.pts + frame.duration) * frame.time_base * 1000) for frame in back] == ends
    (last,) = read_media(path, start=1.62, duration=0.5)[0]
    assert 0.5 <= last.duration * last.time_base < 1  # not two seconds, of which half a one is asked for


@pytest.mark.parametrize("rotation", [90, 180, -90])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (66, 50)])
def test_rotation_is_applied(
    rotation: int, width: int, height: int, make_frames: Make, make_video: MakeVideo, read_media: ReadMedia, psnr: Psnr
) -> None:
    frames, target = make_frames(3, width, height), io.BytesIO()
    make_video(target, frames, muxer="mp4", rotation=rotation, options={"crf": "5"})
    back, _, media = read_media(target)
    turns = rotation // 90 % 4
    assert (media.width, media.height) == ((height, width) if turns % 2 else (width, height))
    assert ["turned by" in note for note in media.notes()] == [True]
    for a, b in zip(frames, back, strict=True):
        turned = VideoFrame(*(np.rot90(plane, turns) for plane in (a.y, a.u, a.v)), a.pts, a.time_base)
        assert psnr(turned, b) > 40


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "note"),
    [
        ("libx264", "yuv420p10le", "10 bits"),
        ("libx264", "yuv444p", "4:4:4"),
        ("libx264", "yuv422p", "4:2:2"),
        ("ffv1", "gray", "gray"),
        ("ffv1", "bgr0", "BT.709"),
        ("ffv1", "bgra", "alpha"),
        ("libx264", "nv12", ""),
    ],
)
def test_other_pixels_are_converted_with_a_note(
    codec: str, pix_fmt: str, note: str, make_frames: Make, make_video: MakeVideo, read_media: ReadMedia, psnr: Psnr
) -> None:
    frames, target = make_frames(3, 128, 96), io.BytesIO()
    make_video(
        target, frames, codec, muxer="matroska", pix_fmt=pix_fmt, options={"crf": "5"} if codec == "libx264" else {}
    )
    back, _, media = read_media(target)
    assert any(note in line for line in media.notes()) == bool(note)
    rgb = pix_fmt.startswith("bgr")
    assert media.colour == ((1, 13, 1, 0) if rgb else (2, 2, 2, int(pix_fmt == "gray")))
    for a, b in zip(frames, back, strict=True):
        if pix_fmt == "gray":  # which FFmpeg takes to be full range: 16..235 became 0..255
            np.testing.assert_allclose(b.y, (a.y.astype(float) - 16) * 255 / 219, atol=1.5)
            assert np.all(b.u == 128)
        else:
            assert psnr(a, b) > (28 if rgb else 38)  # RGB was made with the matrix of BT.601


def test_ranges_and_matrices_are_not_touched(make_frames: Make, make_video: MakeVideo, read_media: ReadMedia) -> None:
    """Full range in 10 bits is still full range in 8."""
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 4, (64, 1))
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p10le"
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 9
        frame = av.VideoFrame(256, 64, "yuv420p10le")
        frame.color_range, frame.colorspace, frame.pts = 2, 9, 0
        for plane, values in zip(frame.planes, (ramp, ramp[:32, ::2], ramp[:32, ::2]), strict=True):
            plane.update(np.pad(values, ((0, 0), (0, plane.line_size // 2 - plane.width))).tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (back,), _, media = read_media(target)
    assert media.colour == (2, 2, 9, 1)
    for plane, values in ((back.y, ramp), (back.u, ramp[:32, ::2]), (back.v, ramp[:32, ::2])):
        assert np.abs(plane.astype(int) - values // 4).max() <= 1


def test_the_offset_between_audio_and_video_stays(
    tmp_path: Path, make_frames: Make, make_video: MakeVideo, speech: Speech, read_media: ReadMedia
) -> None:
    late = [12 + index for index in range(20)]
    make_video(tmp_path / "late.mp4", make_frames(20, 64, 48, times=late), audio=(speech(2.0, 16000), 16000, "aac"))
    back, audio, media = read_media(tmp_path / "late.mp4")
    assert (audio[0].pts, back[0].pts_seconds, len(back)) == (0, pytest.approx(0.48), 20)
    back, audio, media = read_media(tmp_path / "late.mp4", audio=False)
    assert (back[0].pts, media.has_audio) == (0, False)


def test_holes_in_the_audio_are_filled(tmp_path: Path, speech: Speech, read_media: ReadMedia) -> None:
    x, target = speech(3.0, 16000), io.BytesIO()
    with av.open(target, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for start in (*range(0, 16000, 1600), *range(32000, 48000, 1600)):
            data = np.rint(x[:, start : start + 1600] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
    _, audio, media = read_media(target)
    out = joined(audio)
    np.testing.assert_allclose(out[:, 32000:], x[:, 32000:], atol=1e-4)
    assert out.shape == (1, 48000)
    assert not out[:, 16000:32000].any()
    assert any("1.00 s of silence" in note for note in media.notes())


def test_audio_that_ends_early_does_not_hold_the_frames(
    tmp_path: Path, make_frames: Make, make_video: MakeVideo, speech: Speech
) -> None:
    make_video(
        tmp_path / "a.mkv", make_frames(600, 64, 48), audio=(speech(0.5, 16000), 16000, "flac"), options={"g": "10"}
    )
    with MediaSource(tmp_path / "a.mkv") as media:
        items = media.items()
        seen = [next(items) for _ in range(100)]
        assert media._reader is not None
        assert media._reader.video.queued_seconds < 11
        seen += items
    assert sum(isinstance(item, VideoFrame) for item in seen) == 600


def test_memory_does_not_grow_with_the_length(tmp_path: Path, make_frames: Make) -> None:
    frames = make_frames(10, 320, 240)
    with MediaSink(tmp_path / "a.y4m", width=320, height=240) as sink:
        for index in range(200):
            frame = frames[index % 10]
            sink.write(VideoFrame(frame.y, frame.u, frame.v, index, Fraction(1, 25)))
    with MediaSource(tmp_path / "a.y4m") as media:
        tracemalloc.start()
        assert sum(1 for _ in media.items()) == 200
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * frames[0].y.size


def test_numbered_and_single_frames(tmp_path: Path, make_frames: Make, read_media: ReadMedia, psnr: Psnr) -> None:
    frames = make_frames(6, 65, 47, colour=(1, 1, 1, 0))
    with MediaSink(tmp_path / "f%03d.png", width=65, height=47) as sink:
        for frame in frames:
            sink.write(frame)
    back, _, media = read_media(tmp_path / "f%03d.png", start=0.08, duration=0.1)
    assert [frame.pts for frame in back] == [0, 1, 2]
    assert min(map(psnr, frames[2:5], back)) > 35
    assert (media.frame_rate, media.duration, media.colour) == (25, pytest.approx(0.1), (1, 13, 1, 0))
    (single,), _, media = read_media(tmp_path / "f003.png")
    np.testing.assert_array_equal(single.y, back[0].y)
    with pytest.raises(InputError, match=r"g%03d.png.*none of"):
        MediaSource(tmp_path / "g%03d.png")
    shutil.copy(tmp_path / "f001.png", tmp_path / "100%d.png")
    assert len(read_media(tmp_path / "100%d.png")[0]) == 1, "a file of that very name is that file"


@pytest.mark.parametrize(("kind", "audio"), [("matroska", True), ("yuv4mpegpipe", False)])
def test_a_real_pipe(
    kind: str, audio: bool, make_frames: Make, make_video: MakeVideo, speech: Speech, read_media: ReadMedia, psnr: Psnr
) -> None:
    frames, target = make_frames(40, 96, 64), io.BytesIO()
    x = (speech(1.6, 16000), 16000, "flac") if audio else None
    make_video(target, frames, "libx264" if audio else "wrapped_avframe", muxer=kind, audio=x, options={"crf": "10"})
    receiving, sending = os.pipe()

    def feed() -> None:
        with os.fdopen(sending, "wb") as writer:
            writer.write(target.getvalue())

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(receiving, "rb") as reader:
        back, chunks, media = read_media(reader)
    thread.join()
    assert (len(back), media.has_audio) == (40, audio)
    assert min(psnr(a, b) for a, b in zip(frames, back, strict=True)) > 35
    assert sum(chunk.num_samples for chunk in chunks) == (25600 if audio else 0)


@pytest.mark.parametrize(
    ("suffix", "codec", "target"),
    [
        ("mp4", "aac", "mp4"),
        ("mp4", "aac", "mkv"),
        ("mkv", "flac", "mkv"),
        ("mkv", "pcm_s16le", "mkv"),
        ("mkv", "libmp3lame", "mov"),
        ("webm", "libopus", "mp4"),
        ("avi", "libmp3lame", "mkv"),
    ],
)
def test_copied_audio_is_untouched_and_in_time(
    suffix: str,
    codec: str,
    target: str,
    tmp_path: Path,
    make_frames: Make,
    make_video: MakeVideo,
    speech: Speech,
    read_media: ReadMedia,
    lag: Callable[[Samples, Samples], int],
) -> None:
    rate = 48000
    frames, x = make_frames(25, 64, 48), speech(1.0, rate, 2)
    path, copy = tmp_path / f"a.{suffix}", tmp_path / f"b.{target}"
    make_video(path, frames, "libvpx-vp9" if suffix == "webm" else "libx264", audio=(x, rate, codec))
    with MediaSource(path, audio="copy") as media:
        described = media.audio_copy
        assert described is not None
        assert (described.codec, described.sample_rate, described.channels) == (
            {"libmp3lame": "mp3", "libopus": "opus"}.get(codec, codec),
            rate,
            2,
        )
        with MediaSink(copy, width=64, height=48, time_base=media.time_base, audio=described) as sink:
            packets = []
            for item in media.items():
                packets += [item] if isinstance(item, AudioPacket) else []
                sink.write(item)

    def raw(name: Path) -> list[bytes]:
        with av.open(name) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert raw(copy) == [packet.data for packet in packets] == raw(path)
    (_, before, _), (_, after, _) = read_media(path), read_media(copy)
    assert abs(before[0].pts_seconds - after[0].pts_seconds) <= 0.001
    a, b = joined(before), joined(after)
    shift = lag(a, b)
    assert abs(shift) <= (48 if {suffix, target} & {"mkv", "webm"} else 0), "Matroska counts milliseconds"
    assert abs(a.shape[1] - b.shape[1]) <= 1152
    size = min(a.shape[1], b.shape[1]) - 2400
    np.testing.assert_allclose(a[:, 2400:size], b[:, 2400 + shift : size + shift], atol=1e-4)


@pytest.mark.parametrize("start", [0.4, 2.5])
def test_copied_audio_of_a_stretch(
    start: float, tmp_path: Path, make_frames: Make, make_video: MakeVideo, speech: Speech, read_media: ReadMedia
) -> None:
    make_video(
        tmp_path / "a.mp4", make_frames(100, 64, 48), audio=(speech(4.0, 48000), 48000, "aac"), options={"g": "25"}
    )
    frames, packets, _ = read_media(tmp_path / "a.mp4", audio="copy", start=start, duration=1.0)
    assert len(frames) == 25
    assert -1024 < packets[0].pts <= 0
    assert 48000 - 1024 <= packets[-1].pts < 48000
    assert sum(packet.duration for packet in packets) == pytest.approx(48000, abs=2048)


def test_cover_art_is_no_video(
    tmp_path: Path, encode: Callable[..., None], speech: Speech, read_media: ReadMedia
) -> None:
    encode(tmp_path / "a.wav", speech(1.0, 16000), 16000, "pcm_s16le")
    back, audio, media = read_media(tmp_path / "a.wav")
    assert (back, media.has_video, media.width, joined(audio).shape) == ([], False, 0, (1, 16000))
    with pytest.raises(InputError, match="no video"):
        MediaSource(tmp_path / "a.wav", audio=False)


def test_refusals(tmp_path: Path, make_frames: Make, make_video: MakeVideo) -> None:
    make_video(tmp_path / "a.mp4", make_frames(3, 64, 48))
    for options in ({"start": -1.0}, {"duration": float("nan")}, {"audio": False, "video": False}):
        with pytest.raises(UsageError):
            MediaSource(tmp_path / "a.mp4", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no audio"):
        MediaSource(tmp_path / "a.mp4", video=False)
    with pytest.raises(InputError, match="does not exist"):
        MediaSource(tmp_path / "b.mp4")
    (tmp_path / "c.mp4").write_bytes(b"this is no clip at all" * 99)
    with pytest.raises(InputError, match=r"c\.mp4.*damaged"):
        MediaSource(tmp_path / "c.mp4")
    with MediaSource(tmp_path / "a.mp4") as media:
        assert len(list(media.items())) == 3
        with pytest.raises(InputError, match="open it again"):
            next(media.items())


def test_damaged_frames_are_left_out(
    tmp_path: Path, make_frames: Make, make_video: MakeVideo, read_media: ReadMedia
) -> None:
    make_video(tmp_path / "a.mkv", make_frames(50, 96, 64), "ffv1", options={"level": "1"})
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    (tmp_path / "b.mkv").write_bytes(data[: len(data) * 3 // 4])
    back, _, _ = read_media(tmp_path / "b.mkv")
    assert 30 <= len(back) < 50
