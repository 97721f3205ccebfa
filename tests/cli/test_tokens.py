"""mediacodec tokens: audio and .mcx to codes, and codes to audio and .mcx."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="module")
def npz(mcx, tmp_path_factory):
    """The codes of the audio at 3 kbit/s."""
    from mediacodec.cli import main

    path = tmp_path_factory.mktemp("codes") / "talk.npz"
    assert main(["tokens", str(mcx), "-v", "error", "-o", str(path)]) == 0
    return path


def test_codes_are_those_of_the_packets(run, mcx, npz):
    import mediacodec

    with mediacodec.open(mcx) as file:
        codes = file.audio.codes()
    with np.load(npz, allow_pickle=False) as archive:
        assert np.array_equal(archive["codes"], codes)
        assert archive["model"] == "speech-1"
        assert archive["num_samples"] == 40_123


def test_audio_becomes_codes_and_audio_again(run, wav, tmp_path):
    outcome = run("tokens", "-i", wav, "-c:a", "speech-1", "-b:a", "1.5k", "-o", tmp_path / "a.jsonl").works()
    assert outcome.out == ""
    assert "codebooks of 1024 entries of speech-1, 127 frames" in outcome.err
    given = json.loads((tmp_path / "a.jsonl").read_text())
    assert np.array(given["codes"]).shape[::2] == (1, 127)
    run("tokens", tmp_path / "a.jsonl", "-o", tmp_path / "a.wav").works()
    run("encode", "-i", wav, "-b:a", "1.5k", tmp_path / "b.mcx").works()
    run("decode", "-i", tmp_path / "b.mcx", tmp_path / "b.wav").works()
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert soundfile.info(tmp_path / "a.wav").frames == 40_123


def test_codes_become_an_mcx_of_the_same_codes(run, npz, tmp_path):
    run("tokens", npz, "-o", tmp_path / "a.mcx").works()
    run("verify", tmp_path / "a.mcx").works()
    run("tokens", tmp_path / "a.mcx", "-o", tmp_path / "again.npz").works()
    assert (tmp_path / "again.npz").read_bytes() == npz.read_bytes()


def test_codes_go_from_format_to_format(run, npz, tmp_path):
    run("tokens", npz, "-o", tmp_path / "a.jsonl").works()
    run("tokens", tmp_path / "a.jsonl", "-o", tmp_path / "b.npz").works()
    assert (tmp_path / "b.npz").read_bytes() == npz.read_bytes()


def test_the_side_of_the_codes_needs_no_network(npz, mcx, tmp_path):
    """Neither ONNX Runtime nor torch: both ways between packets and codes."""
    words = [["tokens", str(mcx), "-o", str(tmp_path / "a.npz")], ["tokens", str(npz), "-o", str(tmp_path / "a.mcx")]]
    program = (
        "import sys\n"
        "for name in ('onnxruntime', 'torch'): sys.modules[name] = None\n"
        "from mediacodec.cli import main\n"
        f"sys.exit(max(main(words) for words in {words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.npz").exists()
    assert (tmp_path / "a.mcx").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["IN"], 2, "-o"),
        (["IN", "-o", "b.wav"], 2, "holds codes"),
        (["IN", "-o", "-"], 2, "suffix"),
        (["CODES", "-b:a", "3k", "-o", "b.wav"], 2, "coded already"),
        (["CODES", "-c:a", "speech", "-o", "b.wav"], 2, "coded already"),
        (["CODES", "-o", "b.xyz"], 2, "b.xyz"),
        (["CODES", "-o", "CODES"], 2, "input"),
        (["nothing.npz", "-o", "b.wav"], 3, "nothing.npz"),
        (["nothing.wav", "-o", "b.npz"], 3, "nothing.wav"),
        (["IN", "-c:a", "nobody", "-o", "b.npz"], 5, "nobody"),
        (["IN", "-c:a", "conditional", "-o", "b.npz"], 2, "conditional"),
    ],
)
def test_what_cannot_be_done_is_said(run, wav, npz, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    names = {"IN": str(wav), "CODES": str(npz)}
    run("tokens", *[names.get(word, word) for word in words]).fails(code, said)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_an_output_that_exists_is_kept(run, npz, tmp_path):
    (tmp_path / "a.jsonl").write_text("mine")
    run("tokens", npz, "-n", "-o", tmp_path / "a.jsonl").fails(7, "exists")
    assert (tmp_path / "a.jsonl").read_text() == "mine"
    run("tokens", npz, "-y", "-o", tmp_path / "a.jsonl").works()
    assert json.loads((tmp_path / "a.jsonl").read_text())["model"] == "speech-1"


def test_garbage_is_refused_and_leaves_nothing(run, mcx, tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04" + bytes(500))
    run("tokens", tmp_path / "a.npz", "-o", tmp_path / "a.wav").fails(3, "a.npz")
    (tmp_path / "cut.mcx").write_bytes(mcx.read_bytes()[:-200])
    run("tokens", tmp_path / "cut.mcx", "-o", tmp_path / "b.npz").fails(4, "cut.mcx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "cut.mcx"]
