"""The fixture `assert_curve` of pytest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from samplebench.errors import SamplebenchError

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_OPTION = "--samplebench-update"
# Of what a test reports, also from a worker of xdist.
_UPDATED = "samplebench-updated"
# What CI servers do not set.
_OFF = ("", "0", "false")


class CurveAssertion:
    """What a test calls."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def __call__(
        self,
        baseline: str | os.PathLike[str],
        *,
        tolerance: str | Sequence[str] = (),
        subset: bool = False,
        allow_better: bool = False,
        retrained: bool = False,
        **words: Any,
    ) -> None:
        """Runs a sweep and fails the test where it is not the baseline.

        Paths, those of samplers and models too, begin at pytest's root folder. Cells are kept in
        pytest's cache: what has not changed is not computed again.

        Args:
            baseline: CSV that `samplebench check --update` or `pytest --samplebench-update` wrote.
            tolerance: as of `samplebench check --tolerance`; several in a list.
            subset, allow_better, retrained: as the options of `samplebench check`.
            words: of the sweep, as of `samplebench.run`, without `out`.
        """
        __tracebackhide__ = True
        from samplebench.testing.curve import GateWords, checked, updated

        path = Path(baseline)
        config, node = self._request.config, self._request.node
        rules = (tolerance,) if isinstance(tolerance, str) else tuple(tolerance)
        gate = GateWords(rules, subset, allow_better, retrained)
        try:
            with _folder(config.rootpath):
                if config.getoption(_OPTION):
                    text = updated(path, self._cells(), words, subset=subset)
                    node.user_properties.append((_UPDATED, text))
                    return
                if not path.is_file():
                    pytest.fail(
                        f"samplebench: {path} does not exist; measure it with: "
                        f"pytest '{node.nodeid}' {_OPTION}, look at its values, and commit it with "
                        "its .provenance.json",
                        pytrace=False,
                    )
                failure = checked(path, self._cells(), words, gate)
        except SamplebenchError as error:
            pytest.fail(f"samplebench: {error}", pytrace=False)
        if failure:
            pytest.fail(f"{failure}\nmeant? pytest '{node.nodeid}' {_OPTION}", pytrace=False)

    def _cells(self) -> Path:
        """The results folder of this test, in pytest's cache, or for this run where that is off."""
        name = hashlib.sha256(self._request.node.nodeid.encode()).hexdigest()[:16]
        cache = getattr(self._request.config, "cache", None)
        if cache is None:
            factory: pytest.TempPathFactory = self._request.getfixturevalue("tmp_path_factory")
            return factory.mktemp("samplebench")
        return Path(cache.mkdir("samplebench")) / name


@pytest.fixture
def assert_curve(request: pytest.FixtureRequest) -> CurveAssertion:
    """`assert_curve("curves/mine.csv", sampler="./mine.py:f", nfe=[5, 10])`: see CurveAssertion."""
    return CurveAssertion(request)


def check_update(config: pytest.Config) -> None:
    """Raises UsageError where a CI server would rewrite every baseline, and so pass every test,
    because a file or a variable holds the option."""
    in_ci = os.environ.get("CI", "").lower() not in _OFF
    worker = hasattr(config, "workerinput")
    given = _OPTION in map(str, config.invocation_params.args)
    if config.getoption(_OPTION) and in_ci and not worker and not given:
        raise pytest.UsageError(
            f"{_OPTION} is in addopts or PYTEST_ADDOPTS and CI is set, so every curve would pass; "
            "take it out there, or give it on the command line"
        )


def updates(reporter: TerminalReporter) -> list[str]:
    """What tests that updated a baseline say of it."""
    reports = (report for reports in reporter.stats.values() for report in reports)
    found = (getattr(report, "user_properties", ()) for report in reports)
    told = (text for properties in found for name, text in properties if name == _UPDATED)
    return list(dict.fromkeys(map(str, told)))


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
