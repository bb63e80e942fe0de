"""DdimUNet: the U-Net of the DDIM code base, in which DDIM-IP's CIFAR-10 model was trained.

Source: Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models", appendix B; Song, Meng &
Ermon 2021, "Denoising Diffusion Implicit Models", whose code base names and orders the parameters.
They are not initialised: weights come from a file. Dropout is the identity at inference.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samplebench.errors import InputError
from samplebench.networks.openai_layers import BareConv2d, BareLinear, Upsample, dtype_of
from samplebench.networks.trunk import Trunk

_CHANNELS = 3
# Key of a config -> the largest whole number it may be or hold.
_NUMBERS = {"image_size": 2048, "ch": 1024, "num_res_blocks": 16}
_LISTS = {"ch_mult": 16, "attn_resolutions": 2048}
_LEAST = 32  # channels: one per group of a norm
_LONGEST = 8


def ddim_unet(config: Mapping[str, Any]) -> DdimUNet:
    """The U-Net of a config in the code base's words, without weights.

    Args:
        config: image_size, ch, num_res_blocks, ch_mult and attn_resolutions; see `DdimUNet`. Other
            keys are ignored.

    Raises:
        InputError: a missing or impossible value.
    """
    found: dict[str, Any] = {}
    for key, most in {**_NUMBERS, **_LISTS}.items():
        if key not in config:
            raise InputError(f"ddim: the config lacks '{key}'")
        value, several = config[key], key in _LISTS
        entries = value if several and isinstance(value, list | tuple) else [value]
        fits = several == isinstance(value, list | tuple) and len(entries) <= _LONGEST
        if not fits or not all(type(n) is int and 1 <= n <= most for n in entries):
            kind = f"a list of up to {_LONGEST} whole numbers" if several else "a whole number"
            raise InputError(
                f"ddim: {key} is {reprlib.repr(value)}; it must be {kind} from 1 to {most}"
            )
        found[key] = value
    if not found["ch_mult"]:
        raise InputError("ddim: ch_mult has no entry")
    if found["ch"] % _LEAST:
        raise InputError(f"ddim: ch is {found['ch']}; it must be a multiple of {_LEAST}")
    halvings = len(found["ch_mult"]) - 1
    if found["image_size"] % 2**halvings:
        raise InputError(
            f"ddim: image_size {found['image_size']} cannot be halved {halvings} times, once per "
            "level of ch_mult after the first"
        )
    return DdimUNet(**found)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """Sines, then cosines of t at `dim // 2` frequencies from 1 to (inclusively) 1e-4.

    Args:
        t: time steps [N].
        dim: columns, even.

    Returns:
        [N, dim] in float32.
    """
    half = dim // 2
    k = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t.float()[:, None] * torch.exp(-math.log(10000) * k / (half - 1))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class DdimGroupNorm(nn.GroupNorm):
    """Group normalisation with 32 groups and epsilon 1e-6."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(32, num_channels, eps=1e-6)


class TimeEmbedding(nn.Module):
    """Sinusoids of the time steps [N, ch] to [N, 4 ch]."""

    def __init__(self, ch: int) -> None:
        super().__init__()
        self.ch = ch
        self.dense = nn.ModuleList([BareLinear(ch, 4 * ch), BareLinear(4 * ch, 4 * ch)])

    def forward(self, embedded: Tensor) -> Tensor:
        first, second = self.dense
        return second(F.silu(first(embedded)))


class ResnetBlock(nn.Module):
    """Residual block; the embedding is added between the convolutions.

    Args:
        in_channels, out_channels, emb_channels: widths of features, result and embedding.
    """

    def __init__(self, in_channels: int, out_channels: int, emb_channels: int) -> None:
        super().__init__()
        self.norm1 = DdimGroupNorm(in_channels)
        self.conv1 = BareConv2d(in_channels, out_channels, 3, padding=1)
        self.temb_proj = BareLinear(emb_channels, out_channels)
        self.norm2 = DdimGroupNorm(out_channels)
        self.conv2 = BareConv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.nin_shortcut = nn.Identity() if same else BareConv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, temb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.temb_proj(F.silu(temb)).to(h.dtype)[:, :, None, None]
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class DdimAttention(nn.Module):
    """Residual self-attention of the pixels, with one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = DdimGroupNorm(channels)
        self.q = BareConv2d(channels, channels, 1)
        self.k = BareConv2d(channels, channels, 1)
        self.v = BareConv2d(channels, channels, 1)
        self.proj_out = BareConv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        # [N, 1 head, H W, C] and dense, as the fused kernels need it.
        q, k, v = (
            project(h).flatten(2).transpose(1, 2).contiguous()[:, None]
            for project in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(q, k, v)[:, 0]
        return x + self.proj_out(attended.transpose(1, 2).reshape(x.shape))


class DdimDownsample(nn.Module):
    """Strided convolution to half the height and width, padded to the right and below only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = BareConv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class DdimLevel(nn.Module):
    """Residual blocks of one resolution, and the attention after each where there is some."""

    def __init__(self, widths: Sequence[int], channels: int, emb: int, attention: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(width, channels, emb) for width in widths)
        self.attn = nn.ModuleList(DdimAttention(channels) for _ in widths if attention)

    def _run(self, i: int, h: Tensor, temb: Tensor) -> Tensor:
        """Block `i` and its attention."""
        h = self.block[i](h, temb)
        return self.attn[i](h) if len(self.attn) else h


