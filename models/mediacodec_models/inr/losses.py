"""What a fit makes small: absolute error, structure, and error over frequencies (after HNeRV-Boost)."""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = 3
WINDOW, HOP = 8, 4


def pictures_loss(output: Tensor, target: Tensor) -> Tensor:
    """Of [batch, OUTPUTS, h, w] each, 0 black and 1 white."""
    difference = output - target
    spectrum = torch.view_as_real(torch.fft.rfft2(difference, norm="ortho")).abs().mean()
    structure = similarity(output[:, :4].mean(1, keepdim=True), target[:, :4].mean(1, keepdim=True))
    return 4.2 * difference.abs().mean() + 1.8 * (1 - structure) + 2 * spectrum


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of [batch, 1, h, w] over a few scales, in square windows; their mean.

    It is given Y at half the size: at full size it would cost as much as the network's own backward pass.
    """
    found = []
    for _ in range(SCALES):
        if min(x.shape[2:]) < WINDOW:
            break
        moments = F.avg_pool2d(torch.cat([x, y, x * x, y * y, x * y], 1), WINDOW, HOP)
        mean_x, mean_y, xx, yy, xy = moments.unbind(1)
        product = mean_x * mean_y
        spread = xx - mean_x * mean_x + yy - mean_y * mean_y
        found.append(((2 * (xy - product) + 9e-4) / (spread + 9e-4)).mean())
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return torch.stack(found).mean() if found else x.new_ones(())
