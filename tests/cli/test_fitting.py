"""A codec whose encoding is fitting, on the command line: progress, and Ctrl-C once and twice."""

import contextlib
import re
import signal
import subprocess
import sys
import time

import pytest

from mediacodec.mcx.append import AppendTarget

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from support import media as drawn


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "clip.mp4"
    drawn.encode_video(path, drawn.make_frames(6, 64, 48))
    return path


def test_there_and_back(run, clip, tmp_path):
    words = ["-c:v", "inr", "-preset", "ultrafast", "-g", "4", "-crf", "20"]
    outcome = run("encode", "-i", clip, *words, "-progress", tmp_path / "progress", tmp_path / "a.mcx").works()
    assert "encoded 6 frames, 0.24 s" in outcome.err
    lines = (tmp_path / "progress").read_text().splitlines()
    for key in ("fit_group=1", "fit_steps=16", "fit_loss=", "fit_psnr=", "fit_seconds_left="):
        assert any(line.startswith(key) for line in lines), key
    outcome = run("decode", "-i", tmp_path / "a.mcx", "-ss", "0.08", "-t", "0.08", tmp_path / "a.y4m").works()
    assert "decoded 2 frames" in outcome.err


class TestAppend:
    WORDS = ("-c:v", "inr", "-preset", "ultrafast", "-crf", "30")

    @pytest.fixture
    def existing(self, clip, run, tmp_path):
        run("encode", "-i", clip, *self.WORDS, tmp_path / "a.mcx").works()
        return tmp_path / "a.mcx"

    def test_the_file_grows_and_keeps_what_it_has(self, existing, clip, run, tmp_path):
        before = existing.read_bytes()
        outcome = run("encode", "-i", clip, "-append", "-preset", "ultrafast", "-t", "0.12", existing).works()
        assert "encoded 3 frames, 0.12 s" in outcome.err
        assert "they begin at 0.24 s of" in outcome.err
        assert "-ss 0.24 reaches them" in outcome.err
        assert existing.read_bytes().startswith(before)
        assert "frames   9 in 0.36 s" in run("probe", existing).works().out
        outcome = run("decode", "-i", existing, "-ss", "0.24", tmp_path / "a.y4m").works()
        assert "decoded 3 frames" in outcome.err
        run("verify", existing).works()

    def test_nothing_to_add_leaves_the_file_alone(self, existing, clip, run, tmp_path):
        before = existing.stat().st_ino, existing.stat().st_mtime_ns
        outcome = run("encode", "-i", clip, "-append", "-ss", "100", "-preset", "ultrafast", existing).works()
        assert "nothing was added: " in outcome.err
        assert "they begin" not in outcome.err
        assert (existing.stat().st_ino, existing.stat().st_mtime_ns) == before
        assert list(tmp_path.iterdir()) == [existing]

    def test_a_file_changed_meanwhile_costs_no_fit(self, existing, clip, run, tmp_path, monkeypatch):
        def changed(path, *_):
            (tmp_path / "b.mcx").write_bytes(b"other")
            (tmp_path / "b.mcx").replace(existing)
            return copy(path, *_)

        copy = AppendTarget.copy_to
        monkeypatch.setattr(AppendTarget, "copy_to", changed)
        outcome = run("encode", "-i", clip, "-append", "-preset", "ultrafast", existing)
        outcome.fails(1, "changed by somebody else", "a.mcx.partial")
        assert existing.read_bytes() == b"other"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mcx", "a.mcx.partial"]

    def test_what_is_refused(self, existing, clip, run, tmp_path, monkeypatch):
        before = existing.read_bytes()
        run("encode", "-i", clip, "-append", tmp_path / "b.mcx").fails(3, "cannot open", "b.mcx")
        run("encode", "-i", clip, "-append", "-resume", existing).fails(2, "-resume means nothing")
        run("encode", "-i", clip, "-append", "-vn", existing).fails(2, "-vn means nothing")
        run("encode", "-i", clip, "-append", "-").fails(2, "name one")
        run("encode", "-i", clip, "-append", "-n", existing).fails(2, "-n means nothing")
        run("encode", "-i", clip, "-append", "-c:v", "conditional", existing).fails(
            2, "nothing can be appended", "'conditional'"
        )
        run("encode", "-i", clip, "-append", "-y", "-n", existing).fails(2, "exclude each other")
        with monkeypatch.context() as closed:
            closed.setattr(sys, "stdin", None)
            run("encode", "-i", "-", "-append", existing).fails(3, "standard input is closed")
        (tmp_path / "a.mcx.partial").write_bytes(b"hours of another fit")
        run("encode", "-i", clip, "-append", existing).fails(7, "a.mcx.partial", "in the way")
        (tmp_path / "a.mcx.partial").unlink()
        run("encode", "-i", clip, "-append", "-c:v", "overfit", existing).fails(2, "made with 'inr-1'")
        (tmp_path / "c.mcx").write_bytes(before[:-30])
        run("encode", "-i", clip, "-append", tmp_path / "c.mcx").fails(4, "c.mcx", "only to whole files")
        loud, tone = tmp_path / "loud.mp4", drawn.make_speech(0.2, 16_000)
        drawn.encode_video(loud, drawn.make_frames(5, 64, 48), audio=(tone, 16_000, "aac"))
        with monkeypatch.context() as unread:
            unread.setattr(AppendTarget, "copy_to", lambda *_: pytest.fail("it was read before"))
            run("encode", "-i", loud, "-append", existing).fails(2, "has no audio", "-an")
        run("encode", "-i", loud, "-c:v", "conditional", tmp_path / "loud.mcx").works()
        run("encode", "-i", clip, "-append", tmp_path / "loud.mcx").fails(2, "holds audio")
        assert existing.read_bytes() == before
        assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
