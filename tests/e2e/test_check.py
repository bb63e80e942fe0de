"""`samplebench check`: exit code 1 when a curve moved, and only then."""

from __future__ import annotations

import csv
import json
import shutil
from xml.etree import ElementTree

import pytest

SMALL = ("--num-samples", "128", "--sampler", "euler,heun", "--nfe", "5,10")
NUMBERS = ("fd-digits", "fd-digits_stderr", "nfe")


@pytest.fixture
def edit(finished, tmp_path):
    """`edit(change)`: a baseline.csv whose rows `change` altered in place."""

    def write(change):
        with (finished / "results.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = list(rows[0])
        change(rows)
        with (tmp_path / "baseline.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    return write


@pytest.fixture
def check(samplebench, finished):
    return lambda *words: samplebench("check", finished, "--baseline", *words)


def test_a_sweep_agrees_with_itself(samplebench, finished, tmp_path, check):
    shutil.copyfile(finished / "results.csv", tmp_path / "copy.csv")
    for baseline in ("copy.csv", finished, finished / "results.csv"):
        done = check(baseline)
        assert (done.code, done.err) == (0, "")
        assert done.out.endswith("4 same\nrelative tolerance 1e-06\n")
    done = samplebench("check", "copy.csv", "--baseline", "copy.csv")
    assert done.code == 0
    assert check("copy.csv", "--quiet") == (0, "", "")
    verdicts = json.loads(check("copy.csv", "--json").out)
    assert [verdict["status"] for verdict in verdicts] == ["same"] * 4


@pytest.mark.parametrize("factor", [1.001, 0.999], ids=["+0.1 %", "-0.1 %"])
@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("row", [0, 2, 3])
def test_any_number_that_moved_is_found(edit, check, row, column, factor):
    def change(rows):
        rows[row][column] = f"{float(rows[row][column]) * factor:.12g}"

    edit(change)
    done = check("baseline.csv", "--json")
    assert done.code == 1, done.err
    (said,) = done.err.splitlines()
    assert said.startswith("moved: digits-exact ") and f": {column} " in said
    verdicts = json.loads(done.out)
    assert [verdict["status"] for verdict in verdicts].count("moved") == 1
    assert [verdict["status"] for verdict in verdicts].count("same") == 3
    assert verdicts[row]["detail"].startswith(f"{column} ")


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("by", [1, -1])
def test_one_evaluation_more_or_less_is_found(edit, check, row, by):
    def change(rows):
        rows[row]["nfe"] = str(int(rows[row]["nfe"]) + by)

    edit(change)
    assert check("baseline.csv").code == 1


def test_all_numbers_are_held_to_the_tolerance(edit, check):
    def change(rows):
        for row in rows:
            for column in ("fd-digits", "fd-digits_stderr"):
                row[column] = f"{float(row[column]) * 1.001:.12g}"

    edit(change)
    assert check("baseline.csv").code == 1
    assert check("baseline.csv", "--tolerance", "0.0009").code == 1
    assert check("baseline.csv", "--tolerance", "0.0011").code == 0


@pytest.mark.parametrize("value", ["", "nan", "inf"])
def test_a_value_that_is_not_finite_is_found(edit, check, value):
    edit(lambda rows: rows[1].update({"fd-digits": value}))
    done = check("baseline.csv")
    assert done.code == 1, done.err
    assert "moved" in done.out


def test_rows_of_one_side(samplebench, finished, edit, check):
    """A missing row fails; one more than the baseline has is only named."""
    edit(lambda rows: rows.pop(2))
    fewer = check("baseline.csv")
    assert fewer.code == 0
    assert "1 new, 3 same" in fewer.out
    # The other way round the row is missing.
    done = samplebench("check", "baseline.csv", "--baseline", finished / "results.csv")
    assert done.code == 1
    assert "1 missing, 3 same" in done.out


@pytest.mark.parametrize("column", ["steps", "rho", "sampler"])
def test_another_point_is_another_row(edit, check, column):
    edit(lambda rows: rows[0].update({column: "1"}))
    done = check("baseline.csv")
    assert done.code == 1
    assert "1 missing, 1 new, 3 same" in done.out


@pytest.mark.parametrize("column", ["seed", "num_samples", "protocol"])
def test_a_point_under_another_condition_is_named(edit, check, rows, finished, column):
    edit(lambda rows: rows[0].update({column: "1"}))
    done = check("baseline.csv")
    assert done.code == 1
    assert f"{column} 1 -> {rows(finished)[0][column]}" in done.out
    assert "1 conditions differ, 3 same" in done.out


def test_another_cell_is_not_comparable(edit, check):
    edit(lambda rows: rows[0].update({"cell": "0" * 64}))
    done = check("baseline.csv")
    assert done.code == 1
    assert "1 conditions differ" in done.out


def test_update_makes_a_baseline(samplebench, finished, tmp_path, edit, check, rows):
    edit(lambda found: found[0].update({"fd-digits": "1"}))
    assert check("baseline.csv").code == 1
    done = check("baseline.csv", "--update")
    assert (done.code, done.err) == (0, "")
    assert check("baseline.csv").code == 0
    assert (tmp_path / "baseline.csv").read_bytes() == (finished / "results.csv").read_bytes()
    # Also where there is none yet, in a folder that is not there, from a table.
    new = tmp_path / "new" / "baseline.csv"
    done = samplebench("check", "baseline.csv", "--baseline", new, "--update")
    assert done.code == 0
    assert new.read_bytes() == (tmp_path / "baseline.csv").read_bytes()
    # The platform travels along and decides the tolerance.
    (facts,) = new.parent.glob("*.json")
    platforms = json.loads(facts.read_text())["platforms"]
    assert platforms
    (origin,) = json.loads(facts.read_text())["origins"]
    assert {*origin["conditions"]["metrics"]} == {row["reference"] for row in rows(finished)}
    facts.write_text(json.dumps({"platforms": ["another"]}))
    done = check(new)
    assert "relative tolerance 0.001\nplatforms: baseline another, results " in done.out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"model,sampler\n",
        b"model,sampler\ndigits-exact,euler\n",
        b"no table at all",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"{}",
    ],
    ids=["empty", "head only", "few columns", "text", "bytes", "json"],
)
def test_files_that_are_no_results_are_refused(samplebench, finished, tmp_path, check, content):
    (tmp_path / "baseline.csv").write_bytes(content)
    for done in (
        check("baseline.csv"),
        samplebench("check", "baseline.csv", "--baseline", finished / "results.csv"),
    ):
        assert done.code == 2
        assert done.err.startswith("samplebench: error: baseline.csv is not a results.csv")
        assert done.err.count("\n") == 1


