"""The magnitude-preserving layers of EDM2's U-Net.

Source: Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models"
(arXiv 2312.02696), in the form of its configuration G; the parameters are named and ordered as in
the released files. Weights stay as a file stores them, normalised at every call; no layer has a
bias. They are not initialised: weights come from a file. Dropout is the identity at inference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-4  # beside a root mean square of 1
_SILU_GAIN = 0.596  # root mean square of silu(n), n unit normal


def unit_magnitude(x: Tensor, axes: Sequence[int]) -> Tensor:
    """x divided by 1e-4 plus its root mean square over `axes`, which is formed in float32."""
    return x / _magnitude(x, axes).to(x.dtype)


def _magnitude(x: Tensor, axes: Sequence[int]) -> Tensor:
    norm = torch.linalg.vector_norm(x, dim=list(axes), keepdim=True, dtype=torch.float32)
    return norm * math.sqrt(norm.numel() / x.numel()) + _EPS


def mp_silu(x: Tensor) -> Tensor:
    """silu, scaled to keep the magnitude of normal values."""
    return F.silu(x) / _SILU_GAIN


def mp_sum(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """(1 - weight) a + weight b, scaled to keep the magnitude of independent summands."""
    return a.lerp(b, weight) / math.hypot(1 - weight, weight)


def mp_cat(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """Channels of a and of b, [N, Ca + Cb, H, W]; b's share of the magnitude is `weight`."""
    own, other = a.shape[1], b.shape[1]
    scale = math.sqrt((own + other) / ((1 - weight) ** 2 + weight**2))
    parts = [a * (scale * (1 - weight) / own**0.5), b * (scale * weight / other**0.5)]
    return torch.cat(parts, dim=1)


def resample(x: Tensor, taps: Sequence[float], mode: str) -> Tensor:
    """Halves ("down") or doubles ("up") height and width, or keeps them ("keep").

    Args:
        x: [N, C, H, W].
        taps: of the separable filter, an even number; their sum is normalised.
        mode: as above.
    """
    if mode == "keep":
        return x
    line = torch.tensor(taps, dtype=torch.float32, device=x.device)
    plane = line.outer(line) / line.sum().square()
    kernel = (plane if mode == "down" else 4 * plane).to(x.dtype).expand(x.shape[1], 1, -1, -1)
    resize = F.conv2d if mode == "down" else F.conv_transpose2d
    return resize(x, kernel, stride=2, padding=(len(taps) - 1) // 2, groups=x.shape[1])


class MPFourier(nn.Module):
    """Cosines of fixed random frequencies and phases, which the file holds."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", torch.empty(num_channels))
        self.register_buffer("phases", torch.empty(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Noise labels [N] to features of unit magnitude, float32 [N, num_channels]."""
        angles = x.float().outer(self.freqs.float()) + self.phases.float()
        return angles.cos() * math.sqrt(2)


class MPConv(nn.Module):
    """Convolution, or a fully connected layer where `kernel` is 0, each filter of unit norm.

    Attributes:
        fixed: whether the weights are the normalised ones already.
    """

    fixed = False

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 0) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        shape = (
            (out_channels, in_channels, kernel, kernel) if kernel else (out_channels, in_channels)
        )
        self.weight = nn.Parameter(torch.empty(shape))

    def forward(self, x: Tensor, gain: float | Tensor = 1.0) -> Tensor:
        """[N, in_channels, H, W] to [N, out_channels, H, W], or [N, in] to [N, out].

        `gain` multiplies each filter; a tensor [] is divided in its own dtype, whose rounding is
        part of a released network. Filters that are fixed have theirs.
        """
        weight = (self.weight if self.fixed else self._filters(gain)).to(x.dtype)
        if weight.ndim == 2:
            return F.linear(x, weight)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def _filters(self, gain: float | Tensor) -> Tensor:
        # In place, on a copy: all weights are gone through at every call.
        weight = self.weight.to(torch.float32, copy=True)
        weight.div_(_magnitude(weight, range(1, weight.ndim)))
        return weight.mul_(gain / math.sqrt(weight[0].numel()))

    def fix(self, dtype: torch.dtype, gain: float | Tensor = 1.0) -> None:
        """Makes the weights the normalised ones with their gain, cast once and for all.

        Convolutions get the precision, channels last; fully connected layers, which only the
        embedding has, stay in float32.
        """
        weight = self._filters(gain)
        if weight.ndim == 4:
            weight = weight.to(dtype, memory_format=torch.channels_last)
        self.weight, self.fixed = nn.Parameter(weight, requires_grad=False), True


