"""Quality over rate as a plot (matplotlib, of the extra `bench`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mediacodec.bench.audio.report import TITLES, SummaryRow
from mediacodec.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {"pesq": (1.0, 4.7), "stoi": (None, 1.0), "visqol": (1.0, 5.0)}  # bounds of the scale
TICKS = (0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128)  # kbit/s


def quality_png(summary: Sequence[SummaryRow], metrics: Sequence[str]) -> bytes:
    """Plot quality over payload kbps: a panel for each of PESQ, STOI and ViSQOL measured (else the first metric).

    A curve for each codec: the mean over all clips, with a dashed line for the 10th percentile.

    Args:
        summary: of the whole bench.
        metrics: that were measured.

    Returns:
        A PNG.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # drawn without pyplot, which would look for a display
    except ImportError as error:
        raise MissingExtraError("the plot of quality over rate", "bench") from error
    rows = [row for row in summary if row.group == "all"]
    panels = [metric for metric in PANELS if metric in metrics] or [metrics[0]]
    figure = Figure(figsize=(5 * len(panels), 4.4), dpi=120, layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, rows, metric)
    figure.suptitle(f"Quality over rate, {rows[0].clips} clips: mean (line) and 10th percentile (dashed)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(axes: Axes, rows: Sequence[SummaryRow], metric: str) -> None:
    codecs = sorted({row.codec.split("@")[0] for row in rows})
    for colour, codec in enumerate(codecs):
        points = [row for row in rows if row.codec.split("@")[0] == codec]
        # A codec for which the metric is undefined throughout has no curve.
        known = [(row.payload_kbps, row.statistics[metric]) for row in points]
        curve = [(x, s.mean, s.tail) for x, s in known if s.mean is not None]
        if curve:
            x, mean, tail = zip(*curve, strict=True)
            axes.plot(x, mean, "o-", color=f"C{colour}", label=codec)
            axes.plot(x, tail, ".--", color=f"C{colour}", alpha=0.5)
    rates = [row.payload_kbps for row in rows]
    low, high = min(rates) / 1.2, max(rates) * 1.2
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([tick for tick in TICKS if low <= tick <= high])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(*PANELS.get(metric, (None, None)))
    axes.set_xlabel("payload, kbit/s")
    axes.set_ylabel(TITLES[metric])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
