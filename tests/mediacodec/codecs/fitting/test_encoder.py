"""What all codecs share whose encoding is fitting: groups, the monitor, options, and what is said without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.fitting import encoder as fitting
from mediacodec.codecs.fitting.encoder import FitOptions, FitProgress, FittedPicture, FittingEncoder
from mediacodec.codecs.registry import CODECS, Family
from mediacodec.errors import MissingExtraError, ParameterError, ParameterTypeError
from mediacodec.frames import VideoFrame
from mediacodec.mcx.writer import FileWriter
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import Packet, Reader, canonical_hash

Pictures = Callable[..., list[VideoFrame]]
RATE = Fraction(25)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> manifest.Manifest:
    folder = tmp_path_factory.mktemp("models") / "fits-1"
    folder.mkdir()
    about = {
        "schema": 1, "name": "fits-1", "alias": "fits", "generation": 1, "family": "fits", "licence": "none",
        "description": "", "weights_sha256": canonical_hash({}).hex(), "tables_sha256": canonical_hash({}).hex(),
        "tables": {"file": "tables.npz", "sha256": "0" * 64}, "graphs": {}, "settings": {},
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))
    return manifest.read_manifest(folder)


@dataclass
class Counting:
    """A fitter that codes how many pictures it was given, two steps a picture."""

    group_size: int = 4
    groups: list[list[VideoFrame]] = field(default_factory=list)

    def fit(self, pictures: Sequence[VideoFrame], monitor: fitting.FitMonitor) -> list[FittedPicture]:
        self.groups.append(list(pictures))
        done = []
        for index in range(len(pictures)):
            for step in (1, 2):
                monitor.report(FitProgress("fits", len(self.groups), 2 * index + step, 2 * len(pictures), 0.5))
            done.append(FittedPicture(bytes([len(pictures), index]), is_keyframe=index == 0))
            if monitor.stopped:
                break
        return done


@dataclass
class StopAfter:
    """A monitor that stops a fit after so many reports."""

    left: int
    seen: list[FitProgress] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        return len(self.seen) >= self.left

    def report(self, progress: FitProgress) -> None:
        self.seen.append(progress)


def options(**changes: Any) -> FitOptions:
    given: dict[str, Any] = {"width": 32, "height": 16, "frame_rate": RATE, "time_base": 1 / RATE}
    return FitOptions(**given | changes)


def encoder(model: manifest.Manifest, fitter: Any, monitor: Any = None) -> FittingEncoder:
    header = make_header(model, "fits", options(), colour=(2, 2, 2, 0), stream_id=3)
    return FittingEncoder(header, options(), fitter, monitor)


def test_pictures_are_gathered_and_come_out_group_by_group(model: manifest.Manifest, pictures: Pictures) -> None:
    fitter = Counting()
    coder, found = encoder(model, fitter), []
    for frame in pictures(10, 32, 16):
        found.append(coder.push(frame))
    assert [len(packets) for packets in found] == [0, 0, 0, 4, 0, 0, 0, 4, 0, 0]
    packets = [packet for part in found for packet in part] + coder.flush()
    assert [packet.data[0] for packet in packets] == [4] * 8 + [2] * 2
    assert [packet.pts for packet in packets] == list(range(10))
    assert [packet.is_keyframe for packet in packets] == [i % 4 == 0 for i in range(10)]
    assert {(packet.stream_id, packet.duration) for packet in packets} == {(3, 1)}
    assert coder.num_frames == 10
    with pytest.raises(ParameterError, match="flushed"):
        coder.push(pictures(1, 32, 16)[0])


def test_the_caller_may_write_into_what_it_gave(model: manifest.Manifest, pictures: Pictures) -> None:
    fitter = Counting()
    coder = encoder(model, fitter)
    frames = pictures(4, 32, 16)
    before = frames[0].y.copy()
    coder.push(frames[0])
    frames[0].y[:] = 0
    for frame in frames[1:]:
        coder.push(frame)
    assert (fitter.groups[0][0].y == before).all()


def test_what_waits_is_bounded_whatever_the_fitter_wants(model: manifest.Manifest) -> None:
    assert options(width=3840, height=2160).most_gathered < 30
    assert options(width=4000, height=3000).most_gathered >= 1
    assert options().most_gathered > 10_000


def test_a_stop_keeps_what_is_fitted_and_codes_no_more(model: manifest.Manifest, pictures: Pictures) -> None:
    monitor, fitter = StopAfter(8 + 3), Counting()  # in the second picture of the second group
    coder = encoder(model, fitter, monitor)
    packets = [packet for frame in pictures(11, 32, 16) for packet in coder.push(frame)] + coder.flush()
    assert [packet.pts for packet in packets] == [0, 1, 2, 3, 4, 5]
    assert len(fitter.groups) == 2
    assert monitor.seen[0] == FitProgress("fits", 1, 1, 8, 0.5)
    assert coder.num_frames == 6


def test_a_monitor_may_break_everything_off(model: manifest.Manifest, pictures: Pictures) -> None:
    class Breaks(StopAfter):
        def report(self, _: FitProgress) -> None:
            raise KeyboardInterrupt

    coder = encoder(model, Counting(), Breaks(99))
    frames = pictures(4, 32, 16)
    for frame in frames[:3]:
        coder.push(frame)
    with pytest.raises(KeyboardInterrupt):
        coder.push(frames[3])


@pytest.mark.parametrize(
    ("changes", "kind", "word"),
    [
        ({"preset": "placebo"}, ParameterError, "veryslow, not 'placebo'"),
        ({"crf": 64}, ParameterError, "64"),
        ({"crf": float("nan")}, ParameterError, "nan"),
        ({"crf": 3, "bit_rate": 3000}, ParameterError, "exclude"),
        ({"bit_rate": 10}, ParameterError, "10"),
        ({"gop": 0}, ParameterError, "gop"),
        ({"width": 0}, ParameterError, "0 x 16"),
        ({"width": 9000, "height": 9000}, ParameterError, "too large"),
        ({"width": 4097, "height": 3071, "block": 64}, ParameterError, "too large"),  # once padded
        ({"threads": 0}, ParameterError, "threads"),
        ({"frame_rate": 25.0}, ParameterTypeError, "Fraction"),
    ],
)
def test_options_are_checked(changes: dict[str, Any], kind: type, word: str) -> None:
    with pytest.raises(kind, match=word):
        options(**changes)


def test_presets_are_efforts() -> None:
    assert options(preset="ultrafast").effort == 0
    assert options().preset == "medium"
    assert options(preset="veryslow").effort == 8


def test_without_torch_one_line_names_the_extra(model: manifest.Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"fits-1.*pip install 'mediacodec\[train\]'"):
        fitting.open_fitter(model, options())


class TestFiles:
    """A family that fits, through a file."""

    @pytest.fixture
    def writer(
        self, model: manifest.Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> Callable[[Any], FileWriter]:
        def make(model: Any, *, monitor: Any = None, colour: Any, stream_id: int, **given: Any) -> FittingEncoder:
            chosen = FitOptions(**given)
            header = make_header(model, "fits", chosen, colour=colour, stream_id=stream_id)
            return FittingEncoder(header, chosen, Counting(), monitor)

        monkeypatch.setitem(CODECS, "fits", Family("fits", "video", make, lambda *_: None, fits=True))  # type: ignore[arg-type,return-value]
        (tmp_path / "out").mkdir()
        return lambda monitor: FileWriter(
            tmp_path / "out" / "a.mcx", models=model.folder.parent, monitor=monitor, overwrite=False
        )

    @staticmethod
    def write(file: FileWriter, frames: Sequence[VideoFrame]) -> None:
        with file:
            stream = file.add_video_stream("fits", width=32, height=16, frame_rate=25, preset="ultrafast")
            for frame in frames:
                file.mux(stream.encode(frame))

    def test_the_end_states_all_pictures(self, writer: Any, pictures: Pictures, tmp_path: Path) -> None:
        self.write(writer(None), pictures(10, 32, 16))
        data = (tmp_path / "out" / "a.mcx").read_bytes()
        reader = Reader(BytesIO(data))
        packets: list[Packet] = list(reader)
        assert len(packets) == 10
        assert reader.end is not None
        assert reader.end.streams[0].length == 10
        assert not reader.gaps

    def test_a_stopped_file_is_called_partial_and_is_whole(
        self, writer: Any, pictures: Pictures, tmp_path: Path
    ) -> None:
        (tmp_path / "out" / "a.mcx.partial").write_bytes(b"an older one")
        self.write(writer(StopAfter(5)), pictures(10, 32, 16))
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mcx.partial"]
        reader = Reader(BytesIO((tmp_path / "out" / "a.mcx.partial").read_bytes()))
        assert [packet.pts for packet in reader] == [0, 1, 2]
        assert reader.end is not None
        assert reader.end.streams[0].length == 3


def test_codecs_that_do_not_fit_are_never_given_a_monitor() -> None:
    with mediacodec.open(BytesIO(), "w", monitor=StopAfter(1)) as file:
        stream = file.add_video_stream("conditional", width=16, height=16, frame_rate=25)
        assert stream.header.codec == "cond"
