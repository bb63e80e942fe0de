"""The verdicts as JUnit XML, which CI servers show."""

from __future__ import annotations

from xml.etree import ElementTree

from samplebench.regression.summary import Summary
from samplebench.regression.verdict import NEW, Verdict
from samplebench.results.fields import printable


def to_junit(summary: Summary) -> bytes:
    """A test case per row, class `model.sampler`; rows the baseline lacks are skipped."""
    verdicts = summary.verdicts
    counts = {
        "tests": len(verdicts),
        "failures": sum(verdict.failed for verdict in verdicts),
        "errors": 0,
        "skipped": sum(verdict.status == NEW for verdict in verdicts),
    }
    attributes = {key: str(count) for key, count in counts.items()}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "samplebench check", **attributes})
    for verdict in verdicts:
        _case(suite, verdict)
    ElementTree.SubElement(suite, "system-out").text = "\n".join(
        printable(line) for line in [summary.counts(), *summary.rules()]
    )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ElementTree.Element, verdict: Verdict) -> None:
    row = verdict.row
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {"classname": printable(f"{row['model']}.{row['sampler']}"), "name": verdict.name},
    )
    if verdict.status == NEW:
        ElementTree.SubElement(case, "skipped", {"message": "not in the baseline"})
    elif verdict.failed:
        message = printable(": ".join(filter(None, [verdict.status, verdict.detail])))
        failure = ElementTree.SubElement(
            case, "failure", {"type": verdict.status, "message": message}
        )
        failure.text = "\n".join(
            printable(line) for line in [*(c.words() for c in verdict.moves), verdict.note] if line
        )
