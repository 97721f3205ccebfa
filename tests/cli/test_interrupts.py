"""Signals, kill -9 and terminals: real processes."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.failures import exit_code_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")


@contextlib.contextmanager
def started(command, **options):
    """A process that is gone when the block ends."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, **options) as program:
        try:
            yield program
        finally:
            program.kill()


def wait_until(condition, program):
    """Wait while the program is at work."""
    deadline = time.monotonic() + 30
    while not condition():
        assert program.poll() is None, program.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def encoding(command, long_wav, tmp_path):
    """An encode of twenty minutes that is under way, over a file that existed before."""
    (tmp_path / "a.mcx").write_bytes(b"mine")
    progress = tmp_path / "progress"
    words = ["encode", "-i", long_wav, "-y", "-progress", progress, tmp_path / "a.mcx"]
    with started([*command, *map(str, words)]) as program:
        wait_until(lambda: progress.exists() and progress.stat().st_size > 0, program)
        progress.unlink()
        yield program


def test_the_first_signal_takes_everything_back(encoding, tmp_path):
    encoding.send_signal(signal.SIGINT)
    assert encoding.wait(10) == 130
    assert encoding.stderr.read() == b"mediacodec: error: interrupted\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcx"]
    assert (tmp_path / "a.mcx").read_bytes() == b"mine"


def test_a_signal_while_a_library_loads_is_an_interrupt(capsys):
    def load():
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException:
            raise ImportError("initialization failed") from None

    console = Console()
    with console.interrupts.caught():
        assert exit_code_of(load, console) == 143
    assert capsys.readouterr().err == "mediacodec: error: interrupted\n"


def test_kill_leaves_the_final_name_alone(encoding, tmp_path):
    encoding.kill()
    encoding.wait(10)
    assert (tmp_path / "a.mcx").read_bytes() == b"mine"


def test_a_signal_ends_the_wait_for_a_silent_pipe(command, tmp_path):
    words = ["encode", "-i", "-", str(tmp_path / "a.mcx")]
    with started([*command, *words], stdin=subprocess.PIPE) as program:
        wait_until(lambda: list(tmp_path.iterdir()), program)
        program.terminate()
        assert program.wait(10) == 143
    assert list(tmp_path.iterdir()) == []


def test_the_second_signal_does_not_wait(command, tmp_path):
    words = ["encode", "-i", "-", str(tmp_path / "a.mcx")]
    with started([*command, *words], stdin=subprocess.PIPE) as program:
        wait_until(lambda: list(tmp_path.iterdir()), program)
        time.sleep(0.3)
        program.send_signal(signal.SIGINT)
        time.sleep(0.1)
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == 130
        assert time.monotonic() - began < 0.8
        assert program.stderr.read() == b""


def on_terminal(command, typed, **options):
    """Run with a terminal for stdin and stderr; returns the exit code and what the terminal showed."""
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, **options) as program:
        os.close(theirs)
        os.write(ours, typed)
        presented = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                presented += data
        code = program.wait(30)
    os.close(ours)
    return code, presented.decode()


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 7), (b"\n", 7)])
def test_a_person_is_asked_before_overwriting(command, wav, tmp_path, typed, code):
    (tmp_path / "a.mcx").write_bytes(b"mine")
    words = [*command, "encode", "-i", str(wav), str(tmp_path / "a.mcx")]
    ended, presented = on_terminal(words, typed)
    assert ended == code, presented
    assert "Overwrite it? [y/N]" in presented
    assert ((tmp_path / "a.mcx").read_bytes() == b"mine") == (code == 7)


def test_nostdin_asks_nobody(command, wav, tmp_path):
    (tmp_path / "a.mcx").write_bytes(b"mine")
    ended, presented = on_terminal([*command, "encode", "-nostdin", "-i", str(wav), str(tmp_path / "a.mcx")], b"y\n")
    assert ended == 7
    assert "Overwrite" not in presented


def test_a_terminal_shows_how_far_it_is(command, long_wav, tmp_path):
    words = [*command, "encode", "-i", str(long_wav), "-t", "10", str(tmp_path / "a.mcx")]
    ended, presented = on_terminal(words, b"")
    assert ended == 0
    assert re.search(r"\rtime=00:00:0\d\.\d\d  speed=[\d.]+x.*  \d+%  ETA 0:00:\d\d", presented), presented


def test_a_terminal_gets_no_media(command, wav, mcx):
    import pty

    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*command, "decode", "-i", str(mcx), "-f", "wav", "-"], stdout=theirs, stderr=subprocess.PIPE, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"terminal" in done.stderr
