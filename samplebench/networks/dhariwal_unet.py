"""DhariwalUNet: the ADM architecture as EDM's checkpoints hold it.

Source: Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", in the form of
Karras et al. 2022, appendix F.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samplebench.networks.edm_layers import (
    EdmConv2d,
    EdmGroupNorm,
    EdmLinear,
    PositionalEmbedding,
    UNetBlock,
)
from samplebench.networks.trunk import Trunk


class DhariwalUNet(Trunk):
    """U-Net of ADM: scale-shift conditioning, 64 channels per attention head.

    Args:
        img_resolution: height and width R of the images, divisible by 2^(levels - 1).
        in_channels, out_channels: channels of input and output images.
        label_dim: number of classes, 0 for none.
        augment_dim: length of the augmentation labels, 0 for none.
        model_channels: base number of channels.
        channel_mult: channels of each level in units of `model_channels`, finest first.
        channel_mult_emb: channels of the embedding in units of `model_channels`.
        num_blocks: blocks per level; the decoder has one more.
        attn_resolutions: resolutions with self-attention.
        dropout, label_dropout: named by released files, without effect at inference.

    Raises:
        ValueError: widths that do not fit together.
    """

    halved = (EdmConv2d, EdmGroupNorm)

    def __init__(
        self,
        img_resolution: int,
        in_channels: int,
        out_channels: int,
        label_dim: int = 0,
        augment_dim: int = 0,
        model_channels: int = 192,
        channel_mult: Sequence[int] = (1, 2, 3, 4),
        channel_mult_emb: int = 4,
        num_blocks: int = 3,
        attn_resolutions: Sequence[int] = (32, 16, 8),
        dropout: float = 0.10,
        label_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        emb = model_channels * channel_mult_emb
        self.map_noise = PositionalEmbedding(model_channels)
        self.map_augment = (
            EdmLinear(augment_dim, model_channels, bias=False) if augment_dim else None
        )
        self.map_layer0 = EdmLinear(model_channels, emb)
        self.map_layer1 = EdmLinear(emb, emb)
        self.map_label = EdmLinear(label_dim, emb, bias=False) if label_dim else None

        self.enc = nn.ModuleDict()
        channels, skips = model_channels * channel_mult[0], []
        for level, mult in enumerate(channel_mult):
            res = img_resolution >> level
            name = f"{res}x{res}"
            if level == 0:
                self.enc[f"{name}_conv"] = EdmConv2d(in_channels, channels, 3)
            else:
                self.enc[f"{name}_down"] = UNetBlock(channels, channels, emb, down=True)
            skips.append(channels)
            for i in range(num_blocks):
                width = model_channels * mult
                self.enc[f"{name}_block{i}"] = UNetBlock(
                    channels, width, emb, attention=res in attn_resolutions
                )
                channels = width
                skips.append(channels)

        self.dec = nn.ModuleDict()
        for level, mult in reversed(list(enumerate(channel_mult))):
            res = img_resolution >> level
            name = f"{res}x{res}"
            if level == len(channel_mult) - 1:
                self.dec[f"{name}_in0"] = UNetBlock(channels, channels, emb, attention=True)
                self.dec[f"{name}_in1"] = UNetBlock(channels, channels, emb)
            else:
                self.dec[f"{name}_up"] = UNetBlock(channels, channels, emb, up=True)
            for i in range(num_blocks + 1):
                width = model_channels * mult
                self.dec[f"{name}_block{i}"] = UNetBlock(
                    channels + skips.pop(), width, emb, attention=res in attn_resolutions
                )
                channels = width
        self.out_norm = EdmGroupNorm(channels)
        self.out_conv = EdmConv2d(channels, out_channels, 3)

    def forward(
        self,
        x: Tensor,
        noise_labels: Tensor,
        class_labels: Tensor | None = None,
        augment_labels: Tensor | None = None,
    ) -> Tensor:
        """The network's output F.

        Args:
            x: scaled noisy images [N, in_channels, R, R]; its dtype is that of the whole U-Net.
            noise_labels: c_noise, float32 [N or 1].
            class_labels: one-hot rows, float32 [N or 1, label_dim]; None where label_dim is 0.
            augment_labels: [N, augment_dim], None for images that were not augmented.

        Returns:
            [N, out_channels, R, R] in x's dtype.
        """
        return self.answer(x, self.map_noise(noise_labels), class_labels, augment_labels)

    def body(
        self,
        x: Tensor,
        emb: Tensor,
        class_labels: Tensor | None,
        augment_labels: Tensor | None,
    ) -> Tensor:
        if self.map_augment is not None and augment_labels is not None:
            emb = emb + self.map_augment(augment_labels.to(emb.dtype))
        emb = self.map_layer1(F.silu(self.map_layer0(emb)))
        if self.map_label is not None:
            emb = emb + self.map_label(class_labels)
        emb = F.silu(emb)

        skips = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, UNetBlock) else layer(x)
            skips.append(x)
        for layer in self.dec.values():
            if x.shape[1] != layer.in_channels:
                x = torch.cat([x, skips.pop()], dim=1)
            x = layer(x, emb)
        return self.out_conv(F.silu(self.out_norm(x)))
