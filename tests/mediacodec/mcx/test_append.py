"""Clips appended to files of `inr`: what is there stays, clips that look alike cost less, and what is refused."""

from __future__ import annotations

import errno
import gc
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediacodec
from mediacodec.errors import (
    CorruptError,
    InputError,
    NotAnMcxError,
    OutputError,
    OutputExistsError,
    ParameterError,
    ParameterTypeError,
    UsageError,
    exit_code,
)
from mediacodec.frames import VideoFrame
from mediacodec.mcx import append
from mediacodec.mcx.append import AppendTarget
from mediacodec_bitstream import Packet, Reader, Writer

pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from support import media as drawn

from mediacodec_models.inr import append as inr_append
from mediacodec_models.inr import fitter

MakeFrames = Callable[..., list[VideoFrame]]
WIDTH, HEIGHT, CLIP = 64, 48, 3
QUICK = {"preset": "ultrafast", "crf": 30}


@dataclass
class Interrupting:
    """A monitor that breaks a fit off after so many reports, or (gently) has it end."""

    after: int
    gently: bool = False
    seen: int = 0

    @property
    def stopped(self) -> bool:
        return self.gently and self.seen > self.after

    def report(self, _: Any) -> None:
        self.seen += 1
        if self.seen > self.after and not self.gently:
            raise KeyboardInterrupt


class _Broken(io.FileIO):
    """A file on a disk that fails once the file was looked at."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size == append.PIECE:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(-1 if size is None else size) or b""


def write(path: Path, mode: str, frames: Sequence[VideoFrame], codec: str = "inr", **options: Any) -> None:
    given = {"width": WIDTH, "height": HEIGHT, "frame_rate": 25} | QUICK | options
    files = {"monitor": given.pop("monitor", None)} | ({"overwrite": True} if mode == "w" else {})
    with mediacodec.open(path, mode, **files) as file:  # type: ignore[call-overload]
        stream = file.add_video_stream(codec, **given)
        for frame in frames:
            file.mux(stream.encode(frame))


def packets(path: Path) -> list[Packet]:
    with path.open("rb") as file:
        reader = Reader(file)
        found = list(reader)
        assert not reader.gaps
        assert not reader.truncated
        return found


def presented(path: Path, *, start: float = 0.0, threads: int = 1) -> list[VideoFrame]:
    with mediacodec.open(path, threads=threads) as file:
        frames = list(file.video.frames(start=start))
        assert not file.gaps
        return frames


def difference(a: Sequence[VideoFrame], b: Sequence[VideoFrame]) -> int:
    """The largest of any sample."""
    pairs = [(x, y) for p, q in zip(a, b, strict=True) for x, y in ((p.y, q.y), (p.u, q.u), (p.v, q.v))]
    return max(int(np.abs(x.astype(int) - y).max()) for x, y in pairs)


def quality(frames: Sequence[VideoFrame], found: Sequence[VideoFrame]) -> float:
    return float(np.mean([drawn.measure_psnr(a, b) for a, b in zip(frames, found, strict=True)]))


@pytest.fixture(scope="module")
def clips(make_frames: MakeFrames) -> list[list[VideoFrame]]:
    """Three of one scene, each with times of its own."""
    clip = make_frames(3 * CLIP, WIDTH, HEIGHT)
    return [drawn.make_frames(CLIP, WIDTH, HEIGHT), clip[CLIP : 2 * CLIP], clip[2 * CLIP :]]


def from_zero(frames: Sequence[VideoFrame]) -> list[VideoFrame]:
    first = frames[0].pts
    return [VideoFrame(f.y, f.u, f.v, f.pts - first, f.time_base, f.colour) for f in frames]


@pytest.fixture
def refers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps say nothing of what is worth its bits: the last candidate is taken."""
    monkeypatch.setattr(fitter, "choose", lambda anew, candidates, *_: candidates[-1] if candidates else anew)


@pytest.fixture
def existing(clips: list[list[VideoFrame]], tmp_path: Path) -> Path:
    write(tmp_path / "a.mcx", "w", clips[0])
    return tmp_path / "a.mcx"


