"""Every command and every block of README.md and docs/*.md runs, as it is written.

Only the number of samples is another one, and with it the block of large models (README's gate
has the written one). What is released comes from a local server, in the genuine containers around
small random networks; at real size: test_headline, test_released, test_gddim_released. What does
not run is in SKIPPED with its reason.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import samplebench
from samplebench import registry
from samplebench.checkpoints import catalog
from samplebench.checkpoints.local import artefact
from samplebench.cli import main, parser
from samplebench.cli.sampler_facts import facts
from samplebench.download.address import address
from samplebench.embedded import packaged
from samplebench.features import inception_weights
from samplebench.features.inception import InceptionExtractor
from samplebench.metrics import family
from samplebench.references import reference as references
from samplebench.regression import load_rows
from samplebench.results.tables import read_csv
from samplebench.sampling.solver import Solver

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
N, FEW = "40", "2"
# First word -> why such a line is not run here.
SKIPPED = {
    "make": "sets up .venv and runs this suite: it is how this test is started",
    "pip": "installs samplebench, which is what a workflow does before this test",
}
# Commands whose exit code is not 0, where their networks are made here.
RANDOM = {"doctor vp-cifar10": 1, "doctor ./my-ddpm": 1}  # random weights do not denoise
# This one takes half an hour whatever N is: one of its twelve differences is measured.
LESS = {"benchmarks/gddim_differences.py": ["--only", "truncation"]}
# Local and quick: what `make test` runs; all others are slow.
QUICK = {
    "README.md": ("run --model digits-exact", "list", "report", "check", "reference", "cite"),
    "docs/check.md": ("check",),
    "docs/ci.md": ("run", "check", "history"),
    "docs/published.md": ("published",),
}


def script(path: Path):
    """A module of the tests by its place: these folders are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


_documents = script(HERE / "documents.py")
parts_of, words_of = _documents.parts_of, _documents.words_of


class Reader:
    """Somebody who tries a document from top to bottom, in a folder that holds what it names."""

    def __init__(self, name: str, folder: Path, capsys) -> None:
        self.name, self.folder, self.capsys = name, folder, capsys
        self.space: dict = {"__name__": "__main__"}
        if (folder / "mypackage").is_dir():
            self.space = vars(importlib.import_module("mypackage.mymodule"))
        self.counts: Counter[str] = Counter()
        self.whole: tuple[str, ...] = ()

    def read(self, part) -> None:
        self.counts[part.kind] += 1
        if part.kind == "command":
            self.call(words_of(part))
        elif part.kind == "python":
            self.execute(part)
        elif part.kind == "toml":
            self.keep(tomllib.loads(part.text), part.text)
        self.capsys.readouterr()

    def call(self, words: list[str]) -> None:
        """Runs a command; its exit code must be the documented one."""
        program, *rest = words
        if program in SKIPPED:
            self.counts["skipped"] += 1
            return
        if "--num-samples" in rest:
            rest[rest.index("--num-samples") + 1] = N
        if program == "python":
            words = [sys.executable, *rest, *LESS.get(rest[0], [])]
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return
        less = (
            rest[0] in ("run", "trajectory", "nll", "advise", "tune")
            and "--num-samples" not in rest
        )
        if less and not " ".join(rest).startswith(self.whole):
            few = rest[0] in ("trajectory", "nll") or any(
                re.search("cifar|imagenet|my-network", word) for word in rest
            )
            rest += ["--num-samples", FEW if few else N]
            # A block is padded: Inception would see 64 images.
            rest += ["--batch-size", FEW] if few and rest[0] == "run" else []
        try:
            code = main(rest)
        except SystemExit as stopped:
            code = stopped.code
        out, err = self.capsys.readouterr()
        assert code == RANDOM.get(" ".join(rest[:2]), 0), f"{words}\n{out}\n{err}"
        assert out.strip(), words

    def execute(self, part) -> None:
        path = self.folder / f"block-{part.line}.py"
        path.write_text(part.text, encoding="utf-8")
        exec(compile(part.text, str(path), "exec"), self.space)

    def keep(self, tables: dict, text: str) -> None:
        """A table of models becomes the file that the document names, a plugin is installed."""
        if "project" not in tables:
            (self.folder / "mine.toml").write_text(text)
            return
        points = tables["project"]["entry-points"]
        info = self.folder / "mypackage-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: mypackage\nVersion: 1\n")
        lines = (
            f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in t.items()) for g, t in points.items()
        )
        (info / "entry_points.txt").write_text("".join(lines))
        for group, table in points.items():
            kind = group.removeprefix("samplebench.").removesuffix("s")
            fresh = registry.Registry(kind, (f"samplebench.{kind}s",), registry.samplers.made)
            assert all(callable(fresh.get(name)) for name in table)


