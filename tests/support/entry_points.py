"""ENTRY_POINTS, the table of what programs call: how each is reached, arguments that work, and what each may not be."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import mediacodec
from mediacodec.frames import AudioChunk, VideoFrame
from mediacodec.mcx.audio_reader import AudioReader
from mediacodec.mcx.passthrough import CopyReader
from mediacodec.mcx.streams import AudioWriter, CopyWriter, VideoWriter
from mediacodec.mcx.video_reader import VideoReader
from mediacodec.media.stream_copy import AudioCopy, AudioPacket
from mediacodec.tokens import codes as token_codes
from mediacodec.tokens import formats as token_formats
from mediacodec.transcode import decode as decoding
from mediacodec.transcode import encode as encoding
from mediacodec.transcode import formats as output_formats
from mediacodec.transcode.options import DecodeOptions, EncodeOptions
from mediacodec_bitstream import Packet, StreamHeader
from support import wrong_values as wrong
from support.media import make_frames, make_speech
from support.wrong_values import Wrong, optional, without

SPEECH = make_speech(0.3, 16_000)
SIZE = {"width": 32, "height": 16, "frame_rate": 25}


@dataclass(frozen=True)
class EntryPoint:
    """Something that programs call.

    Attributes:
        open: gives what is called; it may write into a folder.
        good: arguments that work, by name.
        wrong: by the name of each argument, values that it cannot be.
        called: what errors call an argument, where that is another name.
    """

    open: Callable[[Path], Callable[..., Any]]
    good: Callable[[], dict[str, Any]]
    wrong: dict[str, Wrong]
    called: dict[str, str] = field(default_factory=dict)


@cache
def speech_file() -> bytes:
    return mediacodec.encode(SPEECH, sample_rate=16_000)


@cache
def clip() -> tuple[VideoFrame, ...]:
    return tuple(make_frames(3, 32, 16))


@cache
def audio_stream() -> tuple[StreamHeader, Packet]:
    encoder = mediacodec.AudioEncoder("speech", packet_duration=0.1)
    return encoder.header, [*encoder.push(SPEECH), *encoder.flush()][0]


@cache
def video_stream() -> tuple[StreamHeader, Packet]:
    encoder = mediacodec.VideoEncoder("conditional", **SIZE, threads=1)
    return encoder.header, encoder.push(clip()[0])[0]


@cache
def video_file() -> bytes:
    buffer = io.BytesIO()
    with mediacodec.open(buffer, "w") as file:
        video = file.add_video_stream("conditional", **SIZE)
        audio = file.add_audio_stream("speech", sample_rate=16_000)
        file.mux(audio.encode(SPEECH))
        for frame in clip():
            file.mux(video.encode(frame))
    return buffer.getvalue()


def writer(_: Path) -> Any:
    return mediacodec.open(io.BytesIO(), "w")


def reader(_: Path) -> Any:
    return mediacodec.open(video_file())


def video_packets(_: Path) -> Any:
    file = writer(_)
    file.add_video_stream("conditional", **SIZE)
    return file


def copy_writer(_: Path) -> Any:
    return writer(_).add_copied_stream(COPY)


def copy_reader(_: Path) -> Any:
    buffer = io.BytesIO()
    with mediacodec.open(buffer, "w") as file:
        stream = file.add_copied_stream(COPY)
        file.mux(stream.encode(AudioPacket(bytes(64), 0, 0, 32, Fraction(1, 16_000))))
    return mediacodec.open(buffer.getvalue()).audio


def tokens() -> token_codes.Tokens:
    return token_codes.read_mcx(speech_file())


COPY = AudioCopy("pcm_s16le", b"", 16_000, 1, Fraction(1, 16_000))

NUMBER_OR_NONE, INTEGER_OR_NONE = optional(wrong.POSITIVE_NUMBER), optional(wrong.POSITIVE_INTEGER)
RUNTIME: dict[str, Wrong] = {
    "models": optional(wrong.PATH),
    "device": wrong.CHOICE,
    "threads": INTEGER_OR_NONE | {"too many": 1 << 20},
}
AUDIO_OPTIONS: dict[str, Wrong] = {
    "bit_rate": NUMBER_OR_NONE | {"too low": 1},
    "packet_duration": wrong.POSITIVE_NUMBER | {"too short": 1e-9, "too long": 1e9},
    "entropy": optional(wrong.CHOICE),
}
VIDEO_OPTIONS: dict[str, Wrong] = {
    "crf": without(NUMBER_OR_NONE, "0") | {"beyond 63": 63.5},
    "bit_rate": NUMBER_OR_NONE | {"too low": 999},
    "gop": INTEGER_OR_NONE,
    "scene_cut": wrong.FLAG,
    "preset": wrong.CHOICE,
}
SHAPE: dict[str, Wrong] = {
    "width": wrong.POSITIVE_INTEGER | {"beyond 16 bits": 1 << 16},
    "height": wrong.POSITIVE_INTEGER | {"beyond 16 bits": 1 << 16},
    "frame_rate": wrong.FRACTION,
    "time_base": optional(wrong.FRACTION),
    "colour": wrong.COLOUR,
}
AUDIO_CODEC = wrong.CHOICE | {"a codec for video": "conditional"}
VIDEO_CODEC = wrong.CHOICE | {"a codec for audio": "speech"}
OPTIONS = optional(wrong.RECORD) | {"options of video": mediacodec.VideoOptions()}
OPTIONS_OF_VIDEO = optional(wrong.RECORD) | {"options of audio": mediacodec.AudioOptions()}
MONITOR = optional(wrong.RECORD)
TIMES: dict[str, Wrong] = {"start": wrong.SECONDS, "stop": optional(wrong.SECONDS)}
TAGS = optional(without(wrong.RECORD, "dict")) | {
    "a key of 3": {3: "three"},
    "a value of 3": {"title": 3},
    "NUL": {"title": "a\0b"},
}
CALLBACK = wrong.CALLBACK
PACKET = optional(wrong.RECORD)
PACKETS = without(wrong.RECORD, "list", "dict", "empty array") | {"None in it": [None], "numbers": [1, 2]}
PLANE: Wrong = without(wrong.RECORD, "list") | {
    "list": [[0]], "float": np.zeros((16, 32)), "int16": np.zeros((16, 32), np.int16), "bool": np.zeros((16, 32), bool),
    "complex": np.zeros((16, 32), complex), "one axis": np.zeros(512, np.uint8), "empty": np.zeros((0, 32), np.uint8),
    "three axes": np.zeros((16, 32, 3), np.uint8), "no axis": np.zeros((), np.uint8),
    "of another size": np.zeros((16, 64), np.uint8),
}  # fmt: skip
STREAM_ID = wrong.NATURAL | {"beyond a byte": 255}


def function(call: Callable[..., Any], good: Callable[[], dict[str, Any]], **given: Wrong) -> EntryPoint:
    return EntryPoint(lambda _: call, good, given)


def _frame_arguments() -> dict[str, Any]:
    frame = clip()[0]
    return {"y": frame.y, "u": frame.u, "v": frame.v, "pts": 0, "time_base": Fraction(1, 25)}


def _packet_arguments() -> dict[str, Any]:
    return {"stream_id": 0, "pts": 0, "data": b"", "duration": 1}


def _header_arguments() -> dict[str, Any]:
    header = audio_stream()[0]
    return {name: getattr(header, name) for name in ("stream_id", "codec", "parameters", "time_base")}


def _token_arguments() -> dict[str, Any]:
    return {each.name: getattr(tokens(), each.name) for each in fields(token_codes.Tokens)}


ENTRY_POINTS: dict[str, EntryPoint] = {
    "AudioChunk": function(
        AudioChunk, lambda: {"samples": SPEECH, "sample_rate": 16_000},
        samples=without(wrong.SAMPLES, "chunk of another rate", "chunk of other channels", "channels last")
        | {"float64": np.zeros((1, 64)), "one axis": np.zeros(64, np.float32), "list": [[0.0]]},
        sample_rate=wrong.POSITIVE_INTEGER, pts=wrong.INTEGER,
    ),
    "VideoFrame": function(
        VideoFrame, _frame_arguments, y=PLANE, u=PLANE, v=PLANE, pts=wrong.INTEGER,
        time_base=wrong.FRACTION | {"an integer": 1}, colour=wrong.COLOUR, duration=without(wrong.NATURAL, "huge"),
    ),
    "Chapter": function(
        mediacodec.Chapter, lambda: {"start_seconds": 1.0, "end_seconds": 2.0}, start_seconds=wrong.SECONDS,
        end_seconds=wrong.SECONDS | {"before the start": 0.5}, title=wrong.TEXT,
    ),
    "Packet": function(
        Packet, _packet_arguments, stream_id=STREAM_ID, pts=wrong.NATURAL,
        data=without(wrong.RECORD, "bytes") | {"bytearray": bytearray(1)}, duration=wrong.NATURAL,
        dts=optional(wrong.INTEGER) | {"huge": wrong.HUGE}, is_keyframe=wrong.FLAG, discontinuity=wrong.FLAG,
    ),
    "StreamHeader": function(
        StreamHeader, _header_arguments, stream_id=STREAM_ID, codec=wrong.CHOICE | {"not ASCII": "rvqé"},
        parameters=optional(wrong.RECORD), time_base=wrong.FRACTION | {"an integer": 1},
        packet_duration=wrong.NATURAL, algorithmic_delay=wrong.NATURAL, coder=wrong.NATURAL | {"none such": 3},
        symbol_crc_size=wrong.NATURAL | {"3": 3}, model_hash=optional(wrong.RECORD), tables_hash=optional(wrong.RECORD),
        fields=without(wrong.RECORD, "dict", "list")
        | {"no such field": {"nothing": 1}, "of another kind": {"bit_rate": "3"}, "no name": {3: 3}},
    ),
    "AudioOptions": function(
        mediacodec.AudioOptions, dict,
        **AUDIO_OPTIONS
        | {
            "bit_rate": NUMBER_OR_NONE,
            "packet_duration": wrong.POSITIVE_NUMBER,
            "entropy": optional(wrong.TEXT),
        },
    ),
    "VideoOptions": function(mediacodec.VideoOptions, dict, **VIDEO_OPTIONS),
    "AudioEncoder": function(
        mediacodec.AudioEncoder, dict, codec=AUDIO_CODEC, options=OPTIONS, stream_id=STREAM_ID, **RUNTIME,
        **AUDIO_OPTIONS,
    ),
    "AudioEncoder.push": EntryPoint(
        lambda _: mediacodec.AudioEncoder("speech").push, lambda: {"samples": SPEECH}, {"samples": wrong.SAMPLES}
    ),
    "VideoEncoder": function(
        mediacodec.VideoEncoder, lambda: dict(SIZE), codec=VIDEO_CODEC, options=OPTIONS_OF_VIDEO, stream_id=STREAM_ID,
        **SHAPE, **RUNTIME, **VIDEO_OPTIONS,
    ),
    "VideoEncoder.push": EntryPoint(
        lambda _: mediacodec.VideoEncoder("conditional", **SIZE).push,
        lambda: {"frame": clip()[0]},
        {
            "frame": wrong.RECORD
            | {
                "of another size": make_frames(1, 64, 16)[0],
                "of another time base": replace(make_frames(1, 32, 16)[0], time_base=Fraction(1, 24)),
                "before 0": replace(make_frames(1, 32, 16)[0], pts=-1),
                "its samples": np.zeros((16, 32), np.uint8),
            }
        },
    ),
    "AudioDecoder": function(
        mediacodec.AudioDecoder, lambda: {"header": audio_stream()[0]}, header=wrong.RECORD, **RUNTIME
    ),
    "AudioDecoder.push": EntryPoint(
        lambda _: mediacodec.AudioDecoder(audio_stream()[0]).push, lambda: {"packet": audio_stream()[1]},
        {"packet": PACKET},
    ),
    "VideoDecoder": function(
        mediacodec.VideoDecoder, lambda: {"header": video_stream()[0]}, header=wrong.RECORD, **RUNTIME
    ),
    "VideoDecoder.push": EntryPoint(
        lambda _: mediacodec.VideoDecoder(video_stream()[0]).push, lambda: {"packet": video_stream()[1]},
        {"packet": PACKET},
    ),
    "decoder_for": function(
        mediacodec.decoder_for, lambda: {"header": audio_stream()[0]}, header=wrong.RECORD, **RUNTIME
    ),
    "encode": function(
        mediacodec.encode, lambda: {"samples": SPEECH, "sample_rate": 16_000},
        samples=without(wrong.SAMPLES, "chunk of another rate", "chunk of other channels", "channels last")
        | {"a chunk": AudioChunk(SPEECH, 16_000)},
        sample_rate=wrong.POSITIVE_INTEGER, codec=AUDIO_CODEC, options=OPTIONS, callback=CALLBACK, **RUNTIME,
        **AUDIO_OPTIONS,
    ),
    "decode": function(mediacodec.decode, lambda: {"data": speech_file()}, data=wrong.SOURCE, **RUNTIME),
    "info": function(mediacodec.info, lambda: {"file": speech_file()}, file=wrong.SOURCE),
    "open": function(
        mediacodec.open, lambda: {"file": speech_file()}, file=wrong.SOURCE, mode=wrong.CHOICE, strict=wrong.FLAG,
        **RUNTIME,
    ),
    "FileReader": function(
        mediacodec.FileReader, lambda: {"file": speech_file()}, file=wrong.SOURCE, strict=wrong.FLAG, **RUNTIME
    ),
    "FileReader.items": EntryPoint(
        lambda folder: reader(folder).items, dict,
        {
            "audio": without(wrong.FLAG, "text", "no text") | {"text": "copied"}, "video": wrong.FLAG,
            "keyframes_only": wrong.FLAG, **TIMES,
        },
    ),
    "AudioReader.blocks": EntryPoint(lambda folder: reader(folder).audio.blocks, dict, TIMES),
    "AudioReader.codes": EntryPoint(lambda folder: reader(folder).audio.codes, dict, TIMES),
    "AudioReader.get_samples_played_in_range": EntryPoint(
        lambda folder: reader(folder).audio.get_samples_played_in_range, dict, TIMES
    ),
    "CopyReader.packets": EntryPoint(lambda folder: copy_reader(folder).packets, dict, TIMES),
    "CopyReader.blocks": EntryPoint(lambda folder: copy_reader(folder).blocks, dict, TIMES),
    "VideoReader.frames": EntryPoint(
        lambda folder: reader(folder).video.frames, dict, {**TIMES, "keyframes_only": wrong.FLAG}
    ),
    "FileWriter": function(
        mediacodec.FileWriter, lambda: {"file": io.BytesIO()}, file=wrong.TARGET, overwrite=wrong.FLAG,
        live=wrong.FLAG, monitor=MONITOR, resume=wrong.FLAG, checkpoint=optional(wrong.RECORD), metadata=TAGS,
        chapters=without(wrong.RECORD, "list"), **RUNTIME,
    ),
    "FileWriter.add_audio_stream": EntryPoint(
        lambda folder: writer(folder).add_audio_stream, lambda: {"sample_rate": 16_000},
        {
            "codec": AUDIO_CODEC, "options": OPTIONS, "sample_rate": wrong.POSITIVE_INTEGER,
            "channels": wrong.POSITIVE_INTEGER | {"too many": 65}, "metadata": TAGS, **AUDIO_OPTIONS,
        },
    ),
    "FileWriter.add_video_stream": EntryPoint(
        lambda folder: writer(folder).add_video_stream, lambda: dict(SIZE),
        {
            "codec": VIDEO_CODEC, "options": OPTIONS_OF_VIDEO, "metadata": TAGS, "variable_frame_rate": wrong.FLAG,
            **SHAPE, **VIDEO_OPTIONS,
        },
    ),
    "FileWriter.add_copied_stream": EntryPoint(
        lambda folder: writer(folder).add_copied_stream, lambda: {"copy": COPY},
        {"copy": wrong.RECORD, "metadata": TAGS},
    ),
    "FileWriter.mux": EntryPoint(
        lambda folder: video_packets(folder).mux, lambda: {"packets": [video_stream()[1]]}, {"packets": PACKETS}
    ),
    "AudioWriter.encode": EntryPoint(
        lambda folder: writer(folder).add_audio_stream("speech", sample_rate=16_000).encode,
        lambda: {"samples": SPEECH}, {"samples": wrong.SAMPLES},
    ),
    "VideoWriter.encode": EntryPoint(
        lambda folder: video_packets(folder)._muxer.streams[0].encode, lambda: {"frame": clip()[0]},
        {"frame": wrong.RECORD | {"of another size": make_frames(1, 64, 16)[0]}},
    ),
    "CopyWriter.encode": EntryPoint(
        lambda folder: copy_writer(folder).encode,
        lambda: {"packet": AudioPacket(bytes(64), 0, 0, 32, Fraction(1, 16_000))},
        {"packet": wrong.RECORD},
    ),
    "Tokens": function(
        token_codes.Tokens, _token_arguments,
        codes=wrong.RECORD | {"two axes": np.zeros((8, 5), np.uint16), "floats": np.zeros((1, 8, 5)),
                              "int64": np.zeros((1, 8, 5), np.int64), "complex": np.zeros((1, 8, 5), complex)},
        model=wrong.TEXT, sample_rate=wrong.POSITIVE_INTEGER, frame_rate=wrong.POSITIVE_NUMBER,
        codebook_size=wrong.POSITIVE_INTEGER | {"beyond 16 bits": 1 << 16},
        num_samples=optional(without(wrong.NATURAL, "huge")),
        weights_sha256=wrong.TEXT | {"short": "ab", "no hexadecimal": "g" * 64},
        tables_sha256=wrong.TEXT | {"short": "ab", "no hexadecimal": "g" * 64},
    ),
    "Tokens.find_model": EntryPoint(lambda _: tokens().find_model, dict, {"models": optional(wrong.PATH)}),
    "Tokens.write_mcx": EntryPoint(
        lambda _: tokens().write_mcx, lambda: {"file": io.BytesIO()},
        {"file": wrong.TARGET | {"a name": "name.mcx"}, "models": optional(wrong.PATH)},
    ),
    "read_mcx": function(
        token_codes.read_mcx, lambda: {"source": speech_file()}, source=wrong.SOURCE, models=optional(wrong.PATH)
    ),
    "read_tokens": function(
        token_formats.read_tokens, lambda: {"file": io.BytesIO(b"{}"), "name": "a.jsonl"},
        file=wrong.SOURCE | {"a name": "a.jsonl"}, name=wrong.TEXT | {"of no format": "a.wav"},
    ),
    "EncodeOptions": function(
        EncodeOptions, dict, start=wrong.SECONDS, duration=optional(wrong.SECONDS), audio_codec=wrong.TEXT,
        video_codec=wrong.TEXT, audio=OPTIONS, video=OPTIONS_OF_VIDEO, metadata=wrong.RECORD,
        **RUNTIME | {"device": wrong.TEXT},
    ),
    "DecodeOptions": function(
        DecodeOptions, dict, start=wrong.SECONDS, duration=optional(wrong.SECONDS), sample_rate=INTEGER_OR_NONE,
        channels=INTEGER_OR_NONE, format=optional(wrong.TEXT), audio=wrong.FLAG, video=wrong.FLAG,
        video_codec=optional(wrong.TEXT), keyframes_only=wrong.FLAG, overwrite=wrong.FLAG,
        metadata=wrong.RECORD, **RUNTIME | {"device": wrong.TEXT},
    ),
    "encode_file": EntryPoint(
        lambda _: encoding.encode_file, lambda: {"source": io.BytesIO(), "target": io.BytesIO()},
        {
            "source": wrong.TARGET, "target": wrong.TARGET | {"a name": "name.mcx"}, "options": optional(wrong.RECORD),
            "progress": CALLBACK, "monitor": MONITOR, "checkpoint": optional(wrong.RECORD),
            "append": optional(wrong.RECORD),
        },
    ),
    "decode_file": EntryPoint(
        lambda _: decoding.decode_file,
        lambda: {"source": speech_file(), "target": io.BytesIO(), "options": DecodeOptions(format="wav")},
        {
            "source": wrong.SOURCE, "target": wrong.TARGET, "options": optional(wrong.RECORD), "progress": CALLBACK,
        },
    ),
    "output_format": EntryPoint(
        lambda _: output_formats.output_format, lambda: {"target": "a.wav"},
        {"target": wrong.RECORD, "name": optional(wrong.CHOICE)}, {"name": "format"},
    ),
}  # fmt: skip

RETURNED: dict[str, type] = {
    kind.__name__: kind for kind in (AudioReader, AudioWriter, CopyReader, CopyWriter, VideoReader, VideoWriter)
}
"""Classes that callers get from those of `mediacodec`, and call methods of."""
