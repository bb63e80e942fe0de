"""Tables, plots and the HTML page of a sweep, made from its stored results.

Rendering needs neither torch nor the network. Importing this package is cheap: pandas, matplotlib
and jinja2 are imported by the functions that need them.
"""

from __future__ import annotations

from pathlib import Path

from samplebench.results.view import View

__all__ = ["write_report"]


def write_report(view: View, out: Path, uncertain: bool = False) -> dict[str, Path]:
    """Write `results.csv`, `figures/<model>.<metric>.svg|png`, `report.html`, and where samples are
    kept `figures/<model>.<metric>.overview.svg|png` into `out`.

    Each file is replaced atomically, and can be made again: none but the table waits for the disk.
    The same view gives the same bytes.

    Args:
        view: what was measured.
        out: folder.
        uncertain: whether published values of certainty C are laid over the curves too.

    Returns:
        The paths by their names relative to `out`, e.g. "results.csv".
    """
    from samplebench.files.atomic import write_atomic
    from samplebench.report.html import render_html
    from samplebench.report.overview import write_overviews
    from samplebench.report.plots import write_figures
    from samplebench.results.tables import write_csv

    out = Path(out)
    paths = [write_csv(view.rows, out / "results.csv"), *write_figures(view, out / "figures")]
    drawn = {path.stem: path.read_bytes() for path in paths if path.suffix == ".svg"}
    page = render_html(view, uncertain, drawn, out).encode("utf-8")
    paths.append(write_atomic(out / "report.html", page, sync=False))
    paths += write_overviews(view, out / "figures")
    return {path.relative_to(out).as_posix(): path for path in paths}
