"""`check` on tables in which one value moved or lost its evidence, and something else was done too.

Whatever else is done to results, baseline or what is beside them, the exit code is 1 or 2, soon.
"""

from __future__ import annotations

import copy
import json
import random
import re
import time
from collections import Counter

import pytest

from samplebench.cli import main
from samplebench.results.row import COLUMNS

N = 100
METRICS = ("fd-digits", "mine:kid")
HEAD = [*COLUMNS, *(column for m in METRICS for column in (m, f"{m}_stderr")), "cell"]
# What tables of schema 1 lack.
LATER = ("depth", "guidance", "guide_nfe", "reference")
# Gates with the first seeds of the results and further facts of theirs.
GATES = {
    (): (0, {}),
    ("--subset",): (0, {}),
    ("--allow-better",): (0, {}),
    ("--tolerance", "2%"): (0, {}),
    ("--tolerance", "fd-digits<=1e4,mine:kid<=1e4"): (0, {}),
    ("--tolerance", "abs:0.01,mine:kid>=-1"): (0, {}),
    ("--tolerance", "3sigma"): (5000, {}),
    ("--tolerance", "3sigma", "--subset"): (5000, {}),
    ("--tolerance", "3sigma", "--retrained"): (5000, {"checkpoint_sha256": "b" * 64}),
}


class Side:
    """A table with what is beside it, of this schema or of schema 1, as text that can be spoilt."""

    def __init__(self, seeds, facts, tag, older=False):
        self.head, self.rows, self.end, self.bom, self.extra = list(HEAD), [], "\n", "", ""
        cells = []
        for seed in seeds:
            for i, (sampler, nfe) in enumerate((s, n) for s in ("euler", "heun") for n in (5, 9)):
                cells.append(f"{tag}{seed:031x}{i:032x}")
                row = {
                    "model": "digits-exact", "sampler": sampler, "params": "a=1, b=2",
                    "discretization": "edm", "rho": 7, "steps": nfe, "nfe": nfe,
                    "nfe_requested": nfe, "depth": nfe, "guidance": "", "guide_nfe": 0,
                    "seed": seed, "repeats": 1, "num_samples": N, "protocol": "digits",
                    "dtype": "float64", "reference": "digits-kde@cccccccc", "cell": cells[-1],
                }  # fmt: skip
                for k, metric in enumerate(METRICS):
                    value = (1.0 + i) * (1 + k)
                    row |= {metric: value, f"{metric}_stderr": 0.02 * value}
                self.rows.append({key: str(value) for key, value in row.items()})
        conditions = {
            "model": "digits-exact", "checkpoint_sha256": "a" * 64, "num_samples": N, "block": 64,
        }  # fmt: skip
        if older:
            self.head = [column for column in self.head if column not in LATER]
            reference = {"id": "digits-kde", "sha256": "c" * 64}
            conditions |= {"reference": reference, "metrics": [*METRICS], **facts}
        else:
            conditions |= {"metrics": {"digits-kde@cccccccc": [*METRICS]}, **facts}
        origin = {"cells": cells, "conditions": conditions, "platform": "here", "hardware": "a cpu"}
        self.beside = {"platforms": ["here"], "origins": [origin]} | (
            {} if older else {"schema": 2}
        )

    def column(self, name, values):
        """One more column of this name, before the last."""
        self.head.insert(-1, name)
        for row, value in zip(self.rows, values, strict=True):
            row.setdefault("_more", []).append(value)

    def write(self, path):
        lines = [self.head]
        for row in self.rows:
            more, seen, line = list(row.get("_more", [])), set(), []
            for name in self.head:
                line.append(more.pop(0) if name in seen or name not in row else row[name])
                seen.add(name)
            lines.append(line)
        text = self.end.join(
            ",".join(f'"{e}"' if re.search('[,"\n]', e) else e for e in line) for line in lines
        )
        path.write_bytes((self.bom + text + self.end + self.extra).encode())
        beside = path.with_suffix(".provenance.json")
        beside.unlink(missing_ok=True)
        if self.beside is not None:
            known = isinstance(self.beside, str)
            beside.write_text(self.beside if known else json.dumps(self.beside))


def same_point(first, second):
    return all(first[key] == second[key] for key in ("sampler", "nfe"))


def put(column, *values):
    """A manipulation: an entry of one row."""

    def spoil(side, row, draw, other):
        row[column if column != "METRIC" else draw.choice(METRICS)] = str(draw.choice(values))

    spoil.__name__ = f"put {column}"
    return spoil


def stderr(*values):
    def spoil(side, row, draw, other):
        value = draw.choice(values)
        for column in (f"{metric}_stderr" for metric in METRICS):
            row[column] = value if isinstance(value, str) else str(float(row[column] or 1) * value)

    spoil.__name__ = "stderr"
    return spoil


def double(side, row, draw, other):
    """A good row of the same point before or behind the first."""
    twin = next((r for r in other.rows if same_point(r, row)), row)
    good = {**row, **{key: twin[key] for key in twin if key.startswith(METRICS)}}
    good |= draw.choice([{}, {}, {"cell": "d" * 64}, {"nfe": "6"}, dict.fromkeys(METRICS, "")])
    side.rows.insert(draw.choice([0, side.rows.index(row) + 1, len(side.rows)]), good)


