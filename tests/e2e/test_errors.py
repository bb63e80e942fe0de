"""A user's mistake ends with one line that names it; what was computed is left alone.

Every row is tried in this process, and again with the installed command in a process of its own.
"""

from __future__ import annotations

import shutil
import sys

import pytest

from samplebench.cli import main
from samplebench.registry import discretizations, samplers

MODULE = """
from samplebench.errors import UsageError
from samplebench.registry import samplers

@samplers.register("discrete-only", timeline="discrete")
def discrete_only(model, x, grid, *, noise=None, callback=None):
    return x

def picky(model, x, grid, *, noise=None, callback=None):
    for sigma in grid.tolist()[:-1]:
        x = model(x, sigma)
    if len(grid) != 8:
        raise UsageError("picky runs on seven levels; take --nfe 7")
    return x

def broken(model, x, grid, *, noise=None, callback=None):
    raise ValueError("the user's own mistake")

def gives_nothing(model, x, grid, *, noise=None, callback=None):
    for sigma in grid.tolist()[:-1]:
        model(x, sigma)

def greedy(model, x, grid, *, noise=None, callback=None):
    return model(model(x, 2.0), 1.0)

def level(steps, *, sigma_min=0.002, sigma_max=80.0):
    return [1.0] * steps

def two(steps, *, sigma_min=0.002, sigma_max=80.0):
    return [2.0, 1.0]

number = 3
"""
FILES = {
    "own.toml": '[own]\nformat = "edm"\nlocation = "nowhere.pkl"\nshape = [3, 8, 8]\n',
    "page.pkl": "<!DOCTYPE html><title>Virus scan warning</title>",
    "cut.toml": "nfe = [5,\n  10\n",
    "twice.toml": "rho = 7\nnfe = [5]\nnfe = [6]\n",
    "two.toml": "nfe = [5]\nrho = 3 7\n",
    "word.toml": "nfee = [5]\n",
    "table.toml": "nfe = {a = 1}\n",
    "nested.toml": "nfe = [[5]]\n",
    "rho.toml": "rho = [[3]]\n",
    "date.toml": "seed = 2020-01-01\n",
    "number.toml": "sampler = 5\n",
    "grid.toml": "discretization = 5\n",
    "levels.toml": 'discretization = [[5, "a"]]\n',
    "param.toml": "param = [1]\n",
    "value.toml": "[param.edm]\nS_churn = [1, [2]]\n",
    "deep.toml": "[param.edm.S_churn]\na = 1\n",
    "bool.toml": "nfe = [true]\n",
    "bytes.toml": b'nfe = [5]\n\nsampler = "\xff\xfe"\n',
    "plain.txt": "text\n",
    "mistakes.py": MODULE,
    "syntax_mistake.py": "def f(:\n",
    "nul.csv": "model\0\n",
    "quote.csv": '"model\n',
    "empty.csv": "",
    "cut.npz": b"PK\x03\x04",
    "one.npy": b"\x93NUMPY\x01\x00",
}
FILES_OF_SWEEP = {
    "cut.csv": lambda text: text[:300],
    "head.csv": lambda text: text.splitlines()[0] + "\n",
    "words.csv": lambda text: text.replace(",7,", ",seven,"),
    "fewer.csv": lambda text: text.replace(",repeats,", ",copies,"),
}
BELOW = "plain.txt/below"

