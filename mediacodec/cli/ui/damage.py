"""What is wrong with a damaged file, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mediacodec.cli.ui.console import Console
from mediacodec.cli.ui.monitor import clock
from mediacodec_bitstream import FileHeader, Gap

MAX_LISTED = 20  # gaps
CORRUPT = 4  # exit code


def complain(
    console: Console,
    source: str,
    gaps: Sequence[Gap],
    header: FileHeader | None,
    *,
    truncated: bool,
    outcome: str = "",
) -> int:
    """List gaps on stderr and say what they come to.

    Args:
        console: gets the lines.
        source: name of the file.
        gaps: of it.
        header: of it, for times; None where it is not known.
        truncated: whether it has no end.
        outcome: what was done about it.

    Returns:
        The exit code: 0 where nothing is lost.
    """
    lost = losses(gaps)
    for gap in gaps[:MAX_LISTED]:
        say = console.info if gap.recovered else console.warning
        say(described(gap, header))
    if len(gaps) > MAX_LISTED:
        console.warning(f"... and {len(gaps) - MAX_LISTED} more")
    if not lost and not truncated:
        return 0
    what = "is cut short" if truncated else "is damaged"
    label = "standard input" if source == "-" else repr(source)
    console.error(f"{label} {what}: {counted(len(lost))}{outcome}")
    return CORRUPT


def losses(gaps: Iterable[Gap]) -> list[Gap]:
    """The gaps that parity did not repair."""
    return [gap for gap in gaps if not gap.recovered]


def counted(count: int) -> str:
    """1 gap, 2 gaps."""
    return f"{count} gap{'s' * (count != 1)}"


def described(gap: Gap, header: FileHeader | None) -> str:
    """A gap in one line: gap 00:00:03.00 - 00:00:04.00 (byte 1234): the payload's CRC does not match

    Args:
        gap: to describe.
        header: of the file; None where it is not known.
    """
    begin, end = span_seconds(gap, header)
    place = ""
    if begin is not None:
        place = f" {clock(begin)} - {clock(end) if end is not None else 'end'}"
    where = f" (byte {gap.offset})" if gap.offset >= 0 else ""
    return f"gap{place}{where}: {gap.reason}"


def span_seconds(gap: Gap, header: FileHeader | None) -> tuple[float | None, float | None]:
    """When a gap begins and ends, on the timeline that is presented; None where not known.

    Args:
        gap: of a file.
        header: of the file; None where it is not known.
    """
    if header is None or gap.stream_id is None or gap.stream_id not in {s.stream_id for s in header.streams}:
        return None, None
    stream = header.stream(gap.stream_id)
    begin, end = (
        None if pts is None else float(max(0, pts - stream.pre_skip) * stream.time_base)
        for pts in (gap.pts_start, gap.pts_end)
    )
    return begin, end
