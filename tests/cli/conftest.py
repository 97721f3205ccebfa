"""A stretch of speech-like sound as files, and two ways to run the program: as a process and in this one."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mediacodec.cli import main

RATE = 16_000
SAMPLES = 40_123  # 2.5 s and a bit: no whole number of frames or packets
COMMAND = [sys.executable, "-W", "error", "-m", "mediacodec"]


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left."""

    code: int
    out: str
    err: str

    def fails(self, code, *words):
        """It ended with this code, and with one clear last line on stderr that holds these words."""
        assert self.code == code, self.err
        lines = self.err.splitlines()
        assert lines[-1].startswith("mediacodec: error: "), self.err
        assert sum("error: " in line for line in lines) == 1, self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in lines[-1]
        return self

    def works(self):
        """It ended well."""
        assert self.code == 0, self.err
        assert "error" not in self.err
        return self


def babble(samples, seed=1):
    """Syllables with a moving pitch and two formants, and pauses; float [samples], peaks at 0.5."""
    rng = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < samples:
        n = int(rng.uniform(0.12, 0.3) * RATE)
        phase = 2 * np.pi * np.cumsum(rng.uniform(90, 220) * (1 + 0.1 * np.sin(np.arange(n) / 3000))) / RATE
        formants = rng.uniform((300, 900), (800, 2200))
        harmonics = [np.exp(-(((k * 140 - formants) / 200) ** 2)).sum() * np.sin(k * phase) for k in range(1, 20)]
        parts += [np.sum(harmonics, axis=0) * np.hanning(n), np.zeros(int(rng.uniform(0.02, 0.1) * RATE))]
    x = np.concatenate(parts)[:samples]
    return 0.5 * x / np.abs(x).max() + 1e-4 * rng.normal(size=samples)


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
    """The sound: SAMPLES mono samples at 16 kHz."""
    path = tmp_path_factory.mktemp("sound") / "talk.wav"
    soundfile.write(path, babble(SAMPLES), RATE)
    return path


@pytest.fixture(scope="session")
def long_wav(tmp_path_factory):
    """Twenty minutes of it: whoever encodes this can be interrupted."""
    path = tmp_path_factory.mktemp("sound") / "long.wav"
    soundfile.write(path, np.tile(babble(10 * RATE), 120), RATE)
    return path


@pytest.fixture(scope="session")
def mcx(wav, tmp_path_factory):
    """The sound, encoded at 3 kbit/s in packets of half a second."""
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
