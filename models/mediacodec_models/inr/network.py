"""A group's network being fitted: weights, the steps they are sent in, and the encoder of embeddings."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.tensors import WeightBlock, weight_blocks
from mediacodec_models.inr.encoder import ContentEncoder
from mediacodec_models.inr.ops import synthesise_frames
from mediacodec_models.inr.quantise import expected_bits, log_step_for, quantise_ste, snapped

MOMENTUM = 0.9  # of the running magnitude of embeddings


class FittedNetwork(nn.Module):
    """Makes frames of frames, as the decoder will make them of packets.

    Once `begin_quantisation` was called, weights and embeddings are rounded to steps, which are learned until
    `freeze_steps`.

    Args:
        network: its sizes.
        reference: the weights that the group is predicted from, by name; None for a key group.

    Attributes:
        weights: what is sent: weights, or their residuals to the reference; as `names` has them.
        names: of the weights.
        members: by block of `weight_blocks`, the places of its tensors in `weights`.
        log_steps: log2 of the quantization step of each block.
        log_channels: log2 of the step of each channel of embeddings, [channels, 1, 1].
    """

    magnitude: Tensor  # of embeddings, [channels, 1, 1], a running mean

    def __init__(self, network: Network, reference: Mapping[str, Tensor] | None) -> None:
        super().__init__()
        self.network = network
        self.blocks: list[WeightBlock] = weight_blocks(network)
        shapes = network.summary.weights
        self.names = list(shapes)
        self.weights = nn.ParameterList([_initial(name, shapes[name], reference is not None) for name in self.names])
        self.reference = None if reference is None else [reference[name] for name in self.names]
        self.encoder = ContentEncoder(network)
        self.log_steps = nn.Parameter(torch.zeros(len(self.blocks)))
        self.log_channels = nn.Parameter(torch.zeros(network.embedding, 1, 1))
        self.register_buffer("magnitude", torch.ones(network.embedding, 1, 1))
        self.is_quantised = self.has_frozen_steps = False
        place = {name: index for index, name in enumerate(self.names)}
        self.members = [[place[name] for name in block.names] for block in self.blocks]

    def begin_quantisation(self, bits: float) -> None:
        """Round numbers from here on, to steps with which they begin at so many bits each."""
        with torch.no_grad():
            means = [self._mean(index) for index in range(len(self.blocks))]
            floor = torch.stack(means).max() * 1e-3  # of a residual that is still nothing
            self.log_steps.copy_(torch.stack([log_step_for(bits, torch.maximum(mean, floor)) for mean in means]))
            self.log_channels.copy_(log_step_for(bits, self.magnitude))
        self.is_quantised = True

    def freeze_steps(self) -> None:
        """Round to the steps that a packet can say, from here on."""
        with torch.no_grad():
            self.log_steps.copy_(snapped(self.log_steps))
            self.log_channels.copy_(snapped(self.log_channels))
        self.log_steps.requires_grad_(False)
        self.log_channels.requires_grad_(False)
        self.has_frozen_steps = True

    def decoded_weights(self) -> dict[str, Tensor]:
        """The weights by name, as the decoder will have them."""
        values = list(self.weights)
        if self.is_quantised:
            steps = torch.exp2(self.log_steps)
            for index, members in enumerate(self.members):
                for place in members:
                    values[place] = quantise_ste(values[place], steps[index])
        if self.reference is not None:
            values = [base + value for base, value in zip(self.reference, values, strict=True)]
        return dict(zip(self.names, values, strict=True))

    def embed(self, frame: Tensor) -> Tensor:
        """The embedding before it is rounded, float32 [batch, channels, rows, columns]."""
        return self.encoder(frame).float()

    def forward(self, frame: Tensor, time_encoding: Tensor) -> tuple[Tensor, Tensor]:
        """Encode and decode frames.

        Args:
            frame: [batch, OUTPUT_CHANNELS, rows, columns], black 0 and white 1.
            time_encoding: [batch, 2 * FREQUENCIES, 1, 1].

        Returns:
            The frames as decoded, of the same shape, and the bits of their embeddings.
        """
        embedding = self.embed(frame)
        bits = embedding.new_zeros(())
        with torch.no_grad():
            mean = embedding.abs().mean((0, 2, 3))[:, None, None]
            self.magnitude.lerp_(mean, 1 - MOMENTUM)
        if self.is_quantised:
            step = torch.exp2(self.log_channels)
            wide = self.magnitude.clamp_min(1e-6)
            units = wide / step  # of a Laplace distribution of this width: bits of what is far from 0 grow linearly
            bits = (expected_bits(units) + (embedding.abs() / wide - 1) * math.log2(math.e)).clamp_min(0).sum()
            embedding = quantise_ste(embedding, step)
        return synthesise_frames(self.network, self.decoded_weights(), embedding, time_encoding).float(), bits

    def weight_bits(self) -> Tensor:
        """Bits of all weights, as the tables will state within a few per cent."""
        steps = torch.exp2(self.log_steps)
        sizes = [block.size for block in self.blocks]
        means = torch.stack([self._mean(index) for index in range(len(self.blocks))]) / steps
        return (expected_bits(means) * means.new_tensor(sizes)).sum()

    def _mean(self, index: int) -> Tensor:
        total = sum((self.weights[place].abs().sum() for place in self.members[index]), start=torch.zeros(()))
        return total / self.blocks[index].size


def _initial(name: str, shape: tuple[int, ...], zero: bool) -> nn.Parameter:
    value = torch.zeros(shape)
    if name.endswith(".weight") and not zero:
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        value.uniform_(-bound, bound)
        if ".time." in name:
            value *= 0.1  # modulation begins near none
    elif name == "head.bias" and not zero:
        value.fill_(0.5)
    return nn.Parameter(value)
