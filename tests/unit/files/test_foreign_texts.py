"""Text files of others in another dress, and those that name code or other places."""

from __future__ import annotations

import ast
import errno
import fcntl
import json
import os
import re
from pathlib import Path

import pytest
from filelock import Timeout

import samplebench
from samplebench import registry
from samplebench.adapters import exact
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog
from samplebench.cli import main, parser
from samplebench.cli.run import _from_file
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError, UsageError
from samplebench.files import locks, texts
from samplebench.references.reference import load as load_reference
from samplebench.regression.rows import load_rows
from samplebench.results.row import COLUMNS
from samplebench.results.store import Store
from samplebench.results.tables import read_csv
from tests.unit.files.text_mutations import one_cell, put_cell

MARK = b"\xef\xbb\xbf"


class TestText:
    @pytest.mark.parametrize("data", [MARK + b"a = 1", b"a = 1\r\n", b"\ta\t=\t1\n", b"a = 1"])
    def test_what_editors_do(self, data):
        assert texts.toml(data) == {"a": 1}

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_another_encoding_is_named(self, encoding):
        wanted = encoding[:6].upper()
        for read in (texts.toml, texts.json_value, texts.decoded):
            with pytest.raises(ValueError, match=f"in {wanted}, not UTF-8; save it as UTF-8"):
                read('{"a": 1}'.encode(encoding))

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"a = " + b"[" * 60 + b"]" * 60, "nested too deeply"),
            (b"a = " + b"[" * 100_000, "nested too deeply"),
            (b"a." * 60 + b"b = 1", "nested too deeply"),
            (b"[" + b'"a" . ' * 5000 + b"b]", "nested too deeply"),
            (b"x = {" + b"a." * 100 + b"b = 1}", "nested too deeply"),
            (b"a = " + b"9" * 5000, "digits"),
            (b"a = 0x" + b"f" * 5000, "digits"),
            (b"a = 1979-05-27", "a date"),
            (b"a = [{b = 07:32:00}]", "a time"),
            (b"a = 2024-02-30", "Invalid date"),
            (b"a = 1\na = 2", "line 2"),
            (b"a = '\0'", "zero byte"),
            (b"a = '\xff'", r"not UTF-8 \(at line 1, column 6\)"),
        ],
    )
    def test_odd_toml(self, data, reason):
        with pytest.raises(ValueError, match=reason):
            texts.toml(data)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"[" * 100_000, "nested too deeply"),
            (b'{"a":' * 60 + b"1" + b"}" * 60, "nested too deeply"),
            (b"9" * 5000, "digits"),
            (b"-Infinity", "is not JSON"),
            (b'[{"a": 1, "a": 1}]', "twice"),
        ],
    )
    def test_odd_json(self, data, reason):
        with pytest.raises(ValueError, match=reason):
            texts.json_value(data)

    def test_only_files_of_a_size(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="pipe is a pipe, not a file"):
            texts.read_bytes(tmp_path / "pipe", 10)
        with pytest.raises(InputError, match="is a device"):
            texts.read_bytes(Path("/dev/zero"), 10)
        (tmp_path / "x").write_bytes(b"1" * 11)
        with pytest.raises(ValueError, match="larger than 10 bytes"):
            texts.read_bytes(tmp_path / "x", 10)

    def test_a_message_is_one_line_of_some_length(self):
        said = str(InputError("first\n" + "x" * 100_000 + "; next step"))
        assert "\n" not in said and len(said) < 2000 and said.endswith("; next step")


TABLE = """[mine]
format = "exact"
location = "x.npz"
shape = [1, 8, 8]
"""
CODE = "evil_marker:run"


