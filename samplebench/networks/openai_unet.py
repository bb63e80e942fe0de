"""UNetModel: the U-Net of improved-diffusion, guided-diffusion (ADM) and DDPM-IP (ADM-IP).

Source: Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models"; Dhariwal &
Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from samplebench.networks.openai_layers import (
    AttentionBlock,
    BareConv1d,
    BareConv2d,
    BareEmbedding,
    BareLinear,
    Downsample,
    GroupNorm,
    LayerList,
    ResBlock,
    Upsample,
    dtype_of,
    timestep_embedding,
)
from samplebench.networks.trunk import Trunk, narrow


class Encoder(Trunk):
    """What U-Net and classifier have in common: embedding, descending half and middle.

    Args: see `UNetModel`.

    Raises:
        ValueError: widths that do not fit together.
    """

    halved = (BareConv1d, BareConv2d)

    def __init__(
        self,
        image_size: int,
        in_channels: int,
        model_channels: int,
        num_res_blocks: int,
        attention_resolutions: Collection[int],
        channel_mult: Sequence[float],
        num_classes: int | None = None,
        num_heads: int = 1,
        num_head_channels: int = -1,
        use_scale_shift_norm: bool = False,
        resblock_updown: bool = False,
        use_new_attention_order: bool = False,
    ) -> None:
        super().__init__()
        self.image_size, self.in_channels = image_size, in_channels
        self.model_channels, self.num_classes = model_channels, num_classes
        self.emb_channels = 4 * model_channels
        self._num_heads, self._num_head_channels = num_heads, num_head_channels
        self._scale_shift, self._new_order = use_scale_shift_norm, use_new_attention_order

        widths = [int(mult * model_channels) for mult in channel_mult]
        self.time_embed = nn.Sequential(
            BareLinear(model_channels, self.emb_channels),
            nn.SiLU(),
            BareLinear(self.emb_channels, self.emb_channels),
        )
        if num_classes is not None:
            self.label_emb = BareEmbedding(num_classes, self.emb_channels)
        channels = widths[0]
        stem = BareConv2d(in_channels, channels, 3, padding=1)
        self.input_blocks = nn.ModuleList([LayerList([stem])])
        self._skips = [channels]
        for level, width in enumerate(widths):
            for _ in range(num_res_blocks):
                layers = [self._res_block(channels, width)]
                if 2**level in attention_resolutions:
                    layers.append(self._attention(width))
                self.input_blocks.append(LayerList(layers))
                channels = width
                self._skips.append(channels)
            if level < len(widths) - 1:
                down = (
                    self._res_block(channels, channels, down=True)
                    if resblock_updown
                    else Downsample(channels)
                )
                self.input_blocks.append(LayerList([down]))
                self._skips.append(channels)
        self.middle_block = LayerList(
            [
                self._res_block(channels, channels),
                self._attention(channels),
                self._res_block(channels, channels),
            ]
        )
        self._channels = channels

    def _narrow(self, dtype: torch.dtype) -> None:
        # Before the head: norms, linear layers, class embedding and head stay in float32.
        for name in ("input_blocks", "middle_block", "output_blocks"):
            narrow(getattr(self, name, nn.Module()).modules(), self.halved, dtype)

    def _sinusoids(self, t: Tensor, y: Tensor | None) -> Tensor:
        """Of the time, for `_encode`; labels are looked at."""
        if (y is None) != (self.num_classes is None):
            wrong = "no labels for" if y is None else "labels for"
            kind = "a class-conditional" if y is None else "an unconditional"
            raise ValueError(f"{wrong} {kind} network")
        embedded = timestep_embedding(t, self.model_channels)
        return embedded.to(dtype_of(self.time_embed))

    def _encode(self, x: Tensor, embedded: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """The embedding, and the result of each input block and of the middle."""
        emb = self.time_embed(embedded)
        if y is not None:
            emb = emb + self.label_emb(y)
        h = x.to(dtype_of(self.input_blocks))
        found = []
        for block in self.input_blocks:
            h = block(h, emb)
            found.append(h)
        found.append(self.middle_block(h, emb))
        return emb, found

    def _res_block(self, channels: int, width: int, **resampling: bool) -> nn.Module:
        return ResBlock(channels, self.emb_channels, width, self._scale_shift, **resampling)

    def _attention(self, channels: int, num_heads: int | None = None) -> nn.Module:
        """Attention with heads of fixed width, where it is given, else of fixed number."""
        heads = self._num_heads if num_heads is None else num_heads
        if self._num_head_channels != -1:
            heads, rest = divmod(channels, self._num_head_channels)
            if rest:
                raise ValueError(
                    f"{channels} channels do not divide into attention heads of "
                    f"num_head_channels = {self._num_head_channels}"
                )
        return AttentionBlock(channels, heads, self._new_order)


class UNetModel(Encoder):
    """The noise that is in an image, and where it was learned the variance of a reverse step.

    Args:
        image_size: height and width R of the images, divisible by 2^(levels - 1).
        in_channels, out_channels: channels of the image and of the result.
        model_channels: base number of channels.
        num_res_blocks: blocks per level; the ascending half has one more.
        attention_resolutions: factors by which R is divided where there is self-attention.
        channel_mult: channels of each level in units of `model_channels`, finest first; fractions
            are allowed, the product is rounded down.
        num_classes: number of classes, None for none.
        num_heads, num_heads_upsample: attention heads, and those of the ascending half, -1: as
            many.
        num_head_channels: channels per head; -1: the number of heads is fixed instead.
        use_scale_shift_norm: how residual blocks are conditioned, see `ResBlock`.
        resblock_updown: resample in residual blocks instead of with a convolution.
        use_new_attention_order: see `attend`.

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
        num_classes: int | None = None,
        num_heads: int = 1,
        num_head_channels: int = -1,
        num_heads_upsample: int = -1,
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
            num_classes,
            num_heads,
            num_head_channels,
            use_scale_shift_norm,
            resblock_updown,
            use_new_attention_order,
        )
        self.out_channels = out_channels
        heads = num_heads if num_heads_upsample == -1 else num_heads_upsample
        channels, skips = self._channels, list(self._skips)
        self.output_blocks = nn.ModuleList()
        for level, mult in reversed(list(enumerate(channel_mult))):
            width = int(mult * model_channels)
            for i in range(num_res_blocks + 1):
                layers = [self._res_block(channels + skips.pop(), width)]
                channels = width
                if 2**level in attention_resolutions:
                    layers.append(self._attention(width, heads))
                if level and i == num_res_blocks:
                    layers.append(
                        self._res_block(width, width, up=True)
                        if resblock_updown
                        else Upsample(width)
                    )
                self.output_blocks.append(LayerList(layers))
        self.out = nn.Sequential(
            GroupNorm(channels), nn.SiLU(), BareConv2d(channels, out_channels, 3, padding=1)
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The network's output, unscaled.

        Args:
            x: noisy images [N, in_channels, R, R].
            t: time steps [N or 1] as the diffusion process maps them, integer or fractional.
            y: classes, int64 [N]; None where the network has none.

        Returns:
            [N, out_channels, R, R] in x's dtype: epsilon, and with twice as many channels as the
            image also the raw variance interpolation v.

        Raises:
            ValueError: labels where there are no classes, or none where there are.
        """
        return self.answer(x, self._sinusoids(t, y), y)

    def body(self, x: Tensor, embedded: Tensor, y: Tensor | None) -> Tensor:
        emb, found = self._encode(x, embedded, y)
        h = found.pop()
        for block in self.output_blocks:
            h = block(torch.cat([h, found.pop()], dim=1), emb)
        return self.out(h.to(dtype_of(self.out))).to(x.dtype)
