"""How curves are told apart: hue and filling from one number, marker and dash from another.

The page and the figures share these tables: a curve looks the same in both. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

# (on white, on near-black). Each column keeps a contrast of 3:1 to its background and its members
# at least 30 (27 on near-black) apart in CIELAB as seen with protanopia, deuteranopia or tritanopia
# (Machado, Oliveira and Fernandes 2009, severity 1).
PALETTE = (
    ("#083492", "#98afff"),
    ("#d06615", "#db9003"),
    ("#0da470", "#20ee9b"),
    ("#9c5f9b", "#c71787"),
    ("#70230b", "#826635"),
    ("#141414", "#f4f0f4"),
    ("#8a7efe", "#914eff"),
)
# Of matplotlib and, in the same order, of Plotly.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "*", "d")
SYMBOLS = (
    "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "pentagon",
    "triangle-left", "triangle-right", "star", "diamond-tall",
)  # fmt: skip
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2)), (0, (8, 2, 2, 2)))
STROKES = ("solid", "dash", "dot", "dashdot", "longdash")
# As many colours, hollow ones included, and variants as there are before any of them repeats.
COLOURS = 2 * len(PALETTE)
VARIANTS = len(MARKERS) * len(DASHES)


def hue(colour: int) -> str:
    """On white, as "#rrggbb"."""
    return PALETTE[colour % len(PALETTE)][0]


def hollow(colour: int) -> bool:
    """Past the palette's end the colours repeat with hollow markers."""
    return colour // len(PALETTE) % 2 == 1


def line(colour: int, variant: int) -> dict[str, Any]:
    """Properties of a line for matplotlib, but for its hue."""
    return {
        "marker": MARKERS[variant % len(MARKERS)],
        "linestyle": DASHES[variant % len(DASHES)],
        "fillstyle": "none" if hollow(colour) else "full",
    }


def apart(wanted: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Looks near the wanted ones, no two of which are alike.

    A curve keeps its hue; where all have one colour, hues tell the variants apart. Hue, marker and
    filling tell up to 168 apart, so that single points, which show no dash, differ as well; with
    the dashes it is 840, after which looks repeat.

    Args:
        wanted: distinct (colour, variant), any numbers from 0.

    Returns:
        As many (colour, variant), colour < `COLOURS` and variant < `VARIANTS`.
    """
    if len({colour for colour, _ in wanted}) == 1:
        wanted = [(variant, variant) for _, variant in wanted]
    found: dict[tuple[int, int], tuple[int, int]] = {}
    marks: set[tuple[int, int]] = set()
    # First those that need not give way.
    plain = [p for p in wanted if p[0] < COLOURS and p[1] < len(MARKERS)]
    for pair in (*plain, *wanted):
        if pair in found:
            continue
        taken = set(found.values())
        free = [look for look in _near(*pair) if look not in taken] or list(_near(*pair))
        look = next((each for each in free if _mark(each) not in marks), free[0])
        found[pair] = look
        marks.add(_mark(look))
    return [found[pair] for pair in wanted]


def _mark(look: tuple[int, int]) -> tuple[int, int]:
    return look[0], look[1] % len(MARKERS)


def _near(colour: int, variant: int) -> Iterator[tuple[int, int]]:
    """All looks of its hue: itself, the other filling, then the next variant, and so on."""
    for step in range(VARIANTS):
        for turned in (0, len(PALETTE)):
            yield (colour + turned) % COLOURS, (variant + step) % VARIANTS


class LegendEntry(NamedTuple):
    """A curve as a legend has it: what its colour and what its marker and dash stand for."""

    name: str
    detail: str  # "" where there is nothing to tell apart
    label: str
    colour: int
    variant: int


def crossed(curves: Sequence[LegendEntry]) -> bool:
    """Whether each name has a colour of its own and each detail a marker and dash of its own."""
    for pairs in ({(c.name, c.colour) for c in curves}, {(c.detail, c.variant) for c in curves}):
        if any(len({pair[side] for pair in pairs}) < len(pairs) for side in (0, 1)):
            return False
    return True
