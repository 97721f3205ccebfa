"""How torch computes while an encoder fits: device, threads, precision."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'mediacodec[train]'")

from mediacodec.errors import DeviceError
from mediacodec_models import torch_runtime
from mediacodec_models.torch_runtime import device_of, mixed_precision, num_threads


def test_devices_by_name() -> None:
    assert device_of("cpu").type == "cpu"
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        device_of("tpu")


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with num_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("has_kernels", [False, True])
def test_bfloat16_is_used_where_the_processor_computes_in_it(
    has_kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_runtime, "_has_bfloat16_kernels", lambda: has_kernels)
    x = torch.ones(2, 2)
    with mixed_precision(torch.device("cpu")):
        assert (x @ x).dtype == (torch.bfloat16 if has_kernels else torch.float32)
    assert (x @ x).dtype == torch.float32
