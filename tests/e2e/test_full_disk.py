"""A disk that is full, read-only or broken at any write: one line, and the next run goes on."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from samplebench.cli import main
from samplebench.scoring import made
from tests.e2e.faults import Disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names of open files are Linux's")
SMALL = "--num-samples 64 --sampler euler --nfe 4 --batch-size 32 --quiet"
EXPORT = "card export --sampler euler --nfe 4 --quiet"
# What is written by each command, and the exit code of the whole run.
COMMANDS = {
    "run": f"run {SMALL} --keep images --save-images --out sweep",
    "score": "score sweep --metric fd-pixels --reference images.npz --quiet",
    "report": "report sweep",
    "compare": "compare sweep other --out compared --quiet",
    "update": "check sweep --baseline base.csv --update --quiet",
    "check": "check sweep --baseline base.csv --junit j.xml --markdown m.md --quiet",
    "reference": "reference make --images images.npz --out my.npz --keep features --quiet",
    "card": f"{EXPORT} --out cards/mine.json",
    "nll": "nll --data digits --model digits-adm --num-samples 4 --batch-size 2 --steps 3 "
    "--out nll --quiet",
    "published": "published --dataset imagenet --protocol openai --max-nfe 10 --out pages --quiet",
    "exposure": "trajectory --from-data digits --sampler euler --nfe 4 --levels 2 "
    "--num-samples 64 --out chains --quiet",
}
QUICK = ("run", "check", "reference", "card")
ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with images, a finished sweep, another one and a baseline."""
    folder = tmp_path_factory.mktemp("begun")
    draw = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    np.savez(folder / "images.npz", images=draw)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr("samplebench.report.write_report", _table_alone)
        assert main(COMMANDS["run"].split()) == 0
    shutil.copytree(folder / "sweep", folder / "other")
    shutil.copy(folder / "sweep" / "results.csv", folder / "base.csv")
    return folder


def _table_alone(view, out, uncertain=False):
    """Figures and the page, which take seconds, are written as everything else is."""
    from samplebench.files.atomic import write_atomic
    from samplebench.results.tables import write_csv

    write_csv(view.rows, out / "results.csv")
    write_atomic(out / "figures" / "one.svg", b"<svg/>", sync=False)
    write_atomic(out / "report.html", b"page", sync=False)
    return {}


@pytest.fixture
def place(begun, tmp_path, monkeypatch):
    """`place(name)`: a folder as it is before a command."""
    monkeypatch.setattr("samplebench.report.write_report", _table_alone)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))

    def copied(name):
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / "here", ignore_errors=True)
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        monkeypatch.setattr(made, "_made", {})
        shutil.copytree(begun, tmp_path / "here")
        if name == "run":
            shutil.rmtree(tmp_path / "here" / "sweep")
        monkeypatch.chdir(tmp_path / "here")
        return tmp_path / "here"

    return copied


def content(folder):
    """What is there in the end; records say how long it took, and pages too."""
    kinds = (".csv", ".npz", ".png", ".svg", ".xml", ".md")
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix in kinds]
    return {p.relative_to(folder): p.read_bytes() for p in files}


def picked(done):
    """Of the operations on each kind of file the first, and its last write."""
    found = {}
    for place, (kind, path) in enumerate(done):
        role = re.sub(r"[0-9a-f]{8,}|\d+", "N", path)
        found.setdefault((kind, role), []).append(place)
    return sorted({at for places in found.values() for at in (places[0], places[-1])})


def tried(words, disk, capsys):
    with disk.watched():
        code = main(words.split())
    return code, capsys.readouterr().err.splitlines()