class TestCatalogue:
    @pytest.fixture
    def read(self, tmp_path, monkeypatch):
        (tmp_path / "evil_marker.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.chdir(tmp_path)

        def read(text):
            (tmp_path / "m.toml").write_text(text)
            return catalog(tmp_path / "m.toml")["mine"]

        return read

    @pytest.mark.parametrize(
        "text",
        [
            TABLE.replace("exact", CODE),
            TABLE + f'samplers = ["euler", "{CODE}"]\n',
            TABLE + f'params = {{"{CODE}" = {{a = 1}}}}\n',
            TABLE
            + f'presets = {{t = {{sampler = "{CODE}", params = {{}}, nfe = 3, source = ""}}}}',
            TABLE + f'protocol = "{CODE}"\n',
            TABLE + f'reference = "{CODE}"\n',
            TABLE + f'classifier = {{location = "c.pt", format = "{CODE}"}}\n',
        ],
    )
    def test_names_no_code(self, read, text):
        with pytest.raises(InputError, match=f"'{CODE}' names code, and a catalogue imports nothi"):
            read(text)

    @pytest.mark.parametrize(
        "location",
        [
            "package://../samplebench/errors.py", "package:///etc/passwd", "package://a/b",
            "package://", "package:x", "file:///etc/passwd", "s3://a/b", "ftp://a/b", "data:,x", "",
            "jar:file:x", "a\\u0000b",
        ],
    )  # fmt: skip
    def test_points_where_its_scheme_says(self, read, location):
        with pytest.raises(InputError, match=r"\[mine\]: location = "):
            read(TABLE.replace("x.npz", location))

    def test_paths_are_relative_to_it(self, read, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", "/home/me")
        assert read(TABLE).location == str(tmp_path / "x.npz")
        assert read(TABLE.replace("x.npz", "/abs/x.npz")).location == "/abs/x.npz"
        assert read(TABLE.replace("x.npz", "~/x.npz")).location == "/home/me/x.npz"
        assert read(TABLE.replace("x.npz", "package://digits.npz")).embedded
        (tmp_path / "r.npz").write_bytes(b"")
        found = read(TABLE + 'reference = "r.npz"\n')
        with pytest.raises(InputError, match=re.escape(str(tmp_path / "r.npz"))):
            load_reference(found.reference, found.home)
        found = read(TABLE + 'reference = "digits-kde"\n')
        assert load_reference(found.reference, found.home).id == "digits-kde"

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("params = {edm = {S_churn = [1]}}", "params.edm.S_churn"),
            ("params = {edm = {S_churn = nan}}", "params.edm.S_churn"),
            ("config = {a = {b = [inf]}}", r"config\.a\.b = inf"),
            ("config = {a = 2020-01-01}", "is a date"),
            ("num_classes = 99999999999", "num_classes"),
            ("parameters = -1", "parameters = -1 is below 0"),
        ],
    )
    def test_values_are_of_their_kind(self, read, text, reason):
        with pytest.raises(InputError, match=reason):
            read(TABLE + text + "\n")


HASHES = ["0" * 64, "12feb" + "1" * 59, "1e5" + "0" * 61]
ROWS = [
    ["m", "edm", "S_churn=1.5", "edm", "7", "2", "3", "3", "3", "", "0", "0", "1", "1000", "p",
     "float32", "r@12345678", "1.5", "0.25", HASHES[0]],
    ["m", "edm", "", "edm", "7", "2", "5.5", "5", "5.5", "", "0", "0", "1", "1000", "p",
     "float32", "r@12345678", "12.345678", "1e-05", HASHES[1]],
    ["m", "edm", "", "3/2.5/1", "", "2", "7", "7", "7", "", "0", "0", "1", "1000", "p",
     "float32", "", "2", "1", HASHES[2]],
]  # fmt: skip
HEAD = [*COLUMNS, "fd", "fd_stderr", "cell"]


@pytest.fixture
def put(tmp_path):
    """`put(rows, mark=",", ...)`: a table as a spreadsheet saves it."""

    def put(rows=ROWS, mark=",", commas=False, start="", end="\n", tail="", blank=""):
        def entry(column, text):
            number = column in ("rho", "nfe", "depth", "fd", "fd_stderr")
            text = text.replace(".", ",") if commas and number else text
            return f'"{text}"' if mark in text else text

        lines = [HEAD, *([entry(*pair) for pair in zip(HEAD, row, strict=True)] for row in rows)]
        text = start + "".join(mark.join(line) + tail + end + blank for line in lines)
        (tmp_path / "t.csv").write_bytes(text.encode())
        return tmp_path / "t.csv"

    return put


