"""Sample contact sheets, laid out so that the same seeds stand side by side across samplers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samplebench.report.samples import Samples, samples_of
from samplebench.report.sweep import facets_of
from samplebench.report.thumbnails import Thumbnail, fitted
from samplebench.results.fields import count_text, hashes_of, metrics_of, printable, value_text
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View

_PLUS_MINUS = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class ContactSheet:
    """One contact sheet in the page; widths in CSS pixels for wide and for narrow screens.

    Attributes:
        picture: what the page holds of it.
        about: whose samples they are.
        nfe: what was counted.
        budget: the NFE that was asked for, which is the same across samplers.
        values: what was measured, each as text.
        facets: by which it is switched.
        seeds: what sheets share whose samples begin with the same latents, place by place.
        file: of the whole sheet, relative to the page; "" where it does not lie beside the page.
    """

    picture: Thumbnail
    wide: int
    narrow: int
    about: str
    nfe: str
    budget: str
    values: list[str]
    facets: dict[str, str]
    seeds: str
    file: str

    def data(self) -> dict[str, object]:
        """What the page's script reads of it."""
        picture = self.picture
        own = {"at": self.budget, "nfe": self.nfe, "about": self.about, "facets": self.facets}
        layout = (picture.count, picture.columns, *picture.tile)
        # Pictures of one layout and the same seeds can be set on each other.
        same = f"{self.seeds} {picture.width}x{picture.height} {layout}"
        return {**own, "layout": layout, "same": same}


@dataclass(frozen=True)
class Sheets:
    """All of a page.

    Attributes:
        all: curve by curve, by increasing NFE.
        shown: what of each the page holds, in words.
        cut: whether that is not all of them.
    """

    all: list[ContactSheet]
    shown: str
    cut: bool

    @property
    def comparable(self) -> bool:
        """Whether two can be set on each other."""
        return max(Counter(sheet.data()["same"] for sheet in self.all).values(), default=0) > 1


def sheets_of(view: View, folder: Path | None = None) -> Sheets:
    """The sheets of all rows that have one.

    Args:
        view: what was measured.
        folder: that the page lies in.
    """
    found = [(samples, key) for samples in samples_of(view) if (key := _key(samples, view))]
    pictures = fitted(
        [(Path(view.sheets[key]), samples.rows[0]["num_samples"]) for samples, key in found]
    )
    sheets = [
        _sheet(samples, key, picture, view, folder)
        for (samples, key), picture in zip(found, pictures, strict=True)
    ]
    return Sheets(sheets, *_shown(pictures))


def _shown(pictures: Sequence[Thumbnail]) -> tuple[str, bool]:
    """(what the page holds of each sheet, whether that is less than all)."""
    most = max((picture.count for picture in pictures), default=0)
    whole = max((picture.whole for picture in pictures), default=0)
    text = f"The first {most} {f'of {whole} ' if most < whole else ''}samples of each cell"
    if scaled := any(picture.factor > 1 for picture in pictures):
        sizes = dict.fromkeys(picture.tile[:2] for picture in pictures)
        text += f", scaled to {' or '.join(f'{h} × {w}' for h, w in sizes)} pixels"
    return text, scaled or most < whole


def _key(samples: Samples, view: View) -> str:
    """The first cell that has a sheet; "" where none has."""
    return next((key for key in hashes_of(samples.rows[0]) if key in view.sheets), "")


def _sheet(
    samples: Samples, key: str, picture: Thumbnail, view: View, folder: Path | None
) -> ContactSheet:
    row, about, record = samples.rows[0], samples.label, view.cells.get(key)
    conditions = record["conditions"] if record else {}
    if len(hashes_of(row)) > 1:
        about += f", seed {conditions.get('seed', '?')}"
    # Whole multiples: a pixel of a sample stays a square. What has no room for one is shrunk.
    wide, narrow = (picture.width * max(1, room // picture.width) for room in (220, 160))
    asked = row.get("nfe_requested")
    nfe = count_text(row.get("nfe"))
    facets = facets_of(row)
    if len(samples.rows) > 1:
        del facets["reference"]
    path = Path(view.sheets[key])
    beside = folder is not None and path.is_relative_to(folder)
    return ContactSheet(
        picture,
        wide,
        narrow,
        about,
        nfe,
        budget=nfe if asked is None else str(asked),
        values=_values(samples.rows),
        facets=facets,
        seeds=f"{conditions.get('seed', row.get('seed'))} {conditions.get('noise', '')}",
        file=path.relative_to(folder).as_posix() if folder and beside else "",
    )


def _values(rows: Sequence[Row]) -> list[str]:
    """What was measured, each with its reference where a metric has several."""
    found = [(name, row) for row in rows for name in metrics_of([row]) if row.get(name) is not None]
    often = Counter(name for name, _ in found)
    texts = []
    for name, row in found:
        text = f"{printable(name)} {value_text(row.get(name), row.get(name + STDERR))}"
        text += f" against {printable(row['reference'])}" if often[name] > 1 else ""
        texts.append(text.replace(" ± ", _PLUS_MINUS))
    return texts
