"""The fixture `assert_curve` of pytest."""

from __future__ import annotations

import hashlib
import os
import shlex
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from samplebench.errors import WHERE, SamplebenchError

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
        one = isinstance(tolerance, str) or not isinstance(tolerance, Iterable)
        rules: tuple[Any, ...] = (tolerance,) if one else tuple(tolerance)
        gate = GateWords(rules, subset, allow_better, retrained)
        try:
            gate.check()
            with _folder(config.rootpath):
                if config.getoption(_OPTION):
                    text = updated(path, self._cells(), words, subset=subset)
                    node.user_properties.append((_UPDATED, text))
                    return
                if path.exists():
                    failure = checked(path, self._cells(), words, gate, self._update())
                else:
                    failure = (
                        f"samplebench: {path} does not exist; measure it with: {self._update()}, "
                        "look at its values, and commit it with its .provenance.json"
                    )
        except SamplebenchError as error:
            failure = f"samplebench: {_told(error)}"
        # Not within "except", of which pytest would show the error a second time.
        if failure:
            pytest.fail(failure, pytrace=False)

    def _update(self) -> str:
        """The command that makes this test's sweep the baseline, in the folder of this run."""
        node = self._request.node
        file = os.path.relpath(node.path, self._request.config.invocation_params.dir)
        _, colons, rest = node.nodeid.partition("::")
        return f"pytest {shlex.quote(f'{file}{colons}{rest}')} {_OPTION}"

    def _cells(self) -> Path:
        """The results folder of this test."""
        name = hashlib.sha256(self._request.node.nodeid.encode()).hexdigest()[:16]
        return self._home() / name

    def _home(self) -> Path:
        """Of all tests of this run: in pytest's cache, else in its temporary folder."""
        config = self._request.config
        if cache := getattr(config, "cache", None):
            try:
                folder = Path(cache.mkdir("samplebench"))
            except OSError:
                # pytest itself goes on where it cannot write its cache.
                folder = None
            if folder and os.access(folder, os.W_OK | os.X_OK):
                return folder
        factory: pytest.TempPathFactory = self._request.getfixturevalue("tmp_path_factory")
        base = factory.getbasetemp()
        # A worker of xdist has a folder of its own within that of the run.
        folder = (base.parent if hasattr(config, "workerinput") else base) / "samplebench"
        folder.mkdir(exist_ok=True)
        return folder


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


def _told(error: SamplebenchError) -> str:
    """The message; where code of others failed, with its traceback, as pytest has no --debug."""
    text = str(error)
    if WHERE not in text:
        return text
    cause: BaseException | None = error
    while isinstance(cause, SamplebenchError):
        cause = cause.__cause__
    trace = traceback.format_exception(cause, chain=False) if cause else []
    return "\n".join([text.replace(WHERE, ""), "".join(trace).rstrip()])


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
