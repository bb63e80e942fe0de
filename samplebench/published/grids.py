"""The time discretizations of published.csv: which are samplebench's, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Grid:
    """A time discretization.

    Attributes:
        name: registered with samplebench where `ours`, else a description.
        rho: where it has one.
        ours: the noise levels are those of samplebench's discretization of that name.
    """

    name: str
    rho: float | None = None
    ours: bool = False

    @property
    def label(self) -> str:
        """E.g. "edm rho=7"."""
        return self.name if self.rho is None else f"{self.name} rho={self.rho:g}"


_EDM7 = Grid("edm", 7.0, ours=True)
# OpenAI's grammar: a plain number of steps, evenly spaced.
_RESPACED = Grid("respacing", ours=True)

# Printed discretization, without its "~" -> grid. A leading "T=1000" means every one of its steps.
GRIDS: Mapping[str, Grid] = {
    "": Grid(NOT_STATED),
    # EDM's. Models with a table of levels round to it wherever this grid is used on them.
    "edm rho=7": _EDM7,
    "edm rho=7, rounded to u_j": _EDM7,
    # The same levels, but the sampler stops at sigma_min: a variant of the sampler.
    "polynomial rho=7": _EDM7,
    "vp": Grid("vp", ours=True),
    "ve": Grid("ve", ours=True),
    "iddpm": Grid("iddpm", ours=True),
    "iddpm, j0=8": Grid("iddpm, j0=8"),
    "logSNR": Grid("logsnr", ours=True),
    "uniform logSNR": Grid("logsnr", ours=True),
    "time_uniform rho=2": Grid("time_uniform", 2.0, ours=True),
    # Uniform or quadratic in the time of the model's own process: other levels than time_uniform.
    "time uniform": Grid("time uniform"),
    "time quadratic": Grid("time quadratic"),
    # Steps of a discrete process.
    "even respacing of T=1000": _RESPACED,
    "linear T=1000, even respacing": _RESPACED,
    "T=1000 (no respacing)": _RESPACED,
    "T=1000": _RESPACED,
    "linear, T=1000": Grid("linear, T=1000"),
    "linear, T=4000": Grid("linear, T=4000"),
    "cosine, T=4000": Grid("cosine, T=4000"),
    "iDDPM even respacing": Grid("even respacing, T not stated"),
    "respaced": Grid("respaced, how not stated"),
    "T=4000 respaced": Grid("respacing of T=4000"),
    "ddim25 stride": Grid("ddim25 stride"),
    "linear sub-sequence": Grid("linear sub-sequence"),
    "quadratic sub-sequence": Grid("quadratic sub-sequence"),
    # Others.
    "adaptive": Grid("adaptive"),
    "gDDIM": Grid("gDDIM"),
    "original": Grid("original implementation"),
    "score-sde native, N=1000": Grid("score-sde, N=1000"),
    "learned time steps": Grid("learned time steps"),
    "GITS searched schedule": Grid("GITS searched schedule"),
}


def grid_of(printed: str) -> Grid:
    """The grid that the table calls `printed`; a leading "~" marks it as deduced and is ignored.

    Raises:
        KeyError: not in the table.
    """
    return GRIDS[printed.removeprefix("~")]
