"""The float graphs of the video codec, as modules for the exporter: `code` in coding.py, cut where integers leave.

Written for speed where that changes no result beyond rounding. Planes stay in grey levels, the networks' units being
folded into weights; a 2x2 (un)shuffle and the layer at it are one strided convolution; what is concatenated before a
1x1 layer goes through a part of that layer each, since ONNX Runtime adds in the convolution but copies to concatenate;
and convolutions have constant weights where they are large, since only these run in its blocked layout (NCHWc).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mediacodec_models.video.folded import Fixed, Table, constant, strided
from mediacodec_models.video.layers import LEVELS, Trunk
from mediacodec_models.video.network import ConditionalCodec, step_size
from mediacodec_models.video.transform import PACKED, UNIT

GREY = 128.0 / UNIT


class Entry(nn.Module):
    """The first layer of a trunk on planes in grey levels, and its blocks.

    Args:
        trunk: as trained.
        planes: packed planes among the inputs, 1 or 2; of two the trunk wants the first and their difference.
    """

    def __init__(self, trunk: Trunk, planes: int) -> None:
        super().__init__()
        weight, bias = trunk.enter.weight.detach().double(), trunk.enter.bias
        assert bias is not None
        first, second, rest = weight[:, :PACKED], weight[:, PACKED : planes * PACKED], weight[:, planes * PACKED :]
        parts = [first / UNIT, rest] if planes == 1 else [(first + second) / UNIT, -second / UNIT, rest]
        moved = bias.detach().double() - GREY * first.sum(dim=(1, 2, 3))
        self.enter = nn.ModuleList(
            Fixed(part, None if i else moved, exact=planes > 1) for i, part in enumerate(parts) if part.shape[1]
        )
        self.gain = Table(trunk.gain.table())
        self.blocks = trunk.blocks

    def forward(self, parts: list[Tensor], quality: Tensor) -> Tensor:
        x = self.enter[0](parts[0])
        for layer, part in zip(self.enter[1:], parts[1:], strict=True):
            x = x + layer(part)
        x = F.relu(x) * self.gain(quality)
        # pooling of one sample does nothing but bring x into the blocked layout, where the blocks add to it for nothing
        return self.blocks(F.max_pool2d(x, 1))  # type: ignore[no-any-return]


def unshuffled(planes: list[Tensor]) -> list[Tensor]:
    """uint8 planes -> parts of the packed frame, in grey levels."""
    y, u, v = planes
    return [F.pixel_unshuffle(y.float(), 8), F.pixel_unshuffle(u.float(), 4), F.pixel_unshuffle(v.float(), 4)]


class Transform(nn.Module):
    """The linear transform of a packed frame in grey levels (or of a difference of two), in steps."""

    def __init__(self, codec: ConditionalCodec, *, difference: bool = False) -> None:
        super().__init__()
        matrix = codec.forward_transform.detach()
        offset = None if difference else -UNIT * GREY * matrix.double().sum(dim=(1, 2, 3))
        self.layer = Fixed(matrix.reshape(matrix.shape[0], PACKED, 2, 2), offset, stride=2)
        self.inverse_step = Table(1 / (steps(codec) * UNIT))

    def forward(self, levels: Tensor, quality: Tensor) -> Tensor:
        return self.layer(levels) * self.inverse_step(quality)


def steps(codec: ConditionalCodec) -> Tensor:
    """[64, COEFFICIENTS], in network units."""
    return codec.step(torch.arange(LEVELS)).flatten(1).detach()


class Hyper(nn.Module):
    """The hyper-latent of a latent, at 1/32; an odd side is repeated at its end."""

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        enter = codec.hyper_enter.weight.detach().clone()
        enter[:, -codec.config.memory :] /= 64
        self.enter = Fixed(enter, codec.hyper_enter.bias)
        self.down = strided(codec.hyper_down)
        self.out = Fixed(codec.hyper_out.weight, codec.hyper_out.bias)
        self.gain = Table(codec.hyper_gain.table())

    def forward(self, latent: Tensor, memory: Tensor | None, quality: Tensor) -> Tensor:
        compressed = torch.log1p(latent.abs())
        x = F.relu(self.enter(compressed if memory is None else torch.cat([compressed, memory], dim=1)))
        x = F.relu(self.down(F.pad(x, (0, 1, 0, 1), mode="replicate")))  # a row too many is not read
        return self.out(x, out_gain=self.gain(quality))


class Analysis(nn.Module):
    """Planes -> latent minus its mean, in the blocks' steps, and hyper-latent."""

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        self.inter = codec.config.inter
        self.trunk = Entry(codec.encoder_trunk, 2 if self.inter else 1)
        self.down = strided(codec.encoder_down)
        self.block = codec.encoder_block
        self.out = codec.encoder_out
        self.transform = Transform(codec)
        self.hyper = Hyper(codec)

    def latent(self, planes: list[Tensor], others: list[Tensor], quality: Tensor) -> Tensor:
        """In the frame's steps, whole."""
        own = torch.cat(unshuffled(planes), dim=1)
        x = self.trunk([own, *others], quality)
        x = self.block(F.relu(self.down(x)))
        return self.transform(own, quality) + self.out(x)


