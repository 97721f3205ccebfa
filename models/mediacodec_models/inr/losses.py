"""What a fit minimizes: absolute error, structural dissimilarity, and error over frequencies (after HNeRV-Boost)."""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = 3
WINDOW, HOP = 8, 4


def frame_loss(output: Tensor, target: Tensor) -> Tensor:
    """Compute the loss of decoded frames.

    Args:
        output: [batch, OUTPUT_CHANNELS, rows, columns], 0 black and 1 white.
        target: the same for the original frames.

    Returns:
        A scalar.
    """
    difference = output - target
    spectrum = torch.view_as_real(torch.fft.rfft2(difference, norm="ortho")).abs().mean()
    structure = structural_similarity(output[:, :4].mean(1, keepdim=True), target[:, :4].mean(1, keepdim=True))
    return 4.2 * difference.abs().mean() + 1.8 * (1 - structure) + 2 * spectrum


def structural_similarity(x: Tensor, y: Tensor) -> Tensor:
    """Compute the contrast and structure term of SSIM in square windows, as its mean over a few scales.

    It is given Y at half the size: at full size it would cost as much as the network's own backward pass.

    Args:
        x: [batch, 1, rows, columns].
        y: the same.

    Returns:
        A scalar; 1 where x is y.
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