def double_column(side, row, draw, other):
    name = draw.choice([*METRICS, f"{METRICS[0]}_stderr", "seed", "cell"])
    side.column(name, [r[name] for r in other.rows[: len(side.rows)]])


def other_column(side, row, draw, other):
    side.column(draw.choice(["extra", "extra_stderr", "", "x\ny"]), ["1.0"] * len(side.rows))


def drop_column(side, row, draw, other):
    side.head.remove(draw.choice(side.head))


def rename_column(side, row, draw, other):
    i = draw.randrange(len(side.head))
    for r in side.rows:
        r["renamed"] = r[side.head[i]]
    side.head[i] = "renamed"


def swap_cells(side, row, draw, other):
    second = draw.choice(side.rows)
    row["cell"], second["cell"] = second["cell"], row["cell"]


def borrow_cell(side, row, draw, other):
    row["cell"] = draw.choice(other.rows)["cell"]


def another_point(side, row, draw, other):
    values = dict.fromkeys(METRICS, draw.choice(["1.0", "nan", ""]))
    side.rows.append({**row, "sampler": "new", "cell": "e" * 64, **values})


def shuffle(side, row, draw, other):
    draw.shuffle(side.rows)


def shuffle_columns(side, row, draw, other):
    draw.shuffle(side.head)


def line_ends(side, row, draw, other):
    side.end, side.bom = draw.choice([("\r\n", ""), ("\n", "\ufeff"), ("\n\n", "")])


def rubbish(side, row, draw, other):
    side.extra = draw.choice(["a,b\n", '"', "\x00", "\x1b[31m\n", "::error::x\n", "," * 16 + "\n"])


def no_beside(side, row, draw, other):
    side.beside = None


def beside(*changes):
    """A manipulation: what is beside the table."""

    def spoil(side, row, draw, other):
        if isinstance(side.beside, dict):
            change = draw.choice(changes)
            found = change(side.beside, side.beside["origins"][0])
            side.beside = found if isinstance(found, str) else side.beside

    spoil.__name__ = "beside"
    return spoil


MORE = [
    *[double] * 4, *[double_column] * 3, other_column, drop_column, rename_column, swap_cells,
    borrow_cell, another_point, shuffle, shuffle_columns, line_ends, rubbish, no_beside,
    *[stderr(1e9, 1e5, -1e9, -1, 300, 0, 1e-9, 1e150, 1e300)] * 3,
    stderr("nan", "inf", "-inf", "", "1e400", "x"),
    put("repeats", 0, -1, "", 10**9, 3, "1.5", 2**80), put("seed", "", -1, 10**30, "x", "0x1"),
    put("num_samples", "", 0, -5, "many"), put("nfe", "", 0, -1, "nan", "inf", 1e9),
    put("steps", -1, "", 1.5), put("nfe_requested", -1, "", "nan"), put("rho", "inf", "", -1),
    put("cell", "", "x", "A" * 64, "0" * 64, f"{'0' * 64} {'1' * 64}", "0" * 64 + "\n"),
    put("METRIC", "nan", "NAN", "", "inf", "-inf", "1e400"),
    put("METRIC", "1_000", " 3 ", "\u0663", "0x3", "True"),
    put("model", "", "a\n::error::x", "\x1b[31mred", "\u202e", "::error::x"),
    put("params", "::error file=a::b", "##[error]x", "<b>|`", "\x07", "a\r\nb"),
    put("reference", "", "digits-kde@dddddddd", "a\x1b", "=1"), put("depth", 0, 3, "", "nan"),
    put("guidance", "cfg 2", "\u202e"), put("guide_nfe", -1, 3, "", "inf"),
    put("dtype", "", "float32"), put("protocol", "", "edm"),
    beside(
        lambda all, one: all.update(platforms=["there"]),
        lambda all, one: all.update(platforms=["here", "there"]) or one.update(platform="there"),
        lambda all, one: all.update(platforms=3),
        lambda all, one: all.update(origins=[]),
        lambda all, one: all.update(origins=[one, one]),
        lambda all, one: all.pop("platforms") and None,
    ),
    beside(
        lambda all, one: one.pop("platform") and None,
        lambda all, one: one.update(hardware=None),
        lambda all, one: one.update(cells="abc"),
        lambda all, one: one.update(cells=[1, 2]),
        lambda all, one: one.update(cells=one["cells"][::-1][1:]),
        lambda all, one: one.update(conditions=[]),
        lambda all, one: one["conditions"].update(checkpoint_sha256="f" * 64),
        lambda all, one: one["conditions"].update(num_samples=None),
        lambda all, one: one["conditions"].clear(),
        lambda all, one: one["conditions"].update(reference="\x1b\n::error::x"),
        lambda all, one: one["conditions"].update(reference={"id": "\n::error::x"}),
        lambda all, one: one["conditions"].update(metrics=3, extractor={"name": 3}),
        lambda all, one: all.update(schema=1 if all.get("schema") else 3),
    ),
    beside(
        lambda all, one: "", lambda all, one: "{", lambda all, one: "[" * 10_000,
        lambda all, one: '{"platforms": [], "platforms": ["here"]}',
        lambda all, one: '{"platforms": ["here"], "origins": [{"cells": NaN}]}',
        lambda all, one: '{"a":' * 200 + "1" + "}" * 200,
    ),
]  # fmt: skip
# What may take a row out of a part, whose rows need not be there.
KEYS = {*(f"put {column}" for column in COLUMNS), "another_point", "rename_column"}


