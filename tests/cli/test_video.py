"""Video on the command line: there and back, what is printed, what is refused, pipes and interrupts."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support import plain_video as plain
from support.program import babble

from mediacodec.codecs.options import VideoOptions

TESTS = Path(__file__).parents[1]
RATE, SECONDS, SIZE = 16_000, 1.2, (96, 64)

PROGRAM = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from support import plain_video
from mediacodec.cli import main
from mediacodec.codecs.options import VideoOptions
from mediacodec.codecs.options import VideoOptions
with plain_video.with_family(Path(sys.argv[1])):
    sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", autouse=True)
def family(models):
    with plain.with_family(models):
        yield


@pytest.fixture
def program(models):
    """How a process of the program begins that knows the family."""
    return [sys.executable, "-W", "error", "-c", PROGRAM, str(models)]


def test_source(width, height, rate, seconds):
    """Frames of FFmpeg's test frame, which moves."""
    graph = av.filter.Graph()
    source = graph.add("testsrc2", f"size={width}x{height}:rate={rate}:duration={seconds}")
    pixels, sink = graph.add("format", "yuv420p"), graph.add("buffersink")
    source.link_to(pixels)
    pixels.link_to(sink)
    graph.configure()
    while True:
        try:
            yield sink.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return


test_source.__test__ = False


