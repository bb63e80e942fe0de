"""`samplebench list`: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
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

Row = dict[str, object]
_FAMILY = "FAMILY-EXTRACTOR"
# Words of models that are no ids, as `loading/source.py` reads them.
_MODELS = {
    "FOLDER": "a folder in diffusers' layout: UNet2DModel, safetensors, scheduler_config.json",
    "hf:ORG/NAME[@REVISION]": "such a folder on the Hugging Face hub, at one commit",
    "FILE": "a file in a released format; --format and --model-config give what it lacks",
    "./FILE.py:NAME": "a function in a file that returns a model, e.g. what sb.wrap returns",
    "PACKAGE.MODULE:NAME": "such a function in a module",
}


def add(commands: Any) -> None:
    text = "list models, samplers, discretizations, metrics, protocols and adapters"
    parser = command(commands, "list", main, text, _EXAMPLES)
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(_ALL))
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these names")
    text = "full details of samplers and metrics, with papers"
    parser.add_argument("--verbose", action="store_true", help=text)
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import UsageError, unknown

    if args.kind is not None and args.kind not in _ALL:
        raise unknown("kind", args.kind, _ALL)
    if args.verbose and args.kind not in _FACTS:
        raise UsageError(
            "--verbose shows more about samplers and metrics: samplebench list samplers --verbose"
        )
    kinds = [args.kind] if args.kind else list(_SHORT)
    tables = {kind: _table(kind, args.names, args.verbose) for kind in kinds}
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


def _table(kind: str, names: Sequence[str], verbose: bool) -> list[Row]:
    """The rows of these names, in their order; all where none are given.

    A name that no row has may still mean a file, a module, or a family's metric: a registry says.
    """
    from samplebench import registry
    from samplebench.errors import unknown

    known, row_of = getattr(registry, kind, None), (_FACTS if verbose else _ROWS).get(kind)
    if known is None or row_of is None:
        rows = _OTHERS[kind]()
    else:
        rows = [row_of(entry) for entry in known]
        if kind in _FORMS and not verbose:
            rows += _forms(known, dict.fromkeys(rows[0]), _FORMS[kind]())
    if kind == "models":
        from samplebench.checkpoints.catalog import resolved

        names = [resolved(name) for name in names]
    found = {str(next(iter(row.values()))): row for row in rows}
    for name in names:
        if name in found:
            continue
        if known is None or row_of is None:
            raise unknown(kind.removesuffix("s"), name, found, f"samplebench list {kind}")
        found[name] = row_of(known.entry(name))
    return [found[name] for name in names] if names else rows


def _models() -> list[Row]:
    from samplebench.checkpoints.catalog import catalog

    rows: list[Row] = [
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


def _protocols() -> list[Row]:
    from samplebench.protocols import PROTOCOLS

    return [
        {"name": p.name, **{k: v for k, v in p.conditions().items()}, "summary": p.summary}
        for p in PROTOCOLS.values()
    ]


def _forms(known: Registry[Any], keys: Row, further: Mapping[str, str]) -> list[Row]:
    """A row for each way to write a name that nobody registers."""
    places = {
        "./FILE.py:NAME": f"a {known.kind} in a file",
        "PACKAGE.MODULE:NAME": f"a {known.kind} in a module",
    }
    told = {scheme.form: scheme.summary for scheme in known.schemes()}
    every = {**further, **told, **places}
    return [{**keys, "name": form, "summary": text} for form, text in every.items()]


def _families() -> dict[str, str]:
    """How the metrics of families are written on an extractor of one's own."""
    from samplebench.metrics.family import forms

    (*others, last) = forms()
    names = f"{', '.join(others)}{' and ' if others else ''}{last}"
    return {_FAMILY: f"{names}: on any other extractor's features"}


def _sampler(entry: Any) -> Row:
    keys = ("name", "order", "timelines", "evaluations", "summary", "parameters")
    found = _sampler_facts(entry)
    return {key: found[key] for key in keys}


def _sampler_facts(entry: Any) -> Row:
    from samplebench.cli.sampler_facts import facts

    return facts(entry)


def _discretization(entry: Any) -> Row:
    from samplebench.answers.parameters import label
    from samplebench.discretizations import grid_constants

    constants = label(grid_constants(entry.name))
    return {"name": entry.name, "summary": entry.summary, "constants": constants}


def _metric(entry: Any) -> Row:
    return {
        "name": entry.name,
        "features": entry.extractor,
        "better": entry.better,
        "summary": entry.summary,
    }


def _metric_facts(entry: Any) -> Row:
    from samplebench.cli.metric_facts import facts

    return facts(entry)


def _named(entry: Any) -> Row:
    return {"name": entry.name, "summary": entry.summary}


def _timeline(entry: Any) -> Row:
    return {
        "name": entry.name,
        "samplers need": entry.obj.needs,
        "models of kind": ", ".join(entry.obj.kinds),
        "summary": entry.summary,
    }


# Of what registries hold: an entry's row, and all that is known of it.
_ROWS: dict[str, Callable[[Any], Row]] = {
    "samplers": _sampler,
    "discretizations": _discretization,
    "metrics": _metric,
    "timelines": _timeline,
    "extractors": _named,
    "adapters": _named,
}
_FACTS: dict[str, Callable[[Any], Row]] = {"samplers": _sampler_facts, "metrics": _metric_facts}
# Whose names may be written in further ways, and the ways of that kind alone.
_FORMS: dict[str, Callable[[], dict[str, str]]] = {
    "samplers": dict,
    "discretizations": dict,
    "metrics": _families,
}
_OTHERS: dict[str, Callable[[], list[Row]]] = {"models": _models, "protocols": _protocols}
# Of these the extractors load torch, so they are listed by name only.
_SHORT = ("models", "samplers", "discretizations", "metrics", "protocols")
_ALL = (*_SHORT, "timelines", "extractors", "adapters")
