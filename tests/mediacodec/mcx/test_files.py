"""Files as streams: written and read in any pieces, from any place, damaged or whole, through pipes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediacodec
from mediacodec import manifest, session
from mediacodec.errors import (
    InputError,
    ModelMismatchError,
    ModelNotFoundError,
    OutputExistsError,
    ParameterError,
    ParameterTypeError,
)
from mediacodec.mcx.reader import FileReader
from mediacodec.mcx.writer import FileWriter
from mediacodec_bitstream import FileHeader, Packet, Reader, StreamHeader, Writer

RATE, SECONDS, TOLERANCE = 16_000, 6.3, 1e-4


def write(samples: Any, **options: Any) -> tuple[bytes, list[Packet]]:
    buffer, packets = BytesIO(), []
    packet_duration = options.pop("packet_duration", 1.0)
    with mediacodec.open(buffer, "w", **options) as file:
        stream = file.add_audio_stream(sample_rate=RATE, packet_duration=packet_duration)
        for start in range(0, samples.shape[1], 5000):
            new = stream.encode(samples[:, start : start + 5000])
            packets += new
            file.mux(new)
    return buffer.getvalue(), packets


open_once = cache(session.open_session)


@pytest.fixture(scope="module", autouse=True)
def one_session() -> Iterator[None]:
    """Loading the networks again for every test would be most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "open_session", open_once)
        yield


@pytest.fixture(scope="module")
def samples(speech: Callable[..., Any]) -> Any:
    return speech(SECONDS, RATE)


@pytest.fixture(scope="module")
def data(samples: Any) -> bytes:
    return write(samples)[0]


@pytest.fixture(scope="module")
def whole(data: bytes) -> Any:
    """The full decode, [n]."""
    return mediacodec.decode(data).samples[0]


