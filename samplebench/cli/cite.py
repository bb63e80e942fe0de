"""`samplebench cite`: the BibTeX of what a run used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from samplebench.cli.common import command, output_flags, print_json, say

_EXAMPLES = """
samplebench cite reports/digits-exact > run.bib
samplebench cite heun edm digits-exact
samplebench cite                                  everything that samplebench can cite
"""


def add(commands: Any) -> None:
    text = "print the BibTeX of what a run used, or of samplers, models, ... by name"
    parser = command(commands, "cite", main, text, _EXAMPLES)
    parser.add_argument(
        "what",
        nargs="*",
        metavar="DIR|NAME",
        help="results folder of 'samplebench run' (write ./NAME if it is called like a sampler or "
        "model), or names from 'samplebench list' (default: all of them)",
    )
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench import __version__, citations

    uses: dict[citations.Use, None] = {}
    versions: set[str] = set()
    for word in args.what:
        if _is_folder(word, {name for _, name in citations.named()}):
            view = _view(Path(word))
            uses |= dict.fromkeys(citations.uses_of_view(view))
            versions |= set(citations.versions_of_view(view))
        else:
            uses |= dict.fromkeys(citations.uses_of_names([word]))
    found = citations.cited(
        uses if args.what else citations.named(), sorted(versions) or [__version__]
    )
    if args.json:
        print_json({c.key: {"entry": c.entry, "for": list(c.uses)} for c in found})
    else:
        print("\n\n".join(f"% {', '.join(c.uses)}\n{c.entry}" for c in found))
    missing = citations.without_citation(uses)
    if missing and not args.quiet:
        say(f"there is no BibTeX entry for: {', '.join(missing)}")
    return 0


def _is_folder(word: str, names: set[str]) -> bool:
    return word not in names and ("/" in word or Path(word).exists())


def _view(folder: Path) -> Any:
    from samplebench.errors import InputError
    from samplebench.results.older_folder import opened

    view = opened(folder).view()
    if not view.rows:
        raise InputError(f"{folder} has no finished cell yet; run its sweep first")
    return view