class Edm2Block(nn.Module):
    """Residual block conditioned on the noise level, with optional resampling and self-attention.

    Args:
        in_channels, out_channels, emb_channels: channels of input, output and embedding.
        flavor: "enc" normalises its input's pixels, "dec" does not.
        resample_mode: "keep", "up" or "down": of height and width, first.
        attention: self-attention over the pixels at the end.
        resample_filter: see `resample`.
        channels_per_head: of the attention; narrower blocks have none at all.
        res_balance, attn_balance: share of the residual branch, and of the attention.
        clip_act: bound of the output's magnitude, None for no bound.

    Raises:
        ValueError: the channels do not divide into heads.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        emb_channels: int,
        flavor: str,
        resample_mode: str = "keep",
        attention: bool = False,
        resample_filter: Sequence[float] = (1, 1),
        channels_per_head: int = 64,
        res_balance: float = 0.3,
        attn_balance: float = 0.3,
        clip_act: float | None = 256,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.encodes, self.resample_mode = flavor == "enc", resample_mode
        self.resample_filter, self.clip_act = tuple(resample_filter), clip_act
        self.res_balance, self.attn_balance = res_balance, attn_balance
        self.num_heads = out_channels // channels_per_head if attention else 0
        if self.num_heads and out_channels % self.num_heads:
            heads = self.num_heads
            raise ValueError(f"{out_channels} channels do not divide into {heads} attention heads")

        self.emb_gain = nn.Parameter(torch.empty([]))
        self.conv_res0 = MPConv(out_channels if self.encodes else in_channels, out_channels, 3)
        self.emb_linear = MPConv(emb_channels, out_channels)
        self.conv_res1 = MPConv(out_channels, out_channels, 3)
        self.conv_skip: MPConv | None = None
        if in_channels != out_channels:
            self.conv_skip = MPConv(in_channels, out_channels, 1)
        if self.num_heads:
            self.attn_qkv = MPConv(out_channels, 3 * out_channels, 1)
            self.attn_proj = MPConv(out_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """Features [N, in_channels, H, W] and embedding [N or 1, emb_channels] to the output."""
        x = resample(x, self.resample_filter, self.resample_mode)
        if self.encodes:
            x = unit_magnitude(self._skip(x), (1,))
        y = self.conv_res0(mp_silu(x))
        scale = (self.emb_linear(emb, gain=self.emb_gain) + 1).to(y.dtype)
        y = self.conv_res1(mp_silu(y * scale[:, :, None, None]))
        x = mp_sum(x if self.encodes else self._skip(x), y, self.res_balance)
        if self.num_heads:
            x = mp_sum(x, self.attn_proj(self._attend(self.attn_qkv(x))), self.attn_balance)
        return x if self.clip_act is None else x.clip(-self.clip_act, self.clip_act)

    def _skip(self, x: Tensor) -> Tensor:
        return x if self.conv_skip is None else self.conv_skip(x)

    def _attend(self, qkv: Tensor) -> Tensor:
        """Attention of pixels; channels are ordered (head, channel, q k v) with q k v fastest."""
        n, _, height, width = qkv.shape
        channels = self.out_channels // self.num_heads
        qkv = qkv.reshape(n, self.num_heads, channels, 3, height * width)
        # The fused kernels need the channels last and dense; one copy serves all three.
        q, k, v = unit_magnitude(qkv, (2,)).permute(3, 0, 1, 4, 2).contiguous().unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v)
        return attended.transpose(2, 3).reshape(n, self.out_channels, height, width)
