"""What every decoder promises: exact length, any chunking, states that are values, joining, concealing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest

from mediacodec_bitstream import BitstreamError, CorruptError, DesyncError, Packet, TruncatedError

MODES = {"live": 0.02, "file": 1.0}
TOLERANCE = 1e-4


def rms(samples: Any) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


@pytest.mark.parametrize(
    "length", [1, 2, 319, 320, 321, 639, 640, 641, 15679, 15680, 15681, 15999, 16000, 16001, 16320]
)
def test_length_is_covered_exactly(codec: Any, mode: str, length: int) -> None:
    if mode == "live" and length > 1000:
        length -= 15000  # the remainders matter, not a second of steps
    header, packets = codec.encode(codec.speech(2.0)[:length], packet_duration=MODES[mode])
    audio = codec.decode(header, packets)
    # the end of a file trims to the exact length: enough must be there, and less than a frame beyond
    assert length <= len(audio) < length + codec.frame_size
    assert np.isfinite(audio).all()


def test_audio_is_where_it_was(trained: Any) -> None:
    codec = trained
    # bursts of speech: a codec that shifts time by even a few ms misses their edges
    samples = codec.speech(6.0).copy()
    edges = np.arange(0, len(samples), codec.rate // 2)
    for start in edges[::2]:
        samples[start : start + codec.rate // 2] = 0
    header, packets = codec.encode(samples)
    audio = codec.decode(header, packets)[: len(samples)]
    hop = codec.rate // 200
    size = len(samples) // hop * hop
    envelopes = [np.sqrt(np.mean(x[:size].reshape(-1, hop) ** 2, axis=1)) for x in (samples, audio)]
    mine, theirs = (x - x.mean() for x in envelopes)
    lags = range(-10, 11)
    scores = [float(np.dot(np.roll(mine, lag), theirs)) for lag in lags]
    assert abs(lags[int(np.argmax(scores))]) <= 1, f"shifted by {5 * lags[int(np.argmax(scores))]} ms"


def test_packets_decode_alike_in_any_grouping(codec: Any) -> None:
    """The same codes in packets of 20 ms and of 1 s give the same samples within the tolerance of floats."""
    header, packets = codec.coded("live", 2.3)
    whole, single = codec.decoded("file", 2.3), codec.decoded("live", 2.3)
    reader, file_reader = codec.code_reader(header), codec.code_reader(codec.coded("file", 2.3)[0])
    live = np.concatenate([reader.read(packet) for packet in packets], axis=1)
    file = np.concatenate([file_reader.read(packet) for packet in codec.coded("file", 2.3)[1]], axis=1)
    if np.array_equal(live, file):
        assert np.abs(whole - single).max() < TOLERANCE
    else:
        first = int(np.argmax((live != file).any(axis=0))) * codec.frame_size - codec.pre_skip
        assert np.abs(whole[:first] - single[:first]).max(initial=0) < TOLERANCE


def test_threads_do_not_change_the_audio(codec: Any, mode: str) -> None:
    header, packets = codec.coded(mode, 2.3)
    two = codec.decode(header, packets, threads=2)
    assert np.abs(codec.decoded(mode, 2.3) - two).max() < TOLERANCE


def test_chunks_say_where_they_stand(codec: Any, mode: str) -> None:
    header, packets = codec.coded(mode, 2.3)
    decoder, position = codec.decoder(header), 0
    for packet in packets:
        chunk = decoder.push(packet)
        assert chunk.pts == position
        position += chunk.num_samples
        assert position >= packet.pts + packet.duration - codec.pre_skip - decoder.delay
    rest = decoder.flush()
    assert rest.pts == position
    assert rest.num_samples <= decoder.delay
    assert position + rest.num_samples == packets[-1].pts + packets[-1].duration - codec.pre_skip
    assert decoder.flush().num_samples == 0


def test_interleaved_streams_are_two_streams(codec: Any) -> None:
    encoders = [codec.encoder(packet_duration=0.02, stream_id=i) for i in (3, 4)]
    voices, packets, step = [codec.speech(0.8, seed) for seed in (0, 1)], ([], []), codec.rate // 50
    for start in range(0, len(voices[0]), step):
        for encoder, voice, out in zip(encoders, voices, packets, strict=True):
            out += encoder.push(voice[start : start + step])
    for encoder, out in zip(encoders, packets, strict=True):
        out += encoder.flush()
    alone = [codec.coded("live", 0.8, seed) for seed in (0, 1)]
    for stream_id, mine, (_, theirs) in zip((3, 4), packets, alone, strict=True):
        assert [replace(packet, stream_id=0) for packet in mine] == list(theirs)
        assert {packet.stream_id for packet in mine} == {stream_id}
    decoders = [codec.decoder(encoder.header) for encoder in encoders]
    audio = ([], [])
    for pair in zip(*packets, strict=True):
        for decoder, packet, out in zip(decoders, pair, audio, strict=True):
            out.append(decoder.push(packet).samples[0])
    for decoder, out in zip(decoders, audio, strict=True):
        out.append(decoder.flush().samples[0])
    for mine, (header, theirs) in zip(audio, alone, strict=True):
        assert np.array_equal(np.concatenate(mine), codec.decode(header, theirs))


def test_joining_in_midstream_converges_after_preroll(codec: Any, mode: str) -> None:
    header, packets = codec.coded(mode, 3.2)
    whole = codec.decoded(mode, 3.2)
    decoder = codec.decoder(header)
    join = next(i for i, packet in enumerate(packets) if packet.pts >= 1.0 * codec.rate)
    chunks = [*map(decoder.push, packets[join:]), decoder.flush()]
    assert chunks[0].pts == packets[join].pts - codec.pre_skip
    joined = np.concatenate([chunk.samples[0] for chunk in chunks])
    start = chunks[0].pts
    warm = decoder.preroll
    assert 0 < warm < 2 * codec.rate
    assert np.abs(joined[warm:] - whole[start + warm :]).max() < TOLERANCE
    assert np.abs(joined[:warm] - whole[start : start + warm]).max() > TOLERANCE, "else a preroll is not needed"


class TestLoss:
    """A packet that never came: `push(None)`."""

    SECONDS: ClassVar = {"live": 3.2, "file": 5.3}

    @staticmethod
    @cache
    def lose(codec: Any, mode: str, lost: int) -> tuple[Any, Any, int, int]:
        """(whole, patched, first and last sample of the gap) with `lost` packets missing after one second."""
        header, packets = codec.coded(mode, TestLoss.SECONDS[mode])
        first = next(i for i, packet in enumerate(packets) if packet.pts >= codec.rate)
        damaged = [None if first <= i < first + lost else packet for i, packet in enumerate(packets)]
        start = packets[first].pts - codec.pre_skip
        stop = packets[first + lost].pts - codec.pre_skip
        return codec.decoded(mode, TestLoss.SECONDS[mode]), codec.decode(header, damaged), start, stop

    @pytest.mark.parametrize(("mode", "lost"), [("live", 1), ("live", 5), ("live", 40), ("file", 1), ("file", 2)])
    def test_length_and_surroundings(self, codec: Any, mode: str, lost: int) -> None:
        whole, patched, start, stop = self.lose(codec, mode, lost)
        assert len(patched) == len(whole)
        decoder = codec.decoder(codec.coded(mode, TestLoss.SECONDS[mode])[0])
        ahead = decoder.preroll if decoder.delay else 0  # a network that looks both ways looks as far on each side
        assert np.array_equal(patched[: start - ahead], whole[: start - ahead])
        warm = stop + decoder.preroll
        assert warm < len(whole)
        assert np.abs(patched[warm:] - whole[warm:]).max() < TOLERANCE, "the damage must not last"
        assert np.isfinite(patched).all()

    @pytest.mark.parametrize(("mode", "lost"), [("live", 40), ("file", 1)])
    def test_goes_on_and_then_fades_to_silence(self, codec: Any, mode: str, lost: int) -> None:
        whole, patched, start, stop = self.lose(codec, mode, lost)
        hold, faded = start + codec.rate * 60 // 1000, start + codec.rate * 160 // 1000
        assert rms(patched[start:hold]) > 0.1 * rms(whole[start - codec.rate // 20 : start]), "silent at once"
        assert faded < stop
        assert not patched[faded:stop].any(), "a long gap ends in silence, not in a drone"

    @pytest.mark.parametrize("lost", [1, 2, 5, 40])
    def test_no_clicks_at_the_edges(self, codec: Any, lost: int) -> None:
        whole, patched, start, stop = self.lose(codec, "live", lost)
        usual = np.abs(np.diff(whole)).max()
        assert np.abs(np.diff(patched[start - 10 : stop + codec.frame_size])).max() < 1.5 * usual

    def test_a_short_gap_is_no_hole(self, codec: Any) -> None:
        whole, patched, start, stop = self.lose(codec, "live", 2)
        assert rms(patched[start:stop]) > 0.25 * rms(whole[start:stop])

    def test_losing_the_start_gives_silence_of_the_right_length(self, codec: Any) -> None:
        header, packets = codec.coded("live", 2.3)
        decoder, lost = codec.decoder(header), codec.pre_skip // header.packet_duration + 4
        chunks = [decoder.push(None) for _ in range(lost)]
        assert not np.concatenate([chunk.samples[0] for chunk in chunks]).any()
        starts = [i * header.packet_duration - codec.pre_skip for i in range(lost)]
        assert [chunk.pts for chunk in chunks] == [max(0, start) for start in starts]
        assert decoder.push(packets[lost]).pts == packets[lost].pts - codec.pre_skip


def reseal(packet: Packet, header: Any, **changes: Any) -> Packet:
    """A packet with other symbols under the old check, as a wrong model or a bug would decode them."""
    size = header.symbol_crc_size
    body, crc = packet.data[:-size], bytearray(packet.data[-size:])
    crc[0] ^= 0x5A
    return replace(packet, data=body + bytes(crc), **changes)


def test_wrong_symbols_are_a_desync(codec: Any, mode: str) -> None:
    header, packets = codec.coded(mode, 2.3)
    for reader in (codec.decoder(header).push, codec.code_reader(header).read):
        with pytest.raises(DesyncError, match="right model"):
            reader(reseal(packets[0], header))


def test_a_refused_packet_leaves_the_decoder_as_it_was(codec: Any) -> None:
    header, packets = codec.coded("live", 0.8)
    decoder, out = codec.decoder(header), []
    for packet in packets:
        with pytest.raises(BitstreamError):
            decoder.push(reseal(packet, header))
        out.append(decoder.push(packet).samples[0])
    out.append(decoder.flush().samples[0])
    assert np.array_equal(np.concatenate(out), codec.decoded("live", 0.8))


def test_impossible_packets(codec: Any, mode: str) -> None:
    header, packets = codec.coded(mode, 2.3)
    decoder = codec.decoder(header)
    with pytest.raises(TruncatedError):
        decoder.push(replace(packets[0], data=packets[0].data[: header.symbol_crc_size - 1]))
    for duration in (0, 1, codec.frame_size - 1, codec.frame_size + 1, codec.rate * 600):
        with pytest.raises(CorruptError, match=str(duration)):
            decoder.push(replace(packets[0], duration=duration))
    with pytest.raises(BitstreamError):  # fewer frames than the payload codes: bytes are left
        decoder.push(replace(packets[0], duration=2 * packets[0].duration))


def test_headers_that_contradict_the_model(codec: Any) -> None:
    header, _ = codec.coded("file", 2.3)
    parameters = header.parameters
    wrong = [
        replace(header, parameters=replace(parameters, channels=2)),
        replace(header, parameters=replace(parameters, sample_rate=codec.rate * 2)),
        replace(header, parameters=replace(parameters, frame_size=codec.frame_size + 1)),
        replace(header, parameters=replace(parameters, pre_skip=codec.pre_skip + 1)),
        replace(header, time_base=header.time_base * 2),
        replace(header, coder=0),
        replace(header, packet_duration=(1 << 24) - 1),  # concealment would make 17 minutes at once
        replace(header, fields={**header.fields, "extradata": b""}),
        replace(header, fields={**header.fields, "extradata": b"\0"}),
        replace(header, fields={**header.fields, "extradata": b"\xff"}),
        replace(header, fields={k: v for k, v in header.fields.items() if k != "extradata"}),
    ]
    for changed in wrong:
        with pytest.raises(BitstreamError):
            codec.code_reader(changed)
        with pytest.raises(BitstreamError):
            codec.decoder(changed)


def test_a_stream_that_states_no_packet_duration(codec: Any) -> None:
    header, packets = codec.coded("live", 0.8)
    header = replace(header, packet_duration=0)
    decoder = codec.decoder(header)
    packets = packets[: codec.pre_skip // codec.frame_size + 1]
    chunks = [*map(decoder.push, packets), decoder.push(None), decoder.flush()]
    coded = sum(packet.duration for packet in packets) + codec.frame_size
    assert sum(chunk.num_samples for chunk in chunks) == coded - codec.pre_skip
