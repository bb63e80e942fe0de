"""The verdicts as GitHub-flavoured Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from samplebench.regression.summary import Summary
from samplebench.regression.text import lines
from samplebench.regression.verdict import BETTER, SAME, Verdict
from samplebench.results.fields import counted, printable

_SPECIAL = re.compile(r"([\\`*_|\[\]~$])")


def to_markdown(summary: Summary) -> str:
    """A headline, a table of what is not the same, and the rest folded away."""
    outcome = "failed" if summary.failed else "passed"
    blocks = [f"### samplebench check: {outcome}", f"**{summary.counts()}**"]
    others = [v for v in summary.verdicts if v.failed or v.status == BETTER]
    if others:
        blocks.append(_table(others))
    if step := summary.next_step():
        blocks.append(escaped(step))
    rest = [v for v in summary.verdicts if v not in others]
    if rest:
        same = sum(v.status == SAME for v in rest)
        titles = [counted(same, "row") + " the same"] if same else []
        titles += [f"{len(rest) - same} new"] if same < len(rest) else []
        blocks.append(
            f"<details><summary>{', '.join(titles)}</summary>\n\n{_table(rest)}\n\n</details>"
        )
    blocks += [f"<sub>{escaped(rule)}</sub>" for rule in summary.rules()]
    return "\n\n".join(blocks) + "\n"


def _table(verdicts: Sequence[Verdict]) -> str:
    return markdown_table(lines(verdicts))


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of equal keys, at least one; no text of theirs becomes a link or a tag."""
    columns = list(rows[0])
    found = [columns, ["---"] * len(columns)]
    found += [["" if v is None else escaped(str(v)) for v in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in found)


def escaped(text: str) -> str:
    """Text that stays text in GitHub-flavoured Markdown, in a table too."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", safe)
