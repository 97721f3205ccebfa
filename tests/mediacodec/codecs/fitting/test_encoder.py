"""What all codecs share whose encoding is fitting: groups, the monitor, options, and what is said without torch."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import EntryPoint, EntryPoints
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support.coding import fit_task

import mediacodec
from mediacodec import manifest
from mediacodec.codecs.fitting import encoder as fitting
from mediacodec.codecs.fitting import training_extra
from mediacodec.codecs.fitting.encoder import FittingEncoder
from mediacodec.codecs.fitting.protocol import FitMonitor, FitProgress, FitTask, FittedFrame
from mediacodec.codecs.registry import CODECS, VideoFamily
from mediacodec.errors import MissingExtraError, ParameterError, ParameterTypeError
from mediacodec.frames import VideoFrame
from mediacodec.mcx.writer import FileWriter
from mediacodec.video_coding.stream import make_header
from mediacodec_bitstream import Packet, Reader, canonical_hash

MakeFrames = Callable[..., list[VideoFrame]]
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
class CountingFitter:
    """A fitter that codes how many frames it was given, two steps a frame."""

    group_size: int = 4
    groups: list[list[VideoFrame]] = field(default_factory=list)

    def fit(self, frames: Sequence[VideoFrame], monitor: FitMonitor) -> list[FittedFrame]:
        self.groups.append(list(frames))
        done = []
        for index in range(len(frames)):
            for step in (1, 2):
                monitor.report(FitProgress("fits", len(self.groups), 2 * index + step, 2 * len(frames), 0.5))
            done.append(FittedFrame(bytes([len(frames), index]), is_keyframe=index == 0))
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


def encoder(model: manifest.Manifest, fitter: Any, monitor: Any = None) -> FittingEncoder:
    header = make_header(model, "fits", fit_task().video, stream_id=3)
    return FittingEncoder(header, fit_task(monitor=monitor), fitter)


def test_frames_are_buffered_and_come_out_group_by_group(model: manifest.Manifest, make_frames: MakeFrames) -> None:
    fitter = CountingFitter()
    coder, found = encoder(model, fitter), []
    for frame in make_frames(10, 32, 16):
        found.append(coder.push(frame))
    assert [len(packets) for packets in found] == [0, 0, 0, 4, 0, 0, 0, 4, 0, 0]
    packets = [packet for part in found for packet in part] + coder.flush()
    assert [packet.data[0] for packet in packets] == [4] * 8 + [2] * 2
    assert [packet.pts for packet in packets] == list(range(10))
    assert [packet.is_keyframe for packet in packets] == [i % 4 == 0 for i in range(10)]
    assert {(packet.stream_id, packet.duration) for packet in packets} == {(3, 1)}
    assert coder.num_frames == 10
    with pytest.raises(ParameterError, match="flushed"):
        coder.push(make_frames(1, 32, 16)[0])


def test_the_caller_may_write_into_what_it_gave(model: manifest.Manifest, make_frames: MakeFrames) -> None:
    fitter = CountingFitter()
    coder = encoder(model, fitter)
    frames = make_frames(4, 32, 16)
    before = frames[0].y.copy()
    coder.push(frames[0])
    frames[0].y[:] = 0
    for frame in frames[1:]:
        coder.push(frame)
    assert (fitter.groups[0][0].y == before).all()


def test_what_waits_is_bounded_whatever_the_fitter_wants(model: manifest.Manifest) -> None:
    assert fit_task(width=3840, height=2160).max_buffered_frames < 30
    assert fit_task(width=4000, height=3000).max_buffered_frames >= 1
    assert fit_task().max_buffered_frames > 10_000


def test_a_stop_keeps_what_is_fitted_and_codes_no_more(model: manifest.Manifest, make_frames: MakeFrames) -> None:
    monitor, fitter = StopAfter(8 + 3), CountingFitter()  # in the second frame of the second group
    coder = encoder(model, fitter, monitor)
    packets = [packet for frame in make_frames(11, 32, 16) for packet in coder.push(frame)] + coder.flush()
    assert [packet.pts for packet in packets] == [0, 1, 2, 3, 4, 5]
    assert len(fitter.groups) == 2
    assert monitor.seen[0] == FitProgress("fits", 1, 1, 8, 0.5)
    assert coder.num_frames == 6


def test_a_monitor_may_break_everything_off(model: manifest.Manifest, make_frames: MakeFrames) -> None:
    class Breaks(StopAfter):
        def report(self, _: FitProgress) -> None:
            raise KeyboardInterrupt

    coder = encoder(model, CountingFitter(), Breaks(99))
    frames = make_frames(4, 32, 16)
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
        ({"threads": 0}, ParameterError, "threads"),
        ({"frame_rate": 25.0}, ParameterTypeError, "Fraction"),
    ],
)
def test_options_are_checked(changes: dict[str, Any], kind: type, word: str) -> None:
    with pytest.raises(kind, match=word):
        fit_task(**changes)


@pytest.mark.parametrize(("width", "height", "block"), [(9000, 9000, 1), (4097, 3071, 64)])  # the latter once padded
def test_frames_may_be_too_large(model: manifest.Manifest, width: int, height: int, block: int) -> None:
    with pytest.raises(ParameterError, match="too large"):
        make_header(model, "fits", fit_task(width, height).video, block=block)


def test_presets_have_levels() -> None:
    assert fit_task(preset="ultrafast").preset_level == 0
    assert fit_task().options.preset == "medium"
    assert fit_task(preset="veryslow").preset_level == 8


def test_without_torch_one_line_names_the_extra(model: manifest.Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EntryPoint("fit", "not_installed:open_fitter", training_extra.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: EntryPoints([missing]))
    with pytest.raises(MissingExtraError, match=r"fits-1.*pip install 'mediacodec\[train\]'"):
        fitting.open_fitter(model, fit_task())


class TestFiles:
    """A family that fits, through a file."""

    @pytest.fixture
    def writer(
        self, model: manifest.Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> Callable[[Any], FileWriter]:
        def make(model: Any, video: Any, options: Any, runtime: Any, *, stream_id: int = 0) -> FittingEncoder:
            header = make_header(model, "fits", video, stream_id=stream_id)
            return FittingEncoder(header, FitTask(video, options, runtime), CountingFitter())

        monkeypatch.setitem(CODECS, "fits", VideoFamily("fits", make, lambda *_: None, fits=True))  # type: ignore[arg-type,return-value]
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

    def test_the_end_states_all_frames(self, writer: Any, make_frames: MakeFrames, tmp_path: Path) -> None:
        self.write(writer(None), make_frames(10, 32, 16))
        data = (tmp_path / "out" / "a.mcx").read_bytes()
        reader = Reader(BytesIO(data))
        packets: list[Packet] = list(reader)
        assert len(packets) == 10
        assert reader.end is not None
        assert reader.end.streams[0].length == 10
        assert not reader.gaps

    def test_a_stopped_file_is_called_partial_and_is_whole(
        self, writer: Any, make_frames: MakeFrames, tmp_path: Path
    ) -> None:
        (tmp_path / "out" / "a.mcx.partial").write_bytes(b"an older one")
        self.write(writer(StopAfter(5)), make_frames(10, 32, 16))
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mcx.partial"]
        reader = Reader(BytesIO((tmp_path / "out" / "a.mcx.partial").read_bytes()))
        assert [packet.pts for packet in reader] == [0, 1, 2]
        assert reader.end is not None
        assert reader.end.streams[0].length == 3


def test_codecs_that_do_not_fit_are_never_given_a_monitor() -> None:
    with mediacodec.open(BytesIO(), "w", monitor=StopAfter(1)) as file:
        stream = file.add_video_stream("conditional", width=16, height=16, frame_rate=25)
        assert stream.header.codec == "cond"
