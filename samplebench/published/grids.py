"""The time discretizations of published.csv: which are samplebench's, under which name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NOT_STATED = "not stated"


@dataclass(frozen=True)
class PrintedGrid:
    """A time discretization.

    Attributes:
        name: registered with samplebench where `ours`, else a description.
        rho: where it has one.
        ours: the noise levels are those of samplebench's discretization of that name.
        fitted: the levels were learned or searched for.
    """

    name: str
    rho: float | None = None
    ours: bool = False
    fitted: bool = False

    @property
    def label(self) -> str:
        """E.g. "edm rho=7"."""
        return self.name if self.rho is None else f"{self.name} rho={self.rho:g}"


_EDM7 = PrintedGrid("edm", 7.0, ours=True)
# OpenAI's grammar: a plain number of steps, evenly spaced.
_RESPACED = PrintedGrid("respacing", ours=True)

# Printed discretization, without its "~" -> grid. A leading "T=1000" means every one of its steps.
GRIDS: Mapping[str, PrintedGrid] = {
    "": PrintedGrid(NOT_STATED),
    "not stated": PrintedGrid(NOT_STATED),
    # EDM's. Models with a table of levels round to it wherever this grid is used on them.
    "edm rho=7": _EDM7,
    "edm rho=7, rounded to u_j": _EDM7,
    # The same levels; that the sampler stops at sigma_min is its parameter `final`.
    "polynomial rho=7": _EDM7,
    "vp": PrintedGrid("vp", ours=True),
    "ve": PrintedGrid("ve", ours=True),
    "iddpm": PrintedGrid("iddpm", ours=True),
    "iddpm, j0=8": PrintedGrid("iddpm, j0=8"),
    "logSNR": PrintedGrid("logsnr", ours=True),
    "uniform logSNR": PrintedGrid("logsnr", ours=True),
    "time_uniform rho=2": PrintedGrid("time_uniform", 2.0, ours=True),
    # Uniform or quadratic in the time of the model's own process: other levels than time_uniform.
    "time uniform": PrintedGrid("time uniform"),
    "uniform time": PrintedGrid("time uniform"),
    "time quadratic": PrintedGrid("time quadratic"),
    "quadratic": PrintedGrid("quadratic, in what not stated"),
    # Steps of a discrete process.
    "even respacing of T=1000": _RESPACED,
    "linear T=1000, even respacing": _RESPACED,
    "T=1000 (no respacing)": _RESPACED,
    "T=1000": _RESPACED,
    "linear, T=1000": PrintedGrid("linear, T=1000"),
    "linear, T=4000": PrintedGrid("linear, T=4000"),
    "cosine, T=4000": PrintedGrid("cosine, T=4000"),
    "iDDPM even respacing": PrintedGrid("even respacing, T not stated"),
    "respaced": PrintedGrid("respaced, how not stated"),
    "T=4000 respaced": PrintedGrid("respacing of T=4000"),
    "ddim25 stride": PrintedGrid("ddim25 stride"),
    "linear sub-sequence": PrintedGrid("linear sub-sequence"),
    "quadratic sub-sequence": PrintedGrid("quadratic sub-sequence"),
    # Others.
    "adaptive": PrintedGrid("adaptive steps", ours=True),
    "gDDIM": PrintedGrid("gDDIM"),
    "original": PrintedGrid("original implementation"),
    # Noise levels that the sampler itself has.
    "score-sde native, N=1000": PrintedGrid("own levels", ours=True),
    # Made for one checkpoint and one number of steps.
    "learned": PrintedGrid("learned time steps", fitted=True),
    "learned time steps": PrintedGrid("learned time steps", fitted=True),
    "LD3 learned": PrintedGrid("LD3 learned steps", fitted=True),
    "DMN optimised steps": PrintedGrid("DMN optimised steps", fitted=True),
    "GITS searched schedule": PrintedGrid("GITS searched schedule", fitted=True),
    "searched": PrintedGrid("searched steps", fitted=True),
    # A network that maps noise to an image.
    "none": PrintedGrid("one step"),
}


def grid_of(printed: str) -> PrintedGrid:
    """The grid that the table calls `printed`; a leading "~" marks it as deduced and is ignored.

    Raises:
        KeyError: not in the table.
    """
    return GRIDS[printed.removeprefix("~")]
