"""A pair of networks becomes a model that the runtime runs: graphs that give what torch gives, tables that fit."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'mediacodec[train]'")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install 'mediacodec[train]'")

from support.media import ffmpeg_frames

from mediacodec import manifest
from mediacodec.codecs.conditional import exactness
from mediacodec.codecs.conditional.settings import ConditionalSettings
from mediacodec.codecs.conditional.tables import ConditionalTables
from mediacodec.errors import ModelError
from mediacodec.video_coding.gop import level_at
from mediacodec_bitstream import TableFamily, canonical_hash
from mediacodec_models.video import coded_clips, tables
from mediacodec_models.video.check import Case, cases, check, compare, fitted, open_graph
from mediacodec_models.video.data import ShardWriter, find_motion
from mediacodec_models.video.export import export, round_weights, shipped, two_frames
from mediacodec_models.video.graphs import Context, InterSynthesis, Refinement
from mediacodec_models.video.network import ConditionalCodec, ConditionalConfig
from mediacodec_models.video.prior import SCALES, magnitude
from mediacodec_models.video.prior_graphs import magnitude as quick_magnitude
from mediacodec_models.video.rate_distortion import laplace_bits, laplace_scale
from mediacodec_models.video.transform import COEFFICIENTS, LUMA_KEPT

ABOUT = {
    "name": "tiny-conditional-1",
    "alias": "tiny-conditional",
    "aliases": ["tiny-live"],
    "generation": 1,
    "family": "conditional",
    "licence": "Apache-2.0",
    "description": "for tests",
}
SMALL: dict[str, Any] = {
    "width": 16,
    "deep": 16,
    "context_blocks": 1,
    "encoder_blocks": 1,
    "decoder_blocks": 1,
    "features": 8,
    "hyper": 4,
    "memory": 8,
    "prior": 16,
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of two moving clips, one of them set aside."""
    folder = tmp_path_factory.mktemp("video-pack")
    writer = ShardWriter(folder)
    for source, dev in (("testsrc2=size=144x96:rate=25", False), ("mandelbrot=size=176x128:rate=25", True)):
        planes = ffmpeg_frames(source, 7)
        writer.add(source.split("=")[0], planes, find_motion(planes, preset="fast"), dev=dev)
    writer.close()
    return folder


def lively(*, inter: bool) -> ConditionalCodec:
    """A codec whose corrections are not zero, whose gains differ, and which codes something."""
    codec = ConditionalCodec(ConditionalConfig(inter=inter, **SMALL)).eval().requires_grad_(False)
    for name, parameter in codec.named_parameters():
        if not parameter.any():
            parameter.copy_(0.03 * torch.randn_like(parameter))
        if name.endswith("gain.knots"):
            parameter.copy_(0.5 + torch.rand_like(parameter))
    for bias in (codec.prior.leave_bias, codec.prior.leave_second_bias):
        bias.knots.copy_(torch.linspace(34, 4, 8)[:, None] + 4 * torch.rand(8, COEFFICIENTS))
    codec.hyper_out.weight.mul_(20)
    round_weights(codec)
    return codec


@pytest.fixture(scope="module")
def pair() -> tuple[ConditionalCodec, ConditionalCodec]:
    torch.manual_seed(0)
    return lively(inter=False), lively(inter=True)


