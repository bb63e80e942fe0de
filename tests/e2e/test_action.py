"""`action.yml` in a repository of somebody: its scripts are run by bash, as GitHub would run them.

What GitHub itself does is not here: the runner, `actions/setup-python`, the network of pip.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from samplebench.regression import load_rows

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
SAMPLER = """
def mine(model, x, grid, *, noise=None, callback=None):
    for s, t in zip(grid[:-1].tolist(), grid[1:].tolist()):
        x = x + {} * (t - s) / s * (x - model(x, s))
    return x
"""
WORDS = {"model": "digits-exact", "sampler": "./mine.py:mine", "nfe": "3", "num-samples": "32"}
# What stands for `samplebench` and `python` on PATH: it asks the test for a process, which has the
# libraries loaded already.
CLIENT = """#!/bin/sh
exec "{python}" -S -c '
import json, os, socket, sys
with socket.create_connection(("127.0.0.1", {port})) as talk:
    request = [sys.argv[1], sys.argv[2:], os.getcwd(), dict(os.environ)]
    talk.sendall(json.dumps(request).encode() + b"\\n")
    code, out, err = json.loads(talk.makefile().read())
sys.stdout.write(out); sys.stderr.write(err); sys.exit(code)
' {name} "$@"
"""
NEEDS_BASH = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


def valued(text, inputs):
    """A text with its expressions; those of this action name inputs and nothing else."""
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], str(text))


class Job:
    """A job on a checkout: a folder, and what GitHub keeps for a step."""

    def __init__(self, folder, port):
        self.folder, self.own = folder / "repository", folder / "runner"
        self.bin = self.own / "bin"
        for made in (self.folder, self.bin):
            made.mkdir(parents=True)
        self.asked = []
        for name in ("samplebench", "python"):
            path = self.bin / name
            path.write_text(CLIENT.format(python=sys.executable, port=port, name=name))
            path.chmod(0o755)

    def bug(self, factor):
        (self.folder / "mine.py").write_text(SAMPLER.format(factor))

    def step(self, name, **given):
        """Runs a step by its name with these inputs: code, output, outputs, summary."""
        (step,) = [one for one in STEPS if one["name"] == name]
        inputs = {key: str(one.get("default", "")) for key, one in ACTION["inputs"].items()}
        unknown = given.keys() - inputs.keys()
        assert not unknown, f"no input {unknown}"
        inputs |= given
        output, summary = self.own / "output", self.own / "summary"
        output.write_text(""), summary.write_text("")
        (self.own / "script.sh").write_text(step["run"])
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "HOME": str(self.own),
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_WORKSPACE": str(self.folder), "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTION_PATH": str(ROOT), "CI": "true",
            **{key: valued(text, inputs) for key, text in step["env"].items()},
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", self.own / "script.sh"],
            cwd=self.folder / valued(step["working-directory"], inputs),
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        lines = output.read_text().splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        assert len(outputs) == len(lines)
        return done.returncode, done.stdout + done.stderr, outputs, summary.read_text()

    def curves(self, **given):
        inputs = {**WORDS, "baseline": "curves/mine.csv", **given}
        return self.step("Run the sweep and compare", **inputs)


@pytest.fixture(scope="module")
def answering(fork):
    """`asked, port`: a server that starts what the stand-ins on PATH ask for, and notes it."""
    asked, listening = [], socket.create_server(("127.0.0.1", 0))

    def answer(talk):
        with talk, talk.makefile() as lines:
            name, words, folder, environment = json.loads(lines.readline())
            asked.append([name, *words])
            code, out, err = 0, "", ""
            if name == "samplebench":
                child = fork(words, folder, environment)
                out, err = child.communicate(300)
                code = child.returncode
            talk.sendall(json.dumps([code, out, err]).encode())

    def serve():
        while True:
            try:
                answer(listening.accept()[0])
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield asked, listening.getsockname()[1]
    listening.close()


@pytest.fixture(scope="module")
def baseline(fork, tmp_path_factory, command):
    """The curve of the sampler without a bug, made as the document says."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "mine.py").write_text(SAMPLER.format(1))
    words = [word for key, text in WORDS.items() for word in (f"--{key}", text)]
    assert command("run", *words, "--out", "build", cwd=folder).code == 0
    update = ("check", "build", "--baseline", "curves/mine.csv", "--update")
    assert command(*update, cwd=folder).code == 0
    return folder


