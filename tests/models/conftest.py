"""Networks small enough for a test, and a pack of generated speech to train them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from support.media import make_speech


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Any:
    """Shape of a codec of a few thousand weights, in two stages of frame rate as the large ones may have."""
    from mediacodec_models.audio.spectral import SpectralConfig

    return SpectralConfig(
        hop=160,
        encoder=((24, 48, 1), (32, 64, 1)),
        decoder=((32, 64, 1), (24, 48, 1)),
        latent=8,
        num_codebooks=3,
        codebook_size=32,
    )


@pytest.fixture(scope="session")
def speech_batch() -> Any:
    """[4, 16000] of four voices."""
    return torch.from_numpy(np.stack([make_speech(1.0, 16_000, seed=seed)[0] for seed in range(4)]))


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `mediacodec_models.audio.data.pack` makes it: eight voices, two of them set aside."""
    folder: Path = tmp_path_factory.mktemp("pack")
    clips, index, start = [], [], 0
    for seed in range(8):
        clip = np.round(make_speech(4.0, 16_000, seed=seed)[0] * 32767).astype(np.int16)
        index.append(
            {
                "file": f"{seed}.wav",
                "speaker": str(seed),
                "dev": seed >= 6,
                "shard": 0,
                "start": start,
                "samples": len(clip),
            }
        )
        clips.append(clip)
        start += len(clip)
    np.save(folder / "000.npy", np.concatenate(clips))
    (folder / "index.json").write_text(json.dumps(index))
    return folder