class TestTable:
    @pytest.mark.parametrize(
        "dress",
        [
            {"start": "\ufeff", "end": "\r\n"}, {"mark": ";", "commas": True},
            {"mark": "\t", "commas": True, "end": "\r\n"}, {"mark": ";"}, {"tail": ",,,"},
            {"mark": ";", "tail": ";;", "blank": ";;;;\n\n", "commas": True}, {"blank": "\n"},
            {"mark": ";", "start": "sep=;\n", "commas": True}, {"commas": True},
            {"start": '\ufeff"sep=,"\r\n', "end": "\r\n"},
        ],
    )  # fmt: skip
    def test_another_dress(self, put, dress):
        plain = read_csv(put())
        assert len(plain) == 3 and plain[1]["nfe"] == 5.5 and plain[1]["fd"] == 12.345678
        assert read_csv(put(**dress)) == plain
        assert load_rows(put(**dress)).rows == plain

    @pytest.mark.parametrize(
        ("column", "text", "reason"),
        [
            ("num_samples", "1.000", "thousands"), ("num_samples", "1,000", "thousands"),
            ("num_samples", "1,79E+03", "shortened"), ("seed", "9.2E+18", "shortened"),
            ("seed", "1E+05", "shortened"), ("nfe", "5.000", "thousands"),
            ("rho", "07.01.2026", "a date"), ("fd", "Mar 05", "a date"), ("fd", "5-Mar", "a date"),
            ("fd", "12:30", "a date"), ("fd", "2026-03-05", "a date"), ("fd", "1,234", "number"),
            ("discretization", "03.02.2001", "a date"), ("cell", "1.23E+45", "spreadsheet"),
            ("cell", "#NAME?", "spreadsheet"), ("cell", "1,5E+63", "spreadsheet"),
            ("fd", "1 234", "not a number"), ("fd", "1.234,5", "not a number"),
        ],
    )  # fmt: skip
    def test_what_a_spreadsheet_changed(self, put, column, text, reason):
        for mark in ",;":
            rows = [list(row) for row in ROWS]
            rows[1][HEAD.index(column)] = text
            with pytest.raises(InputError, match=f"line 3: {column} is .*{reason}"):
                load_rows(put(rows, mark))

    def test_thousands_or_fractions(self, put):
        """Numbers that are all of the form 1,234 are told, not chosen."""
        rows = [[*row[:-3], "1,234", "1,000", row[-1]] for row in ROWS[:1]]
        with pytest.raises(InputError, match="fd is '1,234', not a number"):
            load_rows(put(rows, ";"))


class TestLocks:
    @pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
    def without(self, monkeypatch, request):
        def refuse(*_):
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(fcntl, "flock", refuse)

    def test_a_file_takes_their_place(self, without, tmp_path):
        lock = locks.acquire(tmp_path / ".lock", timeout=0)
        with pytest.raises(Timeout):
            locks.acquire(tmp_path / ".lock", timeout=0)
        lock.release()
        locks.acquire(tmp_path / ".lock", timeout=0).release()

    def test_a_second_run_is_told(self, without, tmp_path):
        store = Store(tmp_path / "out", create=True)
        with store.locked(), pytest.raises(EnvironmentError_, match="another run is writing"):
            with store.locked():
                pass
        with store.locked():
            pass

    def test_another_fault_is_none_of_these(self, monkeypatch, tmp_path):
        def fail(*_):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(fcntl, "flock", fail)
        with pytest.raises(OSError, match="Input/output"):
            locks.acquire(tmp_path / ".lock", timeout=0)


