"""A codec whose encoding is fitting, on the command line: progress, and Ctrl-C once and twice."""

import contextlib
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

drawn = runpy.run_path(str(Path(__file__).parents[1] / "mediacodec" / "conftest.py"))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "clip.mp4"
    drawn["encode_film"](path, drawn["make_pictures"](6, 64, 48))
    return path


def test_there_and_back(run, film, tmp_path):
    words = ["-c:v", "inr", "-preset", "ultrafast", "-g", "4", "-crf", "20"]
    outcome = run("encode", "-i", film, *words, "-progress", tmp_path / "progress", tmp_path / "a.mcx").works()
    assert "encoded 6 pictures, 0.24 s" in outcome.err
    lines = (tmp_path / "progress").read_text().splitlines()
    for key in ("fit_group=1", "fit_steps=16", "fit_loss=", "fit_psnr=", "fit_seconds_left="):
        assert any(line.startswith(key) for line in lines), key
    outcome = run("decode", "-i", tmp_path / "a.mcx", "-ss", "0.08", "-t", "0.08", tmp_path / "a.y4m").works()
    assert "decoded 2 pictures" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
class TestInterrupts:
    @pytest.fixture
    def fitting(self, film, command, tmp_path):
        """An encode that would take hours, its first fit under way."""
        folder, progress = tmp_path / "out", tmp_path / "progress"
        folder.mkdir()
        words = ["encode", "-i", film, "-c:v", "inr", "-preset", "veryslow", "-progress", progress, folder / "a.mcx"]
        with subprocess.Popen([*command, *map(str, words)], stderr=subprocess.PIPE) as program:
            try:
                deadline = time.monotonic() + 240  # torch loads slowly on a busy machine
                while not (progress.exists() and "fit_step=" in progress.read_text()):
                    assert program.poll() is None, program.stderr.read().decode()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                yield program, folder
            finally:
                with contextlib.suppress(ProcessLookupError):
                    program.kill()

    def test_the_first_signal_keeps_what_is_fitted(self, fitting, run):
        program, folder = fitting
        program.send_signal(signal.SIGINT)
        assert program.wait(60) == 130
        last = program.stderr.read().decode().splitlines()
        assert "a.mcx.partial" in last[-2]
        assert last[-1] == "mediacodec: error: interrupted"
        assert [path.name for path in folder.iterdir()] == ["a.mcx.partial"]
        outcome = run("decode", "-i", folder / "a.mcx.partial", folder / "a.y4m").works()
        assert "decoded 6 pictures" in outcome.err

    def test_the_second_leaves_nothing(self, fitting):
        program, folder = fitting
        program.send_signal(signal.SIGSTOP)  # both arrive before it can act on the first
        program.send_signal(signal.SIGTERM)
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGCONT)
        assert program.wait(60) in (130, 143)
        assert list(folder.iterdir()) == []
