"""What the networks have in common: a trunk in a precision of its own, and its compilation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from samplebench.errors import EnvironmentError_, in_one_line

# Characters of what a compiler says; it goes on for pages.
_LONGEST = 200
# Torch compiles a function for eight shapes, and gives up.
_SHAPES = {"recompile_limit": 2**31, "accumulated_recompile_limit": 2**31}


class Trunk(nn.Module):
    """Base: embeddings in float32, and behind them a body of convolutions.

    Attributes:
        halved: the layers that half precision holds; all others stay in float32.
        precision: the half precision that the body was put into, None for none.
    """

    halved: tuple[type[nn.Module], ...] = ()
    precision: torch.dtype | None = None
    _compiled: Callable[..., Tensor] | None = None

    def body(self, *given: Any) -> Tensor:
        """What comes after the embedding of the time: the part that is compiled."""
        raise NotImplementedError

    def answer(self, *given: Any) -> Tensor:
        """`body`, compiled where it was asked for."""
        return self.body(*given) if self._compiled is None else self._compiled(*given)

    def convert(self, dtype: torch.dtype) -> None:
        """Puts the body into a precision, once and for all; float32 leaves it as it is.

        Images have their channels last in half precision, as its kernels want them.
        """
        if dtype != torch.float32:
            self._narrow(dtype)
            self.precision = dtype

    def _narrow(self, dtype: torch.dtype) -> None:
        narrow(self.modules(), self.halved, dtype)

    def compile_body(self, backend: str = "inductor") -> None:
        """Has torch compile the body at its next call, for each shape anew.

        The embedding of the time is not among it: its angles reach 1e3, and another rounding of a
        frequency would be seen.

        Args:
            backend: of torch.compile.
        """
        self._compiled = compiled(self.body, backend)


def narrow(
    modules: Iterable[nn.Module], layers: tuple[type[nn.Module], ...], dtype: torch.dtype
) -> None:
    """Casts the layers among some modules, channels last."""
    for module in modules:
        if isinstance(module, layers):
            channels_last(module.to(dtype))


def channels_last(module: nn.Module) -> None:
    """Stores the weights of convolutions that way."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def compiled(function: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
    """A function compiled for static shapes, however many, as a whole: one that cannot be never
    runs eagerly.

    Raises, when it is called:
        EnvironmentError_: the compiler fails.
    """
    from torch._dynamo import config
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    run = torch.compile(function, backend=backend, dynamic=False, fullgraph=True)

    def call(*given: Any) -> Tensor:
        try:
            with config.patch(_SHAPES):
                return run(*given)
        except (TorchDynamoException, FailOnRecompileLimitHit) as error:
            if isinstance(inner := getattr(error, "inner_exception", None), torch.OutOfMemoryError):
                raise inner from None  # for whoever halves the batch
            reason = in_one_line(str(error) or type(error).__name__)[:_LONGEST]
            raise EnvironmentError_(
                f"the network cannot be compiled here ({reason}); leave --compile out"
            ) from error

    return call