@pytest.fixture
def reader(request, tmp_path, monkeypatch, capsys):
    """`reader("docs/check.md")`: a Reader whose traces in this process are removed afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    for one in (registry.samplers, registry.discretizations, registry.metrics,
                registry.extractors, registry.adapters, registry.timelines):  # fmt: skip
        one.names()
        monkeypatch.setattr(one, "_entries", dict(one._entries))
    monkeypatch.setattr(family, "_FAMILIES", dict(family._FAMILIES))
    run = samplebench.run

    def fewer(**words):
        return run(**{**words, "num_samples": min(int(N), words.get("num_samples", int(N)))})

    monkeypatch.setattr(samplebench, "run", fewer)
    yield lambda name: Reader(name, tmp_path, capsys)
    for name in ("mypackage", "mypackage.mymodule"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """A results folder and its baseline, as somebody has them who opens docs/check.md."""
    folder = tmp_path_factory.mktemp("sweep")
    words = ["--sampler", "euler", "--nfe", "5", "--num-samples", N, "--quiet"]
    assert main(["run", *words, "--out", str(folder / "RESULTS")]) == 0
    update = ["--baseline", str(folder / "FILE.csv"), "--update"]
    assert main(["check", str(folder / "RESULTS"), *update]) == 0
    return folder


def small_edm(path: Path, **arguments) -> None:
    """A network pickle in EDM's container, of random weights."""
    small = {"model_type": "SongUNet", "img_resolution": 32, "img_channels": 3,
             "model_channels": 16, "channel_mult": [1, 1], "num_blocks": 1}  # fmt: skip
    made = script(HERE.parent / "unit" / "checkpoints" / "genuine.py")
    made.main("VPPrecond", json.dumps(small | arguments), str(path))


def small_adm(path: Path, config: dict) -> None:
    """A state dict as OpenAI's, of random weights."""
    from samplebench.adapters.openai.flags import unet

    with torch.device("meta"):
        network = unet(config["family"], config)
    torch.manual_seed(0)
    torch.save({k: 0.05 * torch.randn(v.shape) for k, v in network.state_dict().items()}, path)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Stand-ins of the released files by address, and the catalogue's entries that fit them."""
    folder, known = tmp_path_factory.mktemp("released"), catalog._shipped()
    adm, cld = known["adm-imagenet64"], known["cld-cifar10"]
    less = {"num_channels": 32, "num_head_channels": 32, "num_res_blocks": 1}
    model_config = cld.config["model_config"] | {
        "nf": 16, "num_res_blocks": 1, "fourier_size": 16, "temb_dim": 64,
    }  # fmt: skip
    configs = {
        "vp-cifar10": {},
        "adm-imagenet64": {**adm.config, **less},
        "cld-cifar10": {**cld.config, "model_config": model_config},
    }
    small_edm(folder / "vp-cifar10")
    small_adm(folder / "adm-imagenet64", configs["adm-imagenet64"])
    writer = script(HERE.parent / "unit" / "checkpoints" / "flax_writer.py")
    writer.main(json.dumps(model_config), str(folder / "cld-cifar10"))
    inception = script(ROOT / "benchmarks" / "containers" / "inception.py")
    torch.save(inception.random_inception(), folder / "inception")
    draw = np.random.default_rng(0)
    statistics = {"mu": draw.random(2048), "sigma": np.diag(draw.random(2048))}
    np.savez(folder / "statistics.npz", **statistics)
    entries = {
        # A classifier beside a model is fetched in tests/unit/cli/test_fetch_classifier.py.
        name: replace(known[name], config=config, structure="", parameters=None, classifier=None)
        for name, config in configs.items()
    }
    return folder, entries