@pytest.fixture
def job(answering, baseline, tmp_path):
    asked, port = answering
    made = Job(tmp_path, port)
    made.asked = asked
    asked.clear()
    shutil.copytree(baseline / "curves", made.folder / "curves")
    made.bug(1)
    return made


def test_no_script_holds_an_expression():
    """An input reaches a script as a variable: what it holds is never run."""
    for step in STEPS:
        assert ("run" in step) != ("uses" in step)
        if "run" in step:
            assert step["shell"] == "bash" and "${{" not in step["run"]
            assert "${{" not in step["name"]
            for text in step["env"].values():
                assert re.fullmatch(r"\$\{\{ inputs\.[\w-]+ \}\}", text)
    named = set(re.findall(r"inputs\.([\w-]+)", json.dumps(STEPS)))
    assert named == ACTION["inputs"].keys()
    ids = {step["id"] for step in STEPS if "id" in step}
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.{min(ids)}.outputs.{name} }}}}"
    assert ids == {"curves"} and ACTION["runs"]["using"] == "composite"
    for each in (ACTION, *ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert isinstance(each["description"], str)


def test_every_input_of_a_sweep_is_an_option():
    from samplebench.cli import parser

    commands = next(a.choices for a in parser()._actions if isinstance(a.choices, dict))
    _, sweep, check = STEPS[-1]["run"].split("words=()\n")
    for part, name in ((sweep, "run"), (check, "check")):
        options = commands[name]._option_string_actions
        flags = set(re.findall(r"add (--[\w-]+) ", part)) | set(re.findall(r" (--[\w-]+)=", part))
        assert flags and flags <= {*options}


@NEEDS_BASH
def test_red_with_a_bug_green_where_the_gate_is_wide(job):
    job.bug(1.05)
    code, said, outputs, summary = job.curves()
    assert (code, outputs["verdict"]) == (1, "failed"), said
    assert json.loads(outputs["moved"]) == ["digits-exact: mine.py:mine, edm rho=7"]
    assert "### samplebench check: failed" in summary and "| moved |" in summary
    (line,) = re.findall("^::error .*$", said, re.M)
    assert line.startswith("::error file=curves/mine.csv,title=samplebench check::moved: ")
    # A gate wide enough lets it pass, and the cells of this code are there already.
    code, said, outputs, summary = job.curves(tolerance="fd-digits:90%", subset="true")
    assert (code, outputs["verdict"], json.loads(outputs["moved"])) == (0, "passed", []), said
    assert Path(outputs["report"]) == job.folder / "build/samplebench/report.html"
    assert Path(outputs["report"]).is_file()
    assert summary.startswith("### samplebench check: passed") and "::error" not in said


@NEEDS_BASH
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"baseline": ""}, "the input 'baseline' is empty"),
        ({"subset": "yes"}, "the input 'subset' is true or false"),
        ({"sampler": "eulr"}, "the sweep ended with exit code 2"),
        ({"baseline": "nowhere.csv"}, "the input 'baseline' does not exist"),
        pytest.param({"tolerance": "low"}, "--tolerance low", marks=pytest.mark.slow),
        ({"baseline-ref": "main"}, "is in no git repository"),
        ({"out": "two\nlines"}, "the input 'out' is one line"),
        ({"out": ""}, "the input 'out' is one line"),
    ],
)
def test_what_does_not_end_is_an_error(job, given, told):
    code, said, outputs, _ = job.curves(**given)
    assert (code, outputs["verdict"]) == (2, "error"), said
    assert "::error " in said and told in said


