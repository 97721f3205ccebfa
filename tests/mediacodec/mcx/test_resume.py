"""Fits that were interrupted and go on: what is taken over, what comes out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import mediacodec
from mediacodec.errors import BitstreamError, ParameterError
from mediacodec.frames import VideoFrame
from mediacodec_bitstream import Packet, Reader

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

MakeFrames = Callable[..., list[VideoFrame]]
WIDTH, HEIGHT = 64, 48
RATE = 25


@dataclass
class Interrupting:
    """A monitor that, at the given group, breaks everything off or (gently) has the fit end early."""

    group: int
    gently: bool = False
    stopped: bool = False
    groups: list[int] = field(default_factory=list)

    def report(self, progress: Any) -> None:
        self.groups.append(progress.group)
        if progress.group == self.group:
            if not self.gently:
                raise KeyboardInterrupt
            self.stopped = progress.step > 0  # before the first step there is nothing to keep


@pytest.fixture(scope="module")
def frames(make_frames: MakeFrames) -> list[VideoFrame]:
    """Two scenes."""
    first, second = make_frames(5, WIDTH, HEIGHT), make_frames(9, WIDTH, HEIGHT)[4:]
    turned = [VideoFrame(255 - f.y[::-1], f.v[::-1], f.u[::-1], f.pts + 1, f.time_base, f.colour) for f in second]
    return first + turned


def write(path: Path, frames: Sequence[VideoFrame], codec: str, monitor: Any = None, **options: Any) -> None:
    given = {"width": frames[0].width, "height": frames[0].height, "preset": "ultrafast"} | options
    resume = given.pop("resume", False)
    with mediacodec.open(path, "w", overwrite=True, monitor=monitor, resume=resume) as file:
        stream = file.add_video_stream(codec, frame_rate=RATE, **given)
        for frame in frames:
            file.mux(stream.encode(frame))
            if monitor is not None and monitor.stopped:
                break


def packets(path: Path) -> list[Packet]:
    with path.open("rb") as file:
        return list(Reader(file))


def interrupted(path: Path, frames: Sequence[VideoFrame], codec: str, *, group: int, **options: Any) -> Path:
    """The partial file of an encode that was broken off in a group."""
    with pytest.raises(KeyboardInterrupt):
        write(path, frames, codec, Interrupting(group), **options)
    assert not path.exists()
    return path.with_name(f"{path.name}.partial")


FITS = [
    ("overfit", 7, {"crf": 24, "gop": 4}),
    ("overfit", 9, {"bit_rate": 300_000, "gop": 20}),  # a scene begins with the sixth
    ("inr", 3, {"crf": 20, "gop": 2}),
]


@pytest.mark.parametrize(("codec", "group", "options"), FITS)
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(
    frames: list[VideoFrame], tmp_path: Path, codec: str, group: int, options: dict[str, Any]
) -> None:
    write(tmp_path / "whole.mcx", frames, codec, **options)
    partial = interrupted(tmp_path / "a.mcx", frames, codec, group=group, **options)
    size = 2 if codec == "inr" else 1
    kept = packets(partial)
    assert [p.data for p in kept] == [p.data for p in packets(tmp_path / "whole.mcx")[: size * (group - 1)]]
    monitor = Interrupting(0)
    write(tmp_path / "a.mcx", frames, codec, monitor, resume=True, **options)
    assert min(monitor.groups) == group, "what was fitted is not fitted again"
    assert (tmp_path / "a.mcx").read_bytes() == (tmp_path / "whole.mcx").read_bytes()
    assert not partial.exists()


def test_the_scene_that_begins_is_found(frames: list[VideoFrame], tmp_path: Path) -> None:
    """The tests above and below mean to go on behind one."""
    codec, _, options = FITS[1]
    write(tmp_path / "whole.mcx", frames, codec, **options)
    assert [p.pts for p in packets(tmp_path / "whole.mcx") if p.is_keyframe] == [0, 5]


@pytest.mark.parametrize(("codec", "group", "options"), FITS)
def test_a_group_that_was_stopped_early_is_fitted_again(
    frames: list[VideoFrame], tmp_path: Path, codec: str, group: int, options: dict[str, Any]
) -> None:
    write(tmp_path / "whole.mcx", frames, codec, **options)
    write(tmp_path / "a.mcx", frames, codec, Interrupting(group, gently=True), **options)
    partial = tmp_path / "a.mcx.partial"
    assert len(packets(partial)) == (2 if codec == "inr" else 1) * group, "all that was fitted, however little"
    write(tmp_path / "a.mcx", frames, codec, resume=True, **options)
    assert (tmp_path / "a.mcx").read_bytes() == (tmp_path / "whole.mcx").read_bytes()
    assert not partial.exists()


def test_twice_interrupted(frames: list[VideoFrame], tmp_path: Path) -> None:
    write(tmp_path / "whole.mcx", frames, "overfit", gop=4)
    partial = interrupted(tmp_path / "a.mcx", frames, "overfit", group=3, gop=4)
    before = partial.read_bytes()
    again = interrupted(tmp_path / "a.mcx", frames, "overfit", group=3, gop=4, resume=True)
    assert again.read_bytes() == before, "nothing new: the file stays"
    assert len(packets(interrupted(tmp_path / "a.mcx", frames, "overfit", group=6, gop=4, resume=True))) == 5
    write(tmp_path / "a.mcx", frames, "overfit", resume=True, gop=4)
    assert (tmp_path / "a.mcx").read_bytes() == (tmp_path / "whole.mcx").read_bytes()


def test_between_keyframes_a_network_begins_anew(
    frames: list[VideoFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes embeddings is never sent, so groups that follow one cannot go on from packets alone."""
    from mediacodec_models.inr import plan

    monkeypatch.setattr(plan, "GROUP_FRAMES", 2)
    partial = interrupted(tmp_path / "a.mcx", frames, "inr", group=4, crf=20)
    kept = packets(partial)
    assert [p.is_keyframe for p in kept] == [True, *[False] * 5]
    write(tmp_path / "a.mcx", frames, "inr", crf=20, resume=True)
    found = packets(tmp_path / "a.mcx")
    assert [p.data for p in found[:6]] == [p.data for p in kept]
    assert [i for i, p in enumerate(found) if p.is_keyframe] == [0, 6]
    with mediacodec.open(tmp_path / "a.mcx") as file:
        assert [frame.pts for frame in file.video.frames()] == [frame.pts for frame in frames]
        assert not file.gaps


