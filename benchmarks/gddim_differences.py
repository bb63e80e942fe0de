"""What gDDIM's released code does differently, one thing at a time: docs/gddim.md's second table.

    python benchmarks/gddim_differences.py
    python benchmarks/gddim_differences.py --num-samples 128 --only corrector,weight

On the exact models, where every difference is the sampler's. Each line has fd-digits with the thing
and without it, for the same seeds and budget; the change with the standard error of the pair; and
the root mean square of what the images differ by, in grey levels of 255, where one digit in thirty
that becomes another makes about 20. `--list` names the things.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

import samplebench as sb
from samplebench.features.digits import DigitsExtractor
from samplebench.images import to_uint8
from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.models.model import Model
from samplebench.processes.cld import CLD
from samplebench.processes.linear import LinearProcess, Times, apply, transposed
from samplebench.processes.quadrature import left_riemann
from samplebench.references.reference import Reference
from samplebench.references.reference import load as load_reference
from samplebench.registry import samplers
from samplebench.samplers import exponential, linear_baselines
from samplebench.samplers.lagrange import lagrange
from samplebench.samplers.linear_step import drift, finish
from samplebench.sampling.setting import prepare

BLOCK = 64
FEW = (10, 20, 50)


class ReleasedNoise(CLD):
    """Covariance of the fresh noise by F_hat P + P F_hat, without the transpose on the right."""

    def fresh(self, t: float, s: float, lam: float) -> np.ndarray:
        from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

        def change(tau: float, flat: np.ndarray) -> np.ndarray:
            p, weight = flat.reshape(2, 2), (1 + lam * lam) / 2
            drift = self.F(tau) + weight * self.GGT(tau) @ np.linalg.inv(self.cov(tau))
            slope: np.ndarray = drift @ p + p @ drift - lam * lam * self.GGT(tau)
            return slope.ravel()

        solved = solve_ivp(change, (s, t), np.zeros(4), "DOP853", rtol=1e-10, atol=1e-13)
        # Neither symmetric nor positive: noise drawn through its singular vectors has this one.
        left, values, _ = np.linalg.svd(solved.y[:, -1].reshape(1, 1, 2, 2))
        return (left * values[..., None, :]) @ transposed(left)


class EulerRoot(CLD):
    """R by Euler's method at steps of 1e-5, between them linear: the release's default."""

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        step, count = 1e-5, int(1.0 / 1e-5)  # 99,999: its times are not quite those of the steps
        drift, noise = self.F(0.0)[0, 0], self.GGT(0.0)[0, 0] / 2  # constant, as beta is
        roots = [np.sqrt(self.cov(0.0)[0, 0])]
        for _ in range(count):
            last = roots[-1]
            roots.append(last + step * (drift @ last + noise @ np.linalg.inv(last).T))
        return np.linspace(0, self.T, count + 1), np.array(roots)

    def R(self, t: Times) -> np.ndarray:
        times, roots = self._table
        entries = [np.interp(t, times, roots[:, i, j]) for i in (0, 1) for j in (0, 1)]
        return np.stack(entries, axis=-1).reshape(*np.shape(t), 1, 1, 2, 2)


class Lower(CLD):
    """Cholesky's factor L in place of R."""

    def R(self, t: Times) -> np.ndarray:
        return np.linalg.cholesky(self.cov(t))


class Taken(Model):
    """A model's noise prediction, taken by the sampler for that of another law.

    With `Lower` it is turned into L's basis, as of a network trained on it; other laws get it as it
    is, in the basis that the network knows.
    """

    kind = "linear"

    def __init__(self, inner: Model, law: LinearProcess) -> None:
        self.inner, self.process = inner, law
        self.shape, self.num_classes = inner.shape, inner.num_classes
        self.device, self.state_dtype = inner.device, inner.state_dtype

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        noise = self.inner.eps(u, t, labels)
        if not isinstance(self.process, Lower):
            return noise
        assert self.inner.process is not None
        return apply(transposed(self.process.R(t)) @ self.inner.process.score_factor(t), noise)


def linear_weight() -> AbstractContextManager[Any]:
    """Euler-Maruyama with the score's weight (1 + lam) / 2, at lam = 0.5."""
    return patch.object(linear_baselines, "drift", lambda law, t, score: drift(law, t, score=0.75))


def left_sums() -> AbstractContextManager[Any]:
    """The stochastic multistep's coefficients by 10,000 left points."""
    return patch.object(exponential, "stochastic", _left_stochastic)


@cache
def _left_stochastic(
    law: LinearProcess, times: tuple[float, ...], degree: int, lam: float
) -> list[np.ndarray]:
    steps = []
    for i, (t, t_next) in enumerate(pairwise(times)):
        nodes = np.array(times[max(0, i - degree) : i + 1][::-1])
        tau, w = left_riemann(t, t_next)
        pull = (1 + lam * lam) / 2 * law.GGT(tau) @ np.linalg.inv(law.cov(tau))
        integrand = law.psi_hat(t_next, tau, lam) @ pull @ law.psi(tau, t)
        weights = w * lagrange(nodes, tau)
        steps.append(np.tensordot(weights, integrand, 1) @ law.R(t))
    return steps


