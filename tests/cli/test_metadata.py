"""Tags, languages and chapters travel into an .mcx file and out again; what cannot is named once."""

import contextlib
import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest

import mediacodec
from mediacodec import Chapter
from mediacodec.errors import ParameterError, ParameterTypeError

RATE = 48_000
TAGS = {
    "title": "Ein Gespräch",
    "artist": "A. N. Other",
    "date": "2021-03-04",
    "comment": "two\nlines",
    "genre": "Talk",
}
PARTS = [(0, 700, "first"), (700, 1500, "second = \\ part"), (1500, 2000, "")]


def write(path, muxer=None, *, codec="flac", video=False, subtitle=False, second=False):
    """Two seconds with all that can be said of them."""
    with contextlib.ExitStack() as stack, av.open(str(path), "w", format=muxer) as container:
        container.metadata.update(TAGS)
        streams = [container.add_stream(codec, rate=RATE, layout="mono") for _ in range(2 if second else 1)]
        streams[0].metadata["language"] = "deu"
        if video:
            track = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
            track.metadata.update({"title": "camera 2", "language": "fra"})
        container.set_chapters([
            {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
            for number, (start, end, title) in enumerate(PARTS, start=1)
        ])  # fmt: skip
        if subtitle:
            lines = b"1\n00:00:00,000 --> 00:00:01,000\nwords\n\n"
            words = stack.enter_context(av.open(io.BytesIO(lines), format="srt"))
            container.add_stream_from_template(words.streams[0]).metadata["language"] = "eng"
        container.start_encoding()
        for stream in streams:
            samples = (np.sin(np.arange(2 * RATE) / 20) * 3000).astype("<i2")[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux([*stream.encode(frame), *stream.encode(None)])
        for index in range(50 if video else 0):
            image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8))
            image.pts = index
            container.mux(track.encode(image))
        if video:
            container.mux(track.encode(None))
    return path


def read(path):
    """(tags of the file and of its only stream, chapters in ms, stream tags by kind), lower case."""
    with av.open(str(path)) as container:
        tags = dict(container.metadata)
        by_kind = {stream.type: {k.lower(): v for k, v in stream.metadata.items()} for stream in container.streams}
        if len(container.streams) == 1:
            tags |= container.streams[0].metadata
        parts = [
            (round(each["start"] * each["time_base"] * 1000), each["metadata"].get("title", ""))
            for each in container.chapters()
        ]
    return {key.lower(): value for key, value in tags.items()}, parts, by_kind


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write(tmp_path_factory.mktemp("source") / "in.mkv")


@pytest.fixture
def coded(run, source, tmp_path):
    assert "left out" not in run("encode", "-i", source, tmp_path / "talk.mcx").works().err
    return tmp_path / "talk.mcx"


def test_probe_has_the_names_of_ffprobe(run, coded):
    found = json.loads(run("probe", "-of", "json", coded).works().out)
    assert {**found["format"]["tags"], **TAGS} == found["format"]["tags"]
    assert found["streams"][0]["tags"]["language"] == "deu"
    assert [(int(each["start"]), each["end_time"], each["tags"].get("title", "")) for each in found["chapters"]] == [
        (0, "0.700000", "first"), (700_000, "1.500000", "second = \\ part"), (1_500_000, "2.000000", ""),
    ]  # fmt: skip
    assert all(each["time_base"] == "1/1000000" for each in found["chapters"])
    text = run("probe", coded).works().out
    for words in ("title: Ein Gespräch", "genre: Talk", "language deu", "Chapter 1: ", "second = \\ part"):
        assert words in text


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.ogg", "a.mp4", "a.mkv", "a.mov"])
def test_out_again(run, coded, tmp_path, name):
    told = run("decode", "-i", coded, tmp_path / name).works().err
    tags, parts, by_kind = read(tmp_path / name)
    assert {key: tags.get(key) for key in TAGS} == TAGS
    if name == "a.wav":
        assert "wav has no field for chapters\n" in told
    else:
        untitled = "ch2" if name == "a.mp3" else ""  # FFmpeg's reader calls it so
        assert parts == [(start, title or untitled) for start, _, title in PARTS]
    if name == "a.mov":
        assert "mov has no field for language\n" in told
    else:
        assert "no field" not in told or name == "a.wav"
        assert "deu" in (tags.get("language"), by_kind["audio"].get("language"))


def test_what_is_no_text_goes_where_nothing_is_said(run, coded, tmp_path):
    assert "s16le has no field for title, artist, date" in run("decode", coded, tmp_path / "a.s16le").works().err


@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_dropped_and_set(run, source, coded, tmp_path, verb):
    target = tmp_path / ("b.mcx" if verb == "encode" else "b.mka")
    words = ["-map_metadata", "-1", "-metadata", "title=Other=1", "-metadata", "mood=calm", "-metadata:s:a:0",
             "language=sv", "-map_chapters", "-1"]  # fmt: skip
    extra = [] if verb == "encode" else ["-f", "mkv"]
    run(verb, "-i", source if verb == "encode" else coded, *words, *extra, target).works()
    if verb == "encode":
        info = mediacodec.info(target)
        assert info.metadata == {"title": "Other=1", "mood": "calm"}
        assert info.streams[0].metadata == {"language": "sv"}
        assert info.chapters == ()
    else:
        tags, parts, by_kind = read(target)
        assert (tags["title"], tags["mood"], parts) == ("Other=1", "calm", [])
        assert "artist" not in tags
        assert by_kind["audio"]["language"] == "sv"


