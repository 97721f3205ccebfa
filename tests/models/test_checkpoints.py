"""What a run keeps of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec_models.checkpoints import load_checkpoint, save_checkpoint


def learner() -> dict[str, Any]:
    """A layer and its optimiser, one step old."""
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return {"layer": layer, "optimiser": optimiser}


def test_parts_and_numbers_come_back(tmp_path: Path) -> None:
    saved, other = learner(), learner()
    save_checkpoint(tmp_path / "checkpoint.pt", saved, step=7, mean=torch.arange(3.0))
    found = load_checkpoint(tmp_path / "checkpoint.pt", other)
    assert found["step"] == 7
    assert torch.equal(found["mean"], torch.arange(3.0))
    assert torch.equal(saved["layer"].weight, other["layer"].weight)
    assert torch.equal(*(each["optimiser"].state_dict()["state"][0]["exp_avg"] for each in (saved, other)))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_write_that_fails_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "checkpoint.pt", learner(), step=1)

    def full(_: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path / "checkpoint.pt", learner(), step=2)
    assert load_checkpoint(tmp_path / "checkpoint.pt", {})["step"] == 1
