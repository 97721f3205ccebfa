"""Rate-distortion curves as a plot (matplotlib, of the extra `bench`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mediacodec.bench.video.report import QUALITIES, PointRow
from mediacodec.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = ("psnr_611", "ms_ssim")
MAX_CLIPS = 12  # rows of panels; a folder of hundreds would make an image that nothing opens


def curves_png(points: Sequence[PointRow]) -> bytes:
    """Plot PSNR 6:1:1 and MS-SSIM in dB over kbit/s: a row for each clip (the first 12), a curve for each codec.

    Args:
        points: of all clips.

    Returns:
        A PNG.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # drawn without pyplot, which would look for a display
    except ImportError as error:
        raise MissingExtraError("the plot of quality over rate", "bench") from error
    clips = list(dict.fromkeys(row.clip for row in points))
    plotted = clips[:MAX_CLIPS]
    figure = Figure(figsize=(5.5 * len(PANELS), 3.8 * len(plotted) + 0.4), dpi=110, layout="constrained")
    panels = figure.subplots(len(plotted), len(PANELS), squeeze=False)
    for row, clip in zip(panels, plotted, strict=True):
        for axes, metric in zip(row, PANELS, strict=True):
            _draw(axes, [point for point in points if point.clip == clip], metric)
    some = f", {len(plotted)} of {len(clips)} clips" if len(clips) > len(plotted) else ""
    figure.suptitle(f"Quality over rate{some}: packet bytes, luma MS-SSIM as -10 log10(1 - x)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(axes: Axes, points: Sequence[PointRow], metric: str) -> None:
    for codec in dict.fromkeys(row.codec for row in points):
        known = [(row.kbps, row.quality(metric)) for row in points if row.codec == codec]
        curve = sorted((rate, quality) for rate, quality in known if quality is not None)
        if curve:
            style = ".--" if codec.endswith("-ld") else "o-"
            axes.plot(*zip(*curve, strict=True), style, label=codec, markersize=4)
    axes.set_xscale("log")
    axes.set_title(points[0].clip, fontsize="medium")
    axes.set_xlabel("packets, kbit/s")
    axes.set_ylabel(f"{QUALITIES[metric]}, dB")
    axes.grid(alpha=0.3, which="both")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", fontsize="small")
