"""Which tensors of a score-SDE network become which of SongUNet.

Both are the same function (Song et al. 2021, appendix H). The score network numbers its modules in
construction order and keeps queries, keys and values apart.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samplebench.adapters.score_sde.config import ruled, songunet_arguments
from samplebench.errors import InputError

_EMB = 4  # channels of the embedding in units of nf


@dataclass(frozen=True)
class TensorOrigin:
    """One tensor of SongUNet.

    Attributes:
        name: in SongUNet's state dict.
        sources: the score network's tensors it is made of; none for the constant filters.
        rule: how, "copy", "qkv_w", "qkv_b" or "nin_w".
        shape: of each source.
    """

    name: str
    sources: tuple[str, ...]
    rule: str = "copy"
    shape: tuple[int, ...] = ()


def entries(arguments: Mapping[str, Any]) -> list[TensorOrigin]:
    """SongUNet's tensors in state-dict order, for arguments of `songunet_arguments`."""
    return list(_Construction(arguments).run())


def names_and_shapes(
    config: Mapping[str, Any], num_channels: int = 3
) -> list[tuple[str, tuple[int, ...]]]:
    """What the state dict of a released file holds, in its order, buffers included.

    Args:
        config, num_channels: as for `songunet_arguments`.

    Raises:
        InputError: as `songunet_arguments`.
    """
    _, arguments = songunet_arguments(config, num_channels)
    found = [(source, entry.shape) for entry in entries(arguments) for source in entry.sources]
    sigmas = ("module.sigmas", (ruled(config, "model_config.num_scales", "M"),))
    return [sigmas, *((f"module.{name}", shape) for name, shape in sorted(found, key=_position))]