class KeyAnalysis(Analysis):
    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__(codec)
        enter = codec.hyper_enter  # of a memory that is zero nothing is left
        self.hyper.enter = Fixed(enter.weight[:, : -codec.config.memory], enter.bias)

    def forward(self, y: Tensor, u: Tensor, v: Tensor, step_factors: Tensor, quality: Tensor) -> tuple[Tensor, ...]:
        latent = self.latent([y, u, v], [], quality) / step_factors
        return latent, self.hyper(latent, None, quality)


class InterAnalysis(Analysis):
    def forward(
        self,
        y: Tensor,
        u: Tensor,
        v: Tensor,
        predicted_y: Tensor,
        predicted_u: Tensor,
        predicted_v: Tensor,
        context: Tensor,
        context_mean: Tensor,
        memory: Tensor,
        step_factors: Tensor,
        quality: Tensor,
    ) -> tuple[Tensor, ...]:
        packed = torch.cat(unshuffled([predicted_y, predicted_u, predicted_v]), dim=1)
        latent = (self.latent([y, u, v], [packed, context], quality) - context_mean) / step_factors
        return latent, self.hyper(latent, memory, quality)


class Context(nn.Module):
    """What the prediction and the last features tell."""

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        self.trunk = Entry(codec.context_trunk, 1)
        self.down = strided(codec.context_down)
        self.block = codec.mean_block
        self.out = codec.mean_out
        self.transform = Transform(codec)

    def forward(
        self,
        predicted_y: Tensor,
        predicted_u: Tensor,
        predicted_v: Tensor,
        features: Tensor,
        source_cells: Tensor,
        quality: Tensor,
    ) -> tuple[Tensor, ...]:
        """Context at 1/8 and at 1/16, and the mean of the latent.

        Args:
            predicted_y, predicted_u, predicted_v: uint8 [1, 1, ..].
            features: [1, channels, cells of all rows].
            source_cells: where the features of these rows come from, [1, 1, h, w].
            quality: int64 [1].
        """
        rows = features.transpose(1, 2)  # gathering whole rows is many times as fast
        moved = rows.index_select(1, source_cells.flatten()).transpose(1, 2).reshape(1, -1, *source_cells.shape[2:])
        packed = torch.cat(unshuffled([predicted_y, predicted_u, predicted_v]), dim=1)
        context = self.trunk([packed, moved], quality)
        deep = self.block(F.relu(self.down(context)))
        return context, deep, self.transform(packed, quality) + self.out(deep)


