"""What entropy coding takes of recordings in a folder is printed, by way of coding and number of codebooks."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec.codecs.rvq.entropy import ENTROPY
from mediacodec_models.research import entropy as measure

ROOT = Path(__file__).parents[3]


def test_the_context_model_takes_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "examples" / "speech.wav", tmp_path)
    arguments = ["--clips", tmp_path, "--model", ROOT / "mediacodec" / "zoo" / "speech-1", "--books", 3, 8]
    monkeypatch.setattr(sys, "argv", ["measure", *map(str, arguments)])
    measure.main()
    printed = capsys.readouterr().out
    assert printed.startswith("1 clips, ")
    for books in (3, 8):
        bits = {}
        for name in ENTROPY:
            found = re.search(rf"^{books} codebooks, {name}: ([\d. ]+); ([\d.]+) bits a frame", printed, re.M)
            assert found, printed
            by_book = [float(value) for value in found[1].split()]
            assert len(by_book) == books
            bits[name] = float(found[2])
            assert sum(by_book) <= bits[name] < sum(by_book) + 1, "payloads are whole bytes"
        assert bits["context"] < bits["static"] < 10 * books