@pytest.fixture
def released(made, monkeypatch, tmp_path):
    """A mirror with everything that the documents fetch."""
    folder, entries = made
    weights = (folder / "inception").read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    for name, entry in entries.items():
        monkeypatch.setitem(catalog._shipped(), name, entry)
        reference = dict(references._released()[entry.reference])
        reference.pop("sha256", None)
        monkeypatch.setitem(references._released(), entry.reference, reference)
    own = replace(inception_weights.WEIGHTS, sha256=digest, size=len(weights))
    monkeypatch.setattr(inception_weights, "WEIGHTS", own)
    monkeypatch.setattr(InceptionExtractor, "weights_sha256", digest)
    with script(HERE.parent / "unit" / "download" / "server.py").serving() as server:
        monkeypatch.setenv("SAMPLEBENCH_MIRROR", server.address)
        monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
        artefacts = {own: weights}
        for name, entry in entries.items():
            artefacts[artefact(entry)] = (folder / name).read_bytes()
            statistics = references.load(entry.reference).artefact
            artefacts[statistics] = (folder / "statistics.npz").read_bytes()
        for one, content in artefacts.items():
            server.put(address(one).removeprefix(server.address), content)
        yield server


def furnish(name: str, folder: Path, sweep: Path) -> None:
    """What a document takes for granted in the folder where it is read."""
    if name in ("docs/gddim.md", "README.md"):
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    elif name == "docs/check.md":
        for target in ("RESULTS", "build/curves"):
            shutil.copytree(sweep / "RESULTS", folder / target)
        (folder / "curves").mkdir()
        for file in sweep.glob("FILE*"):
            shutil.copy(file, folder)
    elif name == "docs/checkpoints.md":
        entry = catalog.checkpoint("digits-vp")
        (folder / "vp.json").write_text(json.dumps(dict(entry.config)))
        shutil.copy(packaged("digits-vp.pth"), folder / "checkpoint_8.pth")
        shutil.copy(packaged("digits-edm.pkl"), folder / "network.pkl")
        small_edm(folder / "my-network.pkl", label_dim=10)
        hub = script(HERE.parent / "unit" / "hub_folders" / "folders.py")
        hub.saved(folder / "my-ddpm", hub.unet(sample_size=32), hub.scheduler("DDPM"))
        (folder / "cifar10-train").mkdir()
        for i, pixels in enumerate(np.random.default_rng(0).integers(256, size=(30, 32, 32, 3))):
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"cifar10-train/{i}.png")
    elif name == "docs/extending.md":
        (folder / "mypackage").mkdir()
        code = ast.parse("\n".join(p.text for p in parts_of(ROOT / name) if p.kind == "python"))
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        kept = [ast.unparse(node) for node in code.body if isinstance(node, kinds)]
        (folder / "mypackage" / "mymodule.py").write_text("\n".join(kept))
    elif name == "docs/board.md":
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
        first = next(p.text for p in parts_of(ROOT / name) if p.kind == "python")
        (folder / "mine.py").write_text(first)
    elif name == "docs/ci.md":
        _own_sampler(folder)
    elif name == "docs/your-sampler.md":
        first = next(p.text for p in parts_of(ROOT / name) if p.kind == "python")
        (folder / "mine.py").write_text(first.partition("\n\n\nframe = ")[0])
    elif name == "docs/tune.md":
        for card, rho in (("gits-6", 7), ("mine-6", 5)):
            sigmas = np.linspace(80 ** (1 / rho), 0.002 ** (1 / rho), 7) ** rho
            content = {"format": "samplebench-solver-card", "version": 1, "name": card}
            text = json.dumps({**content, "sigmas": sigmas.tolist()})
            (folder / f"{card}.json").write_text(text)
    elif name == "docs/scoring.md":
        for seed, place in enumerate(("my/samples", "my/images")):
            (folder / place).mkdir(parents=True)
            for i, pixels in enumerate(_images(seed)):
                Image.fromarray(pixels[0]).save(folder / place / f"{i}.png")
    if name in ("README.md", "docs/extending.md", "docs/scoring.md"):
        np.savez(folder / "digits.npz", images=_images(0))