@pytest.fixture(scope="module")
def model(pair: Any, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> manifest.Manifest:
    folder = tmp_path_factory.mktemp("zoo") / "tiny-conditional-1"
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        for kind in (FutureWarning, DeprecationWarning):  # torch's exporter warns of its own code
            warnings.simplefilter("ignore", kind)
        patch.setattr(coded_clips, "CROPS", 1)
        export(*pair, ABOUT, clips, folder)  # which checks every graph against torch
    return manifest.read_manifest(folder)


class TestModel:
    def test_the_runtime_takes_it(self, model: manifest.Manifest) -> None:
        assert model.verify() == []
        settings = ConditionalSettings(model)
        assert (settings.coefficients, settings.luma, settings.hyper) == (COEFFICIENTS, LUMA_KEPT, 4)
        assert len(ConditionalTables(model, settings).coefficients.family) == 2 * SCALES
        assert len(model.graphs) == 15
        assert model.names == ("tiny-conditional-1", "tiny-conditional", "tiny-live")

    def test_no_sum_that_chooses_tables_can_be_rounded(self, model: manifest.Manifest) -> None:
        for name in (f"{kind}_{part}" for kind in ("key", "inter") for part in exactness.ENTROPY_PARTS):
            exactness.check_graph(model, name)

    @pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of torch's own exporter
    def test_sums_that_could_be_rounded_are_not_exported(
        self, pair: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        codec = lively(inter=False)
        codec.prior.leave_bias.knots.fill_(2.0**14 - 1)
        monkeypatch.setattr(coded_clips, "CROPS", 1)
        with pytest.raises(ModelError, match=r"key_prior_first.*a sum may reach"):
            export(codec, pair[1], ABOUT, clips, tmp_path / "model")
        assert not (tmp_path / "model" / "model.json").exists()

    def test_graphs_name_no_machine(self, model: manifest.Manifest) -> None:
        for name in model.graphs:
            assert str(Path(__file__).parents[3]).encode() not in model.graph_path(name).read_bytes()

    def test_the_hash_is_that_of_the_weights(self, model: manifest.Manifest, pair: Any) -> None:
        weights = shipped(pair[0], "key") | shipped(pair[1], "inter")
        assert canonical_hash(weights) == model.weights_hash
        changed = weights | {"key.prior.leave.weight": weights["key.prior.leave.weight"] + np.float32(1 / 64)}
        assert canonical_hash(changed) != model.weights_hash

    def test_integers_are_stored_as_they_are(self, model: manifest.Manifest, pair: Any) -> None:
        tensors = onnx.load(model.graph_path("inter_prior_first")).graph.initializer
        stored = {t.name: onnx.numpy_helper.to_array(t) for t in tensors}
        assert all(array.dtype != np.float16 for array in stored.values())
        leave = pair[1].prior.leave.quantised().numpy() / 16
        assert any(array.shape == leave.shape and (array == leave).all() for array in stored.values())
        halved = onnx.load(model.graph_path("inter_context")).graph.initializer
        assert any(t.data_type == onnx.TensorProto.FLOAT16 for t in halved), "other large weights are halved"

    def test_no_pixels_are_transposed(self, model: manifest.Manifest) -> None:
        """The exporter's own way with pixels is ten times as slow."""
        kinds = {name: [n.op_type for n in onnx.load(model.graph_path(name)).graph.node] for name in model.graphs}
        assert kinds["inter_synthesis"].count("SpaceToDepth") == kinds["inter_synthesis"].count("DepthToSpace") == 3
        assert "Transpose" not in kinds["inter_synthesis"] + kinds["key_analysis"] + kinds["inter_conditional_mean"]


class TestCheck:
    @torch.no_grad()
    def test_every_graph_is_compared(self, model: manifest.Manifest, pair: Any, clips: Path) -> None:
        frames = [fitted(p, (80, 48)) for p in two_frames(clips)]
        found = list(cases(*pair, frames, 30))
        assert {case.graph for case in found} == set(model.graphs)
        for case in found:
            session = open_graph(model, case.graph)
            assert {i.name for i in session.get_inputs()} == set(case.inputs)
            assert {o.name for o in session.get_outputs()} == set(case.outputs)
            assert all(value.float().std() > 0 for value in case.outputs.values()), "constants prove little"

    @torch.no_grad()
    @pytest.mark.parametrize(("graph", "output", "error"), [
        ("inter_prior_first", "scale_index", 1), ("key_memory_update", "memory", 1), ("inter_synthesis", "u", 2),
        ("inter_context", "context_deep", 0.01), ("key_conditional_mean", "conditional_mean", float("nan")),
    ])  # fmt: skip
    def test_a_difference_is_found(
        self, model: manifest.Manifest, pair: Any, clips: Path, graph: str, output: str, error: float
    ) -> None:
        frames = [fitted(p, (48, 48)) for p in two_frames(clips)]
        case = next(case for case in cases(*pair, frames, 30) if case.graph == graph)
        compare(case, [open_graph(model, graph)])
        wrong = case.outputs[output].clone()
        wrong[0, 0, 1, 1] = wrong[0, 0, 1, 1] + error if wrong[0, 0, 1, 1] < 128 else wrong[0, 0, 1, 1] - error
        with pytest.raises(ValueError, match=f"{graph}: {output}"):
            compare(Case(graph, case.inputs, case.outputs | {output: wrong}), [open_graph(model, graph)])

    def test_other_weights_are_found(self, model: manifest.Manifest, pair: Any, clips: Path) -> None:
        torch.manual_seed(1)
        with pytest.raises(ValueError, match="away from torch"):
            check(pair[0], lively(inter=True), model, two_frames(clips))

    def test_a_negative_gain_is_one(self, clips: Path) -> None:
        """Gains may become negative while training."""
        torch.manual_seed(2)
        codec = lively(inter=True)
        codec.context_trunk.gain.knots.mul_(-1)
        case = next(c for c in cases(lively(inter=False), codec, two_frames(clips), 20) if c.graph == "inter_context")
        names = [*(f"predicted_{n}" for n in "yuv"), "features", "source_cells", "quality"]
        context, *_ = Context(codec)(*(case.inputs[name] for name in names))
        assert (context - case.outputs["context"]).abs().max() < 1e-4


class TestGraphs:
    @torch.no_grad()
    def test_a_skipped_block_is_its_prediction(self, pair: Any) -> None:
        torch.manual_seed(0)
        planes = [torch.randint(256, (1, 1, 96 // d, 64 // d), dtype=torch.uint8) for d in (1, 2, 2)]
        skipped = torch.zeros(1, 1, 6, 4)
        skipped[0, 0, 2, 1] = 1
        symbols = torch.randn(1, COEFFICIENTS, 6, 4).round()
        y, u, v, *_ = InterSynthesis(pair[1])(
            symbols, 0 * symbols, torch.ones(1, 1, 6, 4), 0 * symbols, torch.rand(1, 16, 12, 8), *planes, skipped,
            torch.tensor([40]),
        )  # fmt: skip
        for found, plane, size in zip((y, u, v), planes, (16, 8, 8), strict=True):
            same = (found == plane)[0, 0].reshape(6, size, 4, size).float().mean(dim=(1, 3))
            assert same[2, 1] == 1
            assert same.sum() < 3, "the others are not"

    @torch.no_grad()
    def test_refinement_is_the_transform_of_a_difference(self, pair: Any) -> None:
        torch.manual_seed(0)
        planes = [50 * torch.randn(1, 1, 32 // d, 48 // d) for d in (1, 2, 2)]
        refine, quality = Refinement(pair[0]), torch.tensor([20])
        plain = torch.ones(1, 1, 2, 3)
        latent = refine(*planes, plain, quality)
        assert latent.shape == (1, COEFFICIENTS, 2, 3)
        assert refine(*(0 * p for p in planes), plain, quality).abs().max() == 0, "no offset"
        assert (refine(*(2 * p for p in planes), plain, quality) - 2 * latent).abs().max() < 1e-3
        assert (refine(*planes, plain / 2, quality) - 2 * latent).abs().max() < 1e-3, "in the blocks' steps"

    def test_the_quick_magnitude_is_the_same(self) -> None:
        symbols = torch.arange(-400, 401).float()
        assert (quick_magnitude(symbols) == magnitude(symbols)).all()


class TestTables:
    def laplace(self, index: int, count: int = 20_000) -> Any:
        scale = float(laplace_scale(torch.tensor(float(index))))
        values = torch.from_numpy(np.rint(np.random.default_rng(index).laplace(scale=scale, size=count))).float()
        return values.clamp(-tables.largest(index), tables.largest(index))  # nothing escapes

    def counted(self, index: int, channel: int) -> tables.Counts:
        counts = tables.Counts(4)
        symbols = torch.zeros(1, COEFFICIENTS, 100, 200)
        symbols[0, channel] = self.laplace(index).reshape(100, 200)
        rows = torch.zeros(1, COEFFICIENTS, 100, 200)
        rows[0, channel] = index
        counts.add_symbols(symbols, rows)
        return counts

    @pytest.mark.parametrize(
        ("index", "channel"), [(5, 0), (20, LUMA_KEPT - 1), (20, LUMA_KEPT), (40, COEFFICIENTS - 1)]
    )
    def test_what_follows_the_model_costs_what_the_model_says(self, index: int, channel: int) -> None:
        counts = self.counted(index, channel)
        row = index + SCALES * (channel >= LUMA_KEPT)
        assert counts.sizes.sum() == counts.sizes[row].sum() == 20_000
        table = tables.coefficient_tables(counts.sizes)[row]
        values = self.laplace(index)
        size = values.abs().long().numpy()
        symbols = np.where(values.numpy() > 0, 2 * size - 1, 2 * size)
        ours = TableFamily.from_array(table[None]).ideal_bits(symbols, np.zeros_like(symbols))
        assert ours == pytest.approx(
            float(laplace_bits(values.abs(), laplace_scale(torch.tensor(float(index)))).sum()), rel=0.01
        )

    def test_rows_are_as_long_as_the_format_says(self) -> None:
        found = tables.coefficient_tables(tables.Counts(4).sizes)
        for row, values in enumerate(found):
            scale = float(laplace_scale(torch.tensor(float(max(1, row % SCALES)))))
            assert np.count_nonzero(values) == 2 * min(max(int(np.ceil(8 * scale)) + 3, 4), 127) + 2
        assert (np.diff(found[1:SCALES, 0].astype(np.int64)) < 0).all(), "the wider, the fewer zeros"

    def test_signs_cost_the_same(self) -> None:
        row = tables.coefficient_tables(self.counted(20, 0).sizes)[20].astype(np.int64)
        assert np.abs(row[1:21:2] - row[2:22:2]).max() <= 1

    def test_hyper_rows_are_where_the_runtime_looks(self) -> None:
        counts = tables.Counts(4)
        hyper, before = torch.zeros(1, 4, 30, 30), torch.zeros(1, 4, 30, 30)
        hyper[0, 2], before[0, 2] = 5, -7
        kept = np.ones((30, 30), np.bool_)
        counts.add_hyper(hyper, before, 20, kept)
        counts.add_hyper(hyper, None, 36, kept)
        found = tables.fit_tables(counts, np.zeros(4, np.float32), np.zeros(4, np.float32))
        inter, key = (found[name][:, 5 + 8] / 2**24 for name in ("hyper_inter", "hyper_key"))
        assert int(inter.argmax()) == 2 * 9 + 1 * 3 + 2
        assert int(key.argmax()) == 2 * 3 + 2
        assert min(inter.max(), key.max()) > 0.98
        assert inter[0] < 0.05, "another channel"

    def test_what_is_not_kept_is_not_counted(self) -> None:
        counts = tables.Counts(4)
        kept = np.zeros((2, 3), np.bool_)
        kept[1, 2] = True
        counts.add_hyper(torch.ones(1, 4, 2, 3), None, 30, kept)
        assert counts.hyper_key.sum() == 4

    def test_motion_and_skips_are_drawn_to_what_was_counted(self) -> None:
        counts = tables.Counts(4)
        counts.skips[3] = [10_000, 0]
        counts.motion[7, 4] = 10_000
        found = tables.fit_tables(counts, np.zeros(4, np.float32), np.zeros(4, np.float32))
        assert found["skip"][3, 0] > 0.98 * 2**24
        assert found["motion"][7, 4] > 0.98 * 2**24
        default = tables.MOTION.frequencies.astype(np.int64)
        assert np.abs(np.delete(found["motion"] - default, 7, axis=0)).max() < 100, "nothing counted, nothing changed"
        assert found["skip"].shape == tables.SKIP.frequencies.shape

    def test_fitting_saves_bits(self, pair: Any, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(coded_clips, "CROPS", 1)
        counts = coded_clips.count_clips(*pair, clips)
        scales = (np.zeros(4, np.float32),) * 2
        before = tables.table_bits(tables.fit_tables(tables.Counts(4), *scales), counts)
        after = tables.table_bits(tables.fit_tables(counts, *scales), counts)
        assert all(after[name] < before[name] for name in before)
        assert all(getattr(counts, f.name) is not None for f in dataclasses.fields(counts))

    def test_they_are_fitted_at_the_levels_that_streams_have(
        self, pair: Any, clips: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        levels, real = [], coded_clips.code

        def recorded(*given: Any) -> Any:
            levels.append(int(given[4]))
            return real(*given)

        monkeypatch.setattr(coded_clips, "code", recorded)
        monkeypatch.setattr(coded_clips, "CROPS", 1)
        coded_clips.count_clips(*pair, clips)
        chain = range(coded_clips.CHAIN)
        assert levels == [level_at(level, position) for level in coded_clips.LEVELS for position in chain]

    def test_cells_with_a_coded_block(self) -> None:
        blocks = np.zeros((3, 5), np.bool_)
        blocks[2, 4] = blocks[1, 1] = True
        assert coded_clips.cells(blocks).tolist() == [[True, False, False], [False, False, True]]
