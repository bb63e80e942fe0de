"""Two users of one folder or one cache: whatever the other one left is told in one line."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from samplebench.cli import main

pytestmark = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root may be somebody else"
)
OTHER, THIRD, GROUP = 65534, 65533, 65532
SMALL = "run --num-samples 64 --sampler euler --nfe 4 --batch-size 32 --quiet --out sweep"
# Becomes the other user once all is imported: Python may lie where that one may not read.
SCRIPT = f"""
import os, shutil, sys, tempfile
from samplebench.cli import main
uid, group, mask = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 8)
here, first = os.getcwd(), tempfile.mkdtemp()
cache = os.environ.pop("SAMPLEBENCH_CACHE")
os.environ["SAMPLEBENCH_CACHE"] = first
os.chdir(first)
assert main({SMALL.split()!r}) == 0
assert main("check sweep --baseline sweep/results.csv --quiet".split()) == 0
os.chdir(here)
shutil.rmtree(first)
os.environ["SAMPLEBENCH_CACHE"] = cache
os.setgroups([group]); os.setgid(group); os.setuid(uid); os.umask(mask)
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture
def shared(tmp_path_factory):
    """A folder that everybody reaches."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o777)
        yield folder


@pytest.fixture
def another(shared):
    """`another(words, uid=, group=, mask=)`: a command of another user there -> (code, stderr)."""

    def run(words, uid=OTHER, group=OTHER, mask="022"):
        extra = {"SAMPLEBENCH_CACHE": str(shared / "cache"), "HOME": str(shared)}
        extra |= {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(shared / f"mpl-{uid}")}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(uid), str(group), mask, *words.split()],
            cwd=shared,
            env={**os.environ, **extra},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stderr

    return run


def one_line(found, *names):
    code, err = found
    assert code == 3 and len(err.splitlines()) == 1, err
    assert err.startswith("samplebench: error: ") and "defect" not in err
    assert all(name in err for name in names), err


def everything(folder):
    return {p: p.is_file() and p.read_bytes() for p in folder.rglob("*") if "mpl" not in str(p)}


@pytest.mark.slow
def test_a_folder_of_somebody_else(shared, another, monkeypatch, capsys):
    """It can be read and reported nowhere; nothing in it changes. Shared by a group, both add."""
    monkeypatch.chdir(shared)
    assert main(SMALL.split()) == 0
    before = everything(shared / "sweep")
    one_line(another(SMALL), "sweep cannot be written (Permission denied)")
    assert another("check sweep --baseline sweep/results.csv --quiet") == (0, "")
    assert everything(shared / "sweep") == before
    # As `chmod -R g+w` and setgid on the folders make it, with the umask of such a group.
    for path in (shared / "sweep", *(shared / "sweep").rglob("*")):
        os.chown(path, 0, GROUP)
        path.chmod(0o2775 if path.is_dir() else 0o664)
    for nfe, uid in ((5, OTHER), (6, THIRD)):
        words = SMALL.replace("--nfe 4", f"--nfe {nfe}")
        assert another(words, uid=uid, group=GROUP, mask="002") == (0, "")
    assert main(SMALL.replace("--nfe 4", "--nfe 4,5,6").split()) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("mask", ["077", "027"])
def test_a_folder_that_is_closed(shared, another, mask):
    """What the first one wrote is for that one alone, and a second user is told so."""
    assert another(SMALL, uid=THIRD, group=THIRD, mask=mask) == (0, "")
    before = everything(shared / "sweep")
    for words in (SMALL, "report sweep", "check sweep --baseline sweep/results.csv"):
        code, err = another(words)
        assert code in (2, 3) and len(err.splitlines()) == 1, err
        assert "sweep" in err and "Permission denied" in err
    assert everything(shared / "sweep") == before


@pytest.fixture
def planted(tmp_path):
    """A file that nobody may change."""
    path = tmp_path / "dear"
    path.write_text("dear to someone")
    yield path
    assert path.read_text() == "dear to someone"


class TestPlanted:
    """In a folder that everybody may write to, another user has put a link or a pipe."""

    @pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
    @pytest.mark.parametrize("name", [".lock", ".shards/.gate"])
    def test_at_a_lock(self, shared, planted, kind, name):
        from samplebench.errors import SamplebenchError
        from samplebench.files import locks

        path = shared / name
        path.parent.mkdir(exist_ok=True)
        put(path, kind, planted)
        with pytest.raises((SamplebenchError, OSError)):
            locks.acquire(path, timeout=0)

    @pytest.mark.parametrize("kind", ["link", "pipe"])
    def test_at_a_download(self, shared, planted, kind):
        from samplebench.download.partial import PartialFile, Whole

        for end in (".part", ".part.json"):
            put(shared / f"weights.pt{end}", kind, planted)
        partial = PartialFile(shared / "weights.pt", "https://example.org/w", checked=True)
        partial.restart(Whole("https://example.org/w", size=3))
        assert [*partial.append([b"abc"])] == [3]
        partial.move(shared / "weights.pt")
        assert (shared / "weights.pt").read_bytes() == b"abc"

    def test_a_link_that_comes_after_the_look(self, shared, planted, monkeypatch):
        from samplebench.download.partial import PartialFile, Whole
        from samplebench.errors import EnvironmentError_

        partial = PartialFile(shared / "weights.pt", "https://example.org/w", checked=True)
        partial.restart(Whole("https://example.org/w", size=3))
        put(partial.path, "link", planted)
        with pytest.raises(EnvironmentError_, match=r"weights\.pt\.part cannot be written"):
            [*partial.append([b"abc"])]

    def test_at_a_temporary_file(self, shared, planted, monkeypatch):
        """Its name cannot be guessed; where it is, the link is not followed."""
        from samplebench.files import atomic

        monkeypatch.setattr(atomic.secrets, "randbelow", lambda most: 7)
        put(shared / ".table.csv.7.tmp", "link", planted)
        with pytest.raises(FileExistsError):
            atomic.write_atomic(shared / "table.csv", b"x")
        assert not (shared / "table.csv").exists()


def put(path, kind, target):
    if kind == "link":
        path.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_the_umask_decides_who_may_read(tmp_path, mask, mode):
    from samplebench.files import locks
    from samplebench.files.atomic import write_atomic

    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "file", b"x")
        locks.acquire(tmp_path / "lock", timeout=0).release()
    finally:
        os.umask(before)
    for name in ("file", "lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    shutil.rmtree(tmp_path)
