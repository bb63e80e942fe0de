"""The layers of OpenAI's diffusion U-Nets: residual block, attention, resampling, time embedding.

Source: Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", appendix A, and
Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", section 3 and appendix B;
the parameters are named and ordered as in the released files. They are not initialised: weights
come from a file. Dropout is the identity at inference.

Convolutions of the trunk may be in half precision (`Encoder.convert`); norms, the softmax and
every linear layer then stay in float32.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BareLinear(nn.Linear):
    """`nn.Linear` without the cost of an initialisation."""

    def reset_parameters(self) -> None:
        """Leaves the parameters as they are."""


class BareConv1d(nn.Conv1d):
    """`nn.Conv1d` without the cost of an initialisation."""

    def reset_parameters(self) -> None:
        """Leaves the parameters as they are."""


class BareConv2d(nn.Conv2d):
    """`nn.Conv2d` without the cost of an initialisation."""

    def reset_parameters(self) -> None:
        """Leaves the parameters as they are."""


class BareEmbedding(nn.Embedding):
    """`nn.Embedding` without the cost of an initialisation."""

    def reset_parameters(self) -> None:
        """Leaves the parameters as they are."""


class GroupNorm(nn.Module):
    """Group normalisation with 32 groups, computed in its parameters' dtype, float32.

    Raises:
        ValueError: the channels do not divide into the groups.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        if num_channels < 32 or num_channels % 32:
            raise ValueError(f"a width of {num_channels} channels; it must be a multiple of 32")
        self.weight = nn.Parameter(torch.empty(num_channels))
        self.bias = nn.Parameter(torch.empty(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x.to(self.weight.dtype), 32, self.weight, self.bias).to(x.dtype)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Cosines, then sines of t at `dim // 2` frequencies from 1 to (exclusively) 1e-4.

    Args:
        t: time steps [N], integer or fractional.
        dim: columns; an odd one ends in a column of zeros.

    Returns:
        [N, dim] in float32.
    """
    half = dim // 2
    k = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t.float()[:, None] * torch.exp(-math.log(10000) * k / half)
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=1), (0, dim % 2))


class Downsample(nn.Module):
    """Strided convolution to half the height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = BareConv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Doubled pixels, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = BareConv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(_double(x))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _halve(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2)


class ResBlock(nn.Module):
    """Residual block conditioned on the embedding.

    Args:
        in_channels, emb_channels, out_channels: widths of features, embedding and result.
        use_scale_shift_norm: the embedding scales and shifts the normalised features; False: it is
            added before the norm.
        up, down: double or halve height and width on both branches.
    """

    def __init__(
        self,
        in_channels: int,
        emb_channels: int,
        out_channels: int,
        use_scale_shift_norm: bool = False,
        up: bool = False,
        down: bool = False,
    ) -> None:
        super().__init__()
        self.use_scale_shift_norm = use_scale_shift_norm
        self.resample = _double if up else _halve if down else None
        self.in_layers = nn.Sequential(
            GroupNorm(in_channels), nn.SiLU(), BareConv2d(in_channels, out_channels, 3, padding=1)
        )
        columns = out_channels * (2 if use_scale_shift_norm else 1)
        self.emb_layers = nn.Sequential(nn.SiLU(), BareLinear(emb_channels, columns))
        self.out_layers = nn.Sequential(
            GroupNorm(out_channels),
            nn.SiLU(),
            nn.Identity(),  # dropout's place in the names
            BareConv2d(out_channels, out_channels, 3, padding=1),
        )
        same = in_channels == out_channels
        self.skip_connection = nn.Identity() if same else BareConv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Features [N, in_channels, H, W] and embedding [N or 1, emb_channels] to the result."""
        norm, activation, conv = self.in_layers
        h = activation(norm(x))
        if self.resample is not None:
            h, x = self.resample(h), self.resample(x)
        h = conv(h)
        params = self.emb_layers(emb).to(h.dtype)[:, :, None, None]
        norm, activation, _, conv = self.out_layers
        if self.use_scale_shift_norm:
            scale, shift = params.chunk(2, dim=1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + params)
        return self.skip_connection(x) + conv(activation(h))


def attend(qkv: Tensor, num_heads: int, new_order: bool) -> Tensor:
    """Multi-head attention over the positions.

    Args:
        qkv: [N, 3 C, T]; the channels are ordered (head, q k v, channel), in the new order
            (q k v, head, channel).

    Returns:
        [N, C, T], the channels ordered (head, channel).
    """
    n, width, positions = qkv.shape
    order = (3, num_heads) if new_order else (num_heads, 3)
    qkv = qkv.reshape(n, *order, width // (3 * num_heads), positions)
    # The fused kernels need the channels last and dense; one copy serves all three.
    axes = (1, 0, 2, 4, 3) if new_order else (2, 0, 1, 4, 3)
    q, k, v = qkv.permute(axes).contiguous().unbind(0)
    # The releases scale q and k by the fourth root of the head's width, in their dtype; the
    # kernels scale the product, which they take the softmax of in float32.
    attended = F.scaled_dot_product_attention(q, k, v)
    return attended.transpose(2, 3).reshape(n, width // 3, positions)


class AttentionBlock(nn.Module):
    """Residual self-attention of the pixels.

    Args:
        channels: width of features and result.
        num_heads: heads, each of `channels / num_heads`.
        use_new_attention_order: see `attend`.

    Raises:
        ValueError: the channels do not divide into heads.
    """

    def __init__(
        self, channels: int, num_heads: int, use_new_attention_order: bool = False
    ) -> None:
        super().__init__()
        if num_heads < 1 or channels % num_heads:
            raise ValueError(f"{channels} channels do not divide into {num_heads} attention heads")
        self.num_heads, self.new_order = num_heads, use_new_attention_order
        self.norm = GroupNorm(channels)
        self.qkv = BareConv1d(channels, 3 * channels, 1)
        self.proj_out = BareConv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm(x).flatten(2))
        return x + self.proj_out(attend(qkv, self.num_heads, self.new_order)).view_as(x)


def dtype_of(module: nn.Module) -> torch.dtype:
    """That of a module's first parameter."""
    return next(module.parameters()).dtype


class LayerList(nn.ModuleList):
    """Layers in a row, of which the residual blocks also receive the embedding."""

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, emb) if isinstance(layer, ResBlock) else layer(x)
        return x
