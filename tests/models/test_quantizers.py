"""What every entry of QUANTIZERS promises."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec_models.quantizers import QUANTIZERS  # noqa: E402

BOOKS, SIZE, DIM = 4, 16, 6


@pytest.fixture(params=QUANTIZERS)
def quantizer(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return QUANTIZERS[request.param](BOOKS, SIZE, DIM)


@pytest.fixture(scope="module")
def latents() -> Any:
    """[2, 300, 6] around a few centres, as latents of speech are."""
    torch.manual_seed(1)
    centres = 2 * torch.randn(12, DIM)
    return (centres[torch.randint(12, (600,))] + 0.4 * torch.randn(600, DIM)).reshape(2, 300, DIM)


@pytest.fixture
def ready(quantizer: Any, latents: Any) -> Any:
    quantizer.initialise(latents.flatten(0, 1))
    return quantizer.eval()


def keep(*counts: int) -> Any:
    return torch.tensor(counts)


def test_shapes(ready: Any, latents: Any) -> None:
    quantized, commitment, codes = ready(latents, keep(BOOKS, 2))
    assert quantized.shape == latents.shape
    assert codes.shape == (2, BOOKS, 300)
    assert not codes.dtype.is_floating_point
    assert codes.min() >= 0
    assert codes.max() < SIZE
    assert commitment.shape == ()
    assert commitment >= 0


def test_decoding_the_codes_is_what_was_quantized(ready: Any, latents: Any) -> None:
    quantized, _, codes = ready(latents, keep(BOOKS, BOOKS))
    assert (ready.decode(codes) - quantized).abs().max() < 1e-5
    fewer, _, codes = ready(latents, keep(2, 2))
    assert (ready.decode(codes[:, :2]) - fewer).abs().max() < 1e-5


def test_samples_of_a_batch_keep_their_own_number(ready: Any, latents: Any) -> None:
    mixed, _, _ = ready(latents, keep(1, 3))
    assert torch.equal(mixed[0], ready(latents, keep(1, 1))[0][0])
    assert torch.equal(mixed[1], ready(latents, keep(3, 3))[0][1])


def test_more_codebooks_never_hurt(ready: Any, latents: Any) -> None:
    errors = [float((ready(latents, keep(n, n))[0] - latents).square().mean()) for n in range(BOOKS + 1)]
    assert errors[0] == pytest.approx(float(latents.square().mean()), rel=1e-4)
    assert all(after < before for before, after in pairwise(errors)), errors
    assert errors[-1] < 0.1 * errors[0]


def test_the_gradient_goes_straight_through(ready: Any, latents: Any) -> None:
    x = latents.clone().requires_grad_()
    weight = torch.randn_like(latents)
    quantized, _, _ = ready(x, keep(BOOKS, 1))
    (quantized * weight).sum().backward()
    assert torch.allclose(x.grad, weight)


def test_the_commitment_pulls_latents_to_their_entries(ready: Any, latents: Any) -> None:
    x = latents.clone().requires_grad_()
    _, commitment, _ = ready(x, keep(1, 1))
    commitment.backward()
    quantized, before, _ = ready(latents, keep(1, 1))
    nearer = latents - 0.1 * (latents - quantized)
    assert ready(nearer, keep(1, 1))[1] < before
    assert (x.grad * (latents - quantized)).sum() > 0


def test_codebooks_move_in_training_only(ready: Any, latents: Any) -> None:
    before = {k: v.clone() for k, v in ready.state_dict().items()}
    ready(latents, keep(BOOKS, BOOKS))
    assert all(torch.equal(v, before[k]) for k, v in ready.state_dict().items())
    assert not any(p.requires_grad for p in ready.parameters()), "they are averages: no optimiser may touch them"
    shifted = latents + 0.5
    errors = []
    ready.train()
    for _ in range(150):
        quantized, _, _ = ready(shifted, keep(BOOKS, BOOKS))
        errors.append(float((quantized - shifted).square().mean()))
    assert errors[-1] < errors[0]


def test_a_dropped_stage_does_not_move(ready: Any, latents: Any) -> None:
    before = ready.codebooks.clone()
    ready.train()
    ready(latents + 0.5, keep(1, 1))
    assert (ready.codebooks[0] - before[0]).abs().max() > 1e-4
    assert (ready.codebooks[1:] - before[1:]).abs().max() < 1e-3, "no residual reached it"


def test_restart_revives_dead_entries(ready: Any, latents: Any) -> None:
    flat = latents.flatten(0, 1)
    assert ready.restart(flat) == 0, "all are in use"
    with torch.no_grad():
        ready.codebooks[0, 3] = 1e3
        ready.usage[0, 3] = 0
    assert ready.restart(flat) == 1
    index = int((ready.codebooks[0, 3] - flat).square().sum(1).argmin())
    assert torch.allclose(ready.codebooks[0, 3], flat[index])
    _, _, codes = ready(latents, keep(BOOKS, BOOKS))
    assert (codes[:, 0] == 3).any()


def test_initialising_on_fewer_latents_than_entries_is_no_crash_of_shape(quantizer: Any) -> None:
    torch.manual_seed(0)
    few = torch.randn(SIZE, DIM)  # exactly as many
    quantizer.initialise(few)
    quantized, _, _ = quantizer.eval()(few[None], keep(BOOKS))
    assert (quantized - few).abs().max() < 1.0
