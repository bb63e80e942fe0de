"""The layers of EDM's U-Nets: convolution with resampling, U-Net block, noise embeddings.

Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
appendix F.2; the parameters are named and ordered as in the released files. Parameters in another
dtype than an activation's are cast to it where they meet it. They are not initialised: weights come
from a file. Dropout is the identity at inference and has no module here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EdmLinear(nn.Module):
    """y = x W^T + b on [N, in_features]."""

    bias: nn.Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_features)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.linear(x, self.weight.to(x.dtype), bias)


class EdmGroupNorm(nn.Module):
    """Group normalisation with at least 4 channels per group and at most 32 groups.

    Raises:
        ValueError: the channels do not divide into the groups.
    """

    def __init__(self, num_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_groups, self.eps = min(32, num_channels // 4), eps
        if self.num_groups < 1 or num_channels % self.num_groups:
            raise ValueError(f"{num_channels} channels do not divide into groups of 4 or more")
        self.weight = nn.Parameter(torch.empty(num_channels))
        self.bias = nn.Parameter(torch.empty(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.group_norm(x, self.num_groups, weight, bias, self.eps)


class EdmConv2d(nn.Module):
    """Convolution, preceded by doubling or halving the resolution with a separable filter.

    Args:
        in_channels, out_channels: equal where `kernel` is 0.
        kernel: 3 or 1 with zero padding; 0 resamples only and has no weight.
        up, down: double or halve height and width first.
        resample_filter: taps of the filter, an even number; their sum is normalised.
        fused_resample: when halving, convolve at full resolution before the filter, so that the
            border is padded once. When doubling, pad once as well.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        up: bool = False,
        down: bool = False,
        resample_filter: Sequence[float] = (1, 1),
        fused_resample: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.up, self.down, self.fused_resample = up, down, fused_resample
        shape = (out_channels, in_channels, kernel, kernel)
        self.register_parameter("weight", nn.Parameter(torch.empty(shape)) if kernel else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if kernel else None)
        taps = torch.tensor(resample_filter, dtype=torch.float32)
        self.register_buffer(
            "resample_filter",
            (taps.outer(taps) / taps.sum().square())[None, None] if up or down else None,
        )
        self.kernel_padding = kernel // 2
        self.filter_padding = (len(resample_filter) - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] to [N, out_channels, H', W']."""
        k, p = self.kernel_padding, self.filter_padding
        if self.fused_resample and self.down:
            x = self._halve(self._convolve(x, k + p), 0)
        elif self.fused_resample and self.up:
            x = self._convolve(self._double(x, max(p - k, 0)), max(k - p, 0))
        else:
            if self.up:
                x = self._double(x, p)
            if self.down:
                x = self._halve(x, p)
            x = self._convolve(x, k)
        if self.bias is not None:
            # In place: x is the convolution's own output.
            x = x.add_(self.bias.to(x.dtype)[:, None, None])
        return x

    def _convolve(self, x: Tensor, padding: int) -> Tensor:
        if self.weight is None:
            return x
        return F.conv2d(x, self.weight.to(x.dtype), padding=padding)

    def _double(self, x: Tensor, padding: int) -> Tensor:
        taps = (self.resample_filter * 4).to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv_transpose2d(x, taps, stride=2, padding=padding, groups=x.shape[1])

    def _halve(self, x: Tensor, padding: int) -> Tensor:
        taps = self.resample_filter.to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv2d(x, taps, stride=2, padding=padding, groups=x.shape[1])


class UNetBlock(nn.Module):
    """Residual block conditioned on the noise level, with optional resampling and self-attention.

    Args:
        in_channels, out_channels, emb_channels: channels of input, output and embedding.
        up, down: double or halve height and width.
        attention: self-attention over the pixels at the end.
        num_heads: heads of the attention; None: one per `channels_per_head` output channels, so
            that narrower blocks have no attention at all.
        skip_scale: factor on the sum after each residual branch.
        eps: of the group norms.
        resample_filter: see `EdmConv2d`.
        resample_proj: whether a resampling shortcut also has a 1x1 kernel where the number of
            channels stays the same.
        adaptive_scale: the embedding scales and shifts the normalised features; False: it is
            added before the norm.

    Raises:
        ValueError: the channels do not divide into heads.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        emb_channels: int,
        up: bool = False,
        down: bool = False,
        attention: bool = False,
        num_heads: int | None = None,
        channels_per_head: int = 64,
        skip_scale: float = 1.0,
        eps: float = 1e-5,
        resample_filter: Sequence[float] = (1, 1),
        resample_proj: bool = False,
        adaptive_scale: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.skip_scale, self.adaptive_scale = skip_scale, adaptive_scale
        heads = out_channels // channels_per_head if num_heads is None else num_heads
        self.num_heads = heads if attention else 0
        if self.num_heads and out_channels % self.num_heads:
            raise ValueError(f"{out_channels} channels do not divide into {heads} attention heads")

        resampling = partial(EdmConv2d, up=up, down=down, resample_filter=resample_filter)
        self.norm0 = EdmGroupNorm(in_channels, eps)
        self.conv0 = resampling(in_channels, out_channels, 3)
        self.affine = EdmLinear(emb_channels, out_channels * (2 if adaptive_scale else 1))
        self.norm1 = EdmGroupNorm(out_channels, eps)
        self.conv1 = EdmConv2d(out_channels, out_channels, 3)
        self.skip: EdmConv2d | None = None
        if out_channels != in_channels or up or down:
            kernel = 1 if resample_proj or out_channels != in_channels else 0
            self.skip = resampling(in_channels, out_channels, kernel)
        if self.num_heads:
            self.norm2 = EdmGroupNorm(out_channels, eps)
            self.qkv = EdmConv2d(out_channels, 3 * out_channels, 1)
            self.proj = EdmConv2d(out_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Features [N, in_channels, H, W] and embedding [N or 1, emb_channels] to the output."""
        h = self.conv0(F.silu(self.norm0(x)))
        params = self.affine(emb).to(x.dtype)[:, :, None, None]
        if self.adaptive_scale:
            scale, shift = params.chunk(2, dim=1)
            h = F.silu(torch.addcmul(shift, self.norm1(h), scale + 1))
        else:
            h = F.silu(self.norm1(h + params))
        h = self.conv1(h)
        h = (h + (x if self.skip is None else self.skip(x))) * self.skip_scale
        if self.num_heads:
            # h first: the sum keeps h's memory format, the attention may return another.
            h = (h + self.proj(self._attend(self.qkv(self.norm2(h))))) * self.skip_scale
        return h

    def _attend(self, qkv: Tensor) -> Tensor:
        """Attention of pixels; channels are ordered (head, channel, q k v) with q k v fastest."""
        n, _, height, width = qkv.shape
        channels = self.out_channels // self.num_heads
        qkv = qkv.reshape(n, self.num_heads, channels, 3, height * width)
        # The fused kernels need the channels last and dense; one copy serves all three.
        q, k, v = qkv.permute(3, 0, 1, 4, 2).contiguous().unbind(0)
        # The releases divide k by sqrt(channels) in the activation's dtype, take the softmax in
        # float32 and round the weights to that dtype. The fused kernels scale the float32 product
        # instead: in float16 the same wherever sqrt(channels) is a power of two, as in all
        # released networks, short of numbers below float16's normal range. They also normalise
        # after the product with v, so the rounding of the weights differs in its last bit.
        attended = F.scaled_dot_product_attention(q, k, v)
        return attended.transpose(2, 3).reshape(n, self.out_channels, height, width)


class PositionalEmbedding(nn.Module):
    """Sinusoids of geometrically spaced frequencies, from 1 to (endpoint: exactly) 1e-4.

    Raises:
        ValueError: an odd number of channels, or too few of them.
    """

    def __init__(self, num_channels: int, endpoint: bool = False) -> None:
        super().__init__()
        if num_channels % 2 or num_channels < 4:
            raise ValueError(f"a noise embedding of {num_channels} channels; it needs 4, 6, 8 ...")
        self.num_frequencies, self.endpoint = num_channels // 2, endpoint

    def forward(self, x: Tensor) -> Tensor:
        """Noise labels [N] to [cos, sin] side by side, [N, num_channels]."""
        exponents = torch.arange(self.num_frequencies, dtype=torch.float32, device=x.device)
        frequencies = (1 / 10000) ** (exponents / (self.num_frequencies - self.endpoint))
        angles = x.outer(frequencies.to(x.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class FourierEmbedding(nn.Module):
    """Sinusoids of random frequencies, which the file holds.

    Raises:
        ValueError: an odd number of channels.
    """

    freqs: Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        if num_channels % 2:
            raise ValueError(f"a noise embedding of {num_channels} channels; it needs 2, 4, 6 ...")
        self.register_buffer("freqs", torch.empty(num_channels // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Noise labels [N] to [cos, sin] side by side, [N, num_channels]."""
        # Angles reach 1e3: 2 pi times the frequency is rounded first, as where they were trained.
        angles = x.outer((2 * math.pi * self.freqs).to(x.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)
