"""What a table leaves open, and who says it: each line names its source.

A rule settles clauses of a row's variant (`published.record`). What no rule settles stays open,
and the row is no preset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samplebench.published import Published


@dataclass(frozen=True)
class Rule:
    """How some rows are completed.

    Attributes:
        model, printed: expressions that the row's model and printed sampler match as a whole.
        nfe: at these evaluations only; () for all.
        settles: clauses of the variant that it makes definite.
        params: what the sampler is given.
        because: who says so.
        open: conditions that stay open all the same.
        differs: what is otherwise here.
    """

    model: str
    printed: str
    because: str = ""
    nfe: tuple[int, ...] = ()
    settles: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    differs: str = ""

    def fits(self, row: Published) -> bool:
        """Whether it is of that row."""
        return (
            re.fullmatch(self.model, row.model) is not None
            and re.fullmatch(self.printed, row.sampler_printed) is not None
            and (not self.nfe or row.nfe in self.nfe)
        )


_CLD, _BDM = "gddim-cld-cifar10", "gddim-bdm-cifar10"
_README = "gDDIM's README, whose command has deis_order=2 at NFE 50"
_SOME_NOISE = r"0\.[1-9]"

RULES: Sequence[Rule] = (
    # gDDIM (Zhang et al. 2023).
    Rule(
        _CLD, "gDDIM multistep, order 2", _README,
        settles=("multistep", "order 2"), params={"degree": 2},
    ),
    Rule(
        _CLD, "gDDIM(?: multistep, K_t=R_t)?", _README, nfe=(50,),
        settles=("multistep", "K_t=R_t", "order not stated"), params={"degree": 2},
    ),
    Rule(
        _BDM, "gDDIM", "gDDIM's release, which samples blurring diffusion with degree 0 alone",
        settles=("order not stated",), params={"degree": 0},
    ),
    Rule(
        _CLD, "gDDIM stochastic lambda=.*",
        "gDDIM's release: no extrapolation is degree 0, and its stochastic sampler runs without "
        "the last denoising step alone",
        settles=("no extrapolation",), params={"degree": 0, "denoise": False},
    ),
    Rule(
        _CLD, rf"gDDIM stochastic lambda=(?:{_SOME_NOISE}|1\.0).*",
        differs="the release's covariance of the noise solves F P + P F, here F P + P Fᵀ",
    ),
    Rule(_CLD, "Euler-Maruyama.*", open=("denoise",)),
    Rule(
        _CLD, f"Euler-Maruyama lambda={_SOME_NOISE}",
        differs="the release weighs the score by (1 + lam) / 2, here (1 + lam^2) / 2",
    ),
    # Restart (Xu et al. 2023).
    Rule(
        ".*cifar10-32x32-uncond-vp", r"Restart \(Heun\)",
        "the one set of intervals known here, which makes 43 evaluations of 18 steps", (43,),
        settles=("intervals not stated",), params={"intervals": "3:2:0.06:0.3"},
        open=("intervals",),
    ),
)  # fmt: skip

# Printed discretization (`PrintedGrid.name`) that is no name of samplebench's -> its words, and
# who says that they are the same levels.
GRIDS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "iddpm, j0=8": (
        {"discretization": "iddpm"},
        "EDM Table 1: j0 = 8 leaves out the levels above 81, as iddpm does",
    ),
    "gDDIM": ({}, "gDDIM's release: uniform in t^(1/2)"),
    "cosine, T=4000": ({}, "the released file's table of 4,000 steps"),
    "respacing of T=4000": ({}, "the released file's table of 4,000 steps"),
    "even respacing, T not stated": ({}, "the released file's table of 4,000 steps"),
}

# (Model, weights as a row says them) -> who says that the released file has them.
_BEST = "score-SDE's release, where the smaller number of two has the best FID"
WEIGHTS: Mapping[tuple[str, str], str] = {
    ("scoresde-vp-cifar10_ddpmpp_continuous", "best-FID checkpoint"): _BEST,
    ("scoresde-vp-cifar10_ddpmpp_deep_continuous", "best-FID checkpoint"): _BEST,
    ("scoresde-ve-cifar10_ncsnpp_continuous", "best-FID checkpoint"): _BEST,
    **{
        (f"iddpm-{model}", f"{said} iterations, L_{loss}"): f"the file's name, {count}"
        for model, said, loss, count in (
            ("imagenet64-uncond-100M-1500K", "1.5M", "hybrid", "1500K"),
            ("imagenet64-uncond-vlb-100M-1500K", "1.5M", "vlb", "vlb and 1500K"),
            ("cifar10-uncond-50M-500K", "500K", "hybrid", "500K"),
            ("cifar10-uncond-vlb-50M-500K", "500K", "vlb", "vlb and 500K"),
        )
    },
}