def songunet_state(model: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """SongUNet's state dict, complete and in its order; what is not rearranged is not copied.

    Args:
        model: the score network's tensors, named without "module."; `sigmas` is not needed.
        arguments: of `songunet_arguments`.

    Raises:
        InputError: the tensors are not those of a network with these arguments.
    """
    plan = entries(arguments)
    wanted = {source: entry.shape for entry in plan for source in entry.sources}
    advice = "does the model_config belong to this file?"
    for name, shape in wanted.items():
        if name not in model:
            raise InputError(f"score-SDE weights: {name} is missing; {advice}")
        if tuple(model[name].shape) != shape:
            raise InputError(
                f"score-SDE weights: {name} has shape {list(model[name].shape)}, the model_config "
                f"asks for {list(shape)}; {advice}"
            )
    for name in model:
        if name not in wanted and name != "sigmas":
            shown = reprlib.repr(name)  # the file's own word
            raise InputError(f"score-SDE weights: {shown} has no place in the network; {advice}")
    taps = arguments["resample_filter"]
    return {
        entry.name: _RULES[entry.rule]([model[source] for source in entry.sources])
        if entry.sources
        else _filter(taps)
        for entry in plan
    }


class _Construction:
    """The construction order of the score network, with SongUNet's name of every part."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = arguments
        self.index = -1
        self.emb = _EMB * arguments["model_channels"]

    def run(self) -> Iterator[TensorOrigin]:
        a = self.arguments
        base, images = a["model_channels"], a["img_channels"]
        noise = base * a["channel_mult_noise"]
        widths = [base * multiple for multiple in a["channel_mult"]]
        sizes = [a["img_resolution"] >> level for level in range(len(widths))]
        attention = set(a["attn_resolutions"])
        residual = a["encoder_type"] == "residual"

        if a["embedding_type"] == "fourier":
            yield TensorOrigin("map_noise.freqs", (f"{self.module()}.W",), shape=(noise // 2,))
        yield from self.plain("map_layer0", (self.emb, noise))
        yield from self.plain("map_layer1", (self.emb, self.emb))

        yield from self.plain(f"enc.{sizes[0]}x{sizes[0]}_conv", (base, images, 3, 3))
        channels, aside, skips = base, images, [base]
        for level, (size, width) in enumerate(zip(sizes, widths, strict=True)):
            where = f"enc.{size}x{size}"
            if level:
                yield from self.block(f"{where}_down", channels, channels, resampled=True)
                if residual:
                    name = f"{where}_aux_residual"
                    yield from self.plain(name, (channels, aside, 3, 3), ".Conv2d_0")
                    yield TensorOrigin(f"{name}.resample_filter", ())
                    aside = channels
                skips.append(channels)
            for i in range(a["num_blocks"]):
                yield from self.block(f"{where}_block{i}", channels, width)
                if size in attention:
                    yield from self.attention(f"{where}_block{i}", width)
                channels = width
                skips.append(channels)

        for level in reversed(range(len(widths))):
            size, width = sizes[level], widths[level]
            where = f"dec.{size}x{size}"
            if level == len(widths) - 1:
                yield from self.block(f"{where}_in0", channels, channels)
                yield from self.attention(f"{where}_in0", channels)
                yield from self.block(f"{where}_in1", channels, channels)
            else:
                yield from self.block(f"{where}_up", channels, channels, resampled=True)
            for i in range(a["num_blocks"] + 1):
                yield from self.block(f"{where}_block{i}", channels + skips.pop(), width)
                channels = width
            if size in attention:
                yield from self.attention(f"{where}_block{a['num_blocks']}", channels)
        yield from self.plain(f"{where}_aux_norm", (channels,))
        yield from self.plain(f"{where}_aux_conv", (images, channels, 3, 3))

    def module(self) -> str:
        self.index += 1
        return f"all_modules.{self.index}"

    def plain(self, name: str, shape: tuple[int, ...], inner: str = "") -> Iterator[TensorOrigin]:
        """A linear layer, convolution or group norm that is a module of its own."""
        yield from _layer(name, self.module() + inner, shape)

    def block(
        self, name: str, fan_in: int, fan_out: int, resampled: bool = False
    ) -> Iterator[TensorOrigin]:
        """A residual block."""
        module = self.module()
        filters = ("conv0", "skip") if resampled else ()
        parts: list[tuple[str, str, tuple[int, ...]]] = [
            ("norm0", "GroupNorm_0", (fan_in,)),
            ("conv0", "Conv_0", (fan_out, fan_in, 3, 3)),
            ("affine", "Dense_0", (fan_out, self.emb)),
            ("norm1", "GroupNorm_1", (fan_out,)),
            ("conv1", "Conv_1", (fan_out, fan_out, 3, 3)),
        ]
        if resampled or fan_in != fan_out:
            parts.append(("skip", "Conv_2", (fan_out, fan_in, 1, 1)))
        for ours, theirs, shape in parts:
            yield from _layer(f"{name}.{ours}", f"{module}.{theirs}", shape)
            if ours in filters:
                yield TensorOrigin(f"{name}.{ours}.resample_filter", ())

    def attention(self, name: str, width: int) -> Iterator[TensorOrigin]:
        """Self-attention, in SongUNet the end of the block before it."""
        module = self.module()
        yield from _layer(f"{name}.norm2", f"{module}.GroupNorm_0", (width,))
        nins = [f"{module}.NIN_{i}" for i in range(4)]
        square = (width, width)
        yield TensorOrigin(f"{name}.qkv.weight", tuple(f"{n}.W" for n in nins[:3]), "qkv_w", square)
        yield TensorOrigin(f"{name}.qkv.bias", tuple(f"{n}.b" for n in nins[:3]), "qkv_b", (width,))
        yield TensorOrigin(f"{name}.proj.weight", (f"{nins[3]}.W",), "nin_w", square)
        yield TensorOrigin(f"{name}.proj.bias", (f"{nins[3]}.b",), shape=(width,))


def _layer(ours: str, theirs: str, shape: tuple[int, ...]) -> Iterator[TensorOrigin]:
    yield TensorOrigin(f"{ours}.weight", (f"{theirs}.weight",), shape=shape)
    yield TensorOrigin(f"{ours}.bias", (f"{theirs}.bias",), shape=shape[:1])


# NIN is a 1x1 convolution whose kernel is [in, out]; SongUNet wants [out, in, 1, 1], and its rows
# of queries, keys and values take turns, channel by channel.
_RULES: Mapping[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "copy": lambda t: t[0],
    "nin_w": lambda t: t[0].T.contiguous()[:, :, None, None],
    "qkv_w": lambda t: torch.stack([w.T for w in t], 1).flatten(0, 1)[:, :, None, None],
    "qkv_b": lambda t: torch.stack(list(t), 1).flatten(),
}


def _filter(taps: Sequence[float]) -> Tensor:
    """SongUNet's constant resampling filter [1, 1, n, n]; its sum is 1."""
    row = torch.tensor(taps, dtype=torch.float32)
    return (row.outer(row) / row.sum().square())[None, None]


def _position(item: tuple[str, tuple[int, ...]]) -> tuple[int, str]:
    """Sorts by module and, in attention, by layer (NIN_0.W, NIN_0.b, NIN_1.W, ...)."""
    _, index, layer, *_ = item[0].split(".")
    return int(index), layer if layer.startswith("NIN") else ""
