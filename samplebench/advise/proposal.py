"""One thing that could be recommended: a sampler, its parameters, and where its steps are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samplebench.answers.parameters import label, word
from samplebench.cards.name import is_card


@dataclass(frozen=True)
class Proposal:
    """A sampler with parameters on a grid.

    Attributes:
        sampler: its name.
        params: those that are said, by name; the others have their defaults.
        grid: a discretization, or "card:FILE" with a list of noise levels; None where the sampler
            takes neither.
        rho: of the grid; None where it has none.
        stochastic: whether the sampler draws noise with these parameters.
    """

    sampler: str
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    grid: str | None = None
    rho: float | None = None
    stochastic: bool = False

    @property
    def on_card(self) -> bool:
        """Whether its grid is a file."""
        return self.grid is not None and is_card(self.grid)

    @property
    def simplicity(self) -> tuple[bool, bool, int]:
        """The smaller, the simpler: a registered grid, no noise, few parameters."""
        return self.on_card, self.stochastic, len(self.params)

    @property
    def name(self) -> str:
        """E.g. "edm S_churn=10, edm rho=7"."""
        own = " ".join(filter(None, (self.sampler, label(self.params))))
        rho = "" if self.rho is None else f" rho={word(self.rho)}"
        return own if self.grid is None else f"{own}, {self.grid}{rho}"

    def words(self) -> dict[str, Any]:
        """What a request says of it."""
        return {
            "sampler": [self.sampler],
            **({"param": {self.sampler: dict(self.params)}} if self.params else {}),
            **({"discretization": [self.grid]} if self.grid is not None else {}),
            **({"rho": [self.rho]} if self.rho is not None else {}),
        }

    def flags(self) -> list[str]:
        """The same on the command line."""
        said = [f"{self.sampler}.{name}={word(value)}" for name, value in self.params.items()]
        return [
            *("--sampler", self.sampler),
            *(["--param", ",".join(said)] if said else []),
            *(["--discretization", self.grid] if self.grid is not None else []),
            *(["--rho", word(self.rho)] if self.rho is not None else []),
        ]
