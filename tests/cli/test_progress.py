"""-progress: ffmpeg's keys, where they are wanted."""

import pytest

KEYS = ["bitrate", "total_size", "out_time_us", "out_time_ms", "out_time", "speed", "progress"]


def blocks(text):
    lines = [line.split("=", 1) for line in text.splitlines()]
    ends = [i + 1 for i, (key, _) in enumerate(lines) if key == "progress"]
    return [lines[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("where", ["-", "pipe:1", "FILE"])
def test_blocks(process, wav, tmp_path, where):
    url = tmp_path / "progress" if where == "FILE" else where
    outcome, _ = process("encode", "-i", wav, "-progress", url, tmp_path / "a.mcx")
    text = (tmp_path / "progress").read_text() if where == "FILE" else outcome.works().out
    found = blocks(text)
    assert all([key for key, _ in block] == KEYS for block in found)
    assert [block[-1][1] for block in found] == ["continue"] * (len(found) - 1) + ["end"]
    last = dict(found[-1])
    assert last["out_time_us"] == str(round(40_123 / 16_000 * 1e6))
    assert last["out_time"] == "00:00:02.507688"
    assert last["speed"].endswith("x")
    assert last["bitrate"].endswith("kbits/s")
    assert int(last["total_size"]) > 500


def test_decode_counts_the_output(run, mcx, tmp_path):
    run("decode", "-i", mcx, "-progress", tmp_path / "progress", "-v", "error", tmp_path / "a.wav").works()
    last = dict(blocks((tmp_path / "progress").read_text())[-1])
    assert last["progress"] == "end"
    assert int(last["total_size"]) > 40_000


def test_a_descriptor_that_is_none(run, wav, tmp_path):
    run("encode", "-i", wav, "-progress", "pipe:x", tmp_path / "a.mcx").fails(2, "pipe:2")
    run("encode", "-i", wav, "-progress", tmp_path / "no/where", tmp_path / "a.mcx").fails(1, "progress")