@pytest.mark.usefixtures("refers")
def test_twice(existing: Path, clips: list[list[VideoFrame]]) -> None:
    stages = [existing.read_bytes()]
    before = [packets(existing)]
    frames = [presented(existing)]
    for clip in clips[1:]:
        write(existing, "a", from_zero(clip))
        stages.append(existing.read_bytes())
        before.append(packets(existing))
        frames.append(presented(existing))
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        assert stages[later].startswith(stages[earlier]), "the file as it was, and more behind it"
        count = len(before[earlier])
        assert before[later][:count] == before[earlier]
        assert difference(frames[later][:count], frames[earlier]) == 0
    found = before[-1]
    assert [p.pts for p in found] == list(range(3 * CLIP))
    assert [p.pts for p in found if p.is_keyframe] == [0, CLIP, 2 * CLIP]
    assert [p.pts for p in found if p.discontinuity] == [CLIP, 2 * CLIP]
    assert [p.data[0] & 3 for p in found if p.is_keyframe] == [1, 3, 3]
    info = mediacodec.info(existing)
    assert (info.duration, info.streams[0].num_frames) == (3 * CLIP / 25, 3 * CLIP)
    assert list(existing.parent.iterdir()) == [existing]


@pytest.mark.usefixtures("refers")
def test_from_a_seek_and_on_two_threads(existing: Path, clips: list[list[VideoFrame]]) -> None:
    write(existing, "a", from_zero(clips[1]))
    write(existing, "a", from_zero(clips[2]))
    whole = presented(existing)
    for first in (CLIP, 2 * CLIP, 3 * CLIP - 1):
        frames = presented(existing, start=first / 25)
        assert [frame.pts for frame in frames] == list(range(first, 3 * CLIP))
        assert difference(frames, whole[first:]) == 0
    assert difference(presented(existing, threads=2), whole) <= 1
    assert difference(presented(existing, start=CLIP / 25, threads=2), whole[CLIP:]) <= 1


@pytest.mark.usefixtures("refers")
def test_frames_are_those_that_were_fitted(existing: Path, clips: list[list[VideoFrame]]) -> None:
    clip = from_zero(clips[1])
    write(existing, "a", clip, preset="fast", crf=20)
    assert quality(clip, presented(existing, start=CLIP / 25)) > 24


def test_a_clip_that_looks_alike_costs_less_and_is_no_worse(make_frames: MakeFrames, tmp_path: Path) -> None:
    clip, options = make_frames(12, WIDTH, HEIGHT), {"preset": "faster", "crf": 12}
    second = from_zero(clip[6:])
    write(tmp_path / "both.mcx", "w", clip[:6], **options)
    write(tmp_path / "both.mcx", "a", second, **options)
    write(tmp_path / "alone.mcx", "w", second, **options)
    sizes = [sum(len(p.data) for p in packets(tmp_path / name)[-6:]) for name in ("both.mcx", "alone.mcx")]
    assert sizes[0] < 0.9 * sizes[1]
    scores = [quality(second, presented(tmp_path / name)[-6:]) for name in ("both.mcx", "alone.mcx")]
    assert scores[0] >= scores[1]


