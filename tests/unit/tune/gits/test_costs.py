"""Cost matrices and grids against the reference implementation, and the student's own steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.registry import samplers
from samplebench.samplers.ipndm import EQUAL_STEPS
from samplebench.samplers.log_snr import LogSnrStep, two_points
from samplebench.tune.gits import METRICS, cost_matrix, own_costs, own_evaluations, path_of, teach
from samplebench.tune.gits.steps import memory, own_steps, triples


def run(setting, model, latents):
    return teach(setting, Bound(model, None, len(latents)), latents)


def own(known, setting, model, latents, metric):
    return own_costs(known, setting, Bound(model, None, len(latents)), latents, metric)


@pytest.fixture(scope="module")
def cases(goldens):
    """The listed grids by (mixture, teacher, metric, stamps, schedule of the teacher)."""
    found = {}
    listed = json.loads((goldens / "grids" / "index.json").read_text(encoding="utf-8"))["cases"]
    for case in listed:
        # The first stamp of "afs" is chosen by runs of the student.
        if case["method"] == "gits" and not case.get("afs"):
            fields = ("mixture", "teacher", "metric", "teacher_stamps")
            key = (*(case[f] for f in fields), case.get("teacher_schedule", "edm"))
            found.setdefault(key, []).append(case)
    return found


@pytest.fixture(scope="module")
def matrices(cases, taught):
    def matrix(mixture, teacher, metric, stamps, schedule):
        return cost_matrix(taught(mixture, teacher, stamps, schedule), metric)

    return {key: matrix(*key) for key in cases}


def test_cost_matrices(goldens, cases, matrices, agrees):
    with np.load(goldens / "grids" / "costs.npz") as listed:
        names = {key: ".".join(map(str, ("cost", *key))).removesuffix(".edm") for key in matrices}
        assert {name for name in listed if name.startswith("cost.")} <= set(names.values())
        for key, name in names.items():
            if name in listed:
                expected = np.triu(listed[name], 1)
                agrees("gits costs", matrices[key], expected, 1e-9 * np.abs(expected).max())


def test_grids(cases, matrices, taught):
    for key, listed in cases.items():
        mixture, teacher, _, stamps, schedule = key
        levels = taught(mixture, teacher, stamps, schedule).levels
        for case in listed:
            indices, total = path_of(matrices[key], case["nfe"], case["coeff"])
            assert list(indices) == case["indices"], case["id"]
            assert levels[list(indices)] == pytest.approx(case["sigmas"], rel=1e-9)
            if "cost" in case:
                assert total == pytest.approx(case["cost"], rel=1e-9, abs=1e-9)


def test_a_teacher_keeps_states_and_answers_of_its_run(mixture, student, warm_up):
    model = mixture("tight4")
    setting = student(model, "ipndm", 8)
    found = teach(setting, bound := Bound(model, None, 64), warm_up)
    assert bound.images == 8 * 64
    with torch.no_grad():
        end = setting.run(bound, warm_up, None)
        answer = model(found.states[:, 3].reshape(warm_up.shape), torch.tensor(found.levels[3]))
    assert found.states.shape == (64, 9, 48) and found.answers.shape == (64, 8, 48)
    assert torch.allclose(found.states[:, -1], end.flatten(1), rtol=1e-13)
    assert torch.allclose(found.states[:, 0], 80 * warm_up.flatten(1), rtol=1e-13)
    assert torch.allclose(found.answers[:, 3], answer.flatten(1), rtol=1e-13)


def test_a_teacher_to_zero_has_zero_as_its_last_stamp(mixture, student, warm_up):
    found = run(student(model := mixture("tight4"), "euler", 9, "zero"), model, warm_up)
    assert found.levels[-1] == 0 and found.stamps == 10
    # Euler's step into 0 is the answer.
    assert torch.allclose(found.states[:, -1], found.answers[:, -1], rtol=1e-12)
    assert np.isfinite(cost_matrix(found)).all()


def test_states_of_a_two_stage_teacher_are_those_of_its_steps(mixture, student, warm_up):
    model, states = mixture("tight4"), []
    found = run(setting := student(model, "heun", 6), model, warm_up)
    with torch.no_grad():
        setting.run(Bound(model, None, 64), warm_up, None, lambda s: states.append(s.x.flatten(1)))
    assert torch.allclose(found.states[:, 1:], torch.stack(states, 1), rtol=1e-13)


@pytest.mark.parametrize(("name", "why"), [("euler-ancestral", "draws noise"), ("unipc", "")])
def test_who_is_no_teacher_is_told(mixture, student, warm_up, name, why):
    """UniPC asks at predicted states, which will do."""
    model = mixture("tight4")
    if not why:
        assert run(student(model, name, 5), model, warm_up).stamps == 6
        return
    with pytest.raises(UsageError, match=why):
        run(student(model, name, 5), model, warm_up)


def test_large_images_are_worked_on_in_blocks(taught, monkeypatch):
    whole = {metric: cost_matrix(taught("tight4", "ipndm", 21), metric) for metric in METRICS}
    monkeypatch.setattr("samplebench.tune.gits.costs._BYTES", 100_000)
    for metric, expected in whole.items():
        found = cost_matrix(taught("tight4", "ipndm", 21), metric)
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_eulers_own_step_costs_what_eulers_step_costs(mixture, student, taught, warm_up, metric):
    known, model = taught("tight4", "ipndm", 21), mixture("tight4")
    found = own(known, student(model, "euler"), model, warm_up, metric)
    assert found == pytest.approx(cost_matrix(known, metric), rel=1e-9, abs=1e-9)


ALONE = ("euler", "ddim", "heun", "edm", "dpm-2", "dpm-solver-2")
KEEP = {"dpmpp-2m": {}, "ipndm": {"order": 2}, "lms": {"order": 2}, "deis": {"order": 2}}


@pytest.mark.parametrize("final", ["sigma_min", "zero"])
@pytest.mark.parametrize("sampler", [*ALONE, *KEEP])
def test_a_students_own_steps_cost_nothing_where_it_is_the_teacher(
    mixture, student, warm_up, sampler, final
):
    model = mixture("tight4")
    setting = student(model, sampler, 6, final, **KEEP.get(sampler, {}))
    known = run(setting, model, warm_up[:6])
    bound = Bound(model, None, 6)
    costs = own_costs(known, setting, bound, warm_up[:6], "l2")
    count = known.stamps
    steps = costs.reshape(-1, count, count)
    of = [steps[min(max(i - 1, 0), len(steps) - 1), i, i + 1] for i in range(count - 1)]
    # Of the sums of three what is left of products.
    assert max(of) < (1e-5 if sampler in KEEP else 1e-11)
    assert path_of(costs, count - 1)[1] == pytest.approx(sum(of))
    assert steps[0, 0, 2] > 1e-3
    assert (costs.ndim == 3) == (sampler in KEEP) == bool(memory(setting, model))
    pairs = count * (count - 1) // 2 - (final == "zero") * (count - 1)
    stages = sampler in ("heun", "edm", "dpm-2", "dpm-solver-2")
    assert bound.nfe == own_evaluations(setting, bound, count) == stages * pairs


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sampler", ["heun", "dpmpp-2m", "ipndm"])
def test_a_first_step_costs_what_a_run_of_it_is_away(mixture, student, warm_up, sampler, metric):
    model = mixture("tight4")
    known = run(student(model, "ipndm", 6), model, warm_up)
    costs = own(known, student(model, sampler), model, warm_up, metric)
    for j in (1, 3, 6):
        levels = known.levels[[0, j]].tolist()
        x = sb.sample(model, sampler, latents=warm_up, discretization=levels, final="sigma_min")
        there, (first, last) = known.states[:, j], (known.states[:, 0], known.states[:, -1])
        if metric == "dev":
            line = (last - first) / (last - first).norm(dim=1, keepdim=True)

            def away(a, line=line, last=last):
                return (r := last - a).sub((r * line).sum(1, keepdim=True) * line).norm(dim=1)

            expected = (away(x.flatten(1)) - away(there)).mean()
        else:
            expected = (x.flatten(1) - there).norm(p=int(metric[1]), dim=1).mean()
        found = costs.reshape(-1, *costs.shape[-2:])[0, 0, j]
        # Of the sums of three in l2 what is left of products.
        assert found == pytest.approx(float(expected), rel=1e-6, abs=1e-5)


def test_weights_of_a_step_are_those_of_its_formula(mixture, student):
    levels = np.geomspace(80, 0.002, 7)
    chosen = triples(len(levels))
    before = chosen[:, 0] < chosen[:, 1]
    assert before.sum() == 35 and len(chosen) == 35 + 6
    model = mixture("tight4")
    found = {}
    for name, predicts in (("ipndm", "eps"), ("dpmpp-2m", "x0")):
        setting = student(model, name)
        assert memory(setting, model) == predicts
        found[name] = own_steps(setting, model, levels, chosen, predicts)
    for row in np.flatnonzero(before):
        k, i, j = at = levels[chosen[row]].tolist()
        a, b, _ = chosen[row].tolist()
        newer, older = ((j - i) * weight for weight in EQUAL_STEPS[1])
        eps = (1 + newer / i, -newer / i, older / k, -older / k)
        step = LogSnrStep.between(i, j, "x0")
        rule = two_points(step, at, 1, step.first / 2)
        x0 = (rule.keep, *rule.past)
        for name, terms, expected in (
            ("ipndm", [b, 7 + b, a, 7 + a], eps),
            ("dpmpp-2m", [b, 7 + b, 7 + a], x0),
        ):
            assert found[name].terms[row].tolist() == terms
            assert found[name].weights[row] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("entry", list(samplers), ids=lambda entry: entry.name)
def test_every_sampler_has_its_own_cost_or_is_told_of_eulers(mixture, student, warm_up, entry):
    model = mixture("tight4")
    try:
        setting = student(model, entry.name)
    except UsageError:
        pytest.skip("not on noise levels that a request names")
    known = run(student(model, "ipndm", 4), model, warm_up[:2])
    try:
        costs = own(known, setting, model, warm_up[:2], "l2")
    except UsageError as error:
        assert str(error).endswith('use cost="euler"')
        assert entry.name == "unipc" or setting.solver.stochastic(setting.params)
        return
    assert np.isfinite(costs).all()
    path_of(costs, 3)


@pytest.mark.parametrize("rule", ["afs", "thresholding", "denoise_to_zero"])
def test_end_rules_have_no_own_cost(mixture, student, taught, warm_up, rule):
    model = mixture("tight4")
    setting = student(model, "dpmpp-2m", **{rule: True})
    with pytest.raises(UsageError, match=f"{rule}.*euler"):
        own(taught("tight4", "ipndm", 21), setting, model, warm_up, "l2")


def test_another_metric_tells_the_nearest(taught):
    with pytest.raises(UsageError, match="unknown metric 'l3'"):
        cost_matrix(taught("tight4", "ipndm", 21), "l3")