# words -> (exit code, what the message must contain)
RUN = {
    "--preset tuned": (2, "model digits-exact has no preset; leave --preset out"),
    "--reference digts": (2, "unknown reference 'digts'; did you mean 'digits'?"),
    "--reference plain.txt": (2, "plain.txt is not a reference of samplebench"),
    "--metric fd-pixels": (2, "reference digits-kde holds digits features, fd-pixels compares"),
    "--checkpoints nowhere.toml": (2, "--checkpoints nowhere.toml cannot be read"),
    "--checkpoints cut.toml": (2, "--checkpoints cut.toml is not TOML"),
    "--checkpoints word.toml": (2, "table [nfee]: it is not a table"),
    "--file plain.txt --quiet": (2, "plain.txt has sha256"),
    "--file nowhere --quiet": (2, "nowhere does not exist; give the file's path"),
    "--model vp-cifar10 --offline": (3, "is not in the cache, and no connection is opened offline"),
    "--model vp-cifar10 --sampler respaced": (2, "respaced needs a discrete model"),
    "--model iddpm-cifar10 --sampler ddim-reverse": (2, "encodes images and draws none"),
    "--model vp-cifar10 --metric fd-pixels": (2, "holds inception features, fd-pixels compares"),
    "--model vp-cifar10 --preset tund --metric fd-pixels": (2, "did you mean 'tuned'?"),
    "--sampler eulr": (2, "unknown sampler 'eulr'; did you mean 'euler'?"),
    "--model digts-exact": (2, "unknown model 'digts-exact'; did you mean 'digits-exact'?"),
    "--model=": (2, "--model is empty"),
    "--metric fd-digit": (2, "unknown metric 'fd-digit'; did you mean 'fd-digits'?"),
    "--metric fidd": (2, "unknown metric 'fidd'; did you mean 'fid'?"),
    "--metric fid": (2, "reference digits-kde holds digits features, fid compares inception"),
    "--protocol digit": (2, "unknown protocol 'digit'; did you mean 'digits'?"),
    "--discretization emd": (2, "unknown discretization 'emd'; did you mean 'edm'?"),
    "--discretization 80": (2, "unknown discretization '80'"),
    "--noise portabel --quiet": (2, "unknown noise mode 'portabel'; did you mean 'portable'?"),
    "--dtype float63 --quiet": (2, "unknown dtype 'float63'"),
    "--dtype int8": (2, "unknown dtype 'int8'; use float64"),
    "--state-dtype float63 --quiet": (2, "unknown dtype 'float63'"),
    "--device gpu": (2, "unknown device 'gpu'; use cuda, cuda:1, mps or cpu"),
    "--device xla": (3, "device 'xla' cannot be used here"),
    "--device cuda:99": (3, "device 'cuda:99' cannot be used here"),
    "--nfe 0": (2, "--nfe 0 is out of range"),
    "--nfe ten": (2, "--nfe ten is not a whole number"),
    "--nfe nan": (2, "--nfe nan is not a whole number"),
    "--nfe inf": (2, "--nfe inf is not a whole number"),
    "--nfe=": (2, "--nfe is empty"),
    "--nfe 5,,10": (2, "--nfe is empty or has an empty item"),
    "--nfe 1e9": (2, "--nfe 1e9 is out of range"),
    "--nfe -5": (2, "--nfe -5 is out of range"),
    "--nfe 5.5": (2, "--nfe 5.5 is not a whole number"),
    "--nfe 1": (2, "nfe=1 is too small for sampler euler"),
    "--nfe 2 --sampler heun": (2, "nfe=2 is too small for sampler heun"),
    "--rho nan": (2, "rho=nan must be a positive number"),
    "--rho -1": (2, "rho=-1 must be"),
    "--rho 0": (2, "rho=0 must be"),
    "--rho 1e-300 --quiet": (2, "rho"),
    "--rho seven": (2, "rho=seven must be"),
    "--num-samples 1": (2, "--num-samples 1 is out of range"),
    "--num-samples ten": (2, "--num-samples ten is not a whole number"),
    "--seed -1": (2, "--seed -1 is out of range"),
    "--seed 1e99": (2, "--seed 1e99 is out of range"),
    "--repeats 0": (2, "--repeats 0 is out of range"),
    "--repeats 1e9": (2, "--repeats 1e9 is out of range; give 1 to 1,000"),
    "--batch-size none": (2, "--batch-size none is not a whole number"),
    "--batch-size 0": (2, "--batch-size 0 is out of range"),
    "--param edm.S_chrun=1 --sampler edm": (2, "did you mean 'S_churn'?"),
    "--param heun.alpha": (2, "write SAMPLER.NAME=VALUE"),
    "--param heun=1": (2, "write SAMPLER.NAME=VALUE"),
    "--param edm.S_churn= --sampler edm": (2, "write SAMPLER.NAME=VALUE"),
    "--param heun.alpha=high": (2, "heun.alpha='high' must be a number"),
    "--param heun.alpha=nan": (2, "heun.alpha=nan is not a number"),
    "--param heun.alpha=2 --quiet": (2, "alpha=2.0"),
    "--param euler.schedule=fast --quiet": (2, "unknown schedule 'fast'"),
    "--param heun.scaling=sp --quiet": (2, "unknown scaling 'sp'; did you mean 'vp'?"),
    "--sampler edm --param edm.S_churn=-1": (2, "S_churn and S_noise cannot be negative"),
    "--param ddim.eta=1": (2, "unknown sampler in --param 'ddim'"),
    "--sampler ddim --param ddim.eta=7 --quiet": (2, "eta=7.0"),
    "--discretization 1/2/3": (2, "must be a decreasing list"),
    "--discretization 3/2/x": (2, "explicit levels are numbers"),
    "--discretization 5/3/-1 --quiet": (2, "explicit noise levels"),
    # Samplers and discretizations that do not go together, or not with the model.
    "--sampler mistakes:discrete_only": (2, "discrete-only needs a discrete model; digits-exact"),
    "--sampler mistakes:picky": (2, "picky runs on seven levels; take --nfe 7"),
    "--sampler mistakes:picky --discretization 9/3/1": (2, "picky runs on seven levels"),
    "--sampler mistakes:greedy": (2, "mistakes:greedy do not grow with its steps"),
    "--discretization mistakes:level": (2, "mistakes:level gave 5 levels that are not"),
    "--discretization mistakes:two": (2, "mistakes:two gave 2 levels for 5 steps"),
    "--discretization iddpm --nfe 5000": (2, "discretization iddpm gave 5000 levels that are not"),
    "--discretization iddpm --sampler euler --param euler.M=0": (2, "raise M"),
    "--discretization iddpm --sampler euler --param euler.C_1=2": (
        2,
        "iddpm has no levels for C_1",
    ),
    "--discretization vp --sampler euler --param euler.epsilon_s=2": (2, "noise range"),
    "--discretization polyexponential --rho 1e5": (2, "polyexponential gave"),
    "--discretization 9/1 --sampler euler --param euler.M=5": (2, "unknown parameter of sampler"),
    "--sampler nowhere:f": (2, "No module named 'nowhere'"),
    "--sampler :f": (2, "sampler ':f' cannot be imported"),
    "--sampler mistakes:missing": (2, "mistakes:missing"),
    "--sampler mistakes:number": (2, "mistakes:number' is not callable"),
    "--sampler mistakes:broken --quiet": (2, "mistakes:broken"),
    "--sampler mistakes:gives_nothing --quiet": (2, "mistakes:gives_nothing"),
    "--sampler syntax_mistake:f": (2, "syntax_mistake:f"),
    "--sampler ../mistakes:broken": (2, "../mistakes:broken"),
    "--config missing.toml": (2, "--config missing.toml cannot be read"),
    "--config .": (2, "--config . cannot be read"),
    "--config cut.toml": (2, "--config cut.toml is not TOML: Unclosed array (at line 3, column 1"),
    "--config twice.toml": (2, "Cannot overwrite a value (at line 3, column 10)"),
    "--config two.toml": (2, "(at line 2, column 9)"),
    "--config bytes.toml": (2, "--config bytes.toml is not TOML: not UTF-8 (at line 3, column 12)"),
    "--config plain.txt": (2, "--config plain.txt is not TOML"),
    "--config word.toml": (2, "unknown option 'nfee'; did you mean 'nfe'?"),
    "--config table.toml": (2, "nfe"),
    "--config nested.toml": (2, "nfe"),
    "--config rho.toml": (2, "rho"),
    "--config date.toml": (2, "--seed 2020-01-01 is not a whole number"),
    "--config number.toml": (2, "--sampler 5 is not a name"),
    "--config grid.toml": (2, "discretization"),
    "--config levels.toml": (2, "explicit levels are numbers"),
    "--config param.toml": (2, "param must be a table"),
    "--config value.toml": (2, "S_churn"),
    "--config deep.toml": (2, "S_churn"),
    "--config bool.toml": (2, "--nfe True is not a whole number"),
    "--smapler euler": (2, "unknown option '--smapler'; did you mean '--sampler'?"),
    "euler": (2, "unrecognized arguments: euler"),
    "--json=yes": (2, "ignored explicit argument 'yes'"),
    "--nfe x --json --quiet": (2, "--nfe x is not a whole number"),
    "--nfe": (2, "expected one argument"),
    "--out=": (2, "--out '' is not a name"),
    "--out plain.txt": (2, "plain.txt exists and is not a results folder"),
    "--out foreign": (2, "foreign exists and is not a results folder"),
    f"--out {BELOW}": (3, BELOW),
}
MAKE = "reference make --images images.npz --out"
OTHERS = {
    "fetch": (2, "the following arguments are required: ID"),
    "fetch vp-cifar": (2, "unknown model 'vp-cifar'; did you mean 'vp-cifar10'?"),
    "fetch vp-cifar10 --offline": (3, "is not in the cache, and no connection is opened offline"),
    "fetch vp-cifar10 --file plain.txt": (2, "plain.txt is text ('text'), not a pickle"),
    "fetch vp-cifar10 ve-cifar10 --file plain.txt": (2, "name the one model that it is"),
    "fetch own --checkpoints own.toml": (2, "nowhere.pkl does not exist"),
    "doctor vp-cifar": (2, "unknown model 'vp-cifar'; did you mean 'vp-cifar10'?"),
    "doctor nowhere.pkl": (2, "nowhere.pkl does not exist"),
    "doctor plain.txt": (2, "plain.txt: name its format, one of"),
    "doctor plain.txt --format emd": (2, "unknown adapter 'emd'; did you mean 'edm'?"),
    "doctor plain.txt --format edm": (2, "plain.txt: is not a pickle"),
    "doctor plain.txt --format score-sde": (2, "plain.txt"),
    "doctor page.pkl": (2, "page.pkl: is a web page, not a checkpoint"),
    "doctor plain.txt --format edm --model-config cut.toml": (2, "config cut.toml is not JSON"),
    "doctor plain.txt --file plain.txt": (2, "--file plain.txt: name the model that it is"),
    "rnu": (2, "unknown command 'rnu'; did you mean 'run'?"),
    "--vresion": (2, "--vresion"),
    "list sampler": (2, "unknown kind 'sampler'; did you mean 'samplers'?"),
    "list models more": (2, "unrecognized arguments: more"),
    "list --jsno": (2, "unknown option '--jsno'; did you mean '--json'?"),
    "report": (2, "the following arguments are required: DIR"),
    "report nowhere": (2, "nowhere is not a results folder"),
    "report foreign": (2, "foreign is not a results folder"),
    "report sweep/results.csv": (2, "sweep/results.csv is not a results folder"),
    "check sweep": (2, "required: --baseline"),
    "check sweep --baseline nowhere.csv": (2, "nowhere.csv does not exist"),
    "check nowhere --baseline sweep/results.csv": (2, "nowhere does not exist"),
    "check plain.txt --baseline sweep/results.csv": (2, "plain.txt is not a results.csv"),
    "check foreign --baseline sweep/results.csv": (2, "foreign is not a results folder"),
    "check sweep --baseline sweep/results.csv --tolerance low": (2, "--tolerance low"),
    "check sweep --baseline sweep/results.csv --tolerance -1": (2, "--tolerance -1"),
    "check sweep --baseline sweep/results.csv --tolerance nan": (2, "--tolerance nan"),
    "check sweep --baseline empty.csv": (2, "empty.csv is not a results.csv"),
    "check sweep --baseline nul.csv": (2, "nul.csv is not a results.csv"),
    "check sweep --baseline quote.csv": (2, "quote.csv is not a results.csv"),
    "check sweep --baseline head.csv": (2, "head.csv is not a results.csv: columns or rows are"),
    "check sweep --baseline cut.csv": (2, "cut.csv is not a results.csv (line 3: 1 entries below"),
    "check sweep --baseline words.csv": (2, "words.csv is not a results.csv (line 2: "),
    "check sweep --baseline fewer.csv": (2, "fewer.csv is not a results.csv: columns or rows are"),
    "check cut.csv --baseline sweep/results.csv": (2, "cut.csv is not a results.csv (line 3"),
    "check sweep --baseline foreign --update": (2, "foreign is a folder; name a file"),
    f"check sweep --baseline {BELOW} --update": (3, "plain.txt cannot be written"),
    "reference": (2, "required: action"),
    "reference mak": (2, "mak"),
    "reference list digits": (2, "samplebench reference describe digits"),
    "reference describe": (2, "name a reference"),
    "reference describe digitz": (2, "unknown reference 'digitz'; did you mean 'digits'?"),
    "reference describe plain.txt": (2, "plain.txt is not a reference"),
    "reference describe cut.npz": (2, "cut.npz is not a reference"),
    "reference make": (2, "needs --images PATH and --out FILE"),
    "reference make --images foreign --out x.npz --extractor digit": (2, "did you mean 'digits'?"),
    "reference make --images foreign --out x.npz": (2, "foreign holds no images"),
    "reference make --images cut.npz --out x.npz": (2, "cut.npz is neither a folder of images nor"),
    "reference make --images one.npy --out x.npz": (2, "one.npy is neither a folder of images nor"),
    "reference make --images nowhere --out x.npz": (2, "nowhere is neither a folder of images nor"),
    f"{MAKE} foreign": (2, "--out foreign is a folder; name a new file"),
    f"{MAKE} images.npz": (2, "--out images.npz is the images themselves"),
    f"{MAKE} x.npz --device gpu": (2, "unknown device 'gpu'"),
    f"{MAKE} x.npz --device cuda:99": (3, "device 'cuda:99' cannot be used here"),
    f"{MAKE} {BELOW} --quiet": (3, "plain.txt cannot be written"),
    "cite hun": (2, "unknown name 'hun'; did you mean 'heun'?"),
    "cite sweep hun": (2, "unknown name 'hun'; did you mean 'heun'?"),
    "cite foreign": (2, "foreign is not a results folder"),
    "cite plain.txt": (2, "plain.txt is not a results folder"),
    "cite ./heun": (2, "heun is not a results folder"),
    "cite --josn": (2, "unknown option '--josn'; did you mean '--json'?"),
    "published --sampler eulr": (2, "unknown published sampler 'eulr'; did you mean 'euler'?"),
    "published --sampler zzzzzzzz": (2, "'samplebench published' lists all"),
    "published --protocol emd": (2, "unknown published protocol 'emd'; did you mean 'edm'?"),
    "published --dataset imagnet": (2, "did you mean 'imagenet'?"),
    "published --max-nfe 0": (2, "--max-nfe 0"),
    "published --max-nfe ten": (2, "--max-nfe"),
    "published --out plain.txt": (3, "plain.txt cannot be written"),
    "published heun": (2, "unrecognized arguments: heun"),
    "trajectory --model digts-exact": (2, "did you mean 'digits-exact'?"),
    "trajectory --sampler eulr": (2, "unknown sampler 'eulr'; did you mean 'euler'?"),
    "trajectory --sampler edm --param edm.S_churn=9": (
        2,
        "edm with S_churn=9 is stochastic",
    ),
    "trajectory --sampler mistakes:discrete_only": (2, "discrete-only needs a discrete model"),
    "trajectory --steps 1 --out t": (2, "steps=1"),
    "trajectory --steps ten": (2, "--steps ten is not a whole number"),
    "trajectory --steps 5 --nfe 5": (2, "give --steps or --nfe, not both"),
    "trajectory --rho nan": (2, "rho=nan"),
    "trajectory --discretization emd": (2, "did you mean 'edm'?"),
    "trajectory --device gpu": (2, "unknown device 'gpu'"),
    "trajectory --out plain.txt": (2, "plain.txt"),
    f"trajectory --out {BELOW}": (3, BELOW),
}
# One of each kind that a process of its own is tried with always.
INSTALLED = (
    "--sampler eulr",
    "--nfe ten",
    "--rho nan",
    "--device cuda:99",
    "--sampler mistakes:broken --quiet",
    "--sampler mistakes:discrete_only",
    "--discretization iddpm --nfe 5000",
    "--config cut.toml",
    "--smapler euler",
    "--out foreign",
    f"--out {BELOW}",
    "rnu",
    "report nowhere",
    "check sweep --baseline cut.csv",
    "cite hun",
    "published --sampler eulr",
    "trajectory --steps ten",
)
# Found while parsing, while a module of others is imported, at the device, and within a run.
ANEW = (
    "--smapler euler",
    "--sampler mistakes:discrete_only",
    "--device cuda:99",
    "--sampler mistakes:broken --quiet",
)