def test_without_anything_to_resume_it_begins(frames: list[VideoFrame], tmp_path: Path) -> None:
    write(tmp_path / "a.mcx", frames[:3], "overfit", resume=True)
    assert len(packets(tmp_path / "a.mcx")) == 3


def test_before_the_first_group_is_whole_nothing_is_kept(frames: list[VideoFrame], tmp_path: Path) -> None:
    interrupted(tmp_path / "a.mcx", frames, "overfit", group=1)
    assert list(tmp_path.iterdir()) == []


class TestRefusals:
    @pytest.fixture
    def partial(self, frames: list[VideoFrame], tmp_path: Path) -> Path:
        return interrupted(tmp_path / "a.mcx", frames, "overfit", group=4, crf=40, gop=4)

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            ({"crf": 30}, "made with crf=40, not with crf=30"),
            ({"preset": "superfast"}, "made with preset=ultrafast, not with preset=superfast"),
            ({"gop": 5}, "not with gop=5"),
            ({"crf": None, "bit_rate": 50_000}, "another size, rate"),
        ],
    )
    def test_other_options(
        self, partial: Path, frames: list[VideoFrame], tmp_path: Path, options: dict[str, Any], word: str
    ) -> None:
        before = partial.read_bytes()
        with pytest.raises(ParameterError, match=f"{word}.*leave -resume out"):
            write(tmp_path / "a.mcx", frames, "overfit", resume=True, **{"crf": 40, "gop": 4} | options)
        assert partial.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.mcx.partial"]

    @pytest.mark.usefixtures("partial")
    def test_another_codec(self, frames: list[VideoFrame], tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="another size, rate, codec or model"):
            write(tmp_path / "a.mcx", frames, "inr", resume=True, crf=40, gop=4)
        with pytest.raises(ParameterError, match="fits no network: there is nothing to resume"):
            write(tmp_path / "a.mcx", frames, "conditional", resume=True, preset="fast")

    @pytest.mark.usefixtures("partial")
    def test_another_size(self, make_frames: MakeFrames, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="another size"):
            write(tmp_path / "a.mcx", make_frames(3, 32, 32), "overfit", resume=True, crf=40, gop=4)

    @pytest.mark.usefixtures("partial")
    def test_other_frames_and_times(self, frames: list[VideoFrame], tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="made of other frames"):
            write(tmp_path / "a.mcx", frames[1:], "overfit", resume=True, crf=40, gop=4)
        with pytest.raises(ParameterError, match="has other times: 1 where there is 2"):
            write(tmp_path / "a.mcx", [frames[0], *frames[2:]], "overfit", resume=True, crf=40, gop=4)

    def test_damage(self, partial: Path, frames: list[VideoFrame], tmp_path: Path) -> None:
        data = bytearray(partial.read_bytes())
        for place in (len(data) // 3, 40, 2):
            data[place] ^= 0x55
            partial.write_bytes(data)
            with pytest.raises((BitstreamError, ParameterError), match=r"a\.mcx\.partial|mcx"):
                write(tmp_path / "a.mcx", frames, "overfit", resume=True, crf=40, gop=4)

    def test_a_file_of_someone_else(self, partial: Path, frames: list[VideoFrame], tmp_path: Path) -> None:
        write(tmp_path / "b.mcx", frames[:2], "overfit", crf=40, gop=4)
        (tmp_path / "b.mcx").rename(partial)
        with pytest.raises(ParameterError, match="does not say what it was made with"):
            write(tmp_path / "a.mcx", frames, "overfit", resume=True, crf=40, gop=4)

    def test_a_cut_end_costs_whole_groups_only(self, partial: Path, frames: list[VideoFrame], tmp_path: Path) -> None:
        """Killed while it wrote: what the last tag that is whole states is there."""
        write(tmp_path / "whole.mcx", frames, "overfit", crf=40, gop=4)
        partial.write_bytes(partial.read_bytes()[:-3])
        write(tmp_path / "a.mcx", frames, "overfit", resume=True, crf=40, gop=4)
        assert (tmp_path / "a.mcx").read_bytes() == (tmp_path / "whole.mcx").read_bytes()
