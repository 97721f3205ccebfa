"""How torch computes while an encoder fits: on which device, with how many threads, and at which precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from mediacodec.errors import DeviceError


def device_of(name: str) -> torch.device:
    """Find the device to fit on.

    Args:
        name: "cpu", "cuda", or "auto" for CUDA where torch finds it.

    Returns:
        The device.

    Raises:
        DeviceError: there is no such device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"unknown device {name!r}; choose one of auto, cpu, cuda")
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise DeviceError("device 'cuda' was asked for, but this torch finds none; run `mediacodec doctor`")
    return torch.device("cuda" if cuda and name != "cpu" else "cpu")


@contextlib.contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Have torch compute with `count` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Make a context in which convolutions and products take bfloat16, where that is quicker than float32.

    On a processor with nothing beyond AVX2, oneDNN has no kernels for bfloat16 and torch falls back on its own, which
    take 7 times as long as float32 (training steps of `overfit`); there the context changes nothing.

    Args:
        device: on which the block computes.

    Returns:
        A context manager, to be entered once.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or _has_bfloat16_kernels())


def _has_bfloat16_kernels() -> bool:
    """Whether oneDNN computes in bfloat16 on this processor."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
