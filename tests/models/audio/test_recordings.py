"""What a folder of recordings gives to train on: with a manifest or without, of many speakers or of one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

import soundfile
from support.media import make_speech

from mediacodec.errors import InputError
from mediacodec_models.audio import data
from mediacodec_models.audio.data import Segments, pack
from mediacodec_models.audio.recordings import Recording, find_recordings, is_dev_speaker, set_aside

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of a named speaker, three of nobody's, and what is none."""
    root: Path = tmp_path_factory.mktemp("recordings")
    (root / "ada").mkdir()
    for index, name in enumerate(("ada/1.wav", "ada/2.flac", "3.wav", "4.wav", "5.wav")):
        soundfile.write(root / name, make_speech(1.0, RATE, seed=index)[0], RATE)
    (root / "notes.txt").write_text("no audio")
    return root


def written(root: Path, *lines: str) -> Path:
    (root / "MANIFEST.csv").write_text("\n".join(lines) + "\n")
    return root


class TestFinding:
    def test_without_a_manifest_every_audio_file_counts(self, folder: Path) -> None:
        found = find_recordings(folder, "speech")
        assert [each.file for each in found] == ["3.wav", "4.wav", "5.wav", "ada/1.wav", "ada/2.flac"]
        assert [each.speaker for each in found] == [".", ".", ".", "ada", "ada"], "a folder is a speaker"

    def test_a_manifest_chooses(self, tmp_path: Path) -> None:
        rows = ("b.wav,train,speech,Bo", "a.wav,train,speech,", "c.wav,eval,speech,Bo", "d.wav,train,music,Bach")
        written(tmp_path, "file,split,category,speaker_or_piece", *rows)
        assert find_recordings(tmp_path, "speech") == [Recording("b.wav", "Bo"), Recording("a.wav", ".")]
        assert find_recordings(tmp_path, "music") == [Recording("d.wav", "Bach")]

    def test_it_needs_no_column_but_one(self, tmp_path: Path) -> None:
        found = find_recordings(written(tmp_path, "file", "x/a.wav", "b.wav"), "speech")
        assert found == [Recording("x/a.wav", "x"), Recording("b.wav", ".")]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (("file,category", "a.wav,speech"), "no row of split train and category 'songs'; categories are: speech"),
            (("name,category", "a.wav,speech"), "needs a column `file`"),
            (("file",), "needs a column `file` and a row"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
        with pytest.raises(InputError, match=message):
            find_recordings(written(tmp_path, *lines), "songs")

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is no folder"):
            find_recordings(tmp_path / "nowhere", "speech")


def recordings(**speakers: int) -> list[Recording]:
    """So many recordings of each speaker."""
    return [Recording(f"{name}/{index}.wav", name) for name, count in speakers.items() for index in range(count)]


class TestSettingAside:
    def test_speakers_where_there_are_many(self) -> None:
        many = recordings(**{f"speaker {index}": 3 for index in range(100)})
        held = set_aside(many)
        assert held == {each.file for each in many if is_dev_speaker(each.speaker)}
        assert 0 < len(held) < 40

    @pytest.mark.parametrize("speaker", ["speaker 0", "speaker 2"], ids=["never set aside", "set aside by name"])
    def test_of_one_speaker_a_share_of_the_recordings(self, speaker: str) -> None:
        assert is_dev_speaker(speaker) == (speaker == "speaker 2")
        assert len(set_aside(recordings(**{speaker: 60}))) == 3
        assert len(set_aside(recordings(**{speaker: 2}))) == 1

    def test_a_speaker_with_most_of_them_is_kept(self) -> None:
        few = recordings(**{"speaker 0": 10, "speaker 2": 90})
        assert len(set_aside(few)) == 5

    def test_one_recording_is_too_few(self) -> None:
        with pytest.raises(InputError, match="cut it into several"):
            set_aside(recordings(ada=1))


def test_a_folder_is_packed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["data", str(folder), str(tmp_path)])
    data.main()
    assert capsys.readouterr().out.splitlines() == [
        "to learn from: 4 clips, 0.1 minutes, speakers: 2",
        "set aside: 1 clips, 0.0 minutes, speakers: 1",
    ]
    assert Segments(tmp_path, length=8000, dev=False, seed=0).batch(2).shape == (2, 8000)
    assert Segments(tmp_path, length=8000, dev=True, seed=0).batch(2).square().mean() > 1e-5


def test_what_is_too_short_is_left_out(tmp_path: Path) -> None:
    for index, seconds in enumerate((1.0, 0.1, 1.0)):
        soundfile.write(tmp_path / f"{index}.wav", make_speech(seconds, RATE, seed=index)[0], RATE)
    clips = pack(tmp_path, tmp_path / "pack", category="speech", sample_rate=RATE)
    assert [clip.file for clip in clips] == ["0.wav", "2.wav"]
    assert {clip.dev for clip in clips} == {False, True}


@pytest.mark.parametrize("dev", [False, True])
def test_a_pack_of_one_split_alone_is_refused(pack: Path, tmp_path: Path, dev: bool) -> None:
    rows = [row for row in json.loads((pack / "index.json").read_text()) if row["dev"] != dev]
    (tmp_path / "index.json").write_text(json.dumps(rows))
    np.save(tmp_path / "000.npy", np.load(pack / "000.npy"))
    with pytest.raises(InputError, match="set aside" if dev else "learnt from"):
        Segments(tmp_path, length=8000, dev=dev, seed=0)


def test_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["data", str(tmp_path / "nowhere"), str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        data.main()
    assert stopped.value.code == 2
    assert "is no folder of clips" in capsys.readouterr().err.splitlines()[-1]
