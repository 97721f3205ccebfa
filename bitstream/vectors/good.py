"""Good vectors: together they use every field and every chunk type of version 1.0."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from made_up_codec import BIT_ALPHABET, FAMILY, Symbols, encode_packet_data, table_indices

from mediacodec_bitstream import (
    BIT_PACKED,
    OPAQUE,
    AudioParameters,
    FileHeader,
    Packet,
    StreamHeader,
    VideoParameters,
    Writer,
    drop_layers,
)

RATE, FRAME = 16_000, 320
SECOND = RATE
SPEECH = AudioParameters(RATE, 1, 320, FRAME)


@dataclass(frozen=True)
class Vector:
    """A file, what it is about, and for a faulty one what a naive decoder would do wrong; seeks: (stream, pts)."""

    data: bytes
    about: str
    naive: str = ""
    readable: bool = True  # a reader that is not strict gets to the end
    seeks: tuple[tuple[int, int], ...] = ()


def audio(stream_id: int = 0, *, parameters: AudioParameters = SPEECH, **options: Any) -> StreamHeader:
    """A mono stream of the test codec, one packet a second."""
    options = {"packet_duration": parameters.sample_rate, **options}
    rate = parameters.sample_rate
    return StreamHeader(stream_id, "test", parameters, Fraction(1, rate), tables_hash=FAMILY.sha256, **options)


def video(stream_id: int = 1, **options: Any) -> StreamHeader:
    """A stream of small frames at 25 per second."""
    parameters = VideoParameters(64, 48, Fraction(25), (1, 1, 1, 0), 0, 16)
    return StreamHeader(stream_id, "test", parameters, Fraction(1, 25), packet_duration=1, **options)


def symbols_for(stream: StreamHeader, duration: int, seed: int) -> Symbols:
    """Arbitrary symbols [frame, codebook] from integer arithmetic alone."""
    indices = table_indices(stream, duration)
    sizes = np.array([row.size for row in FAMILY])
    if stream.coder == BIT_PACKED:
        sizes[:] = BIT_ALPHABET
    noise = (np.arange(indices.size, dtype=np.uint64) + np.uint64(seed * 1000 + 1)) * np.uint64(2654435761)
    noise = (noise ^ noise >> np.uint64(15)) >> np.uint64(7)
    return (noise.reshape(indices.shape) % sizes[indices].astype(np.uint64)).astype(np.uint16)


def packet(stream: StreamHeader, pts: int, duration: int, seed: int, **options: Any) -> Packet:
    """A packet of the test codec."""
    data = encode_packet_data(stream, symbols_for(stream, duration, seed), duration)
    return Packet(stream.stream_id, pts, data, duration, **options)


def seconds(stream: StreamHeader, count: int, start: int = 0) -> list[Packet]:
    """Packets of one second each."""
    return [packet(stream, (start + i) * SECOND, SECOND, start + i) for i in range(count)]


def file_of(
    header: FileHeader, packets: Sequence[Packet], *, end: dict[int, int] | None = None, **options: Any
) -> bytes:
    """A complete file."""
    file = io.BytesIO()
    writer = Writer(file, header, **options)
    for item in packets:
        writer.write(item)
    writer.close(end)
    return file.getvalue()


def smallest() -> Vector:
    """The file that SPEC dissects."""
    stream = StreamHeader(0, "test", AudioParameters(8000, 1, 0, 160), Fraction(1, 8000), packet_duration=160)
    data = file_of(FileHeader((stream,), header_interval=0), [packet(stream, 0, 160, 1)], index=False, end={0: 100})
    return Vector(data, "one packet of one frame, 100 of 160 samples to be presented; dissected in SPEC section 11")


def two_streams() -> Vector:
    """Audio and video, interleaved."""
    first, second = audio(0), video(1)
    packets = seconds(first, 2) + [packet(second, i, 1, i, is_keyframe=i % 10 == 0) for i in range(50)]
    packets.sort(key=lambda p: (Fraction(p.pts, 16000 if p.stream_id == 0 else 25), p.stream_id))
    header = FileHeader((first, second), fields={"title": "two streams"})
    return Vector(
        file_of(header, packets, packets_per_chunk=5), "audio and video interleaved, keyframes every 10 pictures"
    )


def reordered() -> Vector:
    """Decoding order I P B B."""
    stream = video(0, fields={"reorder": 2})
    order = [0, 3, 1, 2, 6, 4, 5]
    packets = [packet(stream, pts, 1, pts, dts=i - 2, is_keyframe=pts == 0) for i, pts in enumerate(order)]
    return Vector(
        file_of(FileHeader((stream,)), packets, packets_per_chunk=3), "B pictures: pts and dts differ, dts begin at -2"
    )


def layered(keep: int) -> Vector:
    """A sub-payload for each codebook."""
    stream = audio(fields={"layers": 2}, symbol_crc_size=1)
    packets = seconds(stream, 3)
    cut = [drop_layers(p, keep, layers=2) if i else p for i, p in enumerate(packets)]
    about = "a layer for each codebook" if keep == 2 else "a relay dropped the upper layer of all packets but the first"
    return Vector(file_of(FileHeader((stream,)), cut), about)


def live() -> FileHeader:
    """100 ms packets, a header copy every second."""
    stream = audio(packet_duration=1600, fields={"model_name": "test-1"})
    return FileHeader((stream,), live=True, header_interval=1)


def live_packets() -> list[Packet]:
    """Three seconds for `live`."""
    return [packet(live().streams[0], i * 1600, 1600, i) for i in range(30)]


def joined() -> Vector:
    """What a listener gets who joins late."""
    whole = file_of(live(), live_packets())
    return Vector(
        whole[len(whole) // 4 :], "a live stream joined in the middle of a chunk: no magic, the header comes as a copy"
    )


def appended() -> Vector:
    """A file, cut, then continued."""
    stream = audio()
    whole = file_of(FileHeader((stream,)), seconds(stream, 4))
    file = io.BytesIO(whole)
    writer = Writer.append(file)
    for item in seconds(stream, 3, start=4):
        writer.write(item)
    writer.close({0: 7 * SECOND - 1000})
    return Vector(file.getvalue(), "a complete file to which three packets, an index and an end were appended")


def parity(lose: int | None) -> Vector:
    """Groups of four and a last group of two."""
    stream = audio(fields={"parity": 4})
    data = file_of(FileHeader((stream,)), seconds(stream, 6))
    if lose is None:
        return Vector(data, "a parity chunk after four data chunks and after the last two")
    starts = chunk_starts(data)
    cut = data[: starts[lose]] + data[starts[lose + 1] :]
    return Vector(cut, f"data chunk {lose} is missing and rebuilt from parity")


def chunk_starts(data: bytes) -> list[int]:
    """Offset of every chunk of an audio file, and of its end."""
    starts = [int.from_bytes(data[12:16], "little")]
    while starts[-1] < len(data):
        at = starts[-1]
        starts.append(at + 24 + int.from_bytes(data[at + 7 : at + 10], "little"))
    return starts


def foreign() -> Vector:
    """Packets of another codec, as they are."""
    fields = {"foreign_codec": "opus", "extradata": bytes.fromhex("4f70757348656164010138018ebb00000000")}
    parameters = AudioParameters(48_000, 1, 312, 960)
    stream = StreamHeader(0, "copy", parameters, Fraction(1, 48_000), coder=OPAQUE, symbol_crc_size=0, fields=fields)
    packets = [Packet(0, i * 960, bytes([0x48, i, 255 - i]), 960) for i in range(20)]
    return Vector(
        file_of(FileHeader((stream,)), packets, packets_per_chunk=10), "copied Opus packets (made up) with extradata"
    )


def extremes() -> Vector:
    """The largest numbers the format allows."""
    wide = AudioParameters(384_000, 8, 0xFFFFFFFF, 0xFFFFFFFF)
    first = StreamHeader(254, "~~~~", wide, Fraction(1, 0xFFFFFFFF), 0xFFFFFF, 0xFFFFFFFF, symbol_crc_size=4,
                         model_hash=b"\xff" * 32, tables_hash=b"\0" * 32)  # fmt: skip
    big = VideoParameters(8192, 8000, Fraction(0xFFFFFFFF, 1), (255, 255, 255, 1), 0, 192)
    second = StreamHeader(0, "    ", big, Fraction(0xFFFFFFFF), symbol_crc_size=4)
    header = FileHeader((first, second), header_interval=0xFFFF)
    last = (1 << 40) - 1
    packets = [packet(first, last - 0xFFFFFF, 0xFFFFFF, 1), packet(second, last, 0, 2, discontinuity=True)]
    return Vector(file_of(header, packets, end={254: last - 1}), "largest rates, sizes, ticks and time bases")


def tagged() -> Vector:
    """Every text field, and tags that come late."""
    names = ("encoder", "title", "artist", "album", "date", "comment", "language")
    fields = {name: f"{name} é 語" for name in names}
    stream_fields = {
        "model_name": "n" * 255,
        "source_sample_rate": 44_100,
        "source_channels": 2,
        "bit_rate": 6000,
        "title": "t",
    }
    stream = audio(fields=stream_fields)
    file = io.BytesIO()
    writer = Writer(file, FileHeader((stream,), fields=fields))
    writer.write(seconds(stream, 1)[0])
    writer.write_tags({"title": "a later title"})
    writer.close()
    return Vector(file.getvalue(), "every text field, and a tags chunk that replaces the title")


def resumable() -> Vector:
    """An unfinished file that was closed."""
    stream = audio()
    file = io.BytesIO()
    writer = Writer(file, FileHeader((stream,), fields={"resume": '{"whole": 0}'}))
    for number, item in enumerate(seconds(stream, 2), start=1):
        writer.write(item)
        writer.write_tags({"resume": f'{{"whole": {number}}}'})
    writer.close()
    return Vector(file.getvalue(), "how far an encoder had come when it was interrupted, in a tag of its own")


def jumps() -> Vector:
    """Time that nothing was sent for."""
    stream = audio()
    packets = [packet(stream, 0, SECOND, 0), packet(stream, 5 * SECOND, 7000, 1, discontinuity=True),
               packet(stream, 6 * SECOND, SECOND, 2)]  # fmt: skip
    return Vector(
        file_of(FileHeader((stream,)), packets, packets_per_chunk=2), "silence was not sent; nothing is missing"
    )


def crc_sizes() -> Vector:
    """Symbol CRCs of 0, 1 and 4 bytes, with both coders."""
    streams = (audio(0, symbol_crc_size=0), audio(1, symbol_crc_size=1, coder=BIT_PACKED), audio(2, symbol_crc_size=4))
    packets = [packet(s, i * SECOND, SECOND, i) for i in range(2) for s in streams]
    return Vector(file_of(FileHeader(streams), packets), "symbol CRCs of 0, 1 and 4 bytes")


def vectors() -> dict[str, Vector]:
    """All good vectors by name."""
    plain, packed = audio(), audio(coder=BIT_PACKED)
    uneven = [*seconds(plain, 5), packet(plain, 5 * SECOND, 4711, 5)]
    return {
        "smallest": smallest(),
        "rc24": Vector(
            file_of(FileHeader((plain,)), uneven, end={0: 5 * SECOND + 4391}), "RC24, an index, an exact end"
        ),
        "bit-packed": Vector(file_of(FileHeader((packed,)), seconds(packed, 3)), "coder 0: 4 bits a symbol"),
        "packet-table": Vector(
            file_of(FileHeader((plain,)), uneven, packets_per_chunk=4), "four packets a chunk, the last shorter"
        ),
        "no-index": Vector(
            file_of(FileHeader((plain,)), seconds(plain, 30), index=False), "no index: seeking reads the heads"
        ),
        "empty": Vector(file_of(FileHeader((plain,)), []), "not one packet"),
        "two-streams": two_streams(),
        "reorder": reordered(),
        "layers": layered(2),
        "layers-dropped": layered(1),
        "live": Vector(file_of(live(), live_packets()), "live: 100 ms packets and a header copy every second"),
        "live-joined": joined(),
        "appended": appended(),
        "parity": parity(None),
        "parity-repairs": parity(2),
        "parity-repairs-last": parity(3),
        "foreign": foreign(),
        "extremes": extremes(),
        "tags": tagged(),
        "resume": resumable(),
        "jumps": jumps(),
        "crc-sizes": crc_sizes(),
    }
