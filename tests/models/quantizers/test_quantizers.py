"""What every entry of QUANTIZERS promises (mediacodec_models.quantizers.base), and what a few promise beyond that."""

from __future__ import annotations

import argparse
import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec_models.quantizers import QUANTIZERS
from mediacodec_models.quantizers.base import AVERAGES
from mediacodec_models.quantizers.moving import MovingCodebooks

DIM, FRAMES = 16, 300
SHAPES = {"fsq": (3, 240), "vq": (1, 64), "multiscale": (7, 16)}  # codebooks and entries, where not 4 of 16
MOVING = [name for name, kind in QUANTIZERS.items() if issubclass(kind, MovingCodebooks)]


def fresh(name: str) -> Any:
    torch.manual_seed(0)
    return QUANTIZERS[name](*SHAPES.get(name, (4, 16)), DIM)


def started(name: str, latents: Any) -> Any:
    quantizer = fresh(name)
    quantizer.initialise(latents.flatten(0, 1))
    return quantizer.eval()


@pytest.fixture(params=QUANTIZERS)
def quantizer(request: pytest.FixtureRequest) -> Any:
    return fresh(request.param)


@pytest.fixture(scope="module")
def latents() -> Any:
    """[2, 300, 16] that wander between a few centres, some axes stronger than others, as latents of speech do."""
    torch.manual_seed(1)
    centres = 2 * torch.randn(12, DIM) + 0.5
    held = torch.randint(12, (150,)).repeat_interleave(4)
    return ((centres[held] + 0.4 * torch.randn(600, DIM)) * torch.linspace(1.5, 0.5, DIM)).reshape(2, FRAMES, DIM)


@pytest.fixture
def ready(quantizer: Any, latents: Any) -> Any:
    quantizer.initialise(latents.flatten(0, 1))
    return quantizer.eval()


@pytest.fixture(params=MOVING)
def moving(request: pytest.FixtureRequest, latents: Any) -> Any:
    return started(request.param, latents)


def keep(*counts: int) -> Any:
    return torch.tensor(counts)


def every(quantizer: Any, batch: int = 2) -> Any:
    return torch.full((batch,), quantizer.num_codebooks)


