"""Codes of every family that gives them without a network go back into packets without one."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import mediacodec
from mediacodec.codecs.registry import CODECS, code_writer
from mediacodec.errors import ParameterError, UnsupportedFeatureError
from mediacodec.tokens.codes import read_mcx
from mediacodec_bitstream import FileHeader, Writer

AUDIO = [name for name, family in CODECS.items() if family.kind == "audio"]


def codes_of(codec: Any, header: Any, packets: Any) -> Any:
    """[codebooks, frames], with "no code" where a packet has fewer codebooks."""
    reader = codec.code_reader(header)
    read = [reader.read(packet) for packet in packets]
    missing = [((0, reader.num_codebooks - len(codes)), (0, 0)) for codes in read]
    padded = [np.pad(c, m, constant_values=reader.codebook_size) for c, m in zip(read, missing, strict=True)]
    return np.concatenate(padded, axis=1)


def refused(codec: Any, codes: Any) -> bool:
    """Whether packets of the family hold more than codes; then nobody may think that these alone would do."""
    if codec.family.code_writer is not None:
        return False
    with pytest.raises(UnsupportedFeatureError, match=codec.model.name):
        code_writer(codec.model, codes)
    return True


@pytest.mark.parametrize("name", AUDIO)
def test_who_writes_codes_reads_them(name: str) -> None:
    assert CODECS[name].code_reader is not None or CODECS[name].code_writer is None


@pytest.mark.parametrize("bit_rate", [None, 0.7])
def test_packets_of_codes_hold_those_codes_and_decode_to_the_same(codec: Any, bit_rate: float | None) -> None:
    """All codebooks, and a cap under which packets differ in their number."""
    if bit_rate is not None:  # of the best rate
        header, packets = codec.coded("file", 2.3)
        if codec.code_reader(header).num_codebooks == 1:
            bit_rate = 1.1  # there is no lower one
        bit_rate *= 8 * sum(len(packet.data) for packet in packets) / 2.3
    header, packets = codec.encode(codec.speech(2.3), bit_rate=bit_rate)
    codes = codes_of(codec, header, packets)
    if refused(codec, codes):
        return
    writer = code_writer(codec.model, codes)
    written = writer.packets()
    assert writer.header.codec == header.codec
    assert writer.num_samples >= len(codec.speech(2.3))
    assert [packet.pts for packet in written] == [packet.pts for packet in packets]
    assert np.array_equal(codes_of(codec, writer.header, written), codes)
    assert np.abs(codec.decode(writer.header, written) - codec.decode(header, packets)).max() < 1e-4


def test_a_file_gives_them_as_batch_codebooks_frames(codec: Any) -> None:
    header, packets = codec.coded("file", 2.3)
    buffer = io.BytesIO()
    writer = Writer(buffer, FileHeader((header,)))
    for packet in packets:
        writer.write(packet)
    writer.close({header.stream_id: len(codec.speech(2.3))})
    models = codec.model.folder.parent
    with mediacodec.open(buffer.getvalue(), models=models) as file:
        codes = file.audio.codes()
    assert codes.dtype == np.uint16
    assert codes.shape[:2] == (1, codec.code_reader(header).num_codebooks)
    assert codes.shape[2] >= sum(packet.duration for packet in packets) // codec.frame_size, "overlaps come twice"
    assert np.array_equal(codes[0], codes_of(codec, header, packets))
    if refused(codec, codes[0]):
        return
    tokens, again = read_mcx(buffer.getvalue(), models=models), io.BytesIO()
    assert np.array_equal(tokens.codes, codes)
    tokens.write_mcx(again, models=models)
    ours, theirs = (mediacodec.decode(file.getvalue(), models=models) for file in (again, buffer))
    assert ours.num_samples == theirs.num_samples == len(codec.speech(2.3))
    assert np.abs(ours.samples - theirs.samples).max() < 1e-4


def test_a_packet_ends_where_the_number_of_codebooks_changes(codec: Any) -> None:
    header, packets = codec.coded("file", 2.3)
    codes = codes_of(codec, header, packets)
    if refused(codec, codes):
        return
    books, at = len(codes), codec.start_frames + 7
    if books > 1:
        codes[books - 1 :, at : at + 5] = codec.code_reader(header).codebook_size
    writer = code_writer(codec.model, codes)
    durations = [packet.duration // codec.frame_size for packet in writer.packets()]
    assert sum(durations) == codes.shape[1]
    assert (durations[:2] == [at, 5]) == (books > 1)
    assert np.array_equal(codes_of(codec, writer.header, writer.packets()), codes)


def test_codes_that_the_model_has_not_are_refused(codec: Any) -> None:
    header, packets = codec.coded("file", 2.3)
    codes = codes_of(codec, header, packets)
    if refused(codec, codes):
        return
    size, books = codec.code_reader(header).codebook_size, len(codes)
    none, holed, many = codes.copy(), codes.copy(), np.zeros((books + 300, 5), np.uint16)
    none[:, 100] = size
    holed[0, 100] = size
    for bad in (none, holed, many, codes[0], codes.astype(np.int64), codes[:0]):
        with pytest.raises(ParameterError):
            code_writer(codec.model, bad)
    with pytest.raises(ParameterError, match="none of"):
        code_writer(codec.model, np.full_like(codes, size + 1))


def test_no_codes_are_no_packets(codec: Any) -> None:
    if refused(codec, np.zeros((1, 0), np.uint16)):
        return
    writer = code_writer(codec.model, np.zeros((1, 0), np.uint16))
    assert writer.packets() == []
    assert writer.num_samples == 0
