"""Files made to do harm, or damaged: each is refused in one line, and nothing else happens.

They are read in processes that may neither start anything nor import, write or allocate much.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from samplebench.checkpoints.edm_pickle import read
from samplebench.errors import InputError

HERE = Path(__file__).parent


def sibling(module: str):
    """A helper beside this file."""
    spec = importlib.util.spec_from_file_location(module, HERE / f"{module}.py")
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


op = sibling("opcodes")
KINDS = sibling("hostile").KINDS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="guard.py needs Linux"
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """How the reading of each kind ended, by name."""
    folder, away = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("away")
    for kind, (data, _) in KINDS.items():
        (folder / f"{kind}.pkl").write_bytes(data if isinstance(data, bytes) else data())
    (folder / "genuine.pkl").write_bytes(op.file())
    with (folder / "sparse.pkl").open("wb") as sparse:
        sparse.truncate(9 << 30)
    done = subprocess.run(
        [sys.executable, HERE / "guard.py", folder], capture_output=True, text=True, cwd=away
    )
    assert done.returncode == 0, done.stderr
    assert not list(away.iterdir()), "a payload ran"
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


def check(found, said):
    assert found["ended"] == "refused", found
    assert found["deeds"] == []
    message = found["message"]
    assert message.startswith(f"{found['name']}.pkl: ") and said in message
    assert message.endswith(("; refused", "; download it again"))
    assert message.isascii() and message.isprintable() and len(message) < 300
    assert found["seconds"] < 20
    assert found["memory"] < 1e9


@pytest.mark.parametrize("kind", KINDS)
def test_hostile(outcome, kind):
    check(outcome[kind], KINDS[kind][1])


def test_larger_than_any_checkpoint(outcome):
    check(outcome["sparse"], "9 GiB, more than any EDM checkpoint")


def test_the_file_they_alter_is_itself_accepted(outcome):
    # Only at the import of torch, to make the tensors, does the guard step in.
    assert outcome["genuine"]["ended"] == "RuntimeError"
    assert outcome["genuine"]["deeds"][0].startswith("import ('torch'")


def test_a_damaged_file_is_read_or_refused(tmp_path, mutations):
    random, path = Random(0), tmp_path / "damaged.pkl"
    refused = 0
    for _ in range(mutations):
        data = bytearray(op.file())
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        path.write_bytes(data[: random.choice([None, random.randrange(len(data))])])
        try:
            read(path)
        except InputError as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 0.6 * mutations


def test_the_guard_sees_a_pickle_that_runs_something(tmp_path):
    """What the guard reports of Python's own unpickler: else the others would prove nothing."""
    payload = op.call(op.name("posix:system"), "touch CANARY")
    code = (HERE / "guard.py").read_text().replace(
        "from samplebench.checkpoints.edm_pickle import read",
        "import pickle, posix\ndef read(path): return pickle.loads(path.open('rb').read())",
    )  # fmt: skip
    guard = tmp_path / "guard.py"
    guard.write_text(code)
    files = tmp_path / "files"
    files.mkdir()
    (files / "plain.pkl").write_bytes(op.pickled(payload))
    done = subprocess.run([sys.executable, guard, files], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["ended"] == "RuntimeError"
    assert found["deeds"][0].startswith("pickle.find_class ('posix', 'system')")