def test_shapes(ready: Any, latents: Any) -> None:
    books = ready.num_codebooks
    quantized, commitment, codes = ready(latents, keep(books, 1))
    assert quantized.shape == latents.shape
    assert codes.shape == (2, books, FRAMES // ready.stride)
    assert ready.stride == type(ready).stride_for(books)
    assert not codes.dtype.is_floating_point
    assert codes.min() >= 0
    assert codes.max() < ready.codebook_size
    assert commitment.shape == ()
    assert commitment >= 0


@torch.no_grad()
def test_decoding_the_codes_is_what_was_quantized(ready: Any, latents: Any) -> None:
    for count in range(1, ready.num_codebooks + 1):
        quantized, _, codes = ready(latents, keep(count, count))
        assert (ready.decode(codes[:, :count]) - quantized).abs().max() < 1e-5
        assert (ready.decode(ready.dropped(codes, keep(count, count))) - quantized).abs().max() < 1e-5


@torch.no_grad()
def test_encoding_gives_the_codes_of_the_forward_pass(ready: Any, latents: Any) -> None:
    _, _, codes = ready(latents, every(ready))
    assert torch.equal(ready.encode(latents), codes)


@torch.no_grad()
def test_samples_of_a_batch_keep_their_own_number(ready: Any, latents: Any) -> None:
    few, many = 1, max(1, ready.num_codebooks - 1)
    mixed, _, _ = ready(latents, keep(few, many))
    assert torch.allclose(mixed[0], ready(latents, keep(few, few))[0][0], atol=1e-6)
    assert torch.allclose(mixed[1], ready(latents, keep(many, many))[0][1], atol=1e-6)


@torch.no_grad()
def test_more_codebooks_never_hurt(ready: Any, latents: Any) -> None:
    counts = range(ready.num_codebooks + 1)
    errors = [float((ready(latents, keep(n, n))[0] - latents).square().mean()) for n in counts]
    assert all(after < before for before, after in pairwise(errors)), errors
    assert errors[-1] < 0.5 * errors[0]


def test_gradients_reach_the_encoder(ready: Any, latents: Any) -> None:
    x = latents.clone().requires_grad_()
    quantized, commitment, _ = ready(x, every(ready))
    ((quantized - latents.flip(1)).square().mean() + commitment).backward()
    assert x.grad.isfinite().all()
    assert (x.grad.abs().sum(-1) > 0).float().mean() > 0.99


def test_what_the_optimiser_moves_learns(ready: Any, latents: Any) -> None:
    """Latents that are others than those it was initialised on: training brings it nearer to them."""
    ready.train()
    shifted = latents.roll(1, -1) * 1.3 + 0.2
    trained = [p for p in ready.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, 1e-2) if trained else None
    errors = []
    for _ in range(60):
        quantized, commitment, _ = ready(shifted, every(ready))
        error = (quantized - shifted).square().mean()
        errors.append(float(error.detach()))
        if optimiser:
            optimiser.zero_grad()
            (error + commitment).backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
            optimiser.step()
    assert errors[-1] < 0.95 * errors[0], (errors[0], errors[-1])


@torch.no_grad()
def test_entries_are_in_use_once_initialised(ready: Any, latents: Any) -> None:
    codes = ready.encode(latents)
    enough = min(ready.codebook_size, 16)
    for book in range(ready.num_codebooks):
        assert len(codes[:, book].unique()) >= 0.6 * enough, f"codebook {book}"


@torch.no_grad()
def test_its_state_is_all_there_is(ready: Any, latents: Any) -> None:
    torch.manual_seed(5)
    other = type(ready)(ready.num_codebooks, ready.codebook_size, DIM).eval()
    assert not torch.equal(other(latents, every(other))[0], ready(latents, every(ready))[0])
    other.load_state_dict(ready.state_dict())
    for ours, theirs in zip(ready(latents, every(ready)), other(latents, every(other)), strict=True):
        assert torch.equal(ours, theirs)


@torch.no_grad()
def test_its_weights_decide_codes_and_latents(ready: Any, latents: Any) -> None:
    """What is shipped is enough: the averages of training are left out, and nothing else."""
    assert all(name.rpartition(".")[2] not in AVERAGES for name in ready.weights())
    other = type(ready)(ready.num_codebooks, ready.codebook_size, DIM).eval()
    other.load_state_dict(ready.weights(), strict=False)
    codes = ready.encode(latents)
    assert torch.equal(other.encode(latents), codes)
    assert torch.equal(other.decode(codes), ready.decode(codes))


def test_evaluation_moves_nothing(ready: Any, latents: Any) -> None:
    before = {k: v.clone() for k, v in ready.state_dict().items()}
    ready(latents + 1, every(ready))
    ready.encode(latents + 1)
    ready.decode(ready.encode(latents))
    assert all(torch.equal(v, before[k]) for k, v in ready.state_dict().items())


@torch.no_grad()
def entry_vectors(quantizer: Any) -> Any:
    """What each entry of each codebook adds to the latent, [codebooks, size, stride * dim]."""
    books, size = quantizer.num_codebooks, quantizer.codebook_size
    none = torch.full((1, books, size), size)
    nothing, result = quantizer.decode(none[:, :, :1]), []
    for book in range(books):
        codes = none.clone()
        codes[0, book] = torch.arange(size)
        added = quantizer.decode(codes).unflatten(1, (size, quantizer.stride)) - nothing[:, None]
        result.append(added[0].flatten(1))
    return torch.stack(result)


@torch.no_grad()
def test_entries_add_what_their_vectors_say(ready: Any, latents: Any) -> None:
    vectors = entry_vectors(ready)
    assert vectors.shape == (ready.num_codebooks, ready.codebook_size, ready.stride * DIM)
    codes = ready.encode(latents)
    nothing = ready.decode(torch.full_like(codes, ready.codebook_size))
    total = sum(vectors[k][codes[:, k]] for k in range(ready.num_codebooks))  # [B, T, stride * dim]
    made = total.unflatten(2, (ready.stride, DIM)).flatten(1, 2) + nothing
    assert (made - ready.decode(codes)).abs().max() < 1e-4


def test_fewer_latents_than_entries_are_enough_to_begin(quantizer: Any) -> None:
    torch.manual_seed(0)
    few = 0.3 * torch.randn(24, DIM)
    quantizer.initialise(few)
    quantized, _, _ = quantizer.eval()(few[None], every(quantizer, 1))
    assert quantized.isfinite().all()
    assert (quantized - few).square().mean() < few.square().mean()


def test_a_shape_it_cannot_have_is_refused(quantizer: Any) -> None:
    with pytest.raises(ValueError, match="code"):
        type(quantizer)(0, quantizer.codebook_size, DIM)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("fsq", (1, 1024, DIM)),
        ("fsq", (6, 240, DIM)),
        ("bsq", (1, 100, DIM)),
        ("bsq", (5, 16, DIM)),
        ("vq", (2, 64, DIM)),
        ("multiscale", (4, 16, DIM)),
        ("group", (4, 16, 1)),
    ],
)
def test_shapes_that_one_cannot_have(name: str, shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"code|channels"):
        QUANTIZERS[name](*shape)


