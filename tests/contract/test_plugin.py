"""A plugin brings a fourth kind of time and a discrete adapter: planned, run, reported and checked
like what ships, and the labels of every cell are what ran."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

FLOW = '''
"""Flow matching: x_t = (1 - t) x0 + t n, dx/dt = v(x, t), from t = 1 to 0."""

from dataclasses import dataclass, field

import torch

from samplebench.answers.scalars import real, whole
from samplebench.models.model import Model
from samplebench.registry import samplers, timelines
from samplebench.samplers.step import Step
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Words, one_of, sorted_out


class FlowView:
    def __init__(self, bound):
        self.bound = bound

    def velocity(self, x, t):
        bound = self.bound
        return bound.judge(bound.ask(lambda x, labels: bound.model.velocity(x, t), x), x, "t", t)


@timelines.register("flow")
@dataclass(frozen=True)
class Flow(Timeline):
    kinds = ("flow",)
    label = "flow-time"
    needs = "a velocity field"
    least = 1
    usual = "flow-euler"
    times: torch.Tensor
    constants: dict = field(default_factory=dict)

    @classmethod
    def of(cls, model, sampler, words):
        one_of(words, "steps", "nfe")
        own, constants = sorted_out(sampler, words.params, {"shift": 1.0})
        effective = sampler.effective(own)
        steps = (
            whole("steps", words.steps)
            if words.nfe is None
            else sampler.steps_for(words.nfe, effective)
        )
        shift = real("shift", constants.get("shift", 1.0))
        t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        return cls(shift * t / (1 + (shift - 1) * t), {"shift": shift})

    @classmethod
    def places(cls, asked, given):
        yield Words(params={k: v for k, v in given.items() if k == "shift"})

    @classmethod
    def words_of(cls, condition, steps):
        return Words(steps=steps, params={"shift": condition["shift"]})

    @classmethod
    def names(cls, asked):
        return {"shift"}

    @classmethod
    def offers(cls, process):
        return "is a velocity field"

    @classmethod
    def once(cls, bound, images):
        return FlowView(bound).velocity(images, 0.5)

    @classmethod
    def toy(cls, steps):
        return cls(torch.linspace(1, 0, steps + 1, dtype=torch.float64), {"shift": 1.0})

    @property
    def steps(self):
        return len(self.times) - 1

    @property
    def condition(self):
        return {"name": self.label, **self.constants}

    @property
    def grid(self):
        return self.times

    def toy_model(self):
        return Gaussian(torch.zeros(1, 1, 1, dtype=torch.float64), 1.0, None)

    def start(self, latents):
        return latents

    def view(self, bound):
        return FlowView(bound)


class Gaussian(Model):
    """The exact velocity of normal data; says which of its methods ran in a file."""

    kind = "flow"

    def __init__(self, mean, std, log):
        self.mean, self.std, self.log = mean, std, log
        self.shape, self.device, self.state_dtype = mean.shape, mean.device, torch.float64

    def velocity(self, x, t):
        if self.log:
            self.log("velocity")
        variance = (1 - t) ** 2 * self.std**2 + t**2
        away = x - (1 - t) * self.mean
        return (t - (1 - t) * self.std**2) / variance * away - self.mean


# Without `evaluations`: counted on the timeline's toy problem.
@samplers.register("flow-euler", timeline="flow")
def flow_euler(model, x, grid, *, noise=None, callback=None, scale=1.0):
    """Euler's method on the velocity."""
    times = grid.tolist()
    for i, (t, t_next) in enumerate(zip(times, times[1:])):
        x = x + scale * (t_next - t) * model.velocity(x, t)
        if callback:
            callback(Step(i, x, t_next, x, t=t_next))
    return x
'''
MODELS = '''
"""Two adapters: of the plugin's own kind, and of a discrete process."""

import os
from functools import partial

import numpy as np
import torch

from samplebench.models.discrete import DiscreteModel
from samplebench.processes.discrete import discrete_process
from samplebench.registry import adapters

from plugged.flow import Gaussian


def log(which, method):
    with open(os.environ["PLUGGED_LOG"], "a") as file:
        file.write(f"{which} {method}\\n")


@adapters.register("their-flow", kind="flow")
def flow(path, config, *, device, dtype):
    mean = torch.from_numpy(np.load(path)).to(device)
    return Gaussian(mean, config["std"], partial(log, "flow"))


class Logged(DiscreteModel):
    def __call__(self, *given):
        log("discrete", "denoise")
        return super().__call__(*given)

    def predict_x0(self, *given):
        log("discrete", "predict_x0")
        return super().predict_x0(*given)


def process(config, shape):
    return discrete_process({"diffusion_steps": config["steps"], "noise_schedule": "cosine"})


def build(path, config, *, device, dtype):
    mean = torch.from_numpy(np.load(path)).to(device)
    law = discrete_process(
        {"diffusion_steps": config.get("loads", config["steps"]), "noise_schedule": "cosine"}
    )
    alpha_bar = torch.from_numpy(law.alpha_bar)

    def network(x_t, t, y):
        a = alpha_bar[t].reshape(-1, 1, 1, 1)
        variance = a * config["std"] ** 2 + 1 - a
        return (1 - a).sqrt() * (x_t - a.sqrt() * mean) / variance

    return Logged(network, law, shape=mean.shape, device=device, dtype=None)


adapters.register("their-discrete", kind="discrete", process=process)(build)


@adapters.register("undeclared")
def undeclared(path, config, *, device, dtype):
    return build(path, config, device=device, dtype=dtype)