def refused(disk, code, lines):
    """One line, which names the file that was to be written and no temporary one."""
    assert disk.failed is not None
    assert code == 3 and len(lines) == 1, (disk.failed, code, lines)
    assert lines[0].startswith("samplebench: error: ") and "defect" not in lines[0]
    assert ".tmp" not in lines[0], (disk.failed, lines)
    assert "None" not in lines[0]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in COMMANDS]
)
def test_at_any_write(name, place, capsys, tmp_path):
    words, folder = COMMANDS[name], place(name)
    main(words.split())  # what is read once is read now
    folder, disk = place(name), Disk(folder, tmp_path / "cache")
    code, lines = tried(words, disk, capsys)
    assert name != "score" or any("cache" in path for _, path in disk.done)
    whole, places = content(folder), picked(disk.done)
    assert code == 0 and lines == [] and len(places) >= 4
    # Every one of `run`, which has the most kinds, would take a minute.
    for turn, at in enumerate(places[:: 7 if name == "run" else 1]):
        number = ERRORS[turn % len(ERRORS)]
        folder = place(name)
        disk = Disk(folder, tmp_path / "cache", at=at, number=number, lasting=turn % 2 == 0)
        code, lines = tried(words, disk, capsys)
        if name == "score" and code == 0:
            # A cache that takes nothing is no reason to stop.
            assert "cache" in disk.failed[1] and lines == []
        else:
            refused(disk, code, lines)
        assert not list(folder.rglob("*.tmp"))
        assert main(words.split()) == 0, capsys.readouterr().err
        assert content(folder) == whole, (at, disk.failed)
        capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "lasting"), [(errno.ENOSPC, True), (errno.EIO, False)])
def test_at_every_write_of_a_run(place, capsys, number, lasting):
    words, folder = COMMANDS["run"], place("run")
    disk = Disk(folder)
    tried(words, disk, capsys)
    whole = content(folder)
    for at in picked(disk.done):
        disk = Disk(place("run"), at=at, number=number, lasting=lasting)
        refused(disk, *tried(words, disk, capsys))
        assert main(words.split()) == 0
        assert content(folder) == whole, (at, disk.failed)


REAL = """
mount -t tmpfs -o size={size}k none {folder}/small || exit 99
cd {folder}
export SAMPLEBENCH_CACHE={folder}/small/cache TMPDIR={folder}/small
{python} -m samplebench run {words} --out small/sweep
echo "code $?"
mount -o remount,size=20m none {folder}/small
{python} -m samplebench run {words} --out small/sweep
echo "code $?"
cat small/sweep/results.csv >results.csv
"""


def unshared(script):
    words = ["unshare", "-rm", "bash", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("size", [4, 48, 400, 420, 440, 480, 560])
def test_a_small_one(size, begun, tmp_path, monkeypatch):
    """A real one; then it grows."""
    if shutil.which("unshare") is None or unshared("true").returncode:
        pytest.skip("nobody may mount here")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "small").mkdir()
    words = {"size": size, "folder": tmp_path, "python": sys.executable, "words": SMALL}
    done = unshared(REAL.format(**words))
    if done.returncode == 99:
        pytest.skip("nobody may mount here")
    first, second = re.findall(r"code (\d+)", done.stdout)
    assert second == "0", done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == (first == "3") and first in ("0", "3"), done.stderr
    for line in lines:
        assert "No space left on device" in line or "make room" in line
        assert ".tmp" not in line
    assert (tmp_path / "results.csv").read_bytes() == (begun / "base.csv").read_bytes()


def test_no_room_for_temporary_files(tmp_path, monkeypatch):
    """Wherever they are made, and where there is no folder for them at all."""
    import tempfile

    from samplebench.errors import EnvironmentError_
    from samplebench.files.temporary import scratch
    from samplebench.scoring import rows

    monkeypatch.setattr(rows, "_LARGE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentError_, match=r"nowhere has no room for .* set TMPDIR"):
        rows.Rows(10, 3, np.float32)
    with (
        pytest.raises(EnvironmentError_, match=r"no room for weights \(No such file"),
        scratch("weights"),
    ):
        pass
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    disk = Disk(tmp_path, at=0, number=errno.ENOSPC, kinds=frozenset({"write"}))
    with (
        disk.watched(),
        pytest.raises(EnvironmentError_, match=r"weights \(No space left"),
        scratch("weights") as folder,
    ):
        (folder / "file").write_bytes(b"x")
    assert os.listdir(tmp_path) == []