def moved(draw, results, baseline, row):
    """One value of the results moved, or is none, on one side or both."""
    metric = draw.choice(METRICS)
    kind = draw.choice(["up", "up", "up", "gone", "both gone", "baseline gone"])
    if kind == "up":
        row[metric] = str(float(row[metric]) * draw.choice([3, 10, 1e6, 1e200, 1e308]))
        return kind
    value = draw.choice(["nan", "inf", "-inf", "", "NaN", "1e400"])
    if kind != "baseline gone":
        row[metric] = value
    if kind != "gone":
        for r in baseline.rows:
            if same_point(r, row):
                r[metric] = value
    return kind


def one(draw, folder):
    """A mutation on disk: what it is, and the words that must not pass it."""
    gate = draw.choice([*GATES, *(gate for gate in GATES if "3sigma" in gate)])
    first, facts = GATES[gate]
    results = Side([first], facts, "1", draw.random() < 0.3)
    baseline = Side([0, N, 2 * N] if first else [0], {}, "2", draw.random() < 0.5)
    row = draw.choice(results.rows)
    names = [moved(draw, results, baseline, row)]
    for _ in range(draw.choice([1, 1, 2])):
        side, other = draw.choice([(results, baseline), (baseline, results)])
        spoil = draw.choice(MORE)
        # Mostly the row that moved, or one of its point.
        near = [r for r in side.rows if same_point(r, row)] or side.rows
        target = draw.choice(near if draw.random() < 0.6 else side.rows)
        if "--subset" in gate and spoil.__name__ in KEYS:
            # Another point's row: what a part lacks is not compared.
            target = next(r for r in side.rows if not same_point(r, row))
        before = copy.deepcopy(side)
        try:
            spoil(side, target, draw, other)
        except (KeyError, ValueError):  # of a column or number that an earlier one took
            side.__dict__ = before.__dict__
        names.append(f"{spoil.__name__} of {'results' if side is results else 'baseline'}")
    results.write(folder / "results.csv")
    baseline.write(folder / "baseline.csv")
    return names, [str(folder / "results.csv"), "--baseline", str(folder / "baseline.csv"), *gate]


def told(text):
    """Whether a log may hold it: no control characters, no orders to a CI server."""
    lines = text.split("\n")
    return all(line.isprintable() for line in lines) and not re.search(r"(?m)^\s*::|##\w*\[", text)


def attack(seeds, folder, capsys):
    """Counts of exit codes and of kinds, over mutations."""
    codes, kinds = Counter(), Counter()
    for seed in seeds:
        draw = random.Random(seed)
        names, words = one(draw, folder)
        forms = [[], ["--json"], ["--quiet"], ["--markdown", "-"], ["--junit", f"{folder}/j.xml"]]
        began = time.monotonic()
        code = main(["check", *words, *draw.choice(forms)])
        out, err = capsys.readouterr()
        assert code in (1, 2), (seed, names, words, out)
        assert "defect" not in err and told(out) and told(err), (seed, names, out, err)
        assert time.monotonic() - began < 10, (seed, names)
        codes[code] += 1
        kinds.update(names)
    return codes, kinds


def test_what_moved_never_passes(tmp_path, capsys):
    codes, _ = attack(range(100), tmp_path, capsys)
    assert min(codes.values()) > 10


@pytest.mark.slow
def test_what_moved_never_passes_2000_times(tmp_path, capsys):
    codes, kinds = attack(range(1000, 3000), tmp_path, capsys)
    with capsys.disabled():
        print(f"\n{sum(codes.values())} mutations: {dict(codes)}; {len(kinds)} kinds")
        print(", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))


@pytest.mark.parametrize("gate", GATES, ids=" ".join)
def test_what_did_not_move_passes(tmp_path, capsys, gate):
    first, facts = GATES[gate]
    for seed in range(8):
        draw = random.Random(seed)
        results = Side([first], facts, "1")
        baseline = Side([0, N, 2 * N] if first else [0], {}, "2", seed % 2)
        for spoil in draw.sample([shuffle, shuffle_columns, line_ends], 2):
            side = draw.choice([results, baseline])
            spoil(side, side.rows[0], draw, results)
        results.write(tmp_path / "results.csv")
        baseline.write(tmp_path / "baseline.csv")
        words = [tmp_path / "results.csv", "--baseline", tmp_path / "baseline.csv", *gate]
        assert main(["check", *map(str, words)]) == 0, capsys.readouterr()