def test_what_begins_anew_is_what_it_would_be_alone(
    existing: Path, clips: list[list[VideoFrame]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = from_zero(clips[1])
    rated: list[inr_append.Initialisation] = []
    monkeypatch.setattr(inr_append, "compare", lambda *given: (rated.extend(given[:2]), given[0])[1])
    write(existing, "a", clip)
    write(tmp_path / "alone.mcx", "w", clip)
    assert [start.reference is None for start in rated] == [True, False], "both were tried"
    found, alone = packets(existing)[CLIP:], packets(tmp_path / "alone.mcx")
    assert [p.data[0] for p in found] == [p.data[0] | 4 for p in alone], "but for the number of the group"
    assert difference(presented(existing, start=CLIP / 25), presented(tmp_path / "alone.mcx")) == 0


@pytest.mark.usefixtures("refers")
def test_long_clips_begin_new_networks_at_earlier_ones(
    existing: Path, clips: list[list[VideoFrame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mediacodec_models.inr import plan

    monkeypatch.setattr(plan, "GROUP_FRAMES", 1)
    monkeypatch.setattr(plan, "KEY_INTERVAL", 2)
    write(existing, "a", from_zero(clips[1]))
    found = packets(existing)[CLIP:]
    assert [p.data[0] & 3 for p in found] == [3, 2, 3]
    assert [p.data[0] >> 2 for p in found] == [1, 2, 3]
    assert [p.data[2] for p in found if p.is_keyframe] == [CLIP, CLIP + 2], "both from the clip that was there"
    assert difference(presented(existing, start=(CLIP + 2) / 25), presented(existing)[CLIP + 2 :]) == 0


def test_times_follow_in_the_files_ticks(tmp_path: Path, make_frames: MakeFrames) -> None:
    fine = Fraction(1, 1000)
    write(tmp_path / "a.mcx", "w", make_frames(2, WIDTH, HEIGHT, times=[0, 40], time_base=fine), time_base=fine)
    slower = make_frames(2, WIDTH, HEIGHT, times=[0, 1], time_base=Fraction(1, 20))
    write(tmp_path / "a.mcx", "a", slower, frame_rate=20)
    assert [p.pts for p in packets(tmp_path / "a.mcx")] == [0, 40, 80, 130]
    before = (tmp_path / "a.mcx").read_bytes()
    thirds = make_frames(2, WIDTH, HEIGHT, times=[0, 1], time_base=Fraction(1, 30))
    with pytest.raises(ParameterError, match=r"0\.033333 s falls between ticks of 1/1000 s"):
        write(tmp_path / "a.mcx", "a", thirds, frame_rate=30)
    assert (tmp_path / "a.mcx").read_bytes() == before


def test_nothing_added_changes_nothing(existing: Path) -> None:
    before = existing.stat().st_ino, existing.stat().st_mtime_ns
    write(existing, "a", [])
    assert (existing.stat().st_ino, existing.stat().st_mtime_ns) == before
    assert list(existing.parent.iterdir()) == [existing]


def test_a_slower_clip_ends_with_its_last_packet(existing: Path, make_frames: MakeFrames) -> None:
    slower = make_frames(2, WIDTH, HEIGHT, times=[0, 2])
    for times in ([0, 1, 2, 3, 5], [0, 1, 2, 3, 5, 6, 8]):
        write(existing, "a", slower, frame_rate=Fraction(25, 2))
        assert [frame.pts for frame in presented(existing)] == times
        info = mediacodec.info(existing)
        assert (info.duration, info.gaps) == ((times[-1] + 1) / 25, ())


@pytest.mark.usefixtures("refers")
def test_nothing_in_a_live_file_refers_to_what_listeners_may_have_missed(
    clips: list[list[VideoFrame]], tmp_path: Path
) -> None:
    with mediacodec.open(tmp_path / "a.mcx", "w", live=True) as file:
        stream = file.add_video_stream("inr", width=WIDTH, height=HEIGHT, frame_rate=25, **QUICK)
        for frame in clips[0]:
            file.mux(stream.encode(frame))
    before = (tmp_path / "a.mcx").stat().st_size
    write(tmp_path / "a.mcx", "a", from_zero(clips[1]))
    joined = (tmp_path / "a.mcx").read_bytes()[before:]
    with mediacodec.open(joined) as file:
        assert [frame.pts for frame in file.video.frames()] == list(range(CLIP, 2 * CLIP))
    assert [p.data[0] for p in packets(tmp_path / "a.mcx") if p.is_keyframe] == [1, 5]


@pytest.mark.usefixtures("refers")
class TestInterrupts:
    @pytest.mark.parametrize("after", [0, 5])
    def test_the_archive_stays(self, existing: Path, clips: list[list[VideoFrame]], after: int) -> None:
        before = existing.read_bytes()
        with pytest.raises(KeyboardInterrupt):
            write(existing, "a", from_zero(clips[1]), monitor=Interrupting(after))
        assert existing.read_bytes() == before
        assert list(existing.parent.iterdir()) == [existing]

    def test_a_gentle_stop_leaves_both(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        before = existing.read_bytes()
        write(existing, "a", from_zero(clips[1]), monitor=Interrupting(5, gently=True))
        assert existing.read_bytes() == before
        partial = existing.with_name("a.mcx.partial")
        assert len(packets(partial)) == 2 * CLIP
        assert partial.read_bytes().startswith(before)

    def test_what_somebody_else_did_meanwhile_stays(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        file = mediacodec.open(existing, "a")
        stream = file.add_video_stream("inr", width=WIDTH, height=HEIGHT, frame_rate=25, **QUICK)
        file.mux(stream.encode(clips[0][0]))
        existing.write_bytes(b"other")
        for _ in range(2):
            with pytest.raises(OutputError, match=r"changed by somebody else.* is in '.*a\.mcx\.partial'") as caught:
                file.close()
            assert exit_code(caught.value) == 1
        assert existing.read_bytes() == b"other"
        partial = existing.with_name("a.mcx.partial")
        assert len(packets(partial)) == CLIP + 1, "what was fitted is not lost"
        assert sorted(existing.parent.iterdir()) == [existing, partial]

    def test_a_stop_before_the_first_step_leaves_nothing(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        before = existing.stat().st_ino, existing.stat().st_mtime_ns
        write(existing, "a", from_zero(clips[1]), monitor=Interrupting(-1, gently=True))
        assert (existing.stat().st_ino, existing.stat().st_mtime_ns) == before
        assert list(existing.parent.iterdir()) == [existing]


class TestRefusals:
    def fails(self, path: Path, kind: type[Exception], word: str, frames: Sequence[VideoFrame], **options: Any) -> None:
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(kind, match=word):
            write(path, "a", frames, **options)
        assert (path.read_bytes() if path.exists() else None) == before
        assert not [found for found in path.parent.iterdir() if "tmp" in found.name]

    def test_another_size(self, existing: Path, make_frames: MakeFrames) -> None:
        self.fails(existing, ParameterError, "are 64 x 48, not 32 x 32", make_frames(2, 32, 32), width=32, height=32)

    def test_other_colours(self, clips: list[list[VideoFrame]], tmp_path: Path) -> None:
        write(tmp_path / "a.mcx", "w", clips[0], colour=(1, 1, 1, 0))
        self.fails(tmp_path / "a.mcx", ParameterError, "colours", clips[0], colour=(1, 1, 6, 0))
        self.fails(tmp_path / "a.mcx", ParameterError, "colours", clips[0], colour=(1, 1, 1, 1))
        write(tmp_path / "a.mcx", "a", clips[0])

    def test_another_codec(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        self.fails(existing, ParameterError, "made with 'inr-1'", clips[0], codec="overfit")

    @pytest.mark.parametrize("codec", ["conditional", "overfit"])
    def test_files_of_other_families(self, codec: str, clips: list[list[VideoFrame]], tmp_path: Path) -> None:
        preset = "fast" if codec == "conditional" else "ultrafast"
        write(tmp_path / "a.mcx", "w", clips[0][:1], codec, preset=preset)
        self.fails(tmp_path / "a.mcx", UsageError, "codec '(cond|ovft)': nothing can be appended", clips[0])

    def test_files_with_audio(self, clips: list[list[VideoFrame]], tmp_path: Path) -> None:
        with mediacodec.open(tmp_path / "a.mcx", "w") as file:
            stream = file.add_video_stream("inr", width=WIDTH, height=HEIGHT, frame_rate=25, **QUICK)
            audio = file.add_audio_stream("speech", sample_rate=16_000)
            file.mux(stream.encode(clips[0][0]))
            file.mux(audio.encode(np.zeros(8000, np.float32)))
        self.fails(tmp_path / "a.mcx", UsageError, "holds audio: only to files of video without audio", clips[0])

    def test_audio_to_a_file_without(self, existing: Path) -> None:
        with AppendTarget(existing) as target, pytest.raises(UsageError, match=r"has no audio.*-an"):
            target.refuse_audio()
        assert not hasattr(mediacodec.FileAppender, "add_audio_stream")

    def test_a_second_clip_in_one_go(self, existing: Path) -> None:
        options: Any = {"width": WIDTH, "height": HEIGHT, "frame_rate": 25} | QUICK
        file = mediacodec.open(existing, "a")
        file.add_video_stream("inr", **options)
        with pytest.raises(ParameterError, match="being continued"):
            file.add_video_stream("inr", **options)
        file.abort()
        assert list(existing.parent.iterdir()) == [existing]

    def test_a_partial_file_of_somebody_else(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        partial = existing.with_name("a.mcx.partial")
        partial.write_bytes(b"hours of another fit")
        self.fails(existing, OutputExistsError, r"a\.mcx\.partial' is in the way", clips[0])
        assert partial.read_bytes() == b"hours of another fit"

    def test_files_that_must_not_be_replaced(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        existing.chmod(0o444)
        self.fails(existing, OutputError, "read-only", clips[0])
        existing.chmod(0o644)
        os.link(existing, existing.with_name("b.mcx"))
        self.fails(existing, OutputError, "hard links", clips[0])

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
    def test_a_named_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.mcx")
        with pytest.raises(InputError, match="no regular file"):
            mediacodec.open(tmp_path / "a.mcx", "a")

    def test_frames_before_zero(self, existing: Path, make_frames: MakeFrames, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fitter.InrFitter, "fit", lambda *_: pytest.fail("it was fitted"))
        early = make_frames(2, WIDTH, HEIGHT, times=[-2, -1])
        self.fails(existing, ParameterError, r"from 0 on; this one comes at -0\.080000 s", early)

    def test_a_file_without_room_behind_it(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        found = packets(existing)
        with existing.open("rb") as file:
            header = Reader(file).header
        with existing.open("wb") as file:
            writer = Writer(file, header)
            for packet in found:
                writer.write(packet)
            writer.close({0: (1 << 40) - 2})
        self.fails(existing, CorruptError, r"a\.mcx': it ends at tick 1099511627774", clips[0])

    @pytest.mark.parametrize(
        "options", [{"overwrite": True}, {"live": True}, {"resume": True}, {"threads": 1, "no": 1}]
    )
    def test_options_of_other_modes(self, existing: Path, options: dict[str, Any]) -> None:
        with pytest.raises(ParameterError, match="|".join(options)):
            mediacodec.open(existing, "a", **options)
        gc.collect()  # a handle left open would warn
        assert list(existing.parent.iterdir()) == [existing]

    @pytest.mark.parametrize("length", [300, 250])  # nothing could be there, or no NAME.partial beside it
    def test_long_names(self, existing: Path, length: int) -> None:
        path = existing.with_name("a" * length)
        if length < 256:
            existing.rename(path)
        with pytest.raises(InputError, match=r"cannot read '.*a': "):
            mediacodec.open(path, "a")

    def test_an_open_file(self, existing: Path) -> None:
        with existing.open("r+b") as file, pytest.raises(ParameterTypeError, match=r"not as <_io\.Buffered"):
            mediacodec.open(file, "a")  # type: ignore[call-overload]

    def test_a_file_that_cannot_be_read_to_its_end(self, existing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(append, "open_path", _Broken)
        with pytest.raises(InputError, match=r"cannot read '.*a\.mcx': Input/output error"):
            mediacodec.open(existing, "a")
        assert list(existing.parent.iterdir()) == [existing]

    def test_damaged_cut_foreign_and_missing_files(self, existing: Path, clips: list[list[VideoFrame]]) -> None:
        whole = existing.read_bytes()
        existing.write_bytes(whole[:-40])
        self.fails(existing, CorruptError, "only to whole files can be appended", clips[0])
        existing.write_bytes(whole[:400] + bytes([whole[400] ^ 1]) + whole[401:])
        self.fails(existing, CorruptError, "only to whole files can be appended", clips[0])
        existing.write_bytes(b"something else, and long enough to be looked at")
        self.fails(existing, NotAnMcxError, "mcx", clips[0])
        existing.unlink()
        self.fails(existing, InputError, "cannot open", clips[0])