class Synthesis(nn.Module):
    """The latent in steps -> planes, and what the next frame starts from."""

    inverse: Tensor
    middle: Tensor

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        self.inter = codec.config.inter
        self.step = Table(steps(codec) * UNIT)
        inverse = codec.inverse_transform
        matrix = inverse.reshape(PACKED, 4, -1).permute(2, 0, 1).reshape(-1, PACKED, 2, 2)
        constant(self, "inverse", matrix)
        constant(self, "middle", torch.full((PACKED,), 128.5))  # casting to integers rounds down
        self.trunk = Entry(codec.decoder_trunk, 2 if self.inter else 1)
        first = self.trunk.enter[0]
        assert isinstance(first, Fixed)
        assert isinstance(first.bias, Tensor)
        first.bias.data -= 0.5 * first.weights().sum(dim=(1, 2, 3))
        self.out = Fixed(codec.decoder_out.weight, codec.decoder_out.bias)
        self.scale = Table(step_size(torch.arange(LEVELS))[:, None])

    def planes(
        self, latent: Tensor, step_factors: Tensor, others: list[Tensor], quality: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The packed frame in grey levels plus a half, and what the trunk leaves.

        Args:
            latent: in the frame's steps.
            step_factors: [1, 1, h, w].
            others: what else the trunk takes.
            quality: int64 [1].
        """
        scaled = latent * self.step(quality)
        coarse = F.conv_transpose2d(scaled, self.inverse, self.middle, stride=2)
        x = self.trunk([coarse, *others], quality)
        correction = self.out(x, out_gain=self.scale(quality))
        return coarse + correction * F.interpolate(step_factors, scale_factor=2.0, mode="nearest"), x

    @staticmethod
    def shuffled(levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, u, v = levels.clamp(0.0, 255.5).split([64, 16, 16], dim=1)
        planes = F.pixel_shuffle(y, 8), F.pixel_shuffle(u, 4), F.pixel_shuffle(v, 4)
        return planes[0].to(torch.uint8), planes[1].to(torch.uint8), planes[2].to(torch.uint8)


class KeySynthesis(Synthesis):
    def forward(
        self, symbols: Tensor, conditional_mean: Tensor, step_factors: Tensor, quality: Tensor
    ) -> tuple[Tensor, ...]:
        levels, _ = self.planes((symbols + conditional_mean) * step_factors, step_factors, [], quality)
        return self.shuffled(levels)


class InterSynthesis(Synthesis):
    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__(codec)
        self.features_out = codec.features_out

    def forward(
        self,
        symbols: Tensor,
        conditional_mean: Tensor,
        step_factors: Tensor,
        context_mean: Tensor,
        context: Tensor,
        predicted_y: Tensor,
        predicted_u: Tensor,
        predicted_v: Tensor,
        skip: Tensor,
        quality: Tensor,
    ) -> tuple[Tensor, ...]:
        packed = torch.cat(unshuffled([predicted_y, predicted_u, predicted_v]), dim=1)
        latent = (symbols + conditional_mean) * step_factors + context_mean
        levels, x = self.planes(latent, step_factors, [packed, context], quality)
        skipped = F.interpolate(skip, scale_factor=2.0, mode="nearest")
        levels = levels * (1 - skipped) + packed * skipped
        features = self.features_out(x).clamp(-4, 4)
        return *self.shuffled(levels), features


class ConditionalMean(nn.Module):
    """What the symbols of the first pass predict of the second's, in the blocks' steps; zero where the first coded."""

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        self.step = Table(steps(codec))
        self.enter = Fixed(codec.shift_enter.weight, codec.shift_enter.bias)
        self.near = codec.shift_near
        deep = codec.config.deep
        self.mix = Fixed(codec.shift_mix.weight[:, :deep], codec.shift_mix.bias)
        self.mix_deep = Fixed(codec.shift_mix.weight[:, deep:]) if codec.config.inter else None
        self.gain = Table(codec.shift_gain.table())
        self.out = Fixed(codec.shift_out.weight, codec.shift_out.bias)
        self.straight = codec.shift_straight

    def conditional_mean(self, symbols: Tensor, step_factors: Tensor, deep: Tensor | None, quality: Tensor) -> Tensor:
        known = symbols * step_factors
        mixed = self.mix(self.near(self.enter(known * self.step(quality))))
        mixed = mixed if self.mix_deep is None else mixed + self.mix_deep(deep)
        mean = (self.straight(known) + self.out(F.relu(mixed) * self.gain(quality))) / step_factors
        height, width = mean.shape[2:]
        odd = ((torch.arange(height)[:, None] + torch.arange(width)) % 2).float()
        return mean * torch.stack([odd, 1 - odd]).repeat(mean.shape[1] // 2, 1, 1)  # as `checkerboard`


class KeyConditionalMean(ConditionalMean):
    def forward(self, symbols: Tensor, step_factors: Tensor, quality: Tensor) -> Tensor:
        return self.conditional_mean(symbols, step_factors, None, quality)


class InterConditionalMean(ConditionalMean):
    def forward(self, symbols: Tensor, step_factors: Tensor, deep: Tensor, quality: Tensor) -> Tensor:
        return self.conditional_mean(symbols, step_factors, deep, quality)


class Refinement(nn.Module):
    """Differences of planes, in grey levels -> the change of the latent, in the blocks' steps."""

    def __init__(self, codec: ConditionalCodec) -> None:
        super().__init__()
        self.transform = Transform(codec, difference=True)

    def forward(self, dy: Tensor, du: Tensor, dv: Tensor, step_factors: Tensor, quality: Tensor) -> Tensor:
        return self.transform(torch.cat(unshuffled([dy, du, dv]), dim=1), quality) / step_factors
