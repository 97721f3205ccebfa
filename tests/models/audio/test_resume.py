"""What ships can be trained on."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mediacodec[train]'")

from mediacodec import manifest
from mediacodec.session import StepGraph
from mediacodec_models.audio.resume import shipped_state
from mediacodec_models.audio.spectral import SpectralCodec
from mediacodec_models.audio.train import read_recipe

RECIPE = Path(__file__).parents[3] / "models" / "recipes" / "speech.toml"


def test_the_shipped_weights_fill_the_network_and_decode_as_shipped() -> None:
    model = manifest.find_by_name("speech-1")
    codec = SpectralCodec(read_recipe(RECIPE)[0]).eval()
    codec.load_state_dict(shipped_state(model.folder))  # strict: nothing missing, nothing left over
    codes = np.random.default_rng(0).integers(0, 1024, (1, 17, 8))
    graph = StepGraph(model.graph_path("decoder"), model.graph("decoder"), device="cpu")
    outputs, _ = graph.step({"codes": codes}, graph.initial_state())
    with torch.no_grad():
        decoded, _ = codec.decoder.step(codec.quantizer.decode(torch.from_numpy(codes)), codec.decoder.initial_state(1))
    assert np.abs(decoded.numpy() - outputs["samples"]).max() < 1e-3 * np.abs(outputs["samples"]).max()