def _own_sampler(folder: Path) -> None:
    """A repository with a sampler and its committed curve, as docs/ci.md has one."""
    parts = parts_of(ROOT / "docs/ci.md")
    (folder / "mine.py").write_text(
        "def my_sampler(model, x, grid, *, noise=None, callback=None):\n"
        "    for s, t in zip(grid[:-1].tolist(), grid[1:].tolist()):\n"
        "        x = x + (t - s) * (x - model(x, s)) / s\n"
        "    return x\n"
    )
    test = next(part.text for part in parts if part.kind == "python")
    (folder / "test_curves.py").write_text(test.replace("256", N))
    for words in [words_of(part)[1:] for part in parts if part.kind == "command"][:2]:
        assert main([N if word == "256" else word for word in words]) == 0
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    for words in (["init", "--quiet"], ["add", "curves"], ["commit", "--quiet", "-m", "Curves"]):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)


def _images(seed):
    return np.random.default_rng(seed).integers(256, size=(99, 1, 8, 8), dtype=np.uint8)


def test_every_block_is_of_a_known_kind():
    """Nothing is left out in silence: what is no command and no code is a listing, counted here."""
    counts = {name: Counter(p.kind for p in parts_of(ROOT / name)) for name in NAMES}
    listings = {name: found["listing"] for name, found in counts.items() if found["listing"]}
    assert listings == {
        "docs/ci.md": 2,
        "docs/compare.md": 1,
        "docs/distributed.md": 4,
        "docs/likelihood.md": 3,
        "docs/metrics.md": 6,
        "docs/paper.md": 1,
        "docs/results.md": 2,
        "docs/trajectory.md": 2,
    }
    for name in NAMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        fenced = re.findall(r"^```\w+\n(.*?)^```$", text, re.M | re.S)
        rest = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        indented = re.findall(r"^    .*\S", rest, re.M)
        written = [line for block in (*fenced, *indented) for line in block.splitlines()]
        found = [line for part in parts_of(ROOT / name) for line in part.text.splitlines()]
        assert len(list(filter(None, found))) == len(list(filter(None, written)))