class TestReading:
    def test_length_and_rate(self, data: bytes, samples: Any, whole: Any) -> None:
        with mediacodec.open(data) as file:
            audio = file.audio
            assert file.streams == (audio,)
            assert (audio.sample_rate, audio.channels) == (RATE, 1)
            assert audio.num_samples == samples.shape[1] == len(whole)
            assert audio.duration == SECONDS
            assert (file.gaps, file.truncated) == ([], False)

    def test_blocks_follow_each_other_and_are_small(self, data: bytes, whole: Any) -> None:
        with mediacodec.open(data) as file:
            blocks = list(file.audio.blocks())
        assert [b.pts for b in blocks] == np.cumsum([0, *[b.num_samples for b in blocks[:-1]]]).tolist()
        assert max(b.num_samples for b in blocks) <= RATE
        assert np.array_equal(np.concatenate([b.samples[0] for b in blocks]), whole)

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, 0.5),
            (0.5, 1.5),
            (1.0, 2.0),
            (0.98, None),
            (2.2, 2.3),
            (3.999, 4.001),
            (5.5, 99),
            (SECONDS, None),
            (2, 2),
        ],
    )
    def test_seeking_is_a_slice_of_the_whole(self, data: bytes, whole: Any, start: float, stop: float | None) -> None:
        with mediacodec.open(data) as file:
            chunk = file.audio.get_samples_played_in_range(start, stop)
            assert file.gaps == []
        first, last = round(start * RATE), None if stop is None else round(stop * RATE)
        assert chunk.pts == first
        expected = whole[first:last]
        assert chunk.samples.shape == (1, len(expected))
        assert np.abs(chunk.samples[0] - expected).max(initial=0) < TOLERANCE

    def test_seeking_does_not_decode_what_comes_before(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        from mediacodec.codecs.rvq.decoder import RvqDecoder

        pushed, push = [], RvqDecoder.push
        monkeypatch.setattr(RvqDecoder, "push", lambda self, packet: pushed.append(packet) or push(self, packet))
        with mediacodec.open(data) as file:
            file.audio.get_samples_played_in_range(4.5, 4.6)
        assert 0 < len(pushed) <= 3

    def test_any_order_on_one_reader(self, data: bytes, whole: Any) -> None:
        with mediacodec.open(data) as file:
            for start in (4.0, 0.0, 2.5, 0.0, 5.9):
                chunk = file.audio.get_samples_played_in_range(start, start + 0.3)
                expected = whole[round(start * RATE) : round((start + 0.3) * RATE)]
                assert np.abs(chunk.samples[0] - expected).max() < TOLERANCE
            assert np.array_equal(file.audio.read().samples[0], whole)
            assert file.gaps == []

    @pytest.mark.parametrize(("start", "stop"), [(-0.1, None), (2.0, 1.0), (0.0, -1.0)])
    def test_impossible_times(self, data: bytes, start: float, stop: float | None) -> None:
        with mediacodec.open(data) as file, pytest.raises(ParameterError, match=str(stop if start == 0 else start)):
            next(file.audio.blocks(start=start, stop=stop))

    def test_codes_are_those_of_the_encoder(self, data: bytes, samples: Any) -> None:
        encoder = mediacodec.AudioEncoder("speech")
        packets = encoder.push(samples) + encoder.flush()
        with mediacodec.open(data) as file:
            codes = file.audio.codes()
        from mediacodec.codecs.registry import code_reader

        reader = code_reader(encoder.header)
        expected = np.concatenate([reader.read(packet) for packet in packets], axis=1)
        assert codes.dtype == np.uint16
        assert codes.shape == (1, reader.num_codebooks, -(-(samples.shape[1] + 320) // 320))
        assert np.array_equal(codes[0], expected)

    def test_codes_of_a_range_are_whole_packets(self, data: bytes) -> None:
        with mediacodec.open(data) as file:
            every = file.audio.codes()
            assert np.array_equal(file.audio.codes(2.5, 3.5), every[:, :, 100:200])
            assert np.array_equal(file.audio.codes(stop=0.5), every[:, :, :50])
            assert np.array_equal(file.audio.codes(6.0), every[:, :, 300:])
            assert file.audio.codes(99.0).shape == (1, every.shape[1], 0)

    def test_codes_run_no_network(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: Any, **__: Any) -> Any:
            raise AssertionError("a network was loaded")

        monkeypatch.setattr(session, "open_session", refused)
        with mediacodec.open(data) as file:
            assert file.audio.codes().size

    def test_a_file_on_disk_is_closed(self, data: bytes, tmp_path: Path, whole: Any) -> None:
        path = tmp_path / "a.mcx"
        path.write_bytes(data)
        with mediacodec.open(path) as file:
            assert np.array_equal(file.audio.read().samples[0], whole)
        assert file._source._file.closed

    def test_bad_mode(self) -> None:
        with pytest.raises(ParameterError, match="not 'x'"):
            mediacodec.open("x.mcx", "x")

    def test_without_audio(self, data: bytes) -> None:
        buffer = BytesIO()
        stream = StreamHeader(0, "data", None, Reader(BytesIO(data)).header.streams[0].time_base)
        Writer(buffer, FileHeader((stream,))).close()
        with mediacodec.open(buffer.getvalue()) as file, pytest.raises(InputError, match="no audio"):
            _ = file.audio


class TestPipes:
    def test_reading(self, data: bytes, whole: Any, pipe: Any) -> None:
        with mediacodec.open(pipe(data)) as file:
            assert file.audio.num_samples is None, "not known before the end"
            assert np.array_equal(file.audio.read().samples[0], whole)
            assert file.audio.num_samples == len(whole)
            assert (file.gaps, file.truncated) == ([], False)
            with pytest.raises(ParameterError, match="pipe"):
                file.audio.read()

    def test_a_range_of_a_pipe(self, data: bytes, whole: Any, pipe: Any) -> None:
        with mediacodec.open(pipe(data)) as file:
            chunk = file.audio.get_samples_played_in_range(2.2, 3.1)
        assert chunk.pts == round(2.2 * RATE)
        assert np.abs(chunk.samples[0] - whole[round(2.2 * RATE) : round(3.1 * RATE)]).max() < TOLERANCE

    def test_an_object_that_only_reads(self, data: bytes, whole: Any) -> None:
        class Socket:
            def __init__(self) -> None:
                self.inner = BytesIO(data)

            def read(self, size: int = -1) -> bytes:
                return self.inner.read(min(size, 100))

        with mediacodec.open(Socket()) as file:  # type: ignore[call-overload]
            assert np.array_equal(file.audio.read().samples[0], whole)

    def test_writing(self, data: bytes, samples: Any, pipe: Any) -> None:
        target = pipe()
        with mediacodec.open(target, "w") as file:
            stream = file.add_audio_stream(sample_rate=RATE)
            file.mux(stream.encode(samples))
        assert bytes(target.written) == data

    def test_through_a_pipe_of_the_system(self, samples: Any, whole: Any) -> None:
        read_end, write_end = os.pipe()

        def work() -> None:
            with os.fdopen(write_end, "wb", buffering=0) as out, mediacodec.open(out, "w") as file:
                stream = file.add_audio_stream(sample_rate=RATE)
                file.mux(stream.encode(samples))

        worker = threading.Thread(target=work)
        worker.start()
        with os.fdopen(read_end, "rb") as source, mediacodec.open(source) as file:
            found = file.audio.read().samples[0]
        worker.join()
        assert np.array_equal(found, whole)

    def test_a_live_stream_can_be_joined(self, samples: Any, pipe: Any) -> None:
        data, _ = write(np.tile(samples, 2), live=True, packet_duration=0.5)
        complete = mediacodec.decode(data).samples[0]
        assert mediacodec.info(data).live
        with mediacodec.open(pipe(data[len(data) // 3 :])) as file:
            assert file.joined
            joined = file.audio.read()
            assert file.gaps == [], "nothing that was there is missing"
        assert joined.pts == 10 * RATE - 320, "from the header copy on, and no silence for what came before"
        warm = joined.pts + RATE
        assert np.abs(joined.samples[0][warm - joined.pts :] - complete[warm:]).max() < TOLERANCE

    def test_live_packets_leave_at_once(self, samples: Any, pipe: Any) -> None:
        target = pipe()
        with mediacodec.open(target, "w", live=True) as file:
            stream = file.add_audio_stream(sample_rate=RATE, packet_duration=0.02)
            sizes = []
            for start in range(0, 3200, 320):
                file.mux(stream.encode(samples[:, start : start + 320]))
                sizes.append(len(target.written))
        assert all(b > a for a, b in pairwise(sizes))


class TestModels:
    def test_other_weights(self, data: bytes) -> None:
        reader = Reader(BytesIO(data))
        (stream,) = reader.header.streams
        for fields, error in (
            (stream.fields, ModelMismatchError),
            ({**stream.fields, "model_name": "speech-999"}, ModelNotFoundError),
        ):
            buffer = BytesIO()
            changed = replace(stream, model_hash=bytes(32), fields=fields)
            writer = Writer(buffer, FileHeader((changed,)))
            writer.close()
            with mediacodec.open(buffer.getvalue()) as file:
                for use in (file.audio.read, file.audio.codes):
                    with pytest.raises(error, match=str(fields["model_name"])):
                        use()

    def test_models_may_lie_anywhere(
        self, data: bytes, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = manifest.find_by_name("speech")
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / model.name).symlink_to(model.folder)
        monkeypatch.setenv("MEDIACODEC_CACHE", "")
        monkeypatch.setattr(manifest, "ZOO", tmp_path / "none")
        monkeypatch.setattr(manifest, "_user_folder", lambda: tmp_path / "none")
        with pytest.raises(ModelNotFoundError):
            mediacodec.decode(data)
        assert np.array_equal(mediacodec.decode(data, models=tmp_path / "models").samples[0], whole)
        with mediacodec.open(data, models=tmp_path / "models") as file:
            assert file.audio.codes().size


class TestWriting:
    def test_a_named_file_appears_whole(self, tmp_path: Path, samples: Any, data: bytes) -> None:
        path = tmp_path / "a.mcx"
        with mediacodec.open(path, "w") as file:
            stream = file.add_audio_stream(sample_rate=RATE)
            file.mux(stream.encode(samples))
            assert not path.exists()
        assert path.read_bytes() == data
        assert list(tmp_path.iterdir()) == [path]

    def test_an_exception_leaves_nothing(self, tmp_path: Path, samples: Any) -> None:
        class Stop(Exception):  # noqa: N818
            pass

        def work() -> None:
            with mediacodec.open(tmp_path / "a.mcx", "w") as file:
                stream = file.add_audio_stream(sample_rate=RATE)
                file.mux(stream.encode(samples))
                raise Stop

        with pytest.raises(Stop):
            work()
        assert list(tmp_path.iterdir()) == []

    def test_so_does_an_error_of_the_end(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="needs a stream"), mediacodec.open(tmp_path / "a.mcx", "w"):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_nothing_is_overwritten_unasked(self, tmp_path: Path, samples: Any) -> None:
        path = tmp_path / "a.mcx"
        path.write_bytes(b"precious")
        with pytest.raises(OutputExistsError, match=r"a\.mcx"):
            mediacodec.open(path, "w")
        assert path.read_bytes() == b"precious"
        with mediacodec.open(path, "w", overwrite=True) as file:
            file.mux(file.add_audio_stream(sample_rate=RATE).encode(samples[:, :1000]))
        assert mediacodec.decode(path).num_samples == 1000

    def test_closing_twice(self, tmp_path: Path, samples: Any) -> None:
        path = tmp_path / "a.mcx"
        with mediacodec.open(path, "w") as file:
            file.mux(file.add_audio_stream(sample_rate=RATE).encode(samples[:, :1000]))
            file.close()
            assert path.exists()
        assert mediacodec.decode(path).num_samples == 1000

    def test_an_open_file_stays_open(self) -> None:
        buffer = BytesIO()
        with mediacodec.open(buffer, "w") as file:
            file.add_audio_stream(sample_rate=RATE)
        assert not buffer.closed
        assert mediacodec.decode(buffer.getvalue()).num_samples == 0

    def test_streams_come_before_packets(self, samples: Any) -> None:
        with mediacodec.open(BytesIO(), "w") as file:
            stream = file.add_audio_stream(sample_rate=RATE)
            file.mux(stream.encode(samples))
            with pytest.raises(ParameterError, match="before the first mux"):
                file.add_audio_stream(sample_rate=RATE)

    def test_packets_of_nobody(self) -> None:
        with mediacodec.open(BytesIO(), "w") as file:
            file.add_audio_stream(sample_rate=RATE)
            with pytest.raises(ParameterError, match="stream 7"):
                file.mux([Packet(7, 0, b"x", 16_000)])

    def test_wrong_samples(self) -> None:
        with mediacodec.open(BytesIO(), "w") as file:
            stream = file.add_audio_stream(sample_rate=44_100, channels=2)
            with pytest.raises(ParameterTypeError, match="int16"):
                stream.encode(np.zeros((2, 100), np.int16))
            with pytest.raises(ParameterError, match=r"2 channel.*got 44100 Hz and 1"):
                stream.encode(np.zeros(100, np.float32))
            with pytest.raises(ParameterError, match="got 48000 Hz"):
                stream.encode(mediacodec.AudioChunk(np.zeros((2, 100), np.float32), 48_000))

    def test_stereo_at_another_rate(self, speech: Callable[..., Any]) -> None:
        audio, buffer = speech(2.5, 44_100, channels=2), BytesIO()
        with mediacodec.open(buffer, "w") as file:
            stream = file.add_audio_stream(sample_rate=44_100, channels=2)
            for start in range(0, audio.shape[1], 4410):
                file.mux(stream.encode(audio[:, start : start + 4410]))
        with mediacodec.open(buffer.getvalue()) as reader:
            assert reader.audio.num_samples == round(2.5 * RATE)
            fields = reader.audio.header.fields
            assert (fields["source_sample_rate"], fields["source_channels"]) == (44_100, 2)
        notes = stream.notes
        assert any("44100 Hz -> 16000 Hz" in note for note in notes)
        assert any(note.startswith("WARNING") and "2 channels" in note for note in notes)

    def test_two_streams(self, speech: Callable[..., Any], samples: Any, whole: Any) -> None:
        other, buffer = speech(2.2, RATE, seed=1), BytesIO()
        with mediacodec.open(buffer, "w") as file:
            one = file.add_audio_stream(sample_rate=RATE)
            two = file.add_audio_stream(sample_rate=RATE, bit_rate=3000, packet_duration=0.5)
            for start in range(0, samples.shape[1], 8000):
                file.mux(one.encode(samples[:, start : start + 8000]))
                file.mux(two.encode(other[:, start : start + 8000]))
        info = mediacodec.info(buffer.getvalue())
        assert [stream.duration for stream in info.streams] == [SECONDS, 2.2]
        assert [stream.payload_bytes for stream in info.streams] == [one.payload_bytes, two.payload_bytes]
        alone = mediacodec.decode(mediacodec.encode(other, sample_rate=RATE, bit_rate=3000, packet_duration=0.5))
        with mediacodec.open(buffer.getvalue()) as reader:
            assert len(reader.streams) == 2
            assert np.array_equal(reader.streams[1].read().samples, alone.samples)
            assert np.array_equal(reader.streams[0].read().samples[0], whole)
            part = reader.streams[1].get_samples_played_in_range(1.5, 1.7).samples[0]
            assert np.abs(part - alone.samples[0][24_000:27_200]).max() < TOLERANCE
            assert reader.gaps == []

    def test_appending(self, data: bytes, samples: Any, whole: Any) -> None:
        """The format's own `Writer.append` continues a file, and it plays on."""
        buffer = BytesIO(data)
        writer = Writer.append(buffer)
        start = 7 * RATE
        encoder = mediacodec.AudioEncoder("speech")
        for packet in encoder.push(samples[0, :RATE]):
            writer.write(replace(packet, pts=packet.pts + start, discontinuity=True))
        writer.close()
        found = mediacodec.decode(buffer.getvalue()).samples[0]
        assert len(found) == 8 * RATE - 320
        assert np.array_equal(found[: len(whole)], whole)


def test_a_long_file_in_bounded_memory(data: bytes) -> None:
    """Blocks of a file many times as long, made of the same packets over and over, keep the memory of one."""
    import tracemalloc

    reader = Reader(BytesIO(data))
    packets = list(reader)[:6]
    buffer = BytesIO()
    writer = Writer(buffer, reader.header)
    for i in range(40):
        writer.write(replace(packets[i % 6], pts=i * RATE))
    writer.close()
    with FileReader(buffer.getvalue()) as file:
        blocks = file.audio.blocks()
        next(blocks)
        tracemalloc.start()
        try:
            count = sum(block.num_samples for block in blocks)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 39 * RATE
    assert peak < 4 * RATE * 8, f"{peak / 1e6:.2f} MB; all the audio is {40 * RATE * 4 / 1e6:.2f} MB"


def test_a_writer_is_not_closed_by_losing_it(tmp_path: Path, samples: Any) -> None:
    file = FileWriter(tmp_path / "a.mcx")
    file.mux(file.add_audio_stream(sample_rate=RATE).encode(samples))
    file.abort()
    file.close()
    assert list(tmp_path.iterdir()) == []