DAMAGES = {
    "head only": lambda head, first: head,
    "short row": lambda head, first: head + first[:20],
    "no cell": lambda head, first: head + first.rpartition(",")[0] + "\n",
    "word for number": lambda head, first: head + first.replace(",7,", ",seven,"),
    "long row": lambda head, first: head + first.rstrip("\n") + ",one,too,many\n",
    "open quote": lambda head, first: head + '"' + first,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_tables_are_refused(finished, tmp_path, check, damage):
    head, first, *_ = (finished / "results.csv").read_text().splitlines(keepends=True)
    (tmp_path / "baseline.csv").write_text(DAMAGES[damage](head, first))
    done = check("baseline.csv")
    assert done.code == 2, done.err
    assert done.err.startswith("samplebench: error: baseline.csv is not a results.csv")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"platforms": 3}'])
def test_a_damaged_file_of_platforms_is_named(finished, tmp_path, check, content):
    shutil.copyfile(finished / "results.csv", tmp_path / "baseline.csv")
    (tmp_path / "baseline.provenance.json").write_text(content)
    done = check("baseline.csv")
    assert done.code == 2, done.err
    assert done.err.startswith("samplebench: error: ")
    assert "baseline.provenance.json" in done.err
    assert done.err.count("\n") == 1


def test_an_update_says_what_it_changes(edit, check):
    edit(lambda rows: rows[0].update({"fd-digits": "1"}) or rows.pop(3))
    document = json.loads(check("baseline.csv", "--update", "--json").out)
    assert (document["rows"], len(document["changes"])) == (4, 2)
    (change,) = (c for c in document["changes"][0]["changes"] if c["moved"])
    assert (change["column"], change["old"]) == ("fd-digits", 1.0)
    edit(lambda rows: rows[0].update({"fd-digits": "1"}) or rows.pop(3))
    done = check("baseline.csv", "--update")
    assert "changed  digits-exact" in done.out
    assert done.out.endswith("baseline.csv: 4 rows (1 changed, 2 same, 1 new)\n")
    assert check("baseline.csv", "--update").out == "baseline.csv: 4 rows (4 same)\n"


def test_a_part_of_a_baseline(samplebench, finished, edit, check):
    edit(lambda rows: rows.pop(2))
    words = ("check", "baseline.csv", "--baseline", finished / "results.csv")
    assert "1 missing, 3 same" in samplebench(*words).out
    done = samplebench(*words, "--subset")
    assert (done.code, done.err) == (0, "")
    assert "3 same, 1 left out" in done.out
    edit(lambda rows: [row.update({"rho": "5"}) for row in rows])
    done = samplebench(*words, "--subset")
    assert done.code == 2
    assert done.err.startswith("samplebench: error: no row of ")