@pytest.mark.parametrize("name", [n for n in NAMES if any(
    p.kind == "command" and words_of(p)[1] == "run" for p in parts_of(ROOT / n)
)])  # fmt: skip
def test_every_sweep_of_a_document_can_be_planned(name, tmp_path, monkeypatch, capsys):
    """As it is written, N too; what is not fetched yet needs no network for it."""
    known = [words_of(p)[1:] for p in parts_of(ROOT / name) if p.kind == "command"]
    for words in known:
        if words[0] == "run" and not any(
            name in word
            for name in ("mypackage", "mine.py", ".npz", "card:", "./", "my.pt")
            for word in words
        ):
            assert main([*words, "--dry-run"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_in_passing_exists(name):
    """Commands, options and scripts within the text."""
    commands = next(a.choices for a in parser()._actions if isinstance(a.choices, dict))
    text = (ROOT / name).read_text(encoding="utf-8")
    for program, rest in re.findall(r"`(samplebench|python) ([^`]+)`", text):
        first, *words = rest.split()
        if program == "python":
            assert (ROOT / first).is_file(), rest
        else:
            options = commands[first]._option_string_actions
            assert {word for word in words if word.startswith("-")} <= {*options}, rest


def test_every_room_that_is_named_exists():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)*\w+\.(?:py|json|toml))`", text)
    homes = (ROOT, ROOT / "samplebench")
    assert [each for each in named if not any((home / each).is_file() for home in homes)] == []


def test_the_path_of_nfe_is_counted():
    """Its rooms are files on the floors of the table, and so many as it says, within bounds."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (`.*`) \|$", text, re.M)
    floors = {room: int(floor) for floor, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}
    house = script(HERE.parent / "contract" / "test_house.py").FLOOR
    assert floors == {room.replace("samplebench", "__init__"): f for room, f in house.items()}
    walk = text.partition("### The path of `nfe`")[2].partition("### ")[0]
    steps = re.findall(r"(^|[→↑] )`([\w/]+)` (\d)", walk.replace("\n   ", "\n"), re.M)
    assert all((ROOT / "samplebench" / f"{room}.py").is_file() for _, room, _ in steps)
    levels = [floors[room.partition("/")[0]] for _, room, _ in steps]
    assert levels == [int(floor) for _, _, floor in steps]
    climbs = [after > before for before, after in pairwise(levels)]
    assert climbs == [mark == "↑ " for mark, _, _ in steps[1:]]
    rooms = len({room for _, room, _ in steps})
    assert f"{rooms} rooms, {sum(climbs)} climbs." in walk
    assert rooms <= 26 and sum(climbs) <= 37


@pytest.mark.parametrize("name", QUICK)
def test_what_is_quick_runs(name, reader, tmp_path, sweep):
    furnish(name, tmp_path, sweep)
    if name == "README.md":
        (tmp_path / "benchmarks").unlink()
        (tmp_path / "benchmarks" / "baselines").mkdir(parents=True)
    read = reader(name)
    for part in parts_of(ROOT / name):
        words = " ".join(words_of(part)[1:]) if part.kind == "command" else ""
        if words.startswith("check") and name == "README.md":
            # The committed one has another N; `make test` compares with it.
            assert main([*words_of(part)[1:], "--update"]) == 0
        if words.startswith(QUICK[name]):
            read.read(part)
    assert read.counts["command"] >= len(QUICK[name])


def test_models_and_timelines_of_ones_own_run(reader, tmp_path, sweep):
    """The blocks of docs/extending.md from its models on, and of the sampler that they use."""
    name = "docs/extending.md"
    furnish(name, tmp_path, sweep)
    read, parts = reader(name), parts_of(ROOT / name)
    read.space["digits"] = samplebench.load("digits-exact")
    first = (ROOT / name).read_text(encoding="utf-8").partition("## A model")[0].count("\n")
    own = [part for part in parts if part.line > first or '"ddim-steps"' in part.text]
    for part in own:
        read.read(part)
    assert read.counts == {"python": 6, "toml": 2}
    made = [
        row for path in sorted(tmp_path.glob("reports/*/results.csv")) for row in read_csv(path)
    ]
    assert {(row["model"], row["sampler"], row["discretization"]) for row in made} == {
        ("my-gaussian", "euler", "edm"),
        ("my-gaussian", "heun", "edm"),
        ("my-discrete", "respaced", "respacing"),
        ("my-discrete", "plain", "respacing"),
        ("my-discrete", "heun", "edm"),
        ("digits-exact", "euler", "edm"),
        ("digits-exact", "flow-euler", "flow"),
    }


def test_the_ways_in_for_a_sampler_run(reader, tmp_path, sweep):
    """docs/your-sampler.md from top to bottom, each way in at most ten lines."""
    name = "docs/your-sampler.md"
    furnish(name, tmp_path, sweep)
    read = reader(name)
    for part in parts_of(ROOT / name):
        read.read(part)
    made = {
        row["sampler"]
        for path in sorted(tmp_path.glob("reports/*/results.csv"))
        for row in read_csv(path)
    }
    assert {"__main__:ab2", "mine.py:ab2", "ipndm", "diffusers:UniPCMultistepScheduler"} <= made
    assert any(each.startswith("card:") for each in made)


def test_a_network_and_a_sampler_of_ones_own_run(reader, tmp_path):
    """The first block of docs/your-model.md, in ten lines."""
    name = "docs/your-model.md"
    ten = next(part for part in parts_of(ROOT / name) if part.kind == "python")
    body = re.sub(r"#.*|^\s*\"\"\".*", "", ten.text, flags=re.M)
    assert len([line for line in body.splitlines() if line.strip()]) <= 10
    reader(name).read(ten)
    made = read_csv(tmp_path / "reports" / "mine" / "results.csv")
    assert {(row["model"], row["sampler"]) for row in made} == {
        ("mine", "__main__:midpoint"), ("mine", "heun"),
    }  # fmt: skip


def test_the_cards_of_the_docs_run(reader, tmp_path):
    read = reader("docs/cards.md")
    for part in parts_of(ROOT / "docs/cards.md"):
        if "trajectory" not in part.text:  # which takes a while
            read.read(part)
    assert read.counts == {"python": 2, "command": 4}
    made = [row for path in tmp_path.glob("reports/*/results.csv") for row in read_csv(path)]
    assert {(row["sampler"], row["discretization"]) for row in made} == {
        ("euler", "edm"), ("card:three-steps", "card"), ("ipndm", "card:gits-6"),
        ("heun", "card:gits-6"),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_document_runs_from_top_to_bottom(name, reader, released, tmp_path, sweep):
    furnish(name, tmp_path, sweep)
    read, parts = reader(name), parts_of(ROOT / name)
    # README's sweep is compared with the committed baseline, which has its own N.
    read.whole = QUICK["README.md"][:1] if name == "README.md" else ()
    for part in parts:
        read.read(part)
    assert sum(read.counts.values()) - read.counts["skipped"] == len(parts)


def test_the_samplers_of_the_docs_are_those_of_the_registry():
    """docs/samplers.md tells of each what its registration does, and describes it."""
    text = (ROOT / "docs/samplers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.]*) \| ([^|]*) \| (\w*) \| ([\w-]*) \|$", text, re.M)
    told = {name: rest for name, *rest in rows}
    for entry in registry.samplers:
        assert f"`{entry.name}`" in text
        known = facts(entry)
        words = ("order", "evaluations", "ends at", "defaults as in")
        if entry.timeline not in ("discrete", "linear"):
            assert told.pop(entry.name) == [
                "" if known[w] is None else f"{known[w]}" for w in words
            ]
    assert not told


def test_every_sampler_has_committed_values():
    """A row that `make test` recomputes, and one in the table, each with its standard error."""
    model = samplebench.load("digits-exact", device="cpu")
    fitting, stepping = set(), set()
    for entry in registry.samplers:
        with suppress(samplebench.errors.UsageError):
            solver = Solver.on(model, entry.name, "digits-exact")
            if solver.entry.draws:
                fitting.add(entry.name)
                # The table is of steps, on models that have no exact draws, too.
                stepping |= {entry.name} if solver.timeline.evaluates else set()
    for name, wanted in (("samplers", fitting), ("samplers-table", stepping)):
        rows = load_rows(ROOT / f"benchmarks/baselines/{name}.csv").rows
        assert all(row["fd-digits_stderr"] > 0 for row in rows)
        for model_id in {row["model"] for row in rows}:
            assert {row["sampler"] for row in rows if row["model"] == model_id} == wanted