def constants():
    """Every text of the package that a message may be made of."""
    for path in Path(samplebench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_command_that_a_message_names_is_there(capsys):
    (commands,) = (a.choices for a in parser()._actions if a.dest == "command")
    found = {word for text in constants() for word in re.findall(r"['`]samplebench ([a-z]+)", text)}
    see = {text for text in constants() if re.fullmatch("samplebench [a-z]+( [a-z]+)*", text)}
    see |= {f"samplebench list {one.kind}s" for one in vars(registry).values()
            if isinstance(one, registry.Registry)}  # fmt: skip
    assert len(found) >= 5 and len(see) >= 8
    assert found | {line.split()[1] for line in see} <= set(commands)
    for line in sorted(see - {"samplebench list"}):
        if line.split()[1] in ("list", "reference") and len(line.split()) > 2:
            assert main([*line.split()[1:], "--json"]) == 0, line
            assert json.loads(capsys.readouterr().out), line


@pytest.mark.parametrize("page", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_reading_command_imports_nothing(tmp_path, monkeypatch, capsys, page):
    """A folder that names modules as sampler, discretization and metric is shown like any other."""
    (tmp_path / "evil_marker.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    record, score, request = one_cell()
    record["conditions"] |= {"sampler": CODE, "discretization": {"name": CODE}}
    score["conditions"] |= {"metric": CODE, "statistic": CODE}
    score["conditions"]["extractor"] = {"name": CODE, "feature_dim": 64}
    row = request["rows"][0]
    row["scores"] = {CODE: []}
    row["columns"] |= {"sampler": CODE, "discretization": CODE}
    put_cell(Path("o"), record, score, request)
    if page:
        assert main(["report", "o"]) == 0
    assert main(["cite", "o"]) == main(["forget", "o"]) == 0
    assert main(["check", "o", "--baseline", "b.csv", "--update"]) == 0
    assert main(["check", "o", "--baseline", "b.csv"]) == 0
    assert CODE in capsys.readouterr().out


class TestWords:
    def test_home(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        found = Request.of(out="~/x", file="~/y", checkpoints="~/z", reference="~/r.npz")
        assert [found.out, found.file, found.checkpoints, found.reference] == [
            *(str(tmp_path / name) for name in ("x", "y", "z")),
            (str(tmp_path / "r.npz"),),
        ]
        (tmp_path / "c.toml").write_bytes(MARK + b"nfe = 3\r\n")
        assert main(["run", "--config=~/c.toml", "--dump-config"]) == 0
        assert main(["check", "~/none.csv", "--baseline", "~/b.csv"]) == 2
        (tmp_path / "z").write_bytes(MARK + TABLE.encode())
        assert "mine" in catalog("~/z")

    def test_one_path_in_a_list(self):
        assert Request.of(out=["x"]).out == "x"
        with pytest.raises(UsageError, match="--out"):
            Request.of(out=["x", "y"])

    @pytest.mark.parametrize("word", ["out", "file", "checkpoints", "reference"])
    def test_no_path(self, word):
        with pytest.raises(UsageError, match="is not a path"):
            Request.of(**{word: "a\0b"})

    def test_a_configuration_is_a_file(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", tmp_path, tmp_path / "none"):
            with pytest.raises(SamplebenchError):
                _from_file(str(path))


@pytest.mark.parametrize(
    ("arrays", "config", "reason"),
    [
        ({"images": "u1 4 1 8 8"}, {"bandwidth": 0.2}, "it has images, no labels"),
        ({"images": "f8 4 1 8 8", "labels": "i8 4"}, {"bandwidth": 0.2}, "images are float64"),
        ({"images": "u1 4 8 8", "labels": "i8 4"}, {"bandwidth": 0.2}, "images are uint8"),
        ({"images": "u1 4 1 8 8", "labels": "i8 3"}, {"bandwidth": 0.2}, "4 images, and labels"),
        ({"images": "u1 4 1 8 8", "labels": "i8 4"}, {}, "bandwidth None"),
        ({"images": "u1 4 1 8 8", "labels": "i8 4"}, {"bandwidth": "x"}, "bandwidth 'x'"),
        ({"images": "u1 4 1 8 8", "labels": "i8 4"}, {"bandwidth": 0}, "bandwidth 0"),
    ],
)
def test_archives_that_are_no_exact_model(tmp_path, arrays, config, reason):
    import numpy as np
    import torch

    made = {key: np.zeros(list(map(int, text.split()[1:])), text.split()[0])
            for key, text in arrays.items()}  # fmt: skip
    np.savez(tmp_path / "m.npz", **made)
    with pytest.raises(InputError, match=reason):
        exact.density(tmp_path / "m.npz", config, torch.device("cpu"), None)