class TestInterrupts:
    @pytest.fixture
    def fitting(self, clip, command, tmp_path):
        """An encode that would take hours, its first fit under way."""
        folder, progress = tmp_path / "out", tmp_path / "progress"
        folder.mkdir()
        words = ["encode", "-i", clip, "-c:v", "inr", "-preset", "veryslow", "-progress", progress, folder / "a.mcx"]
        with subprocess.Popen([*command, *map(str, words)], stderr=subprocess.PIPE) as program:
            try:
                deadline = time.monotonic() + 240  # torch loads slowly on a busy machine
                # before the first step there is nothing yet to keep
                while not (progress.exists() and re.search(r"fit_step=[1-9]", progress.read_text())):
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
        assert "decoded 6 frames" in outcome.err

    def test_a_killed_fit_is_resumed(self, clip, command, run, tmp_path):
        words = ["-c:v", "inr", "-preset", "faster", "-g", "2", "-crf", "20"]
        run("encode", "-i", clip, *words, tmp_path / "whole.mcx").works()
        folder, progress = tmp_path / "out", tmp_path / "progress"
        folder.mkdir()
        given = ["encode", "-i", clip, *words, "-progress", progress, folder / "a.mcx"]
        with subprocess.Popen([*command, *map(str, given)]) as program:
            deadline = time.monotonic() + 240
            while not (progress.exists() and "fit_group=3" in progress.read_text()):
                assert program.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            program.kill()
        assert not (folder / "a.mcx").exists()
        outcome = run("decode", "-i", folder / "a.mcx.partial", folder / "a.y4m")
        assert outcome.code == 4
        assert re.search("decoded [46] frames", outcome.err), "the third group may have been done on a busy machine"
        outcome = run("encode", "-i", clip, *words, "-crf", "21", "-resume", folder / "a.mcx")
        outcome.fails(2, "was made with crf=20.0, not with crf=21.0")
        outcome = run("encode", "-i", clip, *words, "-resume", "-progress", progress, folder / "a.mcx").works()
        assert "fit_group=2" not in progress.read_text()
        assert (folder / "a.mcx").read_bytes() == (tmp_path / "whole.mcx").read_bytes()
        assert not (folder / "a.mcx.partial").exists()

    def test_an_older_partial_file_is_spoken_of(self, clip, run, tmp_path):
        (tmp_path / "a.mcx.partial").write_bytes(b"an older one")
        words = ["-c:v", "overfit", "-preset", "ultrafast", "-t", "0.05"]
        outcome = run("encode", "-i", clip, *words, tmp_path / "a.mcx").works()
        assert "-resume goes on from it" in outcome.err
        outcome = run("encode", "-i", clip, *words, "-y", "-resume", tmp_path / "a.mcx").works()
        assert "beginning anew" in outcome.err
        outcome = run("encode", "-i", clip, "-y", "-resume", tmp_path / "a.mcx")
        outcome.fails(2, "'conditional' is not fitting")

    def test_the_second_leaves_nothing(self, fitting):
        program, folder = fitting
        program.send_signal(signal.SIGSTOP)  # both arrive before it can act on the first
        program.send_signal(signal.SIGTERM)
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGCONT)
        assert program.wait(60) in (130, 143)
        assert list(folder.iterdir()) == []
