"""Figures as SVG elements for a page: transparent, coloured by CSS variables, ids kept apart."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from samplebench.report.curves import PALETTE, Plot
from samplebench.report.plots import FAINT, INK, MARGIN, RULE, draw, render

_VARIABLES = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    RULE: "var(--rule)",
    "#ffffff": "none",
    **{light: f"var(--hue{index})" for index, (light, _) in enumerate(PALETTE)},
}


def palette_css() -> str:
    """Declarations of the curve colours `--hue<i>`, for light pages and for dark ones."""
    light, dark = (
        "".join(f"--hue{index}:{pair[side]};" for index, pair in enumerate(PALETTE))
        for side in (0, 1)
    )
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def inline_svg(plot: Plot, prefix: str) -> str:
    """An <svg> element without caption that adapts to its container.

    Args:
        plot: what to draw.
        prefix: put before every id, so that figures on one page do not share ids.
    """
    root = ET.fromstring(render(draw(plot, caption=False), "svg"))
    for parent in list(root.iter()):
        for child in list(parent):
            # Its rules would hold for the whole page; the page's own style has them.
            if _local(child.tag) in ("style", "metadata"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): _adapted(_local(key), value, prefix)
            for key, value in element.attrib.items()
        }
    # Without the margin the text is flush with the text of the page.
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    root.set("viewBox", f"{left + 72 * MARGIN:g} {top:g} {width - 72 * MARGIN:g} {height:g}")
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", f"{plot.metric} over NFE for {plot.model}; the values are in the table")
    return ET.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _adapted(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    if key == "href":
        return value.replace("#", f"#{prefix}", 1)
    if key == "style":
        value = re.sub(r"font-family:[^;]*;?", "", value)
        value = re.sub(r"#[0-9a-f]{6}", lambda found: _VARIABLES.get(found[0], found[0]), value)
    return value.replace("url(#", f"url(#{prefix}")
