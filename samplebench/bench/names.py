"""What a request's words are called in the results: a path is a word, and no name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from samplebench.bench.request import Request
from samplebench.discretizations import grid_constants
from samplebench.errors import UsageError, unknown
from samplebench.registry import Registry, discretizations, metrics, samplers
from samplebench.registry.python_files import is_place
from samplebench.sampling.solver import Solver


def look_up(request: Request) -> None:
    """Looks at what a request names, before any model is here.

    What is in files and notebooks is read anew.

    Raises:
        UsageError: an unknown name, or two of a sweep that the results would call the same.
    """
    for known, words in (
        (samplers, request.sampler),
        (discretizations, request.discretization),
        (metrics, request.metric),
    ):
        for word in words:
            if isinstance(word, str):
                known.renew(word)
    _check_called(samplers, request.sampler)
    _check_called(discretizations, request.discretization)
    for sampler in request.sampler:
        Solver.of(sampler)
    for grid in request.discretization:
        if isinstance(grid, str):
            grid_constants(grid)


def _check_called(known: Registry[Any], words: Iterable[Any]) -> None:
    """Raises `UsageError` where two of a sweep would have one name in the results."""
    named: dict[str, Any] = {}
    for word in words:
        if not (isinstance(word, str) or callable(word)):
            continue
        name = (known.entry(word) if isinstance(word, str) else known.add(word)).name
        other = named.setdefault(name, word)
        if isinstance(word, str) and isinstance(other, str):
            if other != word and known.differ(other, word):
                how = (
                    "copy or rename one file"
                    if is_place(word)
                    else "change the name in one of them"
                )
                raise UsageError(
                    f"two {known.kind}s are called {name}: {other} and {word}; {how} (--label does "
                    "not tell them apart)"
                )
        elif other is not word:
            raise UsageError(
                f"two {known.kind}s are called {name}; rename one, e.g. f.__qualname__ = 'mine-2'"
            )


def params_by_name(
    params: Mapping[str, Any], words: Sequence[Any], solvers: Sequence[Solver]
) -> dict[str, Any]:
    """Parameters of samplers, each written as its word or as its name, by the names.

    Raises:
        UsageError: of a sampler that is not asked for, or of one by both.
    """
    names = {
        **{solver.name: solver.name for solver in solvers},
        **{w: s.name for w, s in zip(words, solvers, strict=True) if isinstance(w, str)},
    }
    found: dict[str, Any] = {}
    for word, table in params.items():
        if word not in names:
            raise unknown("sampler in --param", word, names)
        if twice := found.get(names[word], {}).keys() & table.keys():
            raise UsageError(
                f"--param {word}.{min(twice)}: already given for {names[word]}; leave one out"
            )
        found[names[word]] = {**found.get(names[word], {}), **table}
    return found
