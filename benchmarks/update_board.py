"""The committed board: samplebench/board/board.csv, board.md here, the tables of docs/board.md.

python benchmarks/update_board.py                     # computes it, 45 minutes on two cores
python benchmarks/update_board.py --out build/board   # where finished parts are, to go on
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from samplebench.board import BoardRow, read_rows
from samplebench.board.page import best_table, facts_of, floor_text, models_of
from samplebench.board.table import shipped
from samplebench.cli import main as samplebench
from samplebench.files.atomic import write_atomic

ROOT = Path(__file__).resolve().parents[1]
PAGE, DOCUMENT = ROOT / "benchmarks" / "board" / "board.md", ROOT / "docs" / "board.md"
_BEGIN, _END = "<!-- tables: benchmarks/update_board.py -->\n", "<!-- end of tables -->\n"


def tables(rows: list[BoardRow]) -> str:
    """What docs/board.md shows of the board."""
    parts = [facts_of(rows)]
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        parts.append(f"**{model}.** {floor_text(own)}\n\n{best_table(own)}")
    return "\n\n".join(parts) + "\n"


def with_tables(document: str, rows: list[BoardRow]) -> str:
    """The document with these tables in the place of those that it has."""
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.S)
    return pattern.sub(lambda _: f"{_BEGIN}\n{tables(rows)}\n{_END}", document)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="build/board", help="of the command samplebench board")
    out = Path(parser.parse_args().out)
    if code := samplebench(["board", "--anew", "--out", str(out)]):
        return code
    PAGE.parent.mkdir(exist_ok=True)
    for target in (shipped(), PAGE):
        shutil.copyfile(out / target.name, target)
    document = DOCUMENT.read_text(encoding="utf-8")
    write_atomic(DOCUMENT, with_tables(document, read_rows(shipped())).encode("utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