def test_a_better_value_fails_unless_allowed(edit, check):
    def worsen(rows):
        for row in rows[:2]:
            row["fd-digits"] = f"{float(row['fd-digits']) * 1.01:.12g}"

    edit(worsen)
    assert check("baseline.csv").code == 1
    done = check("baseline.csv", "--allow-better")
    assert (done.code, done.err) == (0, "")
    assert "2 better, 2 same" in done.out and "-0.99 %" in done.out
    edit(lambda rows: rows[0].update({"fd-digits": "0.01"}))
    assert check("baseline.csv", "--allow-better").code == 1


def test_a_ceiling(edit, check, finished, rows):
    value = max(float(row["fd-digits"]) for row in rows(finished))
    assert check(finished, "--tolerance", f"fd-digits<={value * 1.001}").code == 0
    done = check(finished, "--tolerance", f"fd-digits<={value * 0.999:.3f}")
    assert done.code == 1
    assert "1 out of bounds, 3 same" in done.out and "breaks fd-digits<=" in done.out


def test_reports_for_servers(tmp_path, edit, check):
    edit(lambda rows: rows[0].update({"fd-digits": "1"}))
    done = check("baseline.csv", "--junit", "a/check.xml", "--markdown", "a/check.md")
    assert done.code == 1 and "intended? " in done.out
    (suite,) = ElementTree.parse(tmp_path / "a" / "check.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    text = (tmp_path / "a" / "check.md").read_text()
    assert text.startswith("### samplebench check: failed")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["check.md", "check.xml"]
    done = check("baseline.csv", "--markdown", "-")
    assert (done.code, done.out) == (1, text)
    assert done.err.startswith("moved: digits-exact ") and done.err.count("\n") == 1


@pytest.fixture(scope="module")
def fresh(command, tmp_path_factory):
    """`fresh("seed", ...)`: a sweep as `finished`, but of its own seeds or number of samples."""
    folder, made = tmp_path_factory.mktemp("fresh"), {}

    def run(*words):
        if words not in made:
            made[words] = folder / str(len(made))
            done = command("run", *SMALL, *words, "--out", made[words], cwd=folder)
            assert done.code == 0, done.err
        return made[words]

    return run


class TestSeeds:
    SEED = ("--seed", "1280")

    @pytest.mark.slow
    def test_other_seeds_pass_by_their_error_bars(self, samplebench, finished, fresh):
        words = ("check", fresh(*self.SEED), "--baseline", finished)
        exact = samplebench(*words)
        assert exact.code == 1 and "use --tolerance 3sigma to compare other seeds" in exact.out
        done = samplebench(*words, "--tolerance", "3sigma")
        assert (done.code, done.err) == (0, "")
        assert "4 same\n3sigma: family-wise error 0.0027 by Holm over 4 values" in done.out

    def test_a_moved_value_is_found(self, samplebench, finished, fresh, tmp_path):
        words = ("check", fresh(*self.SEED), "--baseline", "baseline.csv")
        done = samplebench("check", finished, "--baseline", "baseline.csv", "--update")
        assert done.code == 0
        path = tmp_path / "baseline.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        rows[0]["fd-digits"] = str(3 * float(rows[0]["fd-digits"]))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        done = samplebench(*words, "--tolerance", "fd-digits:3sigma")
        assert (done.code, done.err) == (1, "")
        assert "1 moved, 3 same" in done.out

    @pytest.mark.slow
    def test_another_number_of_samples_is_refused(self, samplebench, finished, fresh):
        fewer = fresh("--num-samples", "100")
        for more in ((), ("--tolerance", "3sigma")):
            done = samplebench("check", fewer, "--baseline", finished, *more)
            assert (done.code, done.err) == (1, "")
            assert "num_samples 128 -> 100" in done.out and "4 conditions differ" in done.out


WRONG = {
    "--tolerance fd-digit:2%": "unknown metric in --tolerance 'fd-digit'; did you mean 'fd-digits'",
    "--tolerance fd-digits:2percent": "fd-digits:2percent is not a tolerance; write e.g. 2%",
    "--tolerance 1% --tolerance 2sigma": "--tolerance 1% and 2sigma: give only one of them",
    "--tolerance 99sigma": "must be above 0 and at most 10sigma",
    "--tolerance 200%": "must be a fraction below 1",
    "--tolerance fdi-digits<=2": "unknown metric in --tolerance 'fdi-digits'; did you mean 'fd-",
    "--tolerance fd-digits<2": "--tolerance fd-digits<2 is not a bound; write e.g. fid<=2.1",
    "--markdown - --json": "--markdown - and --json both write to stdout",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_uses_end_with_one_line(words, finished, check, one_line):
    one_line(check(finished, *words.split()), 2, WRONG[words])


def test_a_report_that_cannot_be_written(finished, check, tmp_path, one_line):
    (tmp_path / "there").write_text("")
    one_line(check(finished, "--junit", "there/check.xml"), 3, "cannot be written")
