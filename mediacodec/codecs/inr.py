"""The codec of fitted networks (family `inr`): its encoder. The decoder is in `inr_decoder`."""

from __future__ import annotations

from fractions import Fraction

from mediacodec.codecs.fitting import FitMonitor, FitOptions, FittingEncoder, make_header, open_fitter
from mediacodec.frames import Colour
from mediacodec.manifest import Manifest

FOURCC = "inr1"


class InrEncoder(FittingEncoder):
    """Encodes pictures by fitting a network to each group of them; see `mediacodec.codecs.base.VideoEncoder`.

    Without `crf` and `bit_rate` it encodes at crf 30. `scene_cut` means nothing here: groups have fixed lengths.
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
        header = make_header(model, FOURCC, options, colour=colour, stream_id=stream_id)
        super().__init__(header, options, open_fitter(model, options), monitor)
