"""A solver card: the nodes and coefficients of a solver whose steps are linear.

    x_{i+1} = sum_{j <= i} a_ij x_j + sum_{j <= i} c_ij v(x_j, t_j + xi_j),    i = 0 .. n - 1

The form of non-stationary solvers (Shaul et al. 2024, "Bespoke Non-Stationary Solvers"): every
linear multistep and Runge-Kutta method is one, and so is what LD3, S4S or EPD learn. A stage of a
Runge-Kutta method is a state like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from samplebench.cards.name import PREFIX

FORMAT, VERSION = "samplebench-solver-card", 1
# What a card may say of itself.
SAID = ("model", "process", "range", "author", "source", "description", "cost")
# Row i has i + 1 numbers.
Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Card:
    """One solver, for one number of evaluations.

    Attributes:
        name: letters, digits, ".", "_" and "-"; results call the sampler "card:<name>".
        predicts: what v is: "eps" = (x - D) / sigma, "x0" = D, "flow" = eps - x0, all of
            x = x0 + sigma eps.
        time: in what the times are, and how states are scaled: "sigma", x0 + sigma n; "vp", the t
            of the VP process (beta_min 0.1, beta_d 19.9) and sqrt(alpha_bar) (x0 + sigma n);
            "flow", sigma = t / (1 - t) and (1 - t) x0 + t n.
        times: t_j of the states x_0 .. x_n, n + 1 numbers, the last 0 or above.
        shifts: xi_j, n numbers: how much later than its state's an evaluation's time is.
        a, c: n rows each; row i has i + 1 numbers.
        nfe: evaluations, the columns of c that are not 0.
        model, process, range: what it was made for: a model's name, its process, and its noise
            levels from the lowest to the highest; None where the card does not say.
        author, source, description: words, "" where it does not say.
        cost: what it took to find, in words or as a table of plain values.
        sha256: of the file's bytes; "" of a card that no file holds yet.
    """

    name: str
    predicts: str
    time: str
    times: tuple[float, ...]
    shifts: tuple[float, ...]
    a: Rows
    c: Rows
    model: str | None = None
    process: str | None = None
    range: tuple[float, float] | None = None
    author: str = ""
    source: str = ""
    description: str = ""
    cost: Any = field(default="", hash=False)
    sha256: str = ""

    @property
    def nfe(self) -> int:
        """Evaluations per sample: of the states that some later one needs v at."""
        return len(self.evaluated)

    @property
    def evaluated(self) -> tuple[int, ...]:
        """The states j at which v is needed."""
        rows = self.c
        return tuple(j for j in range(len(rows)) if any(row[j] for row in rows[j:]))

    @property
    def depth(self) -> int:
        """Of the evaluations those that wait for one another.

        Evaluations at states that need none of each other's could be made at once, as the parallel
        ones of EPD (Zhu et al. 2025); they count as one.
        """
        depths = [0]
        for a, c in zip(self.a, self.c, strict=True):
            kept = (depths[j] for j, weight in enumerate(a) if weight)
            asked = (depths[j] + 1 for j, weight in enumerate(c) if weight)
            depths.append(max((*kept, *asked), default=0))
        return depths[-1]

    @property
    def called(self) -> str:
        """What results call it."""
        return PREFIX + self.name

    @property
    def about(self) -> dict[str, Any]:
        """What results say of it beside its name: its content without the coefficients."""
        apart = ("format", "version", "name", "times", "shifts", "a", "c")
        found = {key: value for key, value in self.content().items() if key not in apart}
        return {**found, "sha256": self.sha256} if self.sha256 else found

    def content(self) -> dict[str, Any]:
        """What its file says, as JSON has it."""
        said = {key: getattr(self, key) for key in SAID}
        if self.range is not None:
            said["range"] = list(self.range)
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            **{key: value for key, value in said.items() if value not in (None, "")},
            "nfe": self.nfe,
            "depth": self.depth,
            "predicts": self.predicts,
            "time": self.time,
            "times": list(self.times),
            **({"shifts": list(self.shifts)} if any(self.shifts) else {}),
            "a": [list(row) for row in self.a],
            "c": [list(row) for row in self.c],
        }