def test_an_empty_value_takes_a_tag_away(run, source, tmp_path):
    run("encode", "-i", source, "-metadata", "TITLE=", tmp_path / "a.mcx").works()
    assert "title" not in mediacodec.info(tmp_path / "a.mcx").metadata
    run("encode", "-i", source, "-metadata", "title", tmp_path / "b.mcx").fails(2, "KEY=VALUE")


def test_a_stretch_has_its_own_chapters(run, source, coded, tmp_path):
    run("encode", "-i", source, "-ss", "1", "-t", "0.8", tmp_path / "a.mcx").works()
    for found in (mediacodec.info(tmp_path / "a.mcx").chapters,):
        assert [(round(c.start_seconds, 3), round(c.end_seconds, 3)) for c in found] == [(0, 0.5), (0.5, 0.8)]
    run("decode", "-i", coded, "-ss", "1", tmp_path / "a.mkv").works()
    assert read(tmp_path / "a.mkv")[1] == [(0, PARTS[1][2]), (500, "")]


def test_ffmpegs_shape_carries_them_all_the_way(run, source, tmp_path):
    run("-i", source, "-metadata", "album=New", tmp_path / "a.flac").works()
    tags, parts, _ = read(tmp_path / "a.flac")
    assert {**tags, **TAGS, "album": "New"} == tags
    assert len(parts) == 3


def test_what_cannot_travel_is_named_once(run, tmp_path):
    path = write(tmp_path / "in.mkv", video=True, subtitle=True, second=True)
    told = run("encode", "-i", path, "-c:a", "copy", tmp_path / "a.mcx").works().err
    assert told.count("warning") == told.count("left out of the source") == 1
    assert "subtitle stream 3 (" in told
    assert "eng" in told
    assert "audio stream 1" in told
    streams = mediacodec.info(tmp_path / "a.mcx").streams
    assert [each.metadata for each in streams] == [{"language": "fra", "title": "camera 2"}, {"language": "deu"}]
    assert "subtitle" not in run("encode", "-i", path, "-sn", "-y", tmp_path / "a.mcx").works().err
    run("decode", "-i", tmp_path / "a.mcx", tmp_path / "a.mp4").works()
    assert read(tmp_path / "a.mp4")[2]["video"]["language"] == "fra"


def test_in_python(tmp_path):
    parts = [Chapter(0, 0.25, "a"), Chapter(0.25, 1)]
    tags = {"title": "t" * 5000, "Artist": "b", "comment": "c"}
    with mediacodec.open(tmp_path / "a.mcx", "w", metadata=tags, chapters=parts) as file:
        stream = file.add_audio_stream(sample_rate=16_000, metadata={"language": "eo"})
        file.mux(stream.encode(np.zeros(16_000, np.float32)))
    with mediacodec.open(tmp_path / "a.mcx") as file:
        assert file.metadata == {"title": "t" * 5000, "artist": "b", "comment": "c"}
        assert file.chapters == tuple(parts)
        assert file.audio.metadata == {"language": "eo"}
        assert file.header.header_interval > 60  # long tags are not repeated every minute


@pytest.mark.parametrize(("argument", "error"), [
    ({"metadata": {"a": "x" * 20_000}}, ParameterError), ({"metadata": {"a=b": "x"}}, ParameterError),
    ({"metadata": ["a"]}, ParameterTypeError), ({"metadata": {"a": 1}}, ParameterTypeError),
    ({"chapters": [(0, 1)]}, ParameterTypeError), ({"chapters": [Chapter(0, 1, "x" * 20_000)]}, ParameterError),
])  # fmt: skip
def test_impossible_ones(tmp_path, argument, error):
    with pytest.raises(error):
        mediacodec.open(tmp_path / "a.mcx", "w", **argument)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [(-1, 0), (2, 1), (0, 1e12), (float("nan"), 1)])
def test_impossible_chapters(times):
    with pytest.raises(ParameterError):
        Chapter(*times)


def test_tags_too_long_for_a_header_are_named_and_the_file_is_made(run, wav, tmp_path):
    from mediacodec.metadata import MediaMetadata
    from mediacodec.transcode.metadata import FittedMetadata

    many = tuple(Chapter(n, n + 1, "a long title " * 5) for n in range(1000))
    about = FittedMetadata(MediaMetadata(tags={"title": "t", "lyrics": "x" * 40_000}, chapters=many))
    assert about.tags == {"title": "t"}
    assert 100 < len(about.chapters) < 1000
    (note,) = about.notes([], appends=False)
    assert note.startswith("WARNING: too long for an .mcx file: lyrics, the last ")
    words = ["-metadata", f"lyrics={'x' * 20_000}"]
    assert "lyrics left out" in run("encode", "-i", wav, *words, tmp_path / "a.mcx").works().err
