"""Files that are damaged, closed or in the way: named, set aside, and no finished cell is lost."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from samplebench.files.sealed import write_json
from samplebench.references import reference as references
from tests.e2e.hostile import OLDER

SMALL = ("--num-samples", "128", "--sampler", "euler,heun", "--nfe", "5,10")
RUN = ("run", *SMALL, "--out", "sweep", "--quiet")
REPORT = ("report", "sweep")
CHECK = ("check", "sweep", "--baseline", "sweep/results.csv")


@pytest.fixture
def victim(copied):
    """One of the four finished cells."""
    return sorted((copied / "cells").glob("*.json"))[1]


@pytest.fixture
def score(copied, victim):
    """Its score."""
    (path,) = (p for p in (copied / "scores").glob("*.json") if victim.stem in p.read_text())
    return path


def others(found, victim):
    """Of what `cells` found, all but the files of one cell."""
    return {name: entry for name, entry in found.items() if not name.startswith(victim.stem)}


def damaged(path, how):
    text = path.read_text()
    record = json.loads(text)
    conditions = {**record["conditions"], "steps": 6}
    return {
        "cut": text[:100],
        "empty": "",
        "not text": "\x00\x01",
        "list": "[]",
        "another schema": json.dumps({**record, "schema": 1}),
        "a digit": text.replace('"nfe": ', '"nfe": 1'),
        "a word": text.replace('"nfe": ', '"nfe": "high", "was": '),
        "no checksum": json.dumps({**record, "checksum": None}),
        "another cell": json.dumps({**record, "cell": "0" * 64}),
        "other conditions": json.dumps({**record, "conditions": conditions}),
    }[how]


HOW = (
    "a digit", "cut", "empty", "not text", "list", "another schema", "a word", "no checksum",
    "another cell", "other conditions",
)  # fmt: skip
SLOW = pytest.mark.slow


def first_of(values):
    """The first value; the others, which differ little from it, marked slow."""
    return [values[0], *[pytest.param(value, marks=SLOW) for value in values[1:]]]


class TestCell:
    @pytest.mark.parametrize("how", first_of(HOW))
    def test_a_run_sets_it_aside_and_computes_it_anew(
        self, copied, victim, samplebench, cells, how
    ):
        table, text = (copied / "results.csv").read_bytes(), damaged(victim, how)
        before = cells(copied)
        victim.write_text(text)
        done = samplebench(*RUN)
        assert done.code == 0, done.err
        (line,) = done.err.splitlines()
        assert f"sweep/cells/{victim.name} is damaged (" in line
        assert f"kept as {victim.name}.corrupt, and its cell is computed again" in line
        assert victim.with_name(f"{victim.name}.corrupt").read_text() == text
        assert (copied / "results.csv").read_bytes() == table
        after = cells(copied)
        assert others(after, victim) == others(before, victim)
        again = samplebench(*RUN)
        assert (again.code, again.err) == (0, "")
        assert cells(copied) == after

    @pytest.mark.parametrize("words", [REPORT, CHECK, ("cite", "sweep")], ids=" ".join)
    @pytest.mark.parametrize("how", first_of(HOW))
    def test_other_commands_name_it(self, copied, victim, samplebench, cells, one_line, words, how):
        victim.write_text(damaged(victim, how))
        before = cells(copied)
        one_line(samplebench(*words), 2, f"sweep/cells/{victim.name} is damaged (")
        assert cells(copied) == before

    def test_a_plan_counts_it_as_missing(self, copied, victim, samplebench, cells):
        victim.write_text("")
        before = cells(copied)
        done = samplebench("run", *SMALL, "--out", "sweep", "--dry-run", "--json")
        assert (
            sorted(row["cells"] for row in json.loads(done.out)) == ["0/1 done"] + ["1/1 done"] * 3
        )
        assert cells(copied) == before

    def test_one_of_another_sweep_is_set_aside_too(self, copied, victim, samplebench):
        """The report of the folder shows all sweeps; this one does not compute the cell."""
        victim.write_text("{")
        words = ("--sampler", "euler", "--nfe", "7", "--num-samples", "128", "--out", "sweep")
        done = samplebench("run", *words, "--quiet")
        assert done.code == 0 and victim.name in done.err
        report = samplebench(*REPORT)
        assert report.code == 0 and "1 planned set of images has no result yet" in report.out

    def test_an_old_one_without_counted_operations_is_whole(self, copied, samplebench, rows):
        table = rows(copied)
        for path in (copied / "cells").glob("*.json"):
            record = json.loads(path.read_text())
            assert record["gflop_per_image"] == record["gflop_per_evaluation"] * record["nfe"]
            del record["gflop_per_image"], record["gflop_per_evaluation"]
            write_json(path, record)
        assert samplebench(*CHECK).code == 0
        assert samplebench(*REPORT).code == 0
        assert rows(copied) == table

    @pytest.mark.parametrize("words", [REPORT, CHECK, RUN], ids=" ".join)
    def test_a_newer_one_is_refused_and_stays(
        self, copied, victim, samplebench, cells, one_line, words
    ):
        write_json(victim, {**json.loads(victim.read_text()), "schema": 3})
        before = cells(copied)
        message = f"sweep/cells/{victim.name} has schema 3, this samplebench reads 2; update sampl"
        one_line(samplebench(*words), 2, message)
        assert cells(copied) == before


class TestScore:
    """The score of a finished cell is computed anew from what was kept of its images."""

    @pytest.fixture
    def damaged_score(self, score):
        text = score.read_text().replace('"stderr": ', '"stderr": 1')
        score.write_text(text)
        return text

    def test_a_run_sets_it_aside(self, copied, score, damaged_score, samplebench, cells):
        table, before = (copied / "results.csv").read_bytes(), cells(copied)
        done = samplebench(*RUN)
        assert done.code == 0
        (line,) = done.err.splitlines()
        assert line.startswith(
            f"sweep/scores/{score.name} is damaged (its checksum does not match its"
        )
        assert line.endswith(f"kept as {score.name}.corrupt, and it is computed again")
        assert score.with_name(f"{score.name}.corrupt").read_text() == damaged_score
        assert (copied / "results.csv").read_bytes() == table
        assert cells(copied) == before
        assert samplebench(*RUN).err == ""

    @pytest.mark.usefixtures("damaged_score")
    @pytest.mark.parametrize("words", [REPORT, CHECK, ("cite", "sweep")], ids=" ".join)
    def test_other_commands_name_it(self, score, samplebench, one_line, words):
        one_line(samplebench(*words), 2, f"sweep/scores/{score.name} is damaged (")


class TestKept:
    def test_a_changed_byte_is_named_when_it_is_used(self, copied, victim, samplebench, one_line):
        """By a further reference; deleted, its cell is sampled again."""
        (path,) = (copied / "cells").glob(f"{victim.stem}.moments-*.npz")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert samplebench(*REPORT).code == samplebench(*CHECK).code == samplebench(*RUN).code == 0
        more = (*RUN, "--reference", "digits")
        one_line(samplebench(*more), 2, f"{path.name} is damaged (")
        assert path.read_bytes() == data
        path.unlink()
        done = samplebench(*more)
        assert done.code == 0, done.err


class TestPicture:
    @pytest.fixture
    def picture(self, victim):
        path = victim.with_suffix(".png")
        path.write_bytes(path.read_bytes()[:-9])
        return path

    def test_a_run_sets_it_aside(self, copied, picture, samplebench, cells):
        table, before = (copied / "results.csv").read_bytes(), cells(copied)
        done = samplebench(*RUN)
        assert done.code == 0
        (line,) = done.err.splitlines()
        assert line.endswith(f"kept as {picture.name}.corrupt, and the page omits it")
        assert (copied / "results.csv").read_bytes() == table
        after = cells(copied)
        assert {n: e for n, e in after.items() if n.endswith(".json")} == {
            n: e for n, e in before.items() if n.endswith(".json")
        }
        assert samplebench(*REPORT).code == 0

    def test_a_report_names_it_and_its_step_helps(self, picture, samplebench, one_line):
        done = samplebench(*REPORT)
        one_line(done, 2, f"{picture.name} is damaged (not a whole PNG); delete it")
        picture.unlink()
        assert samplebench(*REPORT).code == 0

    def test_a_check_does_not_look_at_it(self, picture, samplebench):
        done = samplebench(*CHECK)
        assert (done.code, done.err) == (0, "")


def test_half_a_cell_is_set_aside(copied, victim, samplebench, cells):
    table, before = (copied / "results.csv").read_bytes(), cells(copied)
    victim.unlink()
    partial = victim.with_name(f"{victim.stem}.partial.npz")
    partial.write_bytes(b"PK\x03\x04 and no more")
    done = samplebench(*RUN)
    assert done.code == 0
    assert done.err.endswith(f"kept as {partial.name}.corrupt, and its cell starts again\n")
    assert (copied / "results.csv").read_bytes() == table
    assert others(cells(copied), victim) == others(before, victim)


@pytest.mark.parametrize("content", first_of(["cut,", "", None]))
def test_a_damaged_table_is_written_anew(copied, samplebench, cells, one_line, content):
    """results.csv is made from the cells: `report` mends it, and no command trusts it."""
    table, before = copied / "results.csv", cells(copied)
    good = table.read_bytes()
    table.unlink()
    if content is not None:
        table.write_text(content)
        one_line(samplebench(*CHECK), 2, "sweep/results.csv is not a results.csv")
    assert samplebench(*REPORT).code == 0
    assert table.read_bytes() == good
    assert cells(copied) == before


@pytest.mark.parametrize("content", first_of(['{"schema": 9}', "", "{}", "[]"]))
def test_a_folder_of_another_schema_is_left_alone(copied, samplebench, one_line, cells, content):
    (copied / "samplebench.json").write_text(content)
    before = cells(copied)
    if content == '{"schema": 9}':
        message = "sweep/samplebench.json has schema 9, this samplebench reads 2; update sampleben"
        one_line(samplebench(*RUN), 2, message)
    one_line(samplebench(*REPORT), 2, "sweep")
    assert cells(copied) == before


@pytest.mark.parametrize("content", first_of(['{"number": 1, "rows": [{}]}', "", "{}"]))
def test_a_damaged_request_is_named(copied, samplebench, one_line, content):
    (request,) = (copied / "requests").glob("*.json")
    request.write_text(content)
    one_line(samplebench(*REPORT), 2, f"{request.name} is damaged (")
    request.unlink()
    assert samplebench(*RUN).code == 0


@pytest.mark.parametrize("name", ["cells", "scores", "requests"])
def test_a_file_in_the_place_of_a_folder(copied, samplebench, one_line, tmp_path, name):
    (copied / name).rename(tmp_path / "elsewhere")
    (copied / name).write_text("x")
    one_line(samplebench(*RUN), 2, f"sweep/{name} is a file where a folder is needed")
    assert (copied / name).read_text() == "x"


@pytest.mark.parametrize("name", first_of(["report.html", "results.csv"]))
def test_a_folder_in_the_place_of_a_file(copied, samplebench, one_line, cells, name):
    before = cells(copied)
    (copied / name).unlink()
    (copied / name).mkdir()
    for words in (REPORT, RUN):
        one_line(samplebench(*words), 2, f"sweep/{name} is a folder, not a file; move it away")
    assert cells(copied) == before


class TestOlder:
    """A folder that the last version before schema 2 made."""

    @pytest.fixture
    def older(self, tmp_path):
        shutil.copytree(OLDER, tmp_path / "sweep")
        shutil.copy(OLDER / "results.csv", tmp_path / "baseline.csv")
        return tmp_path / "sweep"

    def test_report_reads_it(self, older, samplebench, rows):
        before = rows(older)
        assert samplebench(*REPORT).code == 0
        after = rows(older)
        assert [{key: row[key] for key in before[0]} for row in after] == before
        assert {row["reference"] for row in after} == {"digits-kde@57ac2d93"}
        assert {row["depth"] for row in after} == {row["nfe"] for row in after}

    @pytest.mark.usefixtures("older")
    def test_check_reads_it(self, samplebench):
        done = samplebench("check", "sweep", "--baseline", "baseline.csv")
        assert (done.code, done.err) == (0, "")

    @pytest.mark.parametrize("words", [RUN, ("forget", "sweep")], ids=" ".join)
    def test_nothing_is_added_to_it(self, older, samplebench, one_line, words):
        before = {path: path.stat().st_mtime_ns for path in older.rglob("*")}
        one_line(samplebench(*words), 2, "sweep was written by an older samplebench: report and ch")
        assert {path: path.stat().st_mtime_ns for path in older.rglob("*")} == before


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from samplebench.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX's")
@pytest.mark.parametrize("limit", first_of([2_000, 200, 20_000]))
def test_a_full_disk(copied, victim, python, samplebench, cells, one_line, limit):
    """No file may grow beyond the limit: the request, a cell or the page cannot be written."""
    table = (copied / "results.csv").read_bytes()
    victim.unlink()
    victim.with_suffix(".png").unlink()
    before = cells(copied)
    done = python("-c", FULL, limit, *RUN)
    one_line(done, 3, "cannot be written (File too large); finished cells are kept")
    assert others(cells(copied), victim) == before
    assert not list(copied.glob("**/.*.tmp"))
    assert samplebench(*RUN).code == 0
    assert (copied / "results.csv").read_bytes() == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"extractor": "inception"},
            "holds inception features, fd-digits compares",
        ),
        ({"weights_sha256": "0" * 64}, "was made with other weights of extractor digits; make it"),
    ],
    ids=["another extractor", "other weights"],
)
def test_a_reference_that_does_not_fit(samplebench, tmp_path, change, message, one_line):
    """Any file may be named as reference; a value against a wrong one must not come about."""
    with np.load(references.load("digits-kde").path) as archive:
        arrays = dict(archive)
    arrays["facts"] = json.dumps({**json.loads(str(arrays["facts"])), **change})
    np.savez(tmp_path / "other.npz", **arrays)
    words = ("--sampler", "euler", "--nfe", "5", "--num-samples", "128", "--out", "out")
    done = samplebench("run", *words, "--reference", "other.npz", "--quiet")
    one_line(done, 2, message)
    assert not list(tmp_path.glob("out/cells/*"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
class TestPermission:
    def test_a_folder_that_cannot_be_made(self, samplebench, tmp_path, one_line):
        (tmp_path / "locked").mkdir(mode=0o555)
        done = samplebench("run", "--nfe", "5", "--sampler", "euler", "--out", "locked/sweep")
        one_line(done, 3, "locked/sweep cannot be written")

    @pytest.mark.parametrize("name", [".", "cells", "requests"])
    def test_a_sweep_that_cannot_be_written(self, samplebench, copied, cells, name, one_line):
        before = cells(copied)
        (copied / name).chmod(0o555)
        try:
            done = samplebench("run", "--nfe", "7", "--sampler", "euler", "--out", "sweep")
        finally:
            (copied / name).chmod(0o755)
        one_line(done, 3, "cannot be written (Permission denied); choose another --out")
        assert cells(copied) == before
