"""A group's network being fitted: weights, the steps they are sent in, and the encoder of embeddings."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mediacodec.codecs.inr.network import Network
from mediacodec.codecs.inr.tensors import Part, parts_of
from mediacodec_models.inr.encoder import ContentEncoder
from mediacodec_models.inr.ops import pictures
from mediacodec_models.inr.quantise import bits_of_mean, rounded, settled, step_for

MOMENTUM = 0.9  # of the running magnitude of embeddings


class FittedNetwork(nn.Module):
    """Makes pictures of pictures, as the decoder will make them of a packet.

    base: the weights of the group before, which these are added to; None for a key group. Once `quantise` was called,
    weights and embeddings are rounded to steps, which are learned until `settle`.
    """

    def __init__(self, network: Network, base: Mapping[str, Tensor] | None) -> None:
        super().__init__()
        self.network = network
        self.parts: list[Part] = parts_of(network)
        shapes = network.counted.weights
        self.names = list(shapes)
        self.weights = nn.ParameterList([_initial(name, shapes[name], base is not None) for name in self.names])
        self.base = None if base is None else [base[name] for name in self.names]
        self.encoder = ContentEncoder(network)
        self.log_steps = nn.Parameter(torch.zeros(len(self.parts)))
        self.log_channels = nn.Parameter(torch.zeros(network.embedding, 1, 1))
        self.register_buffer("spread", torch.ones(network.embedding, 1, 1))
        self.quantised = self.is_settled = False
        place = {name: index for index, name in enumerate(self.names)}
        self.members = [[place[name] for name in part.names] for part in self.parts]

    def quantise(self, bits: float) -> None:
        """From here on numbers are rounded, to steps with which they begin at so many bits each."""
        with torch.no_grad():
            means = [self._mean(index) for index in range(len(self.parts))]
            floor = torch.stack(means).max() * 1e-3  # of a residual that is still nothing
            self.log_steps.copy_(torch.stack([step_for(bits, torch.maximum(mean, floor)) for mean in means]))
            self.log_channels.copy_(step_for(bits, self.spread))
        self.quantised = True

    def settle(self) -> None:
        """From here on the steps are those that a packet can say."""
        with torch.no_grad():
            self.log_steps.copy_(settled(self.log_steps))
            self.log_channels.copy_(settled(self.log_channels))
        self.log_steps.requires_grad_(False)
        self.log_channels.requires_grad_(False)
        self.is_settled = True

    def effective(self) -> dict[str, Tensor]:
        """The weights as the decoder will have them."""
        values = list(self.weights)
        if self.quantised:
            steps = torch.exp2(self.log_steps)
            for index, members in enumerate(self.members):
                for place in members:
                    values[place] = rounded(values[place], steps[index])
        if self.base is not None:
            values = [base + value for base, value in zip(self.base, values, strict=True)]
        return dict(zip(self.names, values, strict=True))

    def embed(self, picture: Tensor) -> Tensor:
        """The embedding before it is rounded, float32 [batch, c, h, w]."""
        return self.encoder(picture).float()

    def forward(self, picture: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """(the picture as decoded, its embedding's bits)."""
        embedding = self.embed(picture)
        bits = embedding.new_zeros(())
        with torch.no_grad():
            mean = embedding.abs().mean((0, 2, 3))[:, None, None]
            self.spread.lerp_(mean, 1 - MOMENTUM)
        if self.quantised:
            step = torch.exp2(self.log_channels)
            wide = self.spread.clamp_min(1e-6)
            units = wide / step  # of a Laplace distribution with this spread: bits of what is far from 0 grow linearly
            bits = (bits_of_mean(units) + (embedding.abs() / wide - 1) * math.log2(math.e)).clamp_min(0).sum()
            embedding = rounded(embedding, step)
        return pictures(self.network, self.effective(), embedding, place).float(), bits

    def weight_bits(self) -> Tensor:
        """Bits of all weights, as the tables will state within a few per cent."""
        steps = torch.exp2(self.log_steps)
        sizes = [part.size for part in self.parts]
        means = torch.stack([self._mean(index) for index in range(len(self.parts))]) / steps
        return (bits_of_mean(means) * means.new_tensor(sizes)).sum()

    def _mean(self, index: int) -> Tensor:
        total = sum((self.weights[place].abs().sum() for place in self.members[index]), start=torch.zeros(()))
        return total / self.parts[index].size


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
