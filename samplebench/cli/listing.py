"""`samplebench list`: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from samplebench.cli.common import command, output_flags, print_json, print_table

_EXAMPLES = """
samplebench list
samplebench list samplers --json
"""


def add(commands: Any) -> None:
    text = "list models, samplers, discretizations, metrics, protocols and what reads files"
    parser = command(commands, "list", main, text, _EXAMPLES)
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(_ALL))
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import unknown

    if args.kind is not None and args.kind not in _ALL:
        raise unknown("kind", args.kind, _ALL)
    kinds = [args.kind] if args.kind else list(_TABLES)
    if args.json:
        tables = {kind: _ALL[kind]() for kind in kinds}
        print_json(tables[args.kind] if args.kind else tables)
        return 0
    for i, kind in enumerate(kinds):
        if len(kinds) > 1:
            print(("\n" if i else "") + kind)
        print_table(_ALL[kind](), as_json=False)
    return 0


def _models() -> list[dict[str, object]]:
    from samplebench.checkpoints.catalog import catalog

    return [
        {
            "id": c.id,
            "shape": "x".join(map(str, c.shape)),
            "classes": c.num_classes,
            "protocol": c.protocol,
            "licence": c.licence,
            "summary": c.summary,
        }
        for c in catalog().values()
    ]


def _samplers() -> list[dict[str, object]]:
    from samplebench.answers.parameters import label
    from samplebench.registry import samplers
    from samplebench.sampling.solver import Solver

    return [
        {
            "name": entry.name,
            "order": entry.order,
            "timelines": ", ".join((entry.timeline, *entry.on)),
            "evaluations at 10 steps": entry.evaluations(10) if entry.evaluations else None,
            "summary": entry.summary,
            "parameters": label(Solver.of(entry.name).defaults),
        }
        for entry in samplers
    ]


def _discretizations() -> list[dict[str, object]]:
    from samplebench.answers.parameters import label
    from samplebench.discretizations import grid_constants
    from samplebench.registry import discretizations

    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "constants": label(grid_constants(entry.name)),
        }
        for entry in discretizations
    ]


def _metrics() -> list[dict[str, object]]:
    from samplebench.registry import metrics

    return [
        {"name": entry.name, "features": entry.extractor, "summary": entry.summary}
        for entry in metrics
    ]


def _extractors() -> list[dict[str, object]]:
    from samplebench.registry import extractors

    return [{"name": entry.name, "summary": entry.summary} for entry in extractors]


def _adapters() -> list[dict[str, object]]:
    from samplebench.registry import adapters

    return [{"name": entry.name, "summary": entry.summary} for entry in adapters]


def _timelines() -> list[dict[str, object]]:
    from samplebench.registry import timelines

    return [
        {
            "name": entry.name,
            "samplers need": entry.obj.needs,
            "models of kind": ", ".join(entry.obj.kinds),
            "summary": entry.summary,
        }
        for entry in timelines
    ]


def _protocols() -> list[dict[str, object]]:
    from samplebench.protocols import PROTOCOLS

    return [
        {"name": p.name, **{k: v for k, v in p.conditions().items()}, "summary": p.summary}
        for p in PROTOCOLS.values()
    ]


_TABLES: dict[str, Callable[[], list[dict[str, object]]]] = {
    "models": _models,
    "samplers": _samplers,
    "discretizations": _discretizations,
    "metrics": _metrics,
    "protocols": _protocols,
}
# Of these the extractors load torch, so they are listed by name only.
_ALL = {**_TABLES, "timelines": _timelines, "extractors": _extractors, "adapters": _adapters}
