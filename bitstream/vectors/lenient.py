"""Rules that an implementer once had to guess: what is ignored, where sequences begin, what a limit counts, seeking."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction

from faulty import base, data_chunk, with_chunk
from good import SECOND, Vector, audio, chunk_starts, file_of, packet, seconds, video
from later import LONG, before_data, header_with, of_file

from mediacodec_bitstream import AudioParameters, FileHeader, StreamHeader, VideoParameters, Writer
from mediacodec_bitstream.chunk import DATA, END, HEADER, INDEX, KEYFRAME, PARITY, TABLE, TAGS, Head, pack_chunk
from mediacodec_bitstream.fields import pack_fields
from mediacodec_bitstream.trailer import End, Index, StreamEnd, pack_end
from mediacodec_bitstream.wire import u40, u48


def with_end(payload: bytes) -> bytes:
    """The base with another end chunk, and no index."""
    return base()[: chunk_starts(base())[4]] + of_file(END, payload)


def end_of(streams: dict[int, StreamEnd]) -> bytes:
    return pack_end(End(streams, 0))


def odd_heads() -> bytes:
    """Chunks of the file whose heads say things that nobody reads."""
    data = base()
    starts = chunk_starts(data)
    kinds = [
        (TAGS, pack_fields({"title": "t"}, scope="file")),
        (HEADER, data[: starts[0]]),
        (INDEX, b"\x0c"),
        (200, b"?"),
    ]
    odd = b"".join(
        pack_chunk(Head(kind, 0, 0xFF if kind == 200 else 0x3F, 77, 0, 5, 9), payload) for kind, payload in kinds
    )
    end = pack_chunk(Head(END, 3, 0x3F, 9, 0, 1, 1), end_of({0: StreamEnd(60_000, 4, 0)}))
    return data[: starts[2]] + odd + data[starts[2] : starts[4]] + end


def spare_bits() -> bytes:
    """A keyframe list of three packets with its five unused bits set."""
    stream = video(0)
    data = file_of(FileHeader((stream,)), [packet(stream, i, 1, i, is_keyframe=not i) for i in range(3)],
                   packets_per_chunk=3, index=False)  # fmt: skip
    a, b = chunk_starts(data)[:2]
    payload = bytearray(data[a + 20 : b - 4])
    assert (payload[0], payload[1], payload[4]) == (3, 8, 0x80)
    payload[4] |= 0x1F
    return data[:a] + pack_chunk(Head(DATA, 0, KEYFRAME | TABLE, 0, 0, 0, 3), bytes(payload)) + data[b:]


def unsorted_fields() -> bytes:
    """Fields of the file in descending order."""
    title, encoder = (pack_fields({name: name}, scope="file") for name in ("title", "encoder"))
    return header_with(title + encoder) + base()[chunk_starts(base())[0] :]


def no_durations() -> bytes:
    """Video whose packets do not say how long they last, alone and in a table."""
    parameters = VideoParameters(64, 48, Fraction(25), (1, 1, 1, 0), 0, 16)
    stream = StreamHeader(0, "test", parameters, Fraction(1, 1000))
    packets = [packet(stream, pts, 0, pts, is_keyframe=not pts) for pts in (0, 33, 80, 80, 121)]
    file = io.BytesIO()
    writer = Writer(file, FileHeader((stream,)), packets_per_chunk=3)
    for item in packets:
        writer.write(item)
    writer.close({0: 161})
    return file.getvalue()


def two_to_seek_in(index: bytes | None = None) -> bytes:
    """Audio and video of 40 s, a keyframe of video every 8 s; the index may be replaced."""
    track, frames = audio(0), replace(video(1), time_base=Fraction(1))
    packets = [item for i in range(40) for item in
               (packet(track, i * SECOND, SECOND, i), packet(frames, i, 1, i, is_keyframe=i % 8 == 0))]  # fmt: skip
    header = FileHeader((track, frames), header_interval=0)
    data = file_of(header, packets, end={0: 40 * SECOND, 1: 40})
    if index is None:
        return data
    starts = chunk_starts(data)
    return data[: starts[-3]] + of_file(INDEX, index) + data[starts[-2] : starts[-1]]


def astray() -> bytes:
    """An index whose entries lead to chunks of the other stream, and to ones that begin too late."""
    starts = chunk_starts(two_to_seek_in())
    index = Index()
    for i in range(0, 32, 8):
        index.add(1, i, starts[2 * i] if i % 16 else starts[2 * i + 33])
    return index.pack()


def sequences(*numbers: int) -> bytes:
    """Four seconds whose chunks have these sequences."""
    data = base()
    starts = chunk_starts(data)
    out = data[: starts[0]]
    for i, number in enumerate(numbers):
        payload = data[starts[i] + 20 : starts[i + 1] - 4]
        out += pack_chunk(Head(DATA, 0, KEYFRAME, number, 0, i * SECOND, SECOND), payload)
    return out + data[starts[4] :]


def again_later() -> bytes:
    """The first chunk once more, after the third."""
    data = base()
    starts = chunk_starts(data)
    return data[: starts[3]] + data[starts[0] : starts[1]] + data[starts[3] :]


def tolerated() -> dict[str, Vector]:
    """What no writer of this version writes and every reader reads without a word."""
    seeks = ((1, 20), (0, 33 * SECOND), (1, 7))
    entry = {0: StreamEnd(4 * SECOND - 320, 4, 0)}
    parity = pack_chunk(Head(PARITY, 0, 0, 0, 0, 0, 0), b"\x02" + bytes(40))
    cases = {
        "file-chunk-heads": (odd_heads(), "ids, sequences, times and ignorable flags of chunks of the file itself"),
        "end-other-stream": (
            with_end(end_of({**entry, 7: StreamEnd(5, 5, 5)})),
            "an end of a stream that is none",
        ),
        "end-without-entry": (with_end(end_of({})), "an end chunk that says nothing of the stream"),
        "list-spare-bits": (spare_bits(), "unused bits of a list of keyframes"),
        "fields-unsorted": (unsorted_fields(), "fields that are not sorted"),
        "parity-unasked": (before_data(parity), "a parity chunk of a stream without the field"),
    }
    result = {f"tolerated/{name}": Vector(*case) for name, case in cases.items()}
    malformed = b"\x0c" + b"\x01" + u40(9) + u48(900) + b"\x01" + u40(4) + u48(300)
    for name, index, about in (
        ("index-malformed", malformed, "an index whose entries do not ascend: heads are read instead"),
        ("index-uneven", b"\x0d" + bytes(12), "an index that is no whole number of entries"),
        ("index-astray", astray(), "an index that leads to another stream, and beyond what is sought"),
    ):
        result[f"tolerated/{name}"] = Vector(two_to_seek_in(index), about, seeks=seeks)
    return result


def good_ones() -> dict[str, Vector]:
    """What has no fault, and was not said."""
    wide = VideoParameters(65_535, 256, Fraction(25), (1, 1, 1, 0), 65_535, 256)
    padded = StreamHeader(0, "test", wide, Fraction(1, 25), packet_duration=1)
    own = audio(fields={"extradata": b"\x05\x00"})
    text = FileHeader((audio(),), fields={"language": "\u00e9" * 17 + "x", "title": "\u8a9e" * 1365 + "."})
    about = FileHeader(
        (audio(fields={"tags": "handler=one\\nof two lines, a \\\\ in it", "language": "de"}),),
        fields={
            "tags": "genre=Speech \u8a9e\nno tag\ngenre=passed over\n=neither\nempty=\nline=a\\nb",
            "chapters": "0 1500000 first\nno chapter\n1500000 2000000\n1 2 passed over\n2000000 3000000 a \\\\ b",
        },
    )
    early = StreamHeader(0, "test", AudioParameters(8000, 1, 0, 160), Fraction(1, 8000))
    return {
        "good/no-durations": Vector(no_durations(), "packets whose duration is not known"),
        "good/wide-padding": Vector(
            file_of(FileHeader((padded,)), [packet(padded, 0, 1, 1)]),
            "sides of 65,535 without, 131,070 with padding",
        ),
        "good/own-extradata": Vector(
            file_of(FileHeader((own,)), seconds(own, 1)), "extradata of a codec that is not foreign"
        ),
        "good/text-bytes": Vector(
            file_of(text, seconds(audio(), 1)), "text as long as it may be: 35 and 4096 bytes, fewer characters"
        ),
        "good/metadata": Vector(
            file_of(about, seconds(audio(), 3)), "tags without a field of their own, and chapters; lines that are none"
        ),
        "good/not-from-zero": Vector(
            file_of(FileHeader((early,)), [packet(early, 8_000_000, 160, 1)]), "the first packet begins after 1,000 s"
        ),
        "good/seek": Vector(
            two_to_seek_in(), "an index of two streams", seeks=((1, 20), (0, 33 * SECOND), (1, 7), (1, 8), (0, 0))
        ),
    }


def faulty_ones() -> dict[str, Vector]:
    """What is damage, and of which class."""
    copy = header_with(pack_fields({"title": "another"}, scope="file"))
    lists = bytes([2, 0x10, 1]) + bytes(9)
    bad_end = bytearray(end_of({0: StreamEnd(4 * SECOND - 320, 4, 0)}))
    bad_end[-2] += 1
    layers = header_with(struct.pack("<HHB", 0x8001, 1, 2))
    rest = base()[chunk_starts(base())[0] :]
    cases = {
        "table-lists": (with_chunk(1, data_chunk(lists, flags=KEYFRAME | TABLE)), "an unknown list in a packet table",
                        "reads what it does not know as sizes"),
        "data-id-255": (before_data(pack_chunk(Head(DATA, 255, KEYFRAME, 0, 0, 0, 1), b"abc")),
                        "a data chunk with the id of the file", "takes it for a stream"),
        "parity-id": (before_data(pack_chunk(Head(PARITY, 9, 0, 0, 0, 0, 0), b"\x02" + bytes(40))),
                      "a parity chunk of no stream", "indexes past the end of its streams"),
        "copy-differs": (before_data(of_file(HEADER, copy)), "a header copy that says something else",
                         "changes its mind in the middle of a stream"),
        "copy-malformed": (before_data(of_file(HEADER, b"\x89MCX")), "a header copy that is none",
                           "reads a header from four bytes"),
        "tags-malformed": (before_data(of_file(TAGS, LONG)), "tags of impossible length: 36 bytes in 18 characters",
                           "counts characters"),
        "end-size": (with_end(bytes(bad_end)), "an end chunk of another size than it says", "is led astray"),
        "end-twice": (with_end(struct.pack("<BB", 16, 2) + 2 * (bytes(1) + u40(5) + bytes(10)) + u48(0) + b"\x44\0"),
                      "an end chunk that names a stream twice", "believes the last"),
        "late-start": (with_chunk(0, b""), "the first chunk of a stream is missing", "plays everything a second early"),
        "repeated-later": (again_later(), "the first chunk comes again after the third", "goes back to the beginning"),
        "sequence-back": (sequences(0, 1, 40_000, 40_001), "the sequence jumps by half its range, time goes on",
                          "takes it for a repetition and drops all that follows"),
        "stray-bytes": (base() + b"eleven more", "eleven bytes behind the end", "reads a head from them"),
    }  # fmt: skip
    unreadable = {
        "wrong-scope": (layers + rest, "a field of streams among those of the file", "applies it to all streams"),
        "text-over": (header_with(LONG) + rest, "text too long in bytes, not in characters", "counts characters"),
        "field-size": (header_with(struct.pack("<HHB", 0x0020, 2, 65)) + rest, "a field longer than what is left of "
                       "the header", "reads the CRC as text"),
    }  # fmt: skip
    result = {f"faulty/{name}": Vector(*case) for name, case in cases.items()}
    return result | {f"faulty/{name}": Vector(*case, readable=False) for name, case in unreadable.items()}


def vectors() -> dict[str, Vector]:
    """All of these, by group and name."""
    return good_ones() | faulty_ones() | tolerated()
