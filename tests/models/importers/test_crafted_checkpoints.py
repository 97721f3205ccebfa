"""Checkpoints made to do harm, or damaged: one kind of error, and no memory for what they only claim to hold."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec.errors import ModelError
from mediacodec_models import importers
from mediacodec_models.importers import mimi
from mediacodec_models.importers.checkpoint import Checkpoint, read_checkpoint
from mediacodec_models.importers.weights import folded, plain_weights


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


NO_PICKLES = (b"", b"\x80\x02.", b"\x80\x02(.", b"\x80\x02}r\xff", b"\x80\x04\x95\xff\xff", b"PK\x03\x04")


@pytest.mark.parametrize("data", NO_PICKLES)
def test_what_is_no_pickle_is_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(ModelError, match=r"a\.pth") as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path, zipped: bool) -> None:
    file = io.BytesIO()
    torch.save({"a.weight": torch.zeros(3)}, file, _use_new_zipfile_serialization=zipped)
    whole, rng = file.getvalue(), random.Random(0)
    for _ in range(100):
        changed = bytearray(whole)
        changed[rng.randrange(min(len(whole), 400))] ^= rng.randrange(1, 256)
        (tmp_path / "a.pth").write_bytes(changed)
        with contextlib.suppress(ModelError):  # anything else is a failure of this test
            read_checkpoint(tmp_path / "a.pth")


def test_a_view_that_repeats_one_number_takes_no_memory(tmp_path: Path) -> None:
    view = torch.zeros(1, dtype=torch.half).expand(1 << 40)
    with pytest.raises(ModelError, match="numbers"):
        read_checkpoint(saved(tmp_path / "a.pth", {"a": view}))


def test_a_view_of_some_numbers_is_bounded_by_what_is_stored(tmp_path: Path) -> None:
    view = torch.zeros(4).as_strided((1000, 4), (0, 1))
    with pytest.raises(ModelError, match="more numbers than are stored"):
        read_checkpoint(saved(tmp_path / "a.pth", {"a": view}))
    shared = torch.zeros(1000)
    with pytest.raises(ModelError, match="share what is stored"):
        read_checkpoint(saved(tmp_path / "a.pth", {str(i): shared for i in range(100)}))
    assert len(read_checkpoint(saved(tmp_path / "a.pth", {str(i): shared for i in range(4)})).tensors) == 4


def test_a_packed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    plain, packed = saved(tmp_path / "a.pth", {"a": torch.zeros(1 << 20)}), tmp_path / "b.pth"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            target.writestr(member, source.read(member))
    assert packed.stat().st_size < 100_000
    with pytest.raises(ModelError, match="is packed"):
        read_checkpoint(packed)


def test_only_plain_tensors_count(tmp_path: Path) -> None:
    odd = {"complex": torch.zeros(2, dtype=torch.complex64), "meta": torch.zeros(2, device="meta")}
    odd["sparse"] = torch.zeros(2, 2).to_sparse()
    content = {"state_dict": odd | {"good": torch.ones(2, dtype=torch.half)}, "metadata": {"kwargs": 5}}
    found = read_checkpoint(saved(tmp_path / "a.pth", content))
    assert found.tensors.keys() == {"good"}
    assert found.tensors["good"].dtype == torch.float32
    assert found.config == {}


@pytest.mark.parametrize("size", [(), (1,), (4,), (4, 1), (5, 1, 1), (1, 1, 1 << 20)])
def test_halves_of_a_weight_that_do_not_fit(size: tuple[int, ...]) -> None:
    direction = torch.ones(4, 3, 2)
    assert folded(torch.ones(size), direction) is None
    assert folded(torch.ones(4), torch.ones(4)) is None
    right = folded(torch.ones(4, 1, 1), direction)
    assert right is not None
    assert right.shape == direction.shape
    halves = {"a.weight_g": torch.ones(size), "a.weight_v": direction}
    with pytest.raises(ModelError, match=r"without the tensor a\.weight"):
        plain_weights(Checkpoint(Path("x"), halves, {}), halves, {"a.weight": (4, 3, 2)})


def test_a_codebook_of_one_axis_takes_no_square_of_it() -> None:
    assert mimi.entries(torch.ones(1 << 20), torch.ones(1 << 20)) is None


def test_a_network_that_does_not_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("Gather: index out of range\nand more of it")

    anything = importers.Importer(lambda _: True, lambda *_: {})
    monkeypatch.setattr(importers, "IMPORTERS", {"anything": anything})
    monkeypatch.setattr(importers, "read_manifest", lambda _: None)
    monkeypatch.setattr(importers, "check", fail)
    path = saved(tmp_path / "a.pth", {"a": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"a\.pth: its network does not run: Gather: index out of range$"):
        importers.import_model(path, folder=tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
