"""The examples and the README's Python run as they stand, on the sample that ships with the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[1]


def run(arguments: list[str], folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "bitstream")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_roundtrip_writes_a_file_of_the_same_length(tmp_path: Path) -> None:
    out = run([str(ROOT / "examples/roundtrip.py")], tmp_path)
    source, decoded = soundfile.info(ROOT / "examples/speech.wav"), soundfile.info(tmp_path / "decoded.wav")
    assert decoded.samplerate == 16_000
    assert decoded.frames == round(source.frames * 16_000 / source.samplerate)
    rate = float(re.search(r"at ([\d.]+) kbit/s", out)[1])  # type: ignore[index]
    assert 1.5 < rate <= 3.1


def test_live_decodes_everything_that_was_said(tmp_path: Path) -> None:
    out = run([str(ROOT / "examples/live.py")], tmp_path)
    audio = float(re.search(r"([\d.]+) s audio", out)[1])  # type: ignore[index]
    assert audio == pytest.approx(9.0, abs=0.05)


def test_tokens_have_the_shape_of_the_field(tmp_path: Path) -> None:
    out = run([str(ROOT / "examples/tokens.py")], tmp_path)
    codebooks, frames = map(int, re.search(r"uint16 \[1, (\d+), (\d+)\]", out).groups())  # type: ignore[union-attr]
    assert 1 <= codebooks <= 8
    assert frames == -(-(9 * 16_000 + 320) // 320)


def test_video_comes_back_frame_by_frame(tmp_path: Path) -> None:
    out = run([str(ROOT / "examples/video.py")], tmp_path)
    frames = re.findall(r"([\d.]+) s: (\d+x\d+), luma ([\d.]+) dB", out)
    assert [(time, size) for time, size, _ in frames] == [(f"{index / 25:.2f}", "160x96") for index in range(10)]
    assert min(float(quality) for *_, quality in frames) > 35
    total, raw = map(int, re.search(r"in (\d+) bytes instead of (\d+)", out).groups())  # type: ignore[union-attr]
    assert total == (tmp_path / "drawn.mcx").stat().st_size
    assert total < raw / 10


def test_every_example_is_run_here() -> None:
    tested = {name[5:].split("_")[0] for name in globals() if name.startswith("test_")}
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} <= tested


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    (tmp_path / "readme.py").write_text(code + "\nassert audio.sample_rate == 16_000 and len(decoded) == 25\n")
    assert len(code.strip().splitlines()) <= 12
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run(["readme.py"], tmp_path)
