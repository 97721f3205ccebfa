"""How far a job is: a line for people on a terminal, and ffmpeg's key=value blocks for programs (-progress)."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from mediacodec.cli.ui.console import Console
from mediacodec.errors import OutputError, UsageError

if TYPE_CHECKING:
    from mediacodec.progress import FitProgress, Progress
    from mediacodec.transcode.reports import DecodeReport, EncodeReport

LINE_SECONDS = 0.1
BLOCK_SECONDS = 0.5
STDOUT = ("-", "pipe:", "pipe:1")


class Monitor:
    """The progress callback of a job, and a context manager around it.

    Inside the `with` block a signal stops the job at the next call, that is at a packet boundary. It is also the
    monitor of codecs whose encoding is fitting (`mediacodec.progress.FitMonitor`): once a fit runs, a first
    signal ends it with what it has, and a second one stops the job.

    Args:
        url: where -progress blocks go: "-", "pipe:N", a path, or None.
        size: bytes of output so far.
    """

    def __init__(self, console: Console, url: str | None = None, size: Callable[[], int] | None = None) -> None:
        self._console = console
        self._size = size
        self._blocks = _open(url) if url is not None else None
        self._last: Progress | None = None
        self._line_due = self._block_due = 0.0
        self._group = 0  # of the last fit that was reported
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._console.interrupts.at_boundaries())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.clear()
        try:
            if kind is None and self._last is not None:
                self._report(self._last, "end")
        finally:
            if self._blocks is not None:
                with contextlib.suppress(OSError):
                    self._blocks.close()
            self._stack.__exit__(kind, error, trace)

    def __call__(self, progress: Progress) -> None:
        """Note where the job stands; raises Interrupted after a signal."""
        self._console.interrupts.check()
        self._last = progress
        now = time.monotonic()
        if now >= self._line_due and self._console.shows_progress:
            self._line_due = now + LINE_SECONDS
            self._console.progress(progress_line(progress, self._bytes(progress)))
        if now >= self._block_due:
            self._block_due = now + BLOCK_SECONDS
            self._report(progress, "continue")

    @property
    def stopped(self) -> bool:
        """Whether a fit is to end now."""
        return self._console.interrupts.noted

    def report(self, progress: FitProgress) -> None:
        """Note where a fit stands."""
        self._console.interrupts.hold()
        now = time.monotonic()
        if now >= self._line_due and self._console.shows_progress:
            self._line_due = now + LINE_SECONDS
            self._console.progress(fit_line(progress))
        if now >= self._block_due or progress.group != self._group:  # at least one block for every group
            self._block_due, self._group = now + BLOCK_SECONDS, progress.group
            self._put(fit_block(progress))

    def _bytes(self, progress: Progress) -> int:
        return progress.bytes_written if self._size is None else self._size()

    def _report(self, progress: Progress, state: str) -> None:
        if self._blocks is not None:
            self._put(progress_block(progress, self._bytes(progress), state))

    def _put(self, block: str) -> None:
        if self._blocks is None:
            return
        try:
            self._blocks.write(block.encode("ascii"))
            self._blocks.flush()
        except OSError:  # whoever watched has left; the job goes on
            self._blocks = None


def progress_line(progress: Progress, size: int) -> str:
    """time=00:01:23.45  speed=42.1x  size=312 KiB  37%  ETA 0:12, as far as known.

    With video frame=2086  fps=31.4 before it, and the rate of their packets, where it is known, as video=412kbps.
    """
    parts = [f"time={clock(progress.seconds_done)}"]
    if progress.frames is not None:
        parts[:0] = [f"frame={progress.frames}", f"fps={progress.fps:.1f}"]
    speed = progress.seconds_done / progress.wall_seconds if progress.wall_seconds > 0 else 0.0
    parts.append(f"speed={speed:.1f}x")
    if size:
        parts.append(f"size={amount(size)}")
    if progress.video_bytes:
        parts.append(f"video={progress.video_kbps:.0f}kbps")
    if progress.seconds_total:
        parts.append(f"{min(100, int(100 * progress.seconds_done / progress.seconds_total))}%")
        if speed > 0:
            parts.append(_eta(max(0.0, progress.seconds_total - progress.seconds_done) / speed))
    return "  ".join(parts)


def _eta(seconds: float) -> str:
    left = math.ceil(seconds)
    return f"ETA {left // 3600}:{left // 60 % 60:02}:{left % 60:02}"


def fit_line(progress: FitProgress) -> str:
    """fit group=2  step=340/3000  loss=0.0213  psnr=31.46  ETA 0:12:05, as far as known."""
    parts = [f"fit group={progress.group}", f"step={progress.step}/{progress.steps}", f"loss={progress.loss:.4g}"]
    if progress.psnr is not None:
        parts.append(f"psnr={progress.psnr:.2f}")
    if progress.seconds_left is not None:
        parts.append(_eta(progress.seconds_left))
    return "  ".join(parts)


def fit_block(progress: FitProgress) -> str:
    """The same for programs: keys of our own, in blocks that end as ffmpeg's do."""
    values = {
        "fit_group": progress.group,
        "fit_step": progress.step,
        "fit_steps": progress.steps,
        "fit_loss": f"{progress.loss:.6g}",
        "fit_psnr": "N/A" if progress.psnr is None else f"{progress.psnr:.3f}",
        "fit_seconds_left": "N/A" if progress.seconds_left is None else f"{progress.seconds_left:.0f}",
        "progress": "continue",
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def progress_block(progress: Progress, size: int, state: str) -> str:
    """ffmpeg's keys and units; frame and fps where there is video."""
    seconds, wall = progress.seconds_done, progress.wall_seconds
    rate = f"{8e-3 * size / seconds:6.1f}kbits/s" if seconds > 0 else "N/A"
    speed = f"{seconds / wall:.3g}x" if wall > 0 else "N/A"
    microseconds = round(seconds * 1e6)
    video = {} if progress.frames is None else {"frame": progress.frames, "fps": f"{progress.fps:.2f}"}
    values = {
        **video,
        "bitrate": rate,
        "total_size": size,
        "out_time_us": microseconds,
        "out_time_ms": microseconds,  # microseconds in ffmpeg too, whatever the name says
        "out_time": clock(seconds, digits=6),
        "speed": speed,
        "progress": state,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def summary(verb: str, report: EncodeReport | DecodeReport) -> str:
    """encoded 60 frames, 2.40 s in 1.20 s (50.0 fps, 2.0x real time)"""
    frames = fps = ""
    if report.frames is not None:
        frames, fps = f"{report.frames} frame{'s' * (report.frames != 1)}, ", f"{report.fps:.1f} fps, "
    times = f"{report.seconds:.2f} s in {report.wall_seconds:.2f} s"
    return f"{verb} {frames}{times} ({fps}{report.speed:.1f}x real time)"


def rates(report: EncodeReport) -> str:
    """5.88 kbps payload, 6.58 kbps file; with video its share too."""
    video = "" if report.frames is None else f"{report.video_kbps:.2f} kbps video, "
    return f"{video}{report.payload_kbps:.2f} kbps payload, {report.file_kbps:.2f} kbps file"


def clock(seconds: float, *, digits: int = 2) -> str:
    """HH:MM:SS.mm"""
    ticks = round(seconds * 10**digits)
    whole, part = divmod(ticks, 10**digits)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{part:0{digits}}"


def amount(size: float) -> str:
    """Bytes, KiB, MiB or GiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def check_progress_url(url: str | None, target: str) -> None:
    """Raise UsageError where progress and media would share standard output."""
    if url in STDOUT and target == "-":
        raise UsageError("media and -progress cannot share standard output; use -progress pipe:2 or a file")


def _open(url: str) -> BinaryIO:
    number = "1" if url in STDOUT else url.removeprefix("pipe:") if url.startswith("pipe:") else ""
    try:
        if not number:
            return Path(url.removeprefix("file:")).open("wb")
        if number == "1":
            sys.stdout.flush()
        return open(int(number), "wb", closefd=False)
    except ValueError as error:
        raise UsageError(f"-progress {url!r} names no descriptor; write pipe:2") from error
    except OSError as error:
        raise OutputError(f"cannot write progress to {url!r}: {os.strerror(error.errno or 0)}") from error
