"""The context model of RVQ codes: an identity in the bits it promises, integers on every machine, nothing trusted."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediacodec import manifest
from mediacodec.codecs.options import AudioOptions
from mediacodec.codecs.registry import CODECS
from mediacodec.codecs.rvq.context import ContextModel, History, activated
from mediacodec.codecs.rvq.context_weights import AGES, ContextWeights, frequencies, one_row
from mediacodec.codecs.rvq.decoder import RvqDecoder
from mediacodec.codecs.rvq.encoder import RvqEncoder
from mediacodec.codecs.rvq.entropy import read_extradata, write_extradata
from mediacodec.errors import ModelError, ModelMismatchError, ParameterError
from mediacodec.manifest import Manifest
from mediacodec.mcx.writer import FileWriter
from mediacodec_bitstream import BitstreamError, CorruptError
from mediacodec_bitstream.backends import VARIABLE

BOOKS, COARSE, FINE, DIM, TRUNK, HIDDEN = 3, 4, 8, 6, 10, 12
SIZE = COARSE * FINE


def make_arrays(seed: int = 0) -> dict[str, Any]:
    """A network of random weights, so large that tables differ strongly."""
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> Any:
        return random.integers(-90, 91, shape, dtype=np.int8)

    def biases(*shape: int) -> Any:
        return random.integers(-9000, 9001, shape, dtype=np.int32)

    return {
        "entries": weights(BOOKS, SIZE, DIM),
        "order": np.stack([random.permutation(SIZE) for _ in range(BOOKS)]).astype(np.uint16),
        "gain": np.arange(BOOKS, dtype=np.uint8),
        "first": weights(TRUNK, 5 * DIM), "count_bias": biases(BOOKS, TRUNK), "age_bias": biases(AGES, TRUNK),
        "second": weights(TRUNK, TRUNK), "second_bias": biases(TRUNK),
        "frame": weights(BOOKS, HIDDEN, TRUNK), "before": weights(BOOKS, HIDDEN, 2 * DIM),
        "partial": weights(BOOKS, HIDDEN, DIM), "bias": biases(BOOKS, HIDDEN),
        "coarse": weights(BOOKS, COARSE, HIDDEN) // 8, "coarse_bias": biases(BOOKS, COARSE) // 8,
        "fine": weights(BOOKS, COARSE, FINE, HIDDEN) // 8, "fine_bias": biases(BOOKS, COARSE, FINE) // 8,
        "powers": np.ceil(2.0**24 * np.exp(-np.arange(128) / 8)).astype(np.uint32),
        "bits": np.cumsum(np.full((2, BOOKS), 5000), 1),
    }  # fmt: skip


@pytest.fixture(scope="module")
def context() -> ContextModel:
    return ContextModel(ContextWeights(make_arrays()))


@pytest.fixture(scope="module")
def model() -> Manifest:
    return manifest.find_by_name("speech")


@pytest.fixture(params=["python", "constriction"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "constriction":
        pytest.importorskip("constriction", reason="the accelerator has no wheel here")
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


def draw(books: int, frames: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, SIZE, (books, frames), np.uint16)


def plain_tables(raw: dict[str, Any], codes: Any, k: int, t: int) -> tuple[list[int], list[int]]:
    """Both tables of code [k, t], written down a second time in Python's own integers."""
    raw = {name: array.tolist() for name, array in raw.items()}

    def entry(book: int, frame: int) -> list[int]:
        return raw["entries"][book][codes[book, frame]] if frame >= 0 else [0] * DIM

    def clip(values: Any) -> list[int]:
        return [max(-255, min(255, v)) for v in values]

    def total(books: int, frame: int) -> list[int]:
        return clip(map(sum, zip([0] * DIM, *(entry(b, frame) for b in range(books)), strict=True)))

    def layer(weight: Any, x: list[int], *biases: list[int]) -> list[int]:
        terms = zip(weight, zip(*biases, strict=True), strict=True)
        return [sum(w * v for w, v in zip(row, x, strict=True)) + sum(b) for row, b in terms]

    def act(values: list[int]) -> list[int]:
        return [max(0, min(255, v >> 8)) for v in values]

    history = [v for lag in (1, 2, 3) for v in total(len(codes), t - lag)]
    for rate in (2, 4):
        average = [0] * DIM
        for frame in range(t):
            average = [a + ((16 * x - a) >> rate) for a, x in zip(average, total(len(codes), frame), strict=True)]
        history += [a >> 4 for a in average]
    trunk = act(layer(raw["first"], history, raw["count_bias"][len(codes) - 1], raw["age_bias"][min(t, AGES - 1)]))
    trunk = act(layer(raw["second"], trunk, raw["second_bias"]))
    before = clip([v << raw["gain"][k] for v in entry(k, t - 1)]) + total(k, t - 1)
    none = [0] * HIDDEN
    parts = layer(raw["frame"][k], trunk, raw["bias"][k]), layer(raw["before"][k], before, none)
    hidden = act(layer(raw["partial"][k], total(k, t), *parts))
    group = raw["order"][k].index(codes[k, t]) // FINE

    def table(sums: list[int]) -> list[int]:
        logits = [s >> 8 for s in sums]
        weight = [raw["powers"][min(max(logits) - z, 127)] for z in logits]
        result = [w * (2**24 - len(weight)) // sum(weight) + 1 for w in weight]
        result[logits.index(max(logits))] += 2**24 - sum(result)
        return result

    return (
        table(layer(raw["coarse"][k], hidden, raw["coarse_bias"][k])),
        table(layer(raw["fine"][k][group], hidden, raw["fine_bias"][k][group])),
    )


@pytest.mark.parametrize("frames", [1, 2, 20])
@pytest.mark.parametrize("books", [1, 2, 3])
def test_identity(context: ContextModel, backend: str, books: int, frames: int) -> None:
    codes = draw(books, frames)
    for limit in (None, BOOKS):
        payload = context.encode(codes, max_codebooks=limit)
        found = context.decode(payload, books if limit is None else BOOKS, frames, counted=limit is not None)
        assert found.dtype == np.uint16
        assert np.array_equal(found, codes)


def test_tables_are_those_of_plain_integers(context: ContextModel) -> None:
    """So no float of any machine has a say: the whole network once more, in Python's integers."""
    codes, raw = draw(BOOKS, 7, seed=4), make_arrays()
    coarse, fine, coarse_tables, fine_tables = context._tables(codes)
    for k in range(BOOKS):
        for t in range(codes.shape[1]):
            expected = plain_tables(raw, codes, k, t)
            assert (coarse_tables[k, t].tolist(), fine_tables[k, t].tolist()) == expected, (k, t)
            assert raw["order"][k][coarse[k, t] * FINE + fine[k, t]] == codes[k, t]
    different = {tuple(row) for row in coarse_tables.reshape(-1, COARSE).tolist()}
    assert len(different) > 10, "tables that depend on nothing prove nothing"


def test_both_coders_write_the_same_bytes(context: ContextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("constriction", reason="the accelerator has no wheel here")
    payloads = []
    for backend in ("python", "constriction"):
        monkeypatch.setenv(VARIABLE, backend)
        payloads.append(context.encode(draw(BOOKS, 30), max_codebooks=BOOKS))
    assert payloads[0] == payloads[1]


def test_costs_what_it_says(context: ContextModel) -> None:
    codes = draw(BOOKS, 40)
    bits = context.bits(codes)
    assert bits.shape == codes.shape
    assert np.allclose(context.lengths(codes), bits.sum(1))
    assert bits.sum() - 8 <= 8 * len(context.encode(codes)) <= bits.sum() + 32


def test_a_packet_needs_no_packet_before_it_and_uses_what_is_in_it(context: ContextModel) -> None:
    codes = draw(BOOKS, 10)
    whole = context.bits(codes)
    assert np.allclose(context.bits(codes[:, :6]), whole[:, :6]), "no code costs what comes later"
    assert not np.allclose(context.bits(codes[:, 6:]), whole[:, 6:]), "but what came before"
    other = codes.copy()
    other[0, 5] ^= 1
    changed = ~np.isclose(context.bits(other), whole)
    assert not changed[:, :5].any()
    assert changed[1:, 5].any()
    assert changed[:, 6].any()


def test_one_row_is_a_row(context: ContextModel) -> None:
    random, powers = np.random.default_rng(0), make_arrays()["powers"].astype(np.int64)
    for size in (1, 2, 32, 100):
        sums = (random.normal(size=(50, size)) * 256 * 30).round().astype(np.float32)
        tables = frequencies(sums, powers)
        assert (tables.sum(1) == 1 << 24).all()
        assert tables.min() >= 1
        for row, table in zip(sums, tables, strict=True):
            assert one_row(row, powers).frequencies.tolist() == table.tolist()


def test_activations_are_rounded_down() -> None:
    sums = np.array([-257, -1, 0, 255, 256, 511, 255 * 256, 1 << 23], np.float32)
    assert activated(sums).tolist() == [0, 0, 0, 0, 1, 1, 255, 255]


@pytest.mark.parametrize("seed", range(40))
def test_garbage_raises_bitstream_errors_only(context: ContextModel, backend: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    payload = bytearray(context.encode(draw(BOOKS, 10), max_codebooks=BOOKS))
    if seed % 2:
        payload[int(random.integers(len(payload)))] ^= 1 << int(random.integers(8))
    else:
        payload = bytearray(random.bytes(int(random.integers(0, 60))))
    try:
        codes = context.decode(bytes(payload), BOOKS, 10, counted=True)
    except BitstreamError:
        return
    assert codes.shape[1] == 10
    assert codes.max() < SIZE


def test_a_forged_duration_costs_no_time(context: ContextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    payload, pushed, push = context.encode(draw(BOOKS, 10)), [], History.push
    monkeypatch.setattr(History, "push", lambda self, entries: (pushed.append(0), push(self, entries)))
    with pytest.raises(CorruptError, match="cannot hold 3 codebooks x 100000 frames"):
        context.decode(payload, BOOKS, 100_000)
    assert len(pushed) < 10 + 512


class TestWeights:
    @pytest.mark.parametrize("name", make_arrays())
    def test_none_may_be_missing(self, name: str) -> None:
        arrays = make_arrays()
        del arrays[name]
        with pytest.raises(ModelError, match=name):
            ContextWeights(arrays)

    @pytest.mark.parametrize("name", make_arrays())
    def test_none_may_be_of_floats_or_another_shape(self, name: str) -> None:
        for wrong in (lambda a: a.astype(np.float32), lambda a: a[:0], lambda a: a[None]):
            arrays = make_arrays()
            arrays[name] = wrong(arrays[name])
            with pytest.raises(ModelError, match="context network"):
                ContextWeights(arrays)

    @pytest.mark.parametrize("name", ["first", "second", "frame", "before", "partial", "coarse", "fine"])
    def test_sums_that_float32_would_round_are_refused(self, name: str) -> None:
        arrays = make_arrays()
        arrays[name] = np.full(arrays[name].shape, 30_000, np.int16)
        with pytest.raises(ModelError, match="beyond what float32 holds"):
            ContextWeights(arrays)

    @pytest.mark.parametrize("value", [np.int64(-(1 << 63)), np.uint64((1 << 64) - 1), np.int64(1 << 62)])
    @pytest.mark.parametrize("name", ["bias", "fine", "gain", "bits"])
    def test_numbers_that_wrap_around_are_refused(self, name: str, value: Any) -> None:
        raw = make_arrays()
        raw[name] = raw[name].astype(value.dtype)
        raw[name].flat[0] = value
        with pytest.raises(ModelError, match="context network"):
            ContextWeights(raw)

    def test_an_order_names_every_entry_once(self) -> None:
        arrays = make_arrays()
        arrays["order"][1, 0] = arrays["order"][1, 1]
        with pytest.raises(ModelError, match="every entry once"):
            ContextWeights(arrays)

    @pytest.mark.parametrize("powers", [[1 << 25, 1], [5, 6], [5, 0]])
    def test_powers_fall(self, powers: list[int]) -> None:
        with pytest.raises(ModelError, match="powers"):
            ContextWeights(make_arrays() | {"powers": np.array(powers)})


class TestStreams:
    def test_extradata(self, model: Manifest) -> None:
        assert write_extradata(model, "static", 7, counted=True) == bytes([7, 1]), "as in files that exist"
        for entropy in ("static", "context"):
            for counted in (False, True):
                data = write_extradata(model, entropy, 5, counted=counted)
                assert read_extradata(data, model) == (entropy, 5, counted)

    @pytest.mark.parametrize(
        "data", [None, b"", b"\x05", b"\x05\x04", b"\x05\x01\0", b"\x05\x02", bytes([5, 2, *range(9)])]
    )
    def test_extradata_that_is_wrong(self, model: Manifest, data: object) -> None:
        with pytest.raises(CorruptError, match="extradata"):
            read_extradata(data, model)

    def test_another_context_model_is_refused(self, model: Manifest) -> None:
        header = RvqEncoder(model, AudioOptions(entropy="context")).header
        with pytest.raises(ModelMismatchError, match=model.context_hash[:8].hex()):
            RvqDecoder(replace(model, context=None, context_sha256=""), header)
        with pytest.raises(ModelMismatchError, match=model.context_hash[:8].hex()):
            RvqDecoder(replace(model, context_sha256="00" * 32), header)

    def test_entropy_that_is_not_there(self, model: Manifest) -> None:
        with pytest.raises(ParameterError, match=r"'magic'.*static"):
            RvqEncoder(model, AudioOptions(entropy="magic"))
        with pytest.raises(ParameterError, match=r"'context'.*speech-1"):
            RvqEncoder(replace(model, context=None, context_sha256=""), AudioOptions(entropy="context"))

    def test_a_codec_that_offers_no_choice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(CODECS, "rvq", replace(CODECS["rvq"], has_context=False))
        with pytest.raises(ParameterError, match=r"'context'.*'speech' offers no choice"):
            FileWriter(BytesIO()).add_audio_stream("speech", sample_rate=16_000, entropy="context")

    def test_a_file_that_is_not_its_hash(self, model: Manifest, tmp_path: Path) -> None:
        assert model.context is not None
        arrays = {name: array.copy() for name, array in model.context_arrays.items()}
        arrays["bias"][0, 0] += 1
        np.savez(tmp_path / model.context.file, **arrays)
        with pytest.raises(ModelMismatchError, match=r"context\.npz does not match"):
            RvqEncoder(replace(model, folder=tmp_path), AudioOptions(entropy="context"))

    def test_static_streams_are_what_they_were(self, model: Manifest) -> None:
        """A context model may join a shipped model later: nothing that files made before need may move."""
        from hashlib import sha256

        from mediacodec.audio_coding.codebook_settings import CodebookSettings
        from mediacodec.codecs.rvq.entropy import open_entropy

        assert model.weights_sha256.startswith("b8fc2aca33157f94")
        assert model.tables_sha256.startswith("9c23ee1302dc9176")
        header = RvqEncoder(model, AudioOptions(bit_rate=3000)).header
        assert header.fields["extradata"] == bytes([header.fields["extradata"][0], 1])
        codes = np.random.default_rng(0).integers(0, 1024, (17, 50), np.uint16)
        payload = open_entropy("static", model, CodebookSettings(model)).encode(codes, max_codebooks=17)
        assert sha256(payload).hexdigest()[:16] == "f3b5e0dadc7ddfcb"

    def test_context_saves_bits(self, model: Manifest, speech: Any) -> None:
        samples, sizes = speech(3.0, 16_000), {}
        for entropy in ("static", "context"):
            encoder = RvqEncoder(model, AudioOptions(entropy=entropy))
            sizes[entropy] = sum(len(p.data) for p in encoder.push(samples) + encoder.flush())
        assert sizes["context"] < sizes["static"]