'''
TABLES = """
[{name}]
format = "{format}"
location = "mean.npy"
shape = [1, 8, 8]
protocol = "digits"
reference = "digits-kde"
config = {{ std = 0.4, steps = 100{more} }}
samplers = {samplers}
"""
MAIN = """
import json, sys
from samplebench.cli import main
codes = [main(words) for words in json.loads(sys.argv[1])]
print(json.dumps(codes), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an installed distribution `plugged`, and models in its formats."""
    folder = tmp_path_factory.mktemp("plugin")
    package, info = folder / "plugged", folder / "plugged-1.0.dist-info"
    package.mkdir(), info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "flow.py").write_text(FLOW)
    (package / "models.py").write_text(MODELS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[samplebench.adapters]\n"
        "their-flow = plugged.models:flow\n"
        "their-discrete = plugged.models:build\n"
        "undeclared = plugged.models:undeclared\n"
        "[samplebench.samplers]\nflow-euler = plugged.flow:flow_euler\n"
    )
    np.save(folder / "mean.npy", np.full((1, 8, 8), -0.5))
    own = '["ddim", "respaced", "euler"]'
    tables = [
        ("my-flow", "their-flow", "", '["flow-euler"]'),
        ("my-discrete", "their-discrete", "", own),
        ("my-undeclared", "undeclared", "", own),
        ("my-shorter", "their-discrete", ", loads = 50", own),
    ]
    (folder / "own.toml").write_text(
        "".join(
            TABLES.format(name=name, format=format, more=more, samplers=samplers)
            for name, format, more, samplers in tables
        )
    )
    return folder


def run(folder, *commands):
    """Exit codes, stdout and stderr of command lines, one after the other in one process."""
    env = {**os.environ, "PLUGGED_LOG": str(folder / "log"), "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), env.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", MAIN, json.dumps(commands)],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1]), done.stdout, done.stderr


def sweep(model, *words):
    return ["run", "--checkpoints", "own.toml", "--model", model, "--num-samples", "70",
            "--nfe", "5,10", "--quiet", *words]  # fmt: skip


def test_they_are_run_reported_and_checked(folder):
    codes, _, err = run(
        folder,
        sweep("my-flow,my-discrete", "--out", "all"),
        sweep("my-flow", "--param", "flow-euler.shift=3", "--out", "all"),
        ["report", "all"],
        ["check", "all", "--baseline", "all/results.csv"],
    )
    assert codes == [0, 0, 0, 0], err
    with open(folder / "all" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(r["model"], r["sampler"], r["discretization"], r["params"]) for r in rows}
    assert found == {
        ("my-flow", "flow-euler", "flow-time", ""),
        ("my-flow", "flow-euler", "flow-time", "shift=3"),
        ("my-discrete", "ddim", "respacing", ""),
        ("my-discrete", "respaced", "respacing", ""),
        ("my-discrete", "euler", "edm", ""),
    }
    assert "flow-time" in (folder / "all" / "report.html").read_text()
    for row in rows:
        record = json.loads((folder / "all" / "cells" / f"{row['cell']}.json").read_text())
        where = record["conditions"]["discretization"]
        assert where["name"] == row["discretization"]
        assert record["nfe"] == record["nfe_planned"] == int(row["nfe"]) == int(row["steps"])
        assert record.get("reusable", True)


@pytest.mark.parametrize(
    ("model", "sampler", "label", "ran"),
    [
        ("my-flow", "flow-euler", "flow-time", {"flow velocity"}),
        ("my-discrete", "ddim", "respacing", {"discrete predict_x0"}),
        ("my-discrete", "euler", "edm", {"discrete denoise"}),
    ],
)
def test_the_labels_are_what_ran(folder, model, sampler, label, ran):
    log = folder / "log"
    log.unlink(missing_ok=True)
    out = f"{model}-{sampler}"
    # A budget of its own: nothing is reused, and the network's trial comes in another process.
    (code,), _, err = run(folder, [*sweep(model, "--sampler", sampler, "--out", out)])
    assert code == 0, err
    cells = [json.loads(p.read_text()) for p in (folder / out / "cells").glob("*.json")]
    assert {c["conditions"]["discretization"]["name"] for c in cells} == {label}
    # Trials of a network ask for D once or twice a model; what is asked for in every block ran.
    lines = log.read_text().splitlines()
    often = {line for line in lines if lines.count(line) >= 2 * (5 + 10)}
    assert often == ran


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("my-undeclared", "adapter undeclared declares models of kind 'sigma' and returned one of "
         "kind 'discrete'"),
        ("my-shorter", "adapter their-discrete returned a model with a process of 50 steps, not of "
         "100"),
    ],
)  # fmt: skip
def test_a_model_that_was_not_planned_is_refused(folder, model, said):
    (code,), _, err = run(folder, sweep(model, "--sampler", "euler", "--out", model))
    line, _ = err.splitlines()
    assert code == 2 and said in line and "register it with" in line
    assert not list((folder / model / "cells").glob("*.json"))


def test_a_sampler_on_another_kind_of_time_is_refused(folder):
    codes, _, err = run(
        folder,
        sweep("my-flow", "--sampler", "heun", "--out", "none"),
        sweep("my-discrete", "--sampler", "flow-euler", "--out", "none"),
        sweep("my-flow", "--rho", "3", "--out", "none"),
    )
    first, second, third, _ = err.splitlines()
    assert codes == [2, 2, 2]
    assert "sampler heun needs D(x; sigma); my-flow is a velocity field: take flow-euler" in first
    assert "sampler flow-euler needs a velocity field; my-discrete" in second
    assert "--rho has no effect" in third
