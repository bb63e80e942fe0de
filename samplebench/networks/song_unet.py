"""SongUNet: the DDPM++ and NCSN++ architectures as EDM's checkpoints hold them.

Source: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", appendix H, in the form of Karras et al. 2022, appendix F.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samplebench.networks.edm_layers import (
    EdmConv2d,
    EdmGroupNorm,
    EdmLinear,
    FourierEmbedding,
    PositionalEmbedding,
    UNetBlock,
)
from samplebench.networks.trunk import Trunk


class SongUNet(Trunk):
    """U-Net of DDPM++ (the defaults) and NCSN++ (fourier, residual, [1, 3, 3, 1]).

    Args:
        img_resolution: height and width R of the images, divisible by 2^(levels - 1).
        in_channels, out_channels: channels of input and output images.
        label_dim: number of classes, 0 for none.
        augment_dim: length of the augmentation labels, 0 for none.
        model_channels: base number of channels.
        channel_mult: channels of each level in units of `model_channels`, finest first.
        channel_mult_emb, channel_mult_noise: channels of the embedding and of the noise features,
            in units of `model_channels`.
        num_blocks: blocks per level; the decoder has one more.
        attn_resolutions: resolutions with self-attention.
        dropout, label_dropout: named by released files, without effect at inference.
        embedding_type: "positional" (DDPM++) or "fourier" (NCSN++).
        encoder_type: "standard" (DDPM++), "residual" (NCSN++) or "skip".
        decoder_type: "standard" or "skip".
        resample_filter: taps, [1, 1] (DDPM++) or [1, 3, 3, 1] (NCSN++).

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
        model_channels: int = 128,
        channel_mult: Sequence[int] = (1, 2, 2, 2),
        channel_mult_emb: int = 4,
        num_blocks: int = 4,
        attn_resolutions: Sequence[int] = (16,),
        dropout: float = 0.10,
        label_dropout: float = 0.0,
        embedding_type: str = "positional",
        channel_mult_noise: int = 1,
        encoder_type: str = "standard",
        decoder_type: str = "standard",
        resample_filter: Sequence[float] = (1, 1),
    ) -> None:
        super().__init__()
        self.label_dim = label_dim
        emb, noise = model_channels * channel_mult_emb, model_channels * channel_mult_noise
        self.map_noise = (
            FourierEmbedding(noise)
            if embedding_type == "fourier"
            else PositionalEmbedding(noise, endpoint=True)
        )
        self.map_label = EdmLinear(label_dim, noise) if label_dim else None
        self.map_augment = EdmLinear(augment_dim, noise, bias=False) if augment_dim else None
        self.map_layer0 = EdmLinear(noise, emb)
        self.map_layer1 = EdmLinear(emb, emb)

        def block(
            cin: int, cout: int, up: bool = False, down: bool = False, attn: bool = False
        ) -> UNetBlock:
            return UNetBlock(
                cin,
                cout,
                emb,
                up=up,
                down=down,
                attention=attn,
                num_heads=1,
                skip_scale=math.sqrt(0.5),
                eps=1e-6,
                resample_filter=resample_filter,
                resample_proj=True,
                adaptive_scale=False,
            )

        self.enc = nn.ModuleDict()
        channels, aux, skips = model_channels, in_channels, []
        for level, mult in enumerate(channel_mult):
            res = img_resolution >> level
            name = f"{res}x{res}"
            if level == 0:
                self.enc[f"{name}_conv"] = EdmConv2d(in_channels, channels, 3)
            else:
                self.enc[f"{name}_down"] = block(channels, channels, down=True)
                if encoder_type == "skip":
                    self.enc[f"{name}_aux_down"] = EdmConv2d(
                        aux, aux, 0, down=True, resample_filter=resample_filter
                    )
                    self.enc[f"{name}_aux_skip"] = EdmConv2d(aux, channels, 1)
                if encoder_type == "residual":
                    self.enc[f"{name}_aux_residual"] = EdmConv2d(
                        aux,
                        channels,
                        3,
                        down=True,
                        resample_filter=resample_filter,
                        fused_resample=True,
                    )
                    aux = channels
            skips.append(channels)
            for i in range(num_blocks):
                width = model_channels * mult
                self.enc[f"{name}_block{i}"] = block(channels, width, attn=res in attn_resolutions)
                channels = width
                skips.append(channels)

        self.dec = nn.ModuleDict()
        lowest = len(channel_mult) - 1
        for level, mult in reversed(list(enumerate(channel_mult))):
            res = img_resolution >> level
            name = f"{res}x{res}"
            if level == lowest:
                self.dec[f"{name}_in0"] = block(channels, channels, attn=True)
                self.dec[f"{name}_in1"] = block(channels, channels)
            else:
                self.dec[f"{name}_up"] = block(channels, channels, up=True)
            for i in range(num_blocks + 1):
                width = model_channels * mult
                self.dec[f"{name}_block{i}"] = block(
                    channels + skips.pop(),
                    width,
                    attn=i == num_blocks and res in attn_resolutions,
                )
                channels = width
            if decoder_type == "skip" or level == 0:
                if decoder_type == "skip" and level < lowest:
                    self.dec[f"{name}_aux_up"] = EdmConv2d(
                        out_channels, out_channels, 0, up=True, resample_filter=resample_filter
                    )
                self.dec[f"{name}_aux_norm"] = EdmGroupNorm(channels, 1e-6)
                self.dec[f"{name}_aux_conv"] = EdmConv2d(channels, out_channels, 3)

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
        noise: Tensor,
        class_labels: Tensor | None,
        augment_labels: Tensor | None,
    ) -> Tensor:
        emb = self._embed(noise, class_labels, augment_labels)
        x, skips = self._encode(x, emb)
        return self._decode(x, skips, emb)

    def _embed(
        self, noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None
    ) -> Tensor:
        cos, sin = noise.chunk(2, dim=1)
        emb = torch.cat([sin, cos], dim=1)
        if self.map_label is not None:
            assert class_labels is not None
            emb = emb + self.map_label(class_labels * math.sqrt(self.label_dim))
        if self.map_augment is not None and augment_labels is not None:
            emb = emb + self.map_augment(augment_labels.to(emb.dtype))
        return F.silu(self.map_layer1(F.silu(self.map_layer0(emb))))

    def _encode(self, x: Tensor, emb: Tensor) -> tuple[Tensor, list[Tensor]]:
        aux = x
        skips: list[Tensor] = []
        for name, layer in self.enc.items():
            if name.endswith("aux_down"):
                aux = layer(aux)
            elif name.endswith("aux_skip"):
                x = skips[-1] = x + layer(aux)
            elif name.endswith("aux_residual"):
                x = skips[-1] = aux = (x + layer(aux)) / math.sqrt(2)
            else:
                x = layer(x, emb) if isinstance(layer, UNetBlock) else layer(x)
                skips.append(x)
        return x, skips

    def _decode(self, x: Tensor, skips: list[Tensor], emb: Tensor) -> Tensor:
        aux: Any = None
        normed = x
        for name, layer in self.dec.items():
            if name.endswith("aux_up"):
                aux = layer(aux)
            elif name.endswith("aux_norm"):
                normed = layer(x)
            elif name.endswith("aux_conv"):
                out = layer(F.silu(normed))
                aux = out if aux is None else out + aux
            else:
                if x.shape[1] != layer.in_channels:
                    x = torch.cat([x, skips.pop()], dim=1)
                x = layer(x, emb)
        return aux