def rows_of(table):
    """Its words, those that are not in `INSTALLED` marked slow."""
    slow = pytest.mark.slow
    return [pytest.param(w, marks=[] if w in INSTALLED else slow) for w in table]


def words_of_run(words):
    """A run that would go on in the finished sweep, were it not for its last words."""
    given = words.replace("=", " ").split()
    rest = {"--num-samples": "128", "--sampler": "euler,heun", "--out": "sweep", "--nfe": "5"}
    if "--config" in given:
        del rest["--sampler"], rest["--nfe"]
    added = [w for pair in rest.items() if pair[0] not in given for w in pair]
    # What was wrong comes last, so that an option without its value is one.
    return ["run", *added, *words.split()]


def test_the_table_is_long_enough():
    assert len(RUN) + len(OTHERS) >= 40
    assert {*INSTALLED, *ANEW} <= {*RUN, *OTHERS}


@pytest.fixture(scope="module")
def place(tmp_path_factory, finished):
    """A working folder with a finished sweep and all the files above."""
    import numpy as np

    folder = tmp_path_factory.mktemp("errors")
    shutil.copytree(finished, folder / "sweep")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("not ours")
    for name, content in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    for name, change in FILES_OF_SWEEP.items():
        (folder / name).write_text(change((folder / "sweep" / "results.csv").read_text()))
    np.savez(folder / "images.npz", images=np.zeros((3, 1, 8, 8), np.uint8))
    return folder