def make_clip(path, seconds=SECONDS, *, audio=True):
    """A clip of it with babble beside it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=SIZE[0], height=SIZE[1], pix_fmt="yuv420p")
        if audio:
            audio = container.add_stream("aac", rate=RATE, layout="mono")
            samples = babble(round(seconds * RATE)).astype(np.float32)[None]
            chunk = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts, chunk.time_base = RATE, 0, Fraction(1, RATE)
            packets = [*audio.encode(chunk), *audio.encode(None)]
        for frame in test_source(*SIZE, 25, seconds):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            container.mux(packets)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    make_clip(path)
    return path


@pytest.fixture(scope="module")
def coded(clip, tmp_path_factory):
    """The clip, with keyframes every 10 frames."""
    from mediacodec.cli import main

    path = tmp_path_factory.mktemp("coded") / "clip.mcx"
    words = ["-crf", "8", "-g", "10", "-sc_threshold", "0", "-b:a", "3k", "-v", "error"]
    assert main(["encode", "-i", str(clip), *words, str(path)]) == 0
    return path


def presented(path):
    """Times of frames, kinds of streams."""
    with av.open(str(path)) as container:
        kinds = [stream.type for stream in container.streams]
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)], kinds


@pytest.mark.parametrize("codec", ["conditional", "live"])
def test_there_and_back(run, clip, tmp_path, codec):
    words = ["-c:v", codec, "-crf", "30", "-c:a", "speech", "-b:a", "6k"]
    outcome = run("encode", "-i", clip, *words, tmp_path / "a.mcx").works()
    for part in ("encoded 30 frames, 1.20 s", "fps", "kbps video", "kbps payload", "kbps file"):
        assert part in outcome.err
    outcome = run("decode", "-i", tmp_path / "a.mcx", tmp_path / "a.mp4").works()
    assert "decoded 30 frames, 1.20 s" in outcome.err
    times, kinds = presented(tmp_path / "a.mp4")
    assert (times, kinds) == (pytest.approx(presented(clip)[0], abs=1e-3), ["video", "audio"])


def test_ffmpeg_shape(run, clip, tmp_path):
    run("-i", clip, "-crf", "20", "-an", tmp_path / "a.mcx").works()
    run("-i", tmp_path / "a.mcx", "-c:v", "ffv1", tmp_path / "a.mkv").works()
    times, kinds = presented(tmp_path / "a.mkv")
    assert (len(times), kinds) == (30, ["video"])


def test_options_reach_the_encoder(run, clip, tmp_path, monkeypatch):
    given = []
    init = plain.PlainEncoder.__init__

    def noted(self, model, video, options, runtime, **rest):
        init(self, model, video, options, runtime, **rest)
        given.append((video, options, runtime))

    monkeypatch.setattr(plain.PlainEncoder, "__init__", noted)
    words = ["-b:v", "400k", "-preset", "slow", "-g", "7", "-sc_threshold", "0", "-threads", "2"]
    run("encode", "-i", clip, *words, tmp_path / "a.mcx").works()
    video, options, runtime = given[0]
    assert options == VideoOptions(bit_rate=400_000, preset="slow", gop=7, scene_cut=False)
    assert runtime.threads == 2
    assert (video.width, video.height, video.frame_rate) == (*SIZE, 25)


def test_probe(run, coded, clip, tmp_path):
    result = json.loads(run("probe", "-of", "json", coded).works().out)
    video, audio = result["streams"]
    assert (video["codec_type"], video["codec_name"], video["model"]) == ("video", "plvd", "plain-1")
    assert (video["width"], video["height"], video["frame_rate"], video["nb_frames"]) == (*SIZE, "25/1", 30)
    assert video["bit_rate"] == pytest.approx(8 * video["payload_bytes"] / SECONDS, abs=0.01)
    assert audio["codec_type"] == "audio"
    assert "nb_frames" not in audio
    text = run("probe", coded).works().out
    for words in ("video, plvd, 96x64, 25 fps", "30 in 1.20 s", "audio, rvq1"):
        assert words in text
    run("encode", "-i", clip, "-c:a", "copy", "-vn", "-v", "error", tmp_path / "a.mcx")
    stream = json.loads(run("probe", "-of", "json", tmp_path / "a.mcx").out)["streams"][0]
    assert (stream["codec_name"], stream["coder"]) == ("aac", "opaque")
    assert "copy of aac" in run("probe", tmp_path / "a.mcx").works().out
    keys = [p["pts_time"] for p in json.loads(run("probe", "-of", "json", "-show_packets", coded).out)["packets"]
            if p["keyframe"] and p["stream"] == 0]  # fmt: skip
    assert keys == pytest.approx([0, 0.4, 0.8])


def test_verify(run, coded, tmp_path):
    assert "1.20 s and 30 frames decoded" in run("verify", coded).works().out
    data = bytearray(coded.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.mcx").write_bytes(data)
    assert "warning: gap" in run("verify", tmp_path / "bad.mcx").fails(4).err
    outcome = run("decode", "-i", tmp_path / "bad.mcx", tmp_path / "bad.mp4")
    assert "warning: gap" in outcome.fails(4, "bad.mcx", "damaged").err
    assert len(presented(tmp_path / "bad.mp4")[0]) == 30


def test_stretches_and_keyframes(run, coded, tmp_path):
    run("decode", "-i", coded, "-ss", "0.4", "-t", "0.4", tmp_path / "a.mp4").works()
    assert presented(tmp_path / "a.mp4")[0] == pytest.approx([0.04 * i for i in range(10)], abs=1e-3)
    run("decode", "-i", coded, "-skip_frame", "nokey", "-an", tmp_path / "b.mp4").works()
    assert presented(tmp_path / "b.mp4")[0] == pytest.approx([0, 0.4, 0.8], abs=1e-3)


def test_numbered_frames(run, coded, tmp_path):
    run("decode", "-i", coded, "-t", "0.2", tmp_path / "f%02d.png").works()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"f{i:02d}.png" for i in range(1, 6)]
    run("decode", "-i", coded, "-t", "0.2", tmp_path / "f%02d.png").fails(7, "f01.png")
    run("decode", "-i", coded, "-t", "0.2", "-y", tmp_path / "f%02d.png").works()
    run("encode", "-i", tmp_path / "f%02d.png", tmp_path / "a.mcx").works()
    assert json.loads(run("probe", "-of", "json", tmp_path / "a.mcx").out)["streams"][0]["nb_frames"] == 5


def test_compare(run, clip, coded, tmp_path):
    run("decode", "-i", coded, "-v", "error", tmp_path / "a.mp4")
    result = json.loads(run("compare", "-of", "json", clip, tmp_path / "a.mp4").works().out)
    assert result["frames"] == {"compared": 30, "reference": 30, "distorted": 30, "late_ms": 0}
    assert 30 < result["metrics"]["psnr"] < 60
    assert {"psnr_y", "mel", "si_sdr"} <= set(result["metrics"])
    text = run("compare", clip, tmp_path / "a.mp4", "-metrics", "psnr").works().out
    assert "PSNR 6:1:1" in text
    assert "SI-SDR" not in text
    run("compare", clip, tmp_path / "a.mp4", "-metrics", "psnr", "--fail-under", "psnr=90").fails(9, "under 90")
    run("compare", clip, coded).fails(3, "already")


def test_compare_with_audio(run, clip, wav, tmp_path):
    run("compare", clip, wav, "-metrics", "psnr").fails(2, "video in both")
    make_clip(tmp_path / "silent.mp4", audio=False)
    run("compare", clip, tmp_path / "silent.mp4", "-metrics", "mel").fails(2, "audio in both")
    assert "PSNR" in run("compare", clip, tmp_path / "silent.mp4").works().out


def test_roundtrip(run, clip, tmp_path):
    words = ["-crf", "8", "-b:a", "3k", "-of", "json"]
    result = json.loads(run("roundtrip", *words, clip, tmp_path / "a.mp4").works().out)
    assert result["frames"] == 30
    assert result["video_kbps"] > 1
    assert 30 < result["quality"]["psnr"] < 60
    assert "mel" in result["quality"]
    assert len(presented(tmp_path / "a.mp4")[0]) == 30
    text = run("roundtrip", "-vn", clip, tmp_path / "b.mp4").works().out
    assert "PSNR" not in text
    text = run("roundtrip", "-crf", "8", clip, tmp_path / "a.y4m").works().out
    assert "(30 frames, " in text
    assert "mel" not in text
    run("roundtrip", "-crf", "8", clip, tmp_path / "a.wav").fails(2, "-crf", "-vn")


def test_progress(run, clip, coded, tmp_path):
    for words in (["encode", "-i", clip], ["decode", "-i", coded]):
        suffix = ".mcx" if words[0] == "encode" else ".mp4"
        run(*words, "-progress", tmp_path / "p", tmp_path / f"a{suffix}").works()
        lines = (tmp_path / "p").read_text().splitlines()
        last = dict(line.split("=", 1) for line in lines[-9:])
        assert (last["frame"], last["progress"]) == ("30", "end")
        assert float(last["fps"]) > 0
        assert last["out_time_us"] == "1200000"


def test_the_line_on_a_terminal():
    from mediacodec.cli.ui.monitor import progress_line
    from mediacodec.progress import Progress

    line = progress_line(Progress(2.0, 4.0, 100_000, 1.0, 50, 90_000), 100_000)
    assert line.startswith("frame=50  fps=50.0  time=00:00:02.00  speed=2.0x")
    assert "video=360kbps" in line
    assert "frame" not in progress_line(Progress(2.0, 4.0, 1000, 1.0), 1000)


NONSENSE = {
    "both": (["encode", "CLIP", "-crf", "20", "-b:v", "400k"], 2, "exclude"),
    "nothing": (["encode", "CLIP", "-an", "-vn"], 2, "nothing"),
    "crf": (["encode", "CLIP", "-crf", "64"], 2, "0 (best) to 63"),
    "rate": (["encode", "CLIP", "-b:v", "30"], 2, "30k"),
    "preset": (["encode", "CLIP", "-preset", "placebo"], 2, "placebo"),
    "gop": (["encode", "CLIP", "-g", "0"], 2, "1..100000"),
    "crf of none": (["encode", "CLIP", "-vn", "-crf", "20"], 2, "-vn"),
    "rate of none": (["encode", "CLIP", "-an", "-b:a", "3k"], 2, "-an"),
    "rate of a copy": (["encode", "CLIP", "-c:a", "copy", "-b:a", "3k"], 2, "copy"),
    "crf of audio": (["encode", "WAV", "-crf", "20"], 2, "no video"),
    "frames of audio": (["encode", "WAV", "-an"], 3, "no video"),
    "codec of the other kind": (["encode", "CLIP", "-c:v", "speech"], 2, "for audio"),
    "no such codec": (["encode", "CLIP", "-c:v", "nonesuch"], 5, "nonesuch"),
    "a clip as output": (["encode", "CLIP", "OUT.mp4"], 2, "roundtrip"),
    "keyframes of audio": (["decode", "MCX", "-skip_frame", "nokey", "OUT.wav"], 2, "keyframes"),
    "codec of audio": (["decode", "MCX", "-c:v", "h264", "OUT.wav"], 2, "h264"),
    "codec of y4m": (["decode", "MCX", "-c:v", "h264", "OUT.y4m"], 2, "h264"),
    "no such output codec": (["decode", "MCX", "-c:v", "theora", "OUT.mkv"], 2, "theora"),
    "ffv1 in mp4": (["decode", "MCX", "-c:v", "ffv1", "OUT.mp4"], 2, "mkv"),
    "no such format": (["decode", "MCX", "-f", "gif", "OUT.gif"], 2, "gif"),
    "rate of frames": (["decode", "MCX", "-ar", "8000", "OUT.y4m"], 2, "no audio"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_makes_no_sense(run, clip, wav, coded, tmp_path, name):
    (verb, source, *words), code, message = NONSENSE[name]
    files = {"CLIP": clip, "WAV": wav, "MCX": coded}
    out = tmp_path / "out.mcx"
    if words[-1].startswith("OUT"):
        out = tmp_path / words.pop().lower()
    run(verb, "-i", files[source], *words, out).fails(code, message)
    assert list(tmp_path.iterdir()) == []


def test_pipes(program, clip, coded, tmp_path):
    """decode -f y4m - | encode - | decode -f mkv -"""
    first = subprocess.run([*program, "decode", "-i", coded, "-f", "y4m", "-"], capture_output=True, check=True)
    assert first.stdout.count(b"FRAME\n") == 30
    words = ["encode", "-i", "-", "-crf", "8", "-packet_duration", "0.1", "-"]
    second = subprocess.run([*program, *words], input=first.stdout, capture_output=True, check=True)
    words = ["decode", "-i", "-", "-f", "mkv", "-"]
    third = subprocess.run([*program, *words], input=second.stdout, capture_output=True, check=True)
    (tmp_path / "a.mkv").write_bytes(third.stdout)
    assert len(presented(tmp_path / "a.mkv")[0]) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_an_interrupt_leaves_nothing_under_the_name(program, tmp_path, number, code):
    """Frames come from a pipe that does not end."""
    frame = b"FRAME\n" + np.random.default_rng(1).integers(40, 90, 160 * 120 * 3 // 2, np.uint8).tobytes()
    progress = tmp_path / "progress"
    words = ["encode", "-i", "-", "-progress", str(progress), str(tmp_path / "a.mcx")]
    with subprocess.Popen([*program, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.stdin.write(b"YUV4MPEG2 W160 H120 F25:1 C420jpeg\n")
            deadline = time.monotonic() + 30
            while not (progress.exists() and progress.stat().st_size):
                process.stdin.write(frame)
                assert time.monotonic() < deadline
            process.send_signal(number)
            assert process.wait(10) == code
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # what is still buffered has nowhere to go
                process.stdin.close()
    assert not (tmp_path / "a.mcx").exists()
    if number != signal.SIGKILL:
        assert [path.name for path in tmp_path.iterdir()] == ["progress"]


def test_a_damaged_live_stream_is_joined(program, clip, tmp_path):
    words = ["encode", "-i", clip, "-g", "5", "-packet_duration", "0.04", "-"]
    data = subprocess.run([*program, *words], capture_output=True, check=True).stdout
    done = subprocess.run([*program, "decode", "-i", "-", "-f", "y4m", "-"], input=data[:-400], capture_output=True,
                          check=False)  # fmt: skip
    assert done.returncode == 4
    assert 20 < done.stdout.count(b"FRAME\n") <= 30
