"""The archive codec (family `overfit`): its encoder. The decoder is in `overfit_decoder`.

After Cool-chic (Ladune et al. 2023; Leguay et al. 2023; Blard et al. 2024) and C3 (Kim et al. 2024): a picture is
latent grids of integers at several resolutions, and small networks of which it says what it changes. It is fitted to
the picture while encoding, in `mediacodec_models.overfit`.
"""

from __future__ import annotations

from fractions import Fraction

from mediacodec.codecs.fitting import FitMonitor, FitOptions, FittingEncoder, make_header, open_fitter
from mediacodec.codecs.overfit_settings import FOURCC, Geometry
from mediacodec.frames import Colour
from mediacodec.manifest import Manifest


class OverfitEncoder(FittingEncoder):
    """Fits pictures one by one; see `mediacodec.codecs.base.VideoEncoder`.

    Without `crf` and `bit_rate` it encodes at crf 30, without `gop` there is a keyframe every two seconds. Presets from
    ultrafast to veryslow double the time.
    """

    def __init__(
        self,
        model: Manifest,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        time_base: Fraction | None = None,
        colour: Colour = (2, 2, 2, 0),
        crf: float | None = None,
        bit_rate: float | None = None,
        gop: int | None = None,
        scene_cut: bool = True,  # noqa: ARG002
        preset: str = "medium",
        stream_id: int = 0,
        device: str = "auto",
        threads: int = 1,
        monitor: FitMonitor | None = None,
    ) -> None:
        options = FitOptions(
            width=width,
            height=height,
            frame_rate=frame_rate,
            time_base=1 / frame_rate if time_base is None else time_base,
            crf=crf,
            bit_rate=bit_rate,
            gop=gop,
            preset=preset,
            device=device,
            threads=threads,
        )
        size = Geometry(width, height)
        padding = size.pad_right, size.pad_bottom
        header = make_header(model, FOURCC, options, colour=colour, stream_id=stream_id, padding=padding)
        super().__init__(header, options, open_fitter(model, options), monitor)