class Descent(DdimLevel):
    """A level of the descending half.

    Args:
        widths: channels that each block receives.
        channels, emb: widths of the result and of the embedding.
        attention: whether the level has it.
        last: whether the resolution stays.
    """

    def __init__(
        self, widths: Sequence[int], channels: int, emb: int, attention: bool, last: bool
    ) -> None:
        super().__init__(widths, channels, emb, attention)
        self.downsample = None if last else DdimDownsample(channels)

    def forward(self, h: Tensor, temb: Tensor) -> list[Tensor]:
        """The result of each block and of the halving; all are skips, the last one goes on."""
        found = []
        for i in range(len(self.block)):
            h = self._run(i, h, temb)
            found.append(h)
        if self.downsample is not None:
            found.append(self.downsample(h))
        return found


class Ascent(DdimLevel):
    """A level of the ascending half; arguments as of `Descent`."""

    def __init__(
        self, widths: Sequence[int], channels: int, emb: int, attention: bool, last: bool
    ) -> None:
        super().__init__(widths, channels, emb, attention)
        self.upsample = None if last else Upsample(channels)

    def forward(self, h: Tensor, temb: Tensor, skips: list[Tensor]) -> Tensor:
        """The level's result; each block takes the last of `skips` away."""
        for i in range(len(self.block)):
            h = self._run(i, torch.cat([h, skips.pop()], dim=1), temb)
        return h if self.upsample is None else self.upsample(h)


class Middle(nn.Module):
    """The lowest resolution: block, attention, block."""

    def __init__(self, channels: int, emb: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, emb)
        self.attn_1 = DdimAttention(channels)
        self.block_2 = ResnetBlock(channels, channels, emb)

    def forward(self, h: Tensor, temb: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(h, temb)), temb)


class DdimUNet(Trunk):
    """The noise that is in an image.

    Args:
        image_size: height and width R of the images, divisible by 2^(levels - 1).
        ch: base number of channels, a multiple of 32.
        num_res_blocks: blocks per level; the ascending half has one more.
        ch_mult: channels of each level in units of `ch`, finest first.
        attn_resolutions: heights at which every block is followed by self-attention.
    """

    in_channels = _CHANNELS
    halved = (BareConv2d, DdimGroupNorm)

    def __init__(
        self,
        image_size: int,
        ch: int,
        num_res_blocks: int,
        ch_mult: Sequence[int],
        attn_resolutions: Collection[int],
    ) -> None:
        super().__init__()
        self.image_size = image_size
        emb, last = 4 * ch, len(ch_mult) - 1
        attention = [image_size // 2**level in attn_resolutions for level in range(last + 1)]
        self.temb = TimeEmbedding(ch)
        self.conv_in = BareConv2d(_CHANNELS, ch, 3, padding=1)
        channels, skips = ch, [ch]
        self.down = nn.ModuleList()
        for level, mult in enumerate(ch_mult):
            width = mult * ch
            inputs = [channels] + [width] * (num_res_blocks - 1)
            self.down.append(Descent(inputs, width, emb, attention[level], level == last))
            skips += [width] * (num_res_blocks + (level < last))
            channels = width
        self.mid = Middle(channels, emb)
        self.up = nn.ModuleList()
        for level in reversed(range(last + 1)):
            width = ch_mult[level] * ch
            inputs = [channels] + [width] * num_res_blocks
            inputs = [n + skips.pop() for n in inputs]
            channels = width
            self.up.insert(0, Ascent(inputs, width, emb, attention[level], level == 0))
        self.norm_out = DdimGroupNorm(channels)
        self.conv_out = BareConv2d(channels, _CHANNELS, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The noise in x.

        Args:
            x: noisy images [N, 3, R, R].
            t: time steps [N or 1], 0 to T - 1.
            y: must be None: the network has no classes.

        Returns:
            [N, 3, R, R] in x's dtype.

        Raises:
            ValueError: labels are given.
        """
        if y is not None:
            raise ValueError("labels for an unconditional network")
        embedded = timestep_embedding(t, self.temb.ch).to(dtype_of(self.temb))
        return self.answer(x.to(dtype_of(self.conv_in)), embedded).to(x.dtype)

    def body(self, x: Tensor, embedded: Tensor) -> Tensor:
        temb = self.temb(embedded)
        skips = [self.conv_in(x)]
        for level in self.down:
            skips += level(skips[-1], temb)
        h = self.mid(skips[-1], temb)
        for level in reversed(self.up):
            h = level(h, temb, skips)
        return self.conv_out(F.silu(self.norm_out(h)))
