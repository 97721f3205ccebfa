"""The operations of `mediacodec.codecs.inr.network` in torch, over weights by name."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mediacodec.codecs.inr.network import Network, synthesise


class TorchOps:
    """The `mediacodec.codecs.inr.network.Ops` that compute; x: [batch, channels, rows, columns].

    Args:
        weights: by name, as `network.summary.weights` has their shapes.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self._weights = weights

    def conv(self, name: str, x: Tensor, channels: tuple[int, int], kernel: int, *, depthwise: bool = False) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        if kernel > 1:
            weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, bias, padding=kernel // 2, groups=channels[0] if depthwise else 1)

    def modulated_conv(self, name: str, x: Tensor, time_code: Tensor, channels: tuple[int, int], kernel: int) -> Tensor:
        after = channels[1]
        scale, shift = self.conv(f"{name}.time", time_code, (time_code.shape[1], 2 * after), 1).chunk(2, 1)
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        if len(x) == 1:  # into the weights, which are far fewer than the features
            scale, shift = scale.reshape(after) + 1, shift.reshape(after)
            weight = (weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
            return F.conv2d(x, weight, bias * scale + shift, padding=kernel // 2)
        return self.conv(name, x, channels, kernel) * (1 + scale) + shift

    def pixel_shuffle(self, x: Tensor, factor: int) -> Tensor:
        batch, channels, rows, columns = x.shape
        size = channels // factor**2
        x = x.permute(0, 2, 3, 1).reshape(batch, rows, columns, factor, factor * size).transpose(2, 3)
        return x.reshape(batch, rows * factor, columns * factor, size).permute(0, 3, 1, 2)  # runs of memory stay whole

    def upsample(self, x: Tensor, factor: int) -> Tensor:
        return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)

    def crop(self, x: Tensor, rows: int, columns: int) -> Tensor:
        return x if x.shape[2:] == (rows, columns) else x[:, :, :rows, :columns]

    def sin(self, x: Tensor) -> Tensor:
        return torch.sin(x)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def synthesise_frames(
    network: Network, weights: Mapping[str, Tensor], embedding: Tensor, time_encoding: Tensor
) -> Tensor:
    """Compute frames.

    Args:
        network: its sizes.
        weights: by name.
        embedding: [batch, *network.embedding_shape].
        time_encoding: [batch, 2 * FREQUENCIES, 1, 1].

    Returns:
        [batch, OUTPUT_CHANNELS, rows / 2, columns / 2], black 0 and white 1.
    """
    return synthesise(TorchOps(weights), network, embedding, time_encoding)
