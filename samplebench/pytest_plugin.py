"""The plugin of pytest: the fixture `assert_curve`, and `--samplebench-update`.

pytest loads this module wherever samplebench is installed, so it imports nothing until a run is
configured, and nothing heavy until a test asks for a curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from pytest import Config, Parser


def pytest_addoption(parser: Parser) -> None:
    """Adds the option."""
    parser.getgroup("samplebench", "curves of diffusion samplers").addoption(
        "--samplebench-update",
        action="store_true",
        help="make what assert_curve measures the baseline, and say what that changes",
    )


def pytest_configure(config: Config) -> None:
    """Registers the fixture; refuses an update of a CI server that nobody asked for there."""
    from samplebench.testing import fixture

    fixture.check_update(config)
    config.pluginmanager.register(fixture, "samplebench-fixture")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Says which baselines were written, and what that changed."""
    from samplebench.testing.fixture import updates

    found = updates(terminalreporter)
    if found:
        terminalreporter.section("samplebench: baselines written")
    for text in found:
        terminalreporter.write_line(text)
