"""What the streams of all video codecs share: headers, and what frames must be like."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from mediacodec.arguments import quoted
from mediacodec.codecs.options import VideoFormat
from mediacodec.errors import CorruptError, ParameterError, ParameterTypeError
from mediacodec.frames import VideoFrame
from mediacodec.manifest import Manifest
from mediacodec_bitstream import RC24, StreamHeader, VideoParameters
from mediacodec_bitstream.packet import MAX_PTS

CRC_SIZE = 2
MAX_PIXELS = 12 << 20  # of a padded frame: a packet holds at most 2^24 symbols, of about 1.1 a pixel


def padding(width: int, height: int, block: int) -> tuple[int, int]:
    """Padding that makes the sides of frames multiples of a block's.

    Args:
        width, height: of the frames, pixels.
        block: pixels.

    Returns:
        Pixels added on the right and at the bottom.
    """
    return -width % block, -height % block


def nominal_duration(frame_rate: Fraction, time_base: Fraction) -> int:
    """Ticks of one frame at the nominal rate.

    Args:
        frame_rate: frames a second.
        time_base: seconds a tick.

    Returns:
        Ticks; 0 where they are no whole number that a header can hold.
    """
    ticks = 1 / (frame_rate * time_base)
    return int(ticks) if ticks.denominator == 1 and ticks < 1 << 24 else 0


def make_header(
    model: Manifest,
    fourcc: str,
    video: VideoFormat,
    *,
    block: int = 1,
    stream_id: int = 0,
    fields: Mapping[str, int | str | bytes] | None = None,
) -> StreamHeader:
    """The header of a stream.

    Args:
        model: that its packets are of.
        fourcc: of its family.
        video: its frames.
        block: frames are padded to multiples of so many pixels.
        stream_id: in its file.
        fields: what it states beside the model's name.

    Raises:
        ParameterError: frames are too large, or a value does not fit into a header.
    """
    added = padding(video.width, video.height, block)
    if (video.width + added[0]) * (video.height + added[1]) > MAX_PIXELS:
        raise ParameterError(f"frames of {video.width} x {video.height} are too large: at most {MAX_PIXELS} pixels")
    return StreamHeader(
        stream_id,
        fourcc,
        VideoParameters(video.width, video.height, video.frame_rate, video.colour, *added),
        video.tick,
        packet_duration=nominal_duration(video.frame_rate, video.tick),
        coder=RC24,
        symbol_crc_size=CRC_SIZE,
        model_hash=model.weights_hash,
        tables_hash=model.tables_hash,
        fields={"model_name": model.name, **(fields or {})},
    )


def check_header(header: StreamHeader, model: Manifest, block: int = 1) -> VideoParameters:
    """The parameters of a stream's frames.

    Args:
        header: of the stream.
        model: what its packets decode with.
        block: frames are padded to multiples of so many pixels.

    Raises:
        CorruptError: the header is none that `make_header` makes.
    """
    parameters = header.parameters
    if not isinstance(parameters, VideoParameters):
        raise CorruptError(f"stream {header.stream_id}: the codec of model {model.name} is for video")
    right, bottom = padding(parameters.width, parameters.height, block)
    if (parameters.pad_right, parameters.pad_bottom) != (right, bottom):
        raise CorruptError(f"stream {header.stream_id}: its padding is not what model {model.name} needs")
    if header.coder != RC24 or header.symbol_crc_size != CRC_SIZE or header.layers or header.reorders:
        raise CorruptError(f"stream {header.stream_id}: its coder is not that of model {model.name}")
    width, height = parameters.width + right, parameters.height + bottom
    if width * height > MAX_PIXELS:
        raise CorruptError(f"stream {header.stream_id}: {width} x {height} pixels are too many")
    return parameters


def check_frame(frame: VideoFrame, header: StreamHeader, last_pts: int | None, *, flushed: bool) -> None:
    """Check that a frame may follow in a stream.

    Args:
        frame: what the caller pushes.
        header: of the stream.
        last_pts: of the frame before, None for the first.
        flushed: whether the encoder was flushed.

    Raises:
        ParameterError: it does not fit.
        ParameterTypeError: it is no VideoFrame.
    """
    if flushed:
        raise ParameterError("this encoder was flushed; open a new one for another stream")
    if not isinstance(frame, VideoFrame):
        raise ParameterTypeError(f"frame must be a VideoFrame, not {quoted(frame)}")
    size = header.parameters
    assert isinstance(size, VideoParameters)
    if (frame.width, frame.height) != (size.width, size.height):
        wanted = f"{size.width} x {size.height}"
        raise ParameterError(f"frame must be {wanted}, as this stream is, not {frame.width} x {frame.height}")
    if frame.time_base != header.time_base:
        raise ParameterError(f"frame must have this stream's time base, {header.time_base}, not {frame.time_base}")
    if not (0 if last_pts is None else last_pts + 1) <= frame.pts <= MAX_PTS:
        raise ParameterError(
            f"frame must have a pts in 0..2^40 - 1 that increases; {quoted(frame.pts)} follows {last_pts}"
        )
