"""A stretch of speech-like audio as files, and two ways to run the program: as a process and in this one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.program import COMMAND, RATE, SAMPLES, Outcome, babble

from mediacodec.cli import main


@pytest.fixture(scope="session", autouse=True)
def signals_arrive():
    """A shell's background job ignores SIGINT, and so would every program that the tests start from it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def wav(tmp_path_factory):
    """The audio: SAMPLES mono samples at 16 kHz."""
    path = tmp_path_factory.mktemp("audio") / "talk.wav"
    soundfile.write(path, babble(SAMPLES), RATE)
    return path


@pytest.fixture(scope="session")
def long_wav(tmp_path_factory):
    """Twenty minutes of it: whoever encodes this can be interrupted."""
    path = tmp_path_factory.mktemp("audio") / "long.wav"
    soundfile.write(path, np.tile(babble(10 * RATE), 120), RATE)
    return path


@pytest.fixture(scope="session")
def mcx(wav, tmp_path_factory):
    """The audio, encoded at 3 kbit/s in packets of half a second."""
    path = tmp_path_factory.mktemp("coded") / "talk.mcx"
    assert main(["encode", "-i", str(wav), "-b:a", "3k", "-packet_duration", "0.5", "-v", "error", str(path)]) == 0
    return path


@pytest.fixture
def run(capfd, monkeypatch):
    """Run the program in this process, without a terminal: run("probe", path) -> Outcome."""

    def run_here(*arguments):
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield run_here


@pytest.fixture
def command():
    """How a process of the program begins."""
    return COMMAND


@pytest.fixture
def process():
    """Run the program as a process: process("probe", path, stdin=b"") -> (Outcome, bytes of stdout)."""

    def run_there(*arguments, stdin=b"", **options):
        options.setdefault("stdout", subprocess.PIPE)
        options |= {"stderr": subprocess.PIPE, "input": stdin, "timeout": 60, "check": False}
        done = subprocess.run([*COMMAND, *map(str, arguments)], **options)
        out = done.stdout or b""
        return Outcome(done.returncode, out.decode("utf-8", "replace"), done.stderr.decode()), out

    return run_there
