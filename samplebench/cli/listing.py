"""`samplebench list`: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, print_json, print_table

if TYPE_CHECKING:
    from samplebench.registry import Registry

_EXAMPLES = """
samplebench list
samplebench list samplers --verbose
samplebench list samplers heun edm --verbose --json
samplebench list metrics --verbose
"""

_FAMILY = "FAMILY-EXTRACTOR"
# Words of models that are no ids, as `loading/source.py` reads them.
_MODELS = {
    "FOLDER": "a folder in diffusers' layout: UNet2DModel, safetensors, scheduler_config.json",
    "hf:ORG/NAME[@REVISION]": "such a folder on the Hugging Face hub, at one commit",
    "FILE": "a file in a released container; --format and --model-config say what it does not",
    "./FILE.py:NAME": "a function in a file that returns a model, e.g. what sb.wrap returns",
    "PACKAGE.MODULE:NAME": "such a function in a module",
}


def add(commands: Any) -> None:
    text = "list models, samplers, discretizations, metrics, protocols and what reads files"
    parser = command(commands, "list", main, text, _EXAMPLES)
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(_ALL))
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these of the kind")
    text = "of samplers and metrics: all that is known of each, with its papers"
    parser.add_argument("--verbose", action="store_true", help=text)
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import UsageError, unknown

    if args.kind is not None and args.kind not in _ALL:
        raise unknown("kind", args.kind, _ALL)
    told = {"samplers": _sampler_facts, "metrics": _metric_facts}
    if args.verbose and args.kind not in told:
        raise UsageError(
            "--verbose tells more of samplers and metrics: samplebench list samplers --verbose"
        )
    kinds = [args.kind] if args.kind else list(_TABLES)
    made = {**_ALL, **told} if args.verbose else _ALL
    tables = {kind: _only(kind, args.names, made[kind]()) for kind in kinds}
    if args.json:
        print_json(tables[args.kind] if args.kind else tables)
        return 0
    if args.verbose:
        from samplebench.cli.facts import block

        print("\n\n".join(map(block, tables[args.kind])))
        return 0
    for i, kind in enumerate(kinds):
        if len(kinds) > 1:
            print(("\n" if i else "") + kind)
        print_table(tables[kind], as_json=False)
    return 0


def _only(
    kind: str, names: Sequence[str], rows: list[dict[str, object]]
) -> list[dict[str, object]]:
    """The rows of these names, in their order; all where none are given."""
    from samplebench.errors import unknown

    found = {str(next(iter(row.values()))): row for row in rows}
    for name in names:
        if name not in found:
            raise unknown(kind.removesuffix("s"), name, found, f"samplebench list {kind}")
    return [found[name] for name in names] if names else rows


def _models() -> list[dict[str, object]]:
    from samplebench.checkpoints.catalog import catalog

    rows: list[dict[str, object]] = [
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
    keys = dict.fromkeys(rows[0])
    return rows + [{**keys, "id": form, "summary": text} for form, text in _MODELS.items()]


def _samplers() -> list[dict[str, object]]:
    from samplebench.registry import samplers

    rows: list[dict[str, object]] = [
        {
            "name": found["name"],
            "order": found["order"],
            "timelines": found["timelines"],
            "evaluations": found["evaluations"],
            "summary": found["summary"],
            "parameters": found["parameters"],
        }
        for found in _sampler_facts()
    ]
    return _forms(samplers, rows)


def _sampler_facts() -> list[dict[str, object]]:
    from samplebench.cli.sampler_facts import facts
    from samplebench.registry import samplers

    return [facts(entry) for entry in samplers]


def _forms(known: Registry[Any], rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows with one more for each way to write a name that nobody registers."""
    places = {
        "./FILE.py:NAME": f"a {known.kind} in a file",
        "PACKAGE.MODULE:NAME": f"a {known.kind} in a module",
    }
    told = {scheme.form: scheme.summary for scheme in known.schemes()} | places
    keys = dict.fromkeys(rows[0])
    return rows + [{**keys, "name": form, "summary": text} for form, text in told.items()]


def _discretizations() -> list[dict[str, object]]:
    from samplebench.answers.parameters import label
    from samplebench.discretizations import grid_constants
    from samplebench.registry import discretizations

    rows: list[dict[str, object]] = [
        {
            "name": entry.name,
            "summary": entry.summary,
            "constants": label(grid_constants(entry.name)),
        }
        for entry in discretizations
    ]
    return _forms(discretizations, rows)


def _metrics() -> list[dict[str, object]]:
    from samplebench.metrics.family import forms
    from samplebench.registry import metrics

    rows: list[dict[str, object]] = [
        {
            "name": entry.name,
            "features": entry.extractor,
            "better": entry.better,
            "summary": entry.summary,
        }
        for entry in metrics
    ]
    (*others, last) = forms()
    text = (
        f"{', '.join(others)}{' and ' if others else ''}{last}: on any other extractor's features"
    )
    return _forms(metrics, [*rows, {**dict.fromkeys(rows[0]), "name": _FAMILY, "summary": text}])


def _metric_facts() -> list[dict[str, object]]:
    from samplebench.cli.metric_facts import facts
    from samplebench.registry import metrics

    return [facts(entry) for entry in metrics]


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
