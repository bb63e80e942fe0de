"""EDM2's U-Net.

Source: Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models"
(arXiv 2312.02696), configuration G.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from samplebench.networks.edm2_layers import Edm2Block, MPConv, MPFourier, mp_cat, mp_silu, mp_sum
from samplebench.networks.trunk import Trunk


class Edm2UNet(Trunk):
    """U-Net of magnitude-preserving layers.

    Args:
        img_resolution: height and width R of the images, divisible by 2^(levels - 1).
        img_channels: of the images.
        label_dim: number of classes, 0 for none.
        model_channels: base number of channels.
        channel_mult: channels of each level in units of `model_channels`, finest first.
        channel_mult_noise: features of the noise level in these units; None: as the finest level.
        channel_mult_emb: channels of the embedding in these units; None: as the widest level.
        num_blocks: blocks per level; the decoder has one more.
        attn_resolutions: resolutions with self-attention.
        label_balance: share of the class in the embedding.
        concat_balance: share of a skip connection.
        resample_filter, channels_per_head, res_balance, attn_balance, clip_act: of every block,
            see `Edm2Block`.
        dropout: named by released files, without effect at inference.

    Raises:
        ValueError: widths that do not fit together.
    """

    def __init__(
        self,
        img_resolution: int,
        img_channels: int,
        label_dim: int = 0,
        model_channels: int = 192,
        channel_mult: Sequence[int] = (1, 2, 3, 4),
        channel_mult_noise: int | None = None,
        channel_mult_emb: int | None = None,
        num_blocks: int = 3,
        attn_resolutions: Sequence[int] = (16, 8),
        label_balance: float = 0.5,
        concat_balance: float = 0.5,
        resample_filter: Sequence[float] = (1, 1),
        channels_per_head: int = 64,
        res_balance: float = 0.3,
        attn_balance: float = 0.3,
        clip_act: float | None = 256,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.label_balance, self.concat_balance = label_balance, concat_balance
        widths = [model_channels * mult for mult in channel_mult]
        noise = model_channels * channel_mult_noise if channel_mult_noise else widths[0]
        emb = model_channels * channel_mult_emb if channel_mult_emb else max(widths)
        block = partial(
            Edm2Block,
            emb_channels=emb,
            resample_filter=resample_filter,
            channels_per_head=channels_per_head,
            res_balance=res_balance,
            attn_balance=attn_balance,
            clip_act=clip_act,
        )
        self.out_gain = nn.Parameter(torch.empty([]))
        self.emb_fourier = MPFourier(noise)
        self.emb_noise = MPConv(noise, emb)
        self.emb_label = MPConv(label_dim, emb) if label_dim else None

        self.enc = nn.ModuleDict()
        channels, skips = widths[0], []
        for level, width in enumerate(widths):
            res = img_resolution >> level
            if level == 0:
                # One channel more, of ones, stands for a bias.
                self.enc[f"{res}x{res}_conv"] = MPConv(img_channels + 1, channels, 3)
            else:
                down = block(channels, channels, flavor="enc", resample_mode="down")
                self.enc[f"{res}x{res}_down"] = down
            skips.append(channels)
            for i in range(num_blocks):
                found = block(channels, width, flavor="enc", attention=res in attn_resolutions)
                self.enc[f"{res}x{res}_block{i}"] = found
                channels = width
                skips.append(channels)

        self.dec = nn.ModuleDict()
        for level, width in reversed(list(enumerate(widths))):
            res = img_resolution >> level
            if level == len(widths) - 1:
                first = block(channels, channels, flavor="dec", attention=True)
                self.dec[f"{res}x{res}_in0"] = first
                self.dec[f"{res}x{res}_in1"] = block(channels, channels, flavor="dec")
            else:
                up = block(channels, channels, flavor="dec", resample_mode="up")
                self.dec[f"{res}x{res}_up"] = up
            for i in range(num_blocks + 1):
                both = channels + skips.pop()
                found = block(both, width, flavor="dec", attention=res in attn_resolutions)
                self.dec[f"{res}x{res}_block{i}"] = found
                channels = width
        self.out_conv = MPConv(channels, img_channels, 3)

    def forward(
        self, x: Tensor, noise_labels: Tensor, class_labels: Tensor | None = None
    ) -> Tensor:
        """The network's output F.

        Args:
            x: scaled noisy images [N, img_channels, R, R]; its dtype is that of the whole U-Net,
                the embedding excepted.
            noise_labels: c_noise, float32 [N or 1].
            class_labels: one-hot rows, float32 [N or 1, label_dim]; None where label_dim is 0.

        Returns:
            [N, img_channels, R, R] in x's dtype.
        """
        return self.answer(x, self.emb_fourier(noise_labels), class_labels)

    def body(self, x: Tensor, noise: Tensor, class_labels: Tensor | None) -> Tensor:
        emb = self.emb_noise(noise)
        if self.emb_label is not None:
            assert class_labels is not None
            # A one-hot row has the magnitude 1/sqrt(label_dim).
            label = self.emb_label(class_labels * math.sqrt(class_labels.shape[1]))
            emb = mp_sum(emb, label, self.label_balance)
        emb = mp_silu(emb)

        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Edm2Block) else layer(x)
            skips.append(x)
        for name, layer in self.dec.items():
            if "block" in name:
                x = mp_cat(x, skips.pop(), self.concat_balance)
            x = layer(x, emb)
        return self.out_conv(x, gain=self.out_gain)

    def _narrow(self, dtype: torch.dtype) -> None:
        # Weights do not change any more: what every call would make of them is made once.
        gains = {id(b.emb_linear): b.emb_gain for b in self.modules() if isinstance(b, Edm2Block)}
        gains[id(self.out_conv)] = self.out_gain
        for layer in self.modules():
            if isinstance(layer, MPConv):
                layer.fix(dtype, gains.get(id(layer), 1.0))