@samplers.register(
    "gddim-pec", evaluations=lambda steps, denoise=None: steps + bool(denoise), timeline="linear"
)
def pec(
    model: Any, u: Tensor, grid: Tensor, *, noise: Any = None, callback: Any = None,
    degree: int = 2, denoise: bool | None = None,
) -> Tensor:  # fmt: skip
    """gDDIM with a corrector whose evaluation the next step takes over: N of them for N steps."""
    law, times = model.process, tuple(grid.tolist())
    predict = exponential.predictor(law, times, degree, "exact")
    correct = exponential.corrector(law, times, degree, "exact")
    history = [model.eps(u, times[0])]
    last = len(times) - 2
    for i, (t, t_next) in enumerate(pairwise(times)):
        moved = apply(law.psi(t_next, t), u)
        u = moved + sum(apply(*pair) for pair in zip(predict[i], history, strict=False))
        if i < last:
            history = [model.eps(u, t_next), *history[:degree]]
            u = moved + sum(apply(*pair) for pair in zip(correct[i], history, strict=False))
    return finish(model, u, times[-1], last + 1, denoise, None)


@dataclass(frozen=True)
class Way:
    """All that decides the images of a seed.

    Attributes:
        process: "cld" or "bdm".
        params: of the sampler.
        law: the sampler's, where it is not the model's own.
        patched: what is in force while it runs.
        rule: that makes uint8 of the images.
    """

    process: str = "cld"
    sampler: str = "gddim"
    params: tuple[tuple[str, Any], ...] = ()
    law: LinearProcess | None = None
    patched: Callable[[], AbstractContextManager[Any]] = nullcontext
    rule: str = "edm"

    def but(self, **params: Any) -> Way:
        """The same with other parameters."""
        return replace(self, params=tuple(sorted({**dict(self.params), **params}.items())))

    @property
    def model(self) -> Model:
        own = _model(self.process)
        return own if self.law is None else Taken(own, self.law)

    def evaluations(self, nfe: int) -> int:
        """Those of the most steps within a budget."""
        return prepare(self.model, self.sampler, nfe=nfe, params=dict(self.params)).evaluations


CLD_, BDM = Way("cld"), Way("bdm")
# Words, setting, budgets, with the thing, without it.
Pair = tuple[str, str, Sequence[int], Way, Way]


def riemann() -> Iterator[Pair]:
    for degree in (2, 3):
        exact = CLD_.but(degree=degree)
        released = exact.but(quadrature="riemann")
        yield "left Riemann sums of 10,000 points", f"degree {degree}", FEW, released, exact


def root() -> Iterator[Pair]:
    """Both with the release's sums, which need no R that solves its differential equation."""
    exact = CLD_.but(quadrature="riemann")
    yield "R by Euler steps of 1e-5", "degree 2", FEW, replace(exact, law=EulerRoot()), exact


def basis() -> Iterator[Pair]:
    for degree in (0, 2):
        exact = CLD_.but(degree=degree, quadrature="riemann")
        lower = replace(exact, law=Lower())
        yield "Cholesky's L in place of R", f"degree {degree}", FEW, lower, exact


def numerical_eps() -> Iterator[Pair]:
    for other in (1e-5, 1e-9):
        law = CLD(numerical_eps=other)
        name = f"numerical_eps {other:g}, the network's 1e-6"
        yield name, "degree 2", FEW, replace(CLD_, law=law), CLD_


def covariance() -> Iterator[Pair]:
    """Without denoising, with which the release's stochastic sampler does not run."""
    for lam in (1.0, 0.5):
        right = CLD_.but(degree=0, lam=lam, denoise=False)
        wrong = replace(right, law=ReleasedNoise())
        yield "noise by F̂P + PF̂", f"degree 0, lam {lam:g}, no denoising", FEW, wrong, right


def denoising() -> Iterator[Pair]:
    for lam in (1.0, 0.5):
        right = CLD_.but(degree=0, lam=lam)
        yield "no denoising", f"degree 0, lam {lam:g}", FEW, right.but(denoise=False), right


def stochastic_sums() -> Iterator[Pair]:
    for degree in (0, 2):
        exact = CLD_.but(degree=degree, lam=1.0)
        summed = replace(exact, patched=left_sums)
        yield "left Riemann sums, stochastic", f"degree {degree}, lam 1", FEW, summed, exact


def extrapolation() -> Iterator[Pair]:
    """lam = 1e-4 adds no noise that shows, but goes the stochastic way."""
    stochastic = CLD_.but(degree=2, lam=1e-4)
    yield "the stochastic multistep at lam = 0", "degree 2", FEW, stochastic, CLD_


