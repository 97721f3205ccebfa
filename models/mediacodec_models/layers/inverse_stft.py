"""The inverse short-time Fourier transform as ONNX nodes: a transposed convolution with fixed weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mediacodec_models.graph_builder import GraphBuilder


def inverse_stft(g: GraphBuilder, spectrum: str, window: NDArray[np.float32], hop: int) -> str:
    """Spectra [1, fft + 2, time], real parts before imaginary ones, to [1, 1, time * hop].

    Each inverse transform is weighted by `window` [fft] and added to its neighbours, the sum divided by that of the
    squared windows, and (fft - hop) / 2 samples cut from each end.
    """
    fft = len(window)
    cut = (fft - hop) // 2
    basis = np.concatenate([np.fft.irfft(part * np.eye(fft // 2 + 1), n=fft) for part in (1.0, 1.0j)])
    kernel = g.weight("istft", (basis * window).astype(np.float32)[:, None])
    power = g.weight("istft.power", np.square(window)[None, None])
    strides, pads = [hop], [cut, fft - hop - cut]
    length = g.op("Unsqueeze", g.length(spectrum), g.ints(0))
    shape = g.op("Concat", g.ints(1, 1), length, axis=0)
    ones = g.op("Expand", g.constant(np.ones((1, 1, 1), dtype=np.float32)), shape)
    samples = g.op("ConvTranspose", spectrum, kernel, strides=strides, pads=pads)
    weight = g.op("ConvTranspose", ones, power, strides=strides, pads=pads)
    return str(g.op("Div", samples, weight))
