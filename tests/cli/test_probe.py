"""probe: the JSON that programs read, and that nothing heavy is loaded for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = sorted((Path(__file__).parents[2] / "bitstream/vectors/v1").glob("*/*.mcx"))


def test_json(run, wav, mcx):
    result = json.loads(run("probe", "-of", "json", mcx).works().out)
    layout, stream = result["format"], result["streams"][0]
    assert layout["version"] == "1.0"
    assert layout["duration"] == pytest.approx(40_123 / 16_000, abs=1e-6)
    assert layout["size"] == mcx.stat().st_size
    assert layout["truncated"] is False
    assert stream["codec"] == "rvq1"
    assert stream["model"].startswith("speech")
    assert len(stream["model_hash"]) == len(stream["tables_hash"]) == 64
    assert (stream["sample_rate"], stream["channels"]) == (16_000, 1)
    assert stream["bit_rate"] == pytest.approx(8 * stream["payload_bytes"] / layout["duration"], abs=0.01)
    assert stream["packet_duration_ms"] == 500
    assert 0 < stream["algorithmic_delay_ms"] <= 40
    assert stream["delay_ms"] == stream["algorithmic_delay_ms"] + 500
    assert result["gaps"] == []


def test_packets_add_up(run, mcx):
    result = json.loads(run("probe", "-of", "json", "-show_packets", mcx).works().out)
    packets, stream = result["packets"], result["streams"][0]
    assert len(packets) == stream["packets"]
    assert sum(packet["size"] for packet in packets) == stream["payload_bytes"]
    assert [packet["pts"] for packet in packets[:2]] == [0, 8000]
    assert {"pts_time", "duration", "duration_time", "keyframe"} <= set(packets[0])


def test_text(run, mcx):
    text = run("probe", "-show_packets", mcx).works().out
    for words in ("mcx 1.0", "00:00:02.51", "rvq1, 16000 Hz, mono", "kbps payload", "of 500 ms", "algorithmic"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_pipe(process, mcx):
    outcome, _ = process("probe", "-of", "json", "-show_packets", "-", stdin=mcx.read_bytes())
    result = json.loads(outcome.works().out)
    assert len(result["packets"]) == result["streams"][0]["packets"] > 4


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_vector_is_printed_or_refused(run, path):
    outcome = run("probe", "-of", "json", "-show_packets", path)
    if path.parent.name == "good":
        outcome.works()
    if outcome.code == 0:
        assert json.loads(outcome.out)["streams"]
    else:
        outcome.fails(outcome.code)
        assert outcome.code in (3, 4)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["encode", "--help"], ["models", "list"], ["probe"]])
def test_nothing_heavy_is_loaded(mcx, arguments):
    words = [*arguments, str(mcx)] if arguments == ["probe"] else arguments
    program = (
        "import sys; from mediacodec.cli import main; code = main(sys.argv[1:]);"
        "print(sorted({'onnxruntime', 'av', 'soundfile', 'torch', 'scipy'} & set(sys.modules)), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