def weight() -> Iterator[Pair]:
    right = replace(CLD_, sampler="euler-maruyama").but(lam=0.5)
    linear = replace(right, patched=linear_weight)
    yield "score's weight (1 + lam) / 2", "euler-maruyama, lam 0.5", FEW, linear, right


def corrector() -> Iterator[Pair]:
    for name, way in (("CLD", CLD_), ("BDM", BDM)):
        yield "a corrector, equal NFE", f"{name}, degrees 2, 2", FEW, way.but(corrector=2), way
    reused = replace(CLD_, sampler="gddim-pec")
    yield "a corrector that reuses its evaluation", "CLD, degrees 2, 2", FEW, reused, CLD_


def blurring() -> Iterator[Pair]:
    for degree in (1, 2):
        name = f"BDM, without: degree {degree}"
        yield "degree 0 alone", name, FEW, BDM.but(degree=0), BDM.but(degree=degree)


def truncation() -> Iterator[Pair]:
    for name, way in (("CLD", CLD_), ("BDM", BDM)):
        yield "truncation to uint8", f"{name}, degree 2", (50,), replace(way, rule="score-sde"), way


DIFFERENCES: Mapping[str, Callable[[], Iterator[Pair]]] = {
    made.__name__: made
    for made in (
        riemann, root, basis, numerical_eps, covariance, denoising, stochastic_sums,
        extrapolation, weight, corrector, blurring, truncation,
    )
}  # fmt: skip
UNMEASURED = (
    "the hybrid time grid: its times jump back up, no sampler can step on it",
    "multistep on blurring: as released it stops with an error",
)


@cache
def _model(process: str) -> Model:
    return sb.load(f"digits-{process}-exact")


class Judge:
    """fd-digits of N samples of a way, as `samplebench run` has it.

    Attributes:
        number: N.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._extract = DigitsExtractor()
        self._real: Reference = load_reference("digits-kde")
        self._of = cache(self._drawn)

    def line(self, name: str, setting: str, nfe: int, with_: Way, without: Way) -> str:
        """One line of the table."""
        (a, blocks_a), (b, blocks_b) = self._of(with_, nfe), self._of(without, nfe)
        left_out = [
            np.array([self._fd(total(blocks) - block) for block in blocks])
            for blocks in (blocks_a, blocks_b)
        ]
        changes, g = left_out[0] - left_out[1], len(blocks_a)
        error = np.sqrt((g - 1) / g * np.square(changes - changes.mean()).sum())
        x, y = self._fd(total(blocks_a)), self._fd(total(blocks_b))
        rms = (a - b).square().mean().sqrt().item()
        counts = sorted({way.evaluations(nfe) for way in (with_, without)})
        spent = " / ".join(map(str, counts))
        return (
            f"| {name} | {setting} | {spent} | {self.number:,} | {x:.3g} | {y:.3g} "
            f"| {x - y:+.2g} ± {error:.1g} | {rms:.2g} |"
        )

    def _fd(self, moments: Moments) -> float:
        return frechet_distance(
            moments.mean, moments.cov, self._real.mean, self._real.cov, root2=self._real.root
        )

    def _drawn(self, way: Way, nfe: int) -> tuple[Tensor, list[Moments]]:
        """Images in grey levels, and the moments of their features in blocks."""
        model, images, rows = way.model, [], []
        with way.patched():
            for first in tqdm(range(0, self.number, BLOCK), desc=f"{way.params}", leave=False):
                seeds = range(first, min(first + BLOCK, self.number))
                x = sb.sample(model, way.sampler, nfe=nfe, seeds=seeds, **dict(way.params))
                grey = to_uint8(x, way.rule)
                rows.append(self._extract(grey).numpy())
                images.append(grey.double())
        return torch.cat(images), [*BlockedMoments.of(np.concatenate(rows)).parts]


def total(blocks: Sequence[Moments]) -> Moments:
    return sum(blocks[1:], start=blocks[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-samples", type=int, default=1797)
    parser.add_argument("--only", help="names of differences, with commas")
    parser.add_argument("--list", action="store_true", help="print their names and stop")
    args = parser.parse_args()
    if args.list:
        print("\n".join(DIFFERENCES))
        return
    torch.set_num_threads(1)
    judge = Judge(args.num_samples)
    print("| with | setting | NFE | N | fd-digits with | without | change | rms |")
    print("|---|---|---|---|---|---|---|---|")
    for name in args.only.split(",") if args.only else DIFFERENCES:
        for words, setting, budgets, with_, without in DIFFERENCES[name]():
            for nfe in budgets:
                print(judge.line(words, setting, nfe, with_, without), flush=True)
    print()
    for what in UNMEASURED:
        print(f"Not measured: {what}.")


if __name__ == "__main__":
    main()