def everything(folder):
    """All files of a folder with their bytes; what Python caches is not looked at."""
    files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


@pytest.fixture
def untouched(place):
    """Nothing in the working folder was changed, made or lost by the test."""
    before = everything(place)
    yield
    assert everything(place) == before


@pytest.fixture
def here(place, monkeypatch, capsys):
    """`here(words)`: the command line in this process -> (code, stdout, stderr)."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "mistakes", raising=False)
    for registry in (samplers, discretizations):
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def run(words):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.usefixtures("untouched")
class TestHere:
    @pytest.mark.parametrize("words", RUN)
    def test_run(self, words, here, one_line):
        one_line(here(words_of_run(words)), *RUN[words])

    @pytest.mark.parametrize("words", OTHERS)
    def test_other_commands(self, words, here, one_line):
        one_line(here(words.split()), *OTHERS[words])


@pytest.mark.usefixtures("untouched")
class TestInstalled:
    @pytest.mark.parametrize("words", rows_of(RUN))
    def test_run(self, words, samplebench, place, one_line):
        done = samplebench(*words_of_run(words), cwd=place, path=place)
        one_line(done, *RUN[words])

    @pytest.mark.parametrize("words", rows_of(OTHERS))
    def test_other_commands(self, words, samplebench, place, one_line):
        one_line(samplebench(*words.split(), cwd=place, path=place), *OTHERS[words])

    @pytest.mark.parametrize("words", ANEW)
    def test_with_everything_imported_anew(self, words, installed, place, one_line):
        done = installed(*words_of_run(words), cwd=place, path=place)
        one_line(done, *RUN[words])

    def test_debug_shows_the_traceback(self, samplebench, place):
        done = samplebench("list", "sampler", "--debug", cwd=place)
        assert done.code == 1
        assert "Traceback" in done.err
        assert "unknown kind 'sampler'" in done.err