class TestMovingCodebooks:
    """Those whose entries are averages of what they are chosen for."""

    def test_they_move_in_training_towards_the_latents(self, moving: Any, latents: Any) -> None:
        assert not moving.codebooks.requires_grad, "averages: no optimiser may touch them"
        shifted = latents + 0.5
        errors = []
        moving.train()
        for _ in range(150):
            with torch.no_grad():
                errors.append(float((moving(shifted, every(moving))[0] - shifted).square().mean()))
        assert errors[-1] < errors[0]

    def test_a_dropped_stage_does_not_move(self, moving: Any, latents: Any) -> None:
        before = moving.codebooks.clone()
        moving.train()
        moving(latents + 0.5, keep(1, 1))
        assert (moving.codebooks[0] - before[0]).abs().max() > 1e-4
        assert torch.allclose(moving.codebooks[1:], before[1:], atol=1e-5), "nothing reached it"

    def test_restart_revives_dead_entries(self, moving: Any, latents: Any) -> None:
        flat = latents.flatten(0, 1)
        assert moving.restart(flat) == 0, "all are in use"
        with torch.no_grad():
            moving.codebooks[0, 3] = 1e3
            moving.usage[0, 3] = 0
        assert moving.restart(flat) == 1
        assert moving.codebooks[0, 3].abs().max() < 100
        assert (moving.encode(latents)[:, 0] == 3).any()


@torch.no_grad()
def test_groups_code_channels_of_their_own(latents: Any) -> None:
    vectors = entry_vectors(started("group", latents))
    assert not vectors[0::2, :, DIM // 2 :].any()
    assert not vectors[1::2, :, : DIM // 2].any()
    assert (vectors.abs().amax(1).sum(0) > 0).all(), "no channel is left out"


@torch.no_grad()
def test_masked_codebooks_share_the_channels_and_later_ones_see_all(latents: Any) -> None:
    used = entry_vectors(started("masked", latents)).abs().amax(1) > 0  # [books, dim]
    assert (used[:3].sum(0) == 1).all(), "each channel belongs to one of the first three"
    assert used[3].all()


@torch.no_grad()
def test_coarse_codes_hold_longer(latents: Any) -> None:
    vectors = entry_vectors(started("multiscale", latents)).unflatten(2, (4, DIM))  # [7, size, 4, dim]
    reach = (vectors.abs().amax((1, 3)) > 0).int().tolist()
    assert reach == [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], *torch.eye(4).int().tolist()]


def test_frames_that_fill_no_stride_are_refused(latents: Any) -> None:
    quantizer = started("multiscale", latents)
    with pytest.raises(ValueError, match="301 frames"):
        quantizer(torch.zeros(1, 301, DIM), keep(7))


@torch.no_grad()
def test_finer_scales_have_more_channels(latents: Any) -> None:
    quantizer = started("crossscale", latents)
    channels = (quantizer.codebooks.abs().amax(1) > 0).sum(1).tolist()
    assert channels == [4, 8, 12, 16]


@torch.no_grad()
def test_lookup_by_angle_forgets_loudness(latents: Any) -> None:
    quantizer = started("factorised", latents)
    z = torch.randn(50, 8)
    assert torch.equal(quantizer._nearest(z, 0), quantizer._nearest(7 * z, 0))


def test_points_of_the_sphere_bound_the_commitment(latents: Any) -> None:
    assert started("bsq", latents)(1e4 * latents, keep(4, 4))[1] <= 4


def test_entries_follow_latents_that_grow(latents: Any) -> None:
    """Latents that double every hundred steps outran layers that only their optimiser moved."""
    quantizer = started("simvq", latents).train()
    optimiser = torch.optim.AdamW(quantizer.parameters(), 1e-3)
    for step in range(300):
        x = latents * 2 ** (step / 100)
        quantized, commitment, _ = quantizer(x, every(quantizer))
        optimiser.zero_grad()
        commitment.backward()
        optimiser.step()
    assert commitment < 5
    assert (quantized - x).square().mean() < 0.5 * (x - x.mean((0, 1))).square().mean()


@pytest.mark.parametrize("frozen", [False, True])
def test_every_quantizer_can_be_compared(tmp_path: Path, pack: Path, tiny: Any, frozen: bool) -> None:
    from mediacodec_models.research import quantizers as compare

    assert {entry.quantizer for entry in compare.ENTRIES} == set(QUANTIZERS)
    args = argparse.Namespace(data=pack, minutes=0.01, init=None, out=tmp_path / "table.csv", only=None, frozen=frozen)
    entries = [compare.Entry("vq", 1, 64), compare.Entry("multiscale", 3, 16)]
    compare.compare(entries, tiny, args)
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["quantizer"] for row in rows] == ["vq", "multiscale"]
    assert float(rows[0]["bits_per_second"]) == pytest.approx(6 * 50)
    assert float(rows[1]["bits_per_second"]) == pytest.approx(3 * 4 * 25)
    for row in rows:
        assert 0 < float(row["used_dev"]) <= 1
        assert float(row["entropy_dev"]) <= float(row["bits_per_second"]) + 1e-6
        assert float(row["mel_dev"]) > 0
