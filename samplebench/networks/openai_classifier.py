"""EncoderUNetModel: guided-diffusion's classifiers of noisy images.

Source: Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", section 4 and
appendix I; the attention pool follows Radford et al. 2021, "Learning Transferable Visual Models
From Natural Language Supervision", section 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from samplebench.networks.openai_layers import BareConv1d, GroupNorm, attend, dtype_of
from samplebench.networks.openai_unet import Encoder


class AttentionPool(nn.Module):
    """Attention of the pixels' mean to itself and the pixels.

    Args:
        image_size: height and width S of the features.
        channels, out_channels: widths of features and result.
        num_head_channels: channels per head.

    Raises:
        ValueError: the channels do not divide into heads.
    """

    def __init__(
        self, image_size: int, channels: int, num_head_channels: int, out_channels: int
    ) -> None:
        super().__init__()
        if num_head_channels < 1 or channels % num_head_channels:
            raise ValueError(
                f"the attention pool's {channels} channels do not divide into heads of "
                f"num_head_channels = {num_head_channels}"
            )
        self.num_heads = channels // num_head_channels
        self.positional_embedding = nn.Parameter(torch.empty(channels, image_size**2 + 1))
        self.qkv_proj = BareConv1d(channels, 3 * channels, 1)
        self.c_proj = BareConv1d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features [N, channels, S, S] to [N, out_channels]."""
        x = x.flatten(2)
        x = torch.cat([x.mean(2, keepdim=True), x], dim=2) + self.positional_embedding
        # In the new order whatever the blocks before it have.
        return self.c_proj(attend(self.qkv_proj(x), self.num_heads, new_order=True))[:, :, 0]


class EncoderUNetModel(Encoder):
    """Class logits of a noisy image.

    Args:
        image_size: height and width R of the images, the only ones it can classify.
        out_channels: number of classes.
        others: see `UNetModel`.

    Raises:
        ValueError: widths that do not fit together.
    """

    def __init__(
        self,
        image_size: int,
        in_channels: int,
        model_channels: int,
        out_channels: int,
        num_res_blocks: int,
        attention_resolutions: Collection[int],
        channel_mult: Sequence[float],
        num_heads: int = 1,
        num_head_channels: int = -1,
        use_scale_shift_norm: bool = False,
        resblock_updown: bool = False,
        use_new_attention_order: bool = False,
    ) -> None:
        super().__init__(
            image_size,
            in_channels,
            model_channels,
            num_res_blocks,
            attention_resolutions,
            channel_mult,
            None,
            num_heads,
            num_head_channels,
            use_scale_shift_norm,
            resblock_updown,
            use_new_attention_order,
        )
        self.out_channels = out_channels
        coarsest = image_size >> (len(channel_mult) - 1)
        self.out = nn.Sequential(
            GroupNorm(self._channels),
            nn.SiLU(),
            AttentionPool(coarsest, self._channels, num_head_channels, out_channels),
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The logits.

        Args:
            x: noisy images [N, in_channels, R, R].
            t: time steps [N or 1], those that the diffusion network receives.

        Returns:
            [N, out_channels] in x's dtype.
        """
        _, found = self._encode(x, self._sinusoids(t, None), None)
        return self.out(found[-1].to(dtype_of(self.out))).to(x.dtype)
