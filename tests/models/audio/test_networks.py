"""A network run step by step is the network run whole; the transform around it loses nothing."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec_models.audio.spectral import Decoder, Encoder, SpectralCodec, SpectralConfig
from mediacodec_models.layers.convnext import KERNEL, ConvNeXtStack
from mediacodec_models.layers.spectrum import COMPRESSION, CausalISTFT, CausalSTFT, compress, expand

FLAT = SpectralConfig(hop=320, encoder=((24, 48, 2),), decoder=((24, 48, 2),), latent=8)


def in_steps(module: Any, x: Any, sizes: list[int]) -> Any:
    """Output of steps of these sizes along axis 1."""
    state, outputs = module.initial_state(len(x)), []
    for part in x.split(sizes, dim=1):
        y, state = module.step(part, state)
        outputs.append(y)
    return torch.cat(outputs, 1)


CHUNKINGS = [[1] * 12, [12], [5, 7], [1, 11], [2, 2, 8], [4, 1, 1, 6]]


@pytest.mark.parametrize("frames", CHUNKINGS, ids=str)
@pytest.mark.parametrize("config", ["flat", "tiny"])
@torch.no_grad()
def test_steps_are_the_whole(config: str, frames: list[int], tiny: Any, speech_batch: Any) -> None:
    shape = FLAT if config == "flat" else tiny
    torch.manual_seed(0)
    encoder, decoder = Encoder(shape), Decoder(shape)
    samples = speech_batch[:, 4000 : 4000 + 12 * shape.frame_size]
    latent, _ = encoder.step(samples, encoder.initial_state(4))
    assert latent.shape == (4, 12, shape.latent)
    stepped = in_steps(encoder, samples, [n * shape.frame_size for n in frames])
    assert (stepped - latent).abs().max() < 1e-5
    decoded, _ = decoder.step(latent, decoder.initial_state(4))
    assert decoded.shape == samples.shape
    assert decoded.abs().max() > 1e-3
    assert (in_steps(decoder, latent, frames) - decoded).abs().max() < 1e-5


@torch.no_grad()
def test_nothing_looks_ahead(tiny: Any, speech_batch: Any) -> None:
    torch.manual_seed(0)
    encoder, decoder = Encoder(tiny), Decoder(tiny)
    changed, frame = speech_batch.clone(), tiny.frame_size
    changed[:, 20 * frame :] = 0
    latents = [encoder.step(x, encoder.initial_state(4))[0] for x in (speech_batch, changed)]
    assert torch.equal(latents[0][:, :20], latents[1][:, :20])
    assert not torch.equal(latents[0][:, 20], latents[1][:, 20])
    decoded = [decoder.step(x, decoder.initial_state(4))[0] for x in latents]
    assert torch.equal(decoded[0][:, : 20 * frame], decoded[1][:, : 20 * frame])


@torch.no_grad()
def test_memory_is_as_long_as_the_runtime_is_told(tiny: Any) -> None:
    """`preroll_frames` of the manifest: a decoder that joins is exact after it."""
    from mediacodec_models.audio.export import settings

    for config in (FLAT, tiny):
        preroll = settings(config, [], [])["preroll_frames"]
        torch.manual_seed(0)
        decoder = Decoder(config)
        latent = torch.randn(1, preroll + 30, config.latent)
        whole, _ = decoder.step(latent, decoder.initial_state(1))
        joined, _ = decoder.step(latent[:, 20:], decoder.initial_state(1))
        skip = preroll * config.frame_size
        assert (joined[:, skip:] - whole[:, 20 * config.frame_size + skip :]).abs().max() < 1e-6


@torch.no_grad()
def test_convnext_sees_seven_frames() -> None:
    torch.manual_seed(0)
    stack = ConvNeXtStack(8, 16, 1, scale=1.0)
    x = torch.randn(1, 20, 8)
    changed = x.clone()
    changed[:, 10] += 1
    different = (stack.step(x, stack.initial_state(1))[0] != stack.step(changed, stack.initial_state(1))[0]).any(2)[0]
    assert different.nonzero()[:, 0].tolist() == list(range(10, 10 + KERNEL))


@pytest.mark.parametrize("hop", [80, 160, 320])
@torch.no_grad()
def test_perfect_reconstruction_one_hop_late(hop: int, speech_batch: Any) -> None:
    stft, istft = CausalSTFT(hop), CausalISTFT(hop)
    samples = speech_batch[:, : 40 * hop]
    spectra, _ = stft.step(samples, stft.initial_state(4))
    assert spectra.shape == (4, 40, 2 * (hop + 1))
    back, _ = istft.step(spectra, istft.initial_state(4))
    assert (back[:, hop:] - samples[:, :-hop]).abs().max() < 1e-5
    assert back[:, :hop].abs().max() < 1e-5, "before the audio there is silence"


@torch.no_grad()
def test_the_spectrum_is_the_one_of_numpy(speech_batch: Any) -> None:
    stft, size = CausalSTFT(160), 320
    spectra, _ = stft.step(speech_batch[:, :1600], stft.initial_state(4))
    window = torch.sin(torch.pi * (torch.arange(size) + 0.5) / size)
    expected = torch.fft.rfft(speech_batch[:, 480:800] * window) / size**0.5
    real, imag = spectra[:, 4].chunk(2, -1)
    assert (real - expected.real).abs().max() < 1e-5
    assert (imag - expected.imag).abs().max() < 1e-5


@torch.no_grad()
def test_compression_is_undone(speech_batch: Any) -> None:
    stft = CausalSTFT(160)
    spectra, _ = stft.step(speech_batch, stft.initial_state(4))
    assert (expand(compress(spectra)) - spectra).abs().max() < 1e-4
    loud, before = (torch.hypot(*x.chunk(2, -1)) for x in (compress(spectra), spectra))
    audible = before > 1e-3
    assert (loud[audible] / before[audible] ** COMPRESSION - 1).abs().max() < 1e-3


def test_compression_has_a_gradient_at_silence() -> None:
    for function in (compress, expand):
        silence = torch.zeros(1, 3, 20, requires_grad=True)
        function(silence).sum().backward()
        assert torch.isfinite(silence.grad).all()


@torch.no_grad()
def test_the_codec_is_aligned(tiny: Any, speech_batch: Any) -> None:
    codec = SpectralCodec(tiny).eval()
    output, commitment = codec(speech_batch[:, :9600], torch.full((4,), 3))
    assert output.shape == (4, 9600 - tiny.delay)
    assert commitment >= 0


def test_stages_must_agree() -> None:
    with pytest.raises(ValueError, match="encoder has 1 stages, decoder 2"):
        SpectralConfig(encoder=((8, 8, 1),), decoder=((8, 8, 1), (8, 8, 1)))