HOSTILE = "$(touch made);`touch made`;\"'; touch made #\n::error::x"


# Every other one is a word of the same kind.
HELD = [
    pytest.param(name, marks=() if name in ("sampler", "out", "install") else pytest.mark.slow)
    for name in ACTION["inputs"]
    if name not in ("working-directory", "python-version")
]


@NEEDS_BASH
@pytest.mark.parametrize("name", HELD)
def test_no_input_is_run(job, name):
    """Whatever an input holds is a word, and ends in a message of samplebench's or of pip."""
    if name in ("install", "requirements"):
        job.step("Install", **{"install": "", name: HOSTILE})
    else:
        job.curves(**{name: HOSTILE})
    assert not list(job.folder.rglob("made")) and not list(job.own.rglob("made"))


@NEEDS_BASH
@pytest.mark.parametrize(
    ("given", "pip"),
    [
        ({}, [[str(ROOT)]]),
        ({"install": ""}, []),
        ({"install": " \n"}, []),
        ({"install": "samplebench[fid] -e .", "requirements": "-r a.txt\nb>=1 *"},
         [["-r", "a.txt", "b>=1", "*"], ["samplebench[fid]", "-e", "."]]),
    ],
)  # fmt: skip
def test_what_pip_is_given(job, given, pip):
    code, said, _, _ = job.step("Install", **given)
    assert code == 0, said
    assert job.asked == [["python", "-m", "pip", "install", *words] for words in pip]


@NEEDS_BASH
@pytest.mark.slow
def test_a_baseline_of_a_commit_in_a_folder(job):
    """Green without a bug. Everything begins at the working directory; annotations at the top of
    the repository."""
    inner = job.folder / "samplers"
    inner.mkdir()
    shutil.move(job.folder / "curves", inner / "curves")
    shutil.move(job.folder / "mine.py", inner / "mine.py")

    def git(*words):
        name = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", *name, *words], cwd=job.folder, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message", "Curves")
    (inner / "curves" / "mine.csv").unlink()
    job.bug(1)
    shutil.move(job.folder / "mine.py", inner / "mine.py")
    given = {"working-directory": "samplers", "baseline-ref": "main"}
    code, said, outputs, _ = job.curves(**given, out="~/there")
    assert (code, outputs["verdict"]) == (0, "passed"), said
    assert outputs["report"] == f"{job.own}/there/report.html"
    # A name like an option is a folder all the same.
    code, said, _, _ = job.curves(**given | {"nfe": "4", "out": "--help"})
    assert (inner / "--help" / "report.html").is_file()
    assert code == 1 and "::error file=samplers/curves/mine.csv,title=" in said


def test_the_workflow_of_the_document_names_what_there_is():
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    blocks = [
        yaml.safe_load(block) for block in re.findall("^```yaml\n(.*?)^```$", text, re.M | re.S)
    ]
    steps = blocks[0]["jobs"]["curves"]["steps"]
    (own,) = [step for step in steps if "/samplebench@" in step.get("uses", "")]
    assert own["with"].keys() <= ACTION["inputs"].keys() and own["with"]["baseline"]
    assert set(re.findall(r"steps\.curves\.outputs\.(\w+)", text)) <= ACTION["outputs"].keys()

    def names(table):
        return {name for row in re.findall(r"^\| (`.*?) \|", table, re.M)
                for name in re.findall(r"`([\w-]+)`", row)}  # fmt: skip

    tables = re.split(r"^\| output \| \|$", text.partition("| input | |")[2], flags=re.M)
    assert names(tables[0]) == ACTION["inputs"].keys()
    assert names(tables[1].partition("## A test")[0]) == ACTION["outputs"].keys()


def test_the_baseline_is_one_point(baseline):
    (row,) = load_rows(baseline / "curves" / "mine.csv").rows
    assert row["fd-digits_stderr"] > 0
