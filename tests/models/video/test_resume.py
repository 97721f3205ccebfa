"""What ships can be trained on: the weights of the video codec, back from its graphs."""

import tomllib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'mediacodec[train]'")

from mediacodec import manifest
from mediacodec_models.video.check import Case, cases, compare, fitted, open_graph
from mediacodec_models.video.network import ConditionalCodec, ConditionalConfig
from mediacodec_models.video.resume import shipped_state

RECIPE = Path(__file__).parents[3] / "models" / "recipes" / "conditional.toml"


def test_the_shipped_weights_fill_the_networks_and_compute_what_the_graphs_do() -> None:
    model = manifest.find_by_name("conditional-1")
    recipe = tomllib.loads(RECIPE.read_text())
    codecs = {}
    for kind in ("key", "inter"):
        codecs[kind] = ConditionalCodec(ConditionalConfig(**recipe[kind])).eval()
        codecs[kind].load_state_dict(shipped_state(model.folder, kind))  # strict: nothing missing, nothing left over
    rows, columns = torch.arange(64)[:, None], torch.arange(96)
    luma = 128 + 60 * torch.sin(rows / 7) * torch.cos(columns / 5)
    first = tuple(plane[None, None].round() for plane in (luma, luma[::2, ::2] / 2 + 60, 200 - luma[::2, ::2] / 2))
    second = tuple(torch.roll(plane, 2, dims=3) for plane in first)
    level = 27  # where knots lie: between them a shipped bias is rounded otherwise than a trained one
    with torch.no_grad():
        for case in cases(codecs["key"], codecs["inter"], [fitted(p, (64, 96)) for p in (first, second)], level):
            assert isinstance(case, Case)
            compare(case, [open_graph(model, case.graph)])
