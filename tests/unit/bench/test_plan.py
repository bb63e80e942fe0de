"""Request to rows and cells: budgets, levels, protocols, and what is refused."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import checkpoint
from samplebench.errors import SamplebenchError, UsageError
from samplebench.references.reference import load
from samplebench.registry import SamplerEntry, samplers
from samplebench.results.row import COLUMNS
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver
from tests.unit.bench.planned import BASE, cells, make, rows


def custom(model, x, grid, *, noise=None, callback=None, strength=1.0):
    """A sampler of the user's own: one evaluation per step."""
    for sigma, sigma_next in pairwise(grid):
        denoised = model(x, sigma)
        x = denoised + strength * sigma_next / sigma * (x - denoised)
    return x


def ahead(model, x, grid, *, noise=None, callback=None):
    """A sampler of the user's own that looks three steps ahead."""
    return custom(model, x, grid) + 0 * grid[3]


class TestRows:
    def test_the_default_sweep(self):
        plan = make()
        entry = checkpoint("digits-exact")
        assert plan.request.model == ("digits-exact",)
        assert {row.columns["sampler"] for row in plan.rows} == set(entry.samplers)
        assert len(plan.rows) == len(entry.samplers) * 4
        assert all(tuple(row.columns) == COLUMNS for row in plan.rows)
        assert all(row.metrics == ("fd-digits",) for row in plan.rows)

    def test_the_columns_of_a_row(self):
        (row,) = rows(**BASE, rho=5, seed=3)
        assert row == {
            "model": "digits-exact",
            "sampler": "edm",
            "params": "S_churn=10",
            "discretization": "edm",
            "rho": 5.0,
            "steps": 5,
            "nfe": 9,
            "nfe_requested": 9,
            "depth": 9,
            "guidance": "",
            "guide_nfe": 0,
            "seed": 3,
            "repeats": 1,
            "num_samples": 1797,
            "protocol": "digits",
            "dtype": "float64",
            "reference": f"digits-kde@{load('digits-kde').sha256[:8]}",
        }

    def test_everything_is_swept_over(self):
        found = rows(
            model="digits-exact,digits-exact-uncond",
            sampler="heun,edm",
            nfe="5,9",
            rho="3,7",
            discretization="edm,logsnr",
            param="edm.S_churn=10,20,edm.S_noise=1,1.003",
        )
        # edm has two rho, logsnr none; heun one setting, edm's sampler four.
        assert len(found) == 2 * (1 + 4) * 2 * (2 + 1)
        assert len({json.dumps(row) for row in found}) == len(found)

    def test_rho_is_empty_where_it_is_unused(self):
        found = rows(sampler="euler", nfe=5, rho="1,3,7", discretization="edm,logsnr,vp,ve,iddpm")
        by_name = {}
        for row in found:
            by_name.setdefault(row["discretization"], []).append(row["rho"])
        assert by_name == {
            "edm": [1.0, 3.0, 7.0],
            "logsnr": [None],
            "vp": [None],
            "ve": [None],
            "iddpm": [None],
        }

    def test_without_rho_each_discretization_has_its_own(self):
        found = rows(sampler="euler", nfe=5, discretization="edm,polyexponential,time_uniform,ve")
        assert [row["rho"] for row in found] == [7.0, 1.0, 1.0, None]
        assert cells(sampler="euler", nfe=5) == cells(sampler="euler", nfe=5, rho=7)

    def test_params_name_what_differs_from_the_defaults(self):
        found = rows(sampler="edm", nfe=5, param="edm.S_churn=0,10,edm.S_noise=1.0")
        assert [row["params"] for row in found] == ["", "S_churn=10"]

    def test_a_sampler_may_be_a_function(self):
        (row,) = make(sampler=custom, nfe=7).rows
        assert row.columns["sampler"] == f"{__name__}:custom"
        assert (row.columns["steps"], row.columns["nfe"]) == (7, 7)
        (cell,) = row.cells
        assert re.fullmatch("[0-9a-f]{64}", cell.conditions["sampler_code"])

    def test_own_samplers_need_no_source_in_their_cells(self):
        (cell,) = make(**BASE).cells.values()
        assert "sampler_code" not in cell.conditions

    def test_conditions_are_plain_json(self):
        for cell in make(sampler="euler,heun,edm,ddim", param="ddim.eta=1").cells.values():
            text = json.dumps(cell.conditions, allow_nan=False)
            assert json.loads(text) == cell.conditions


class TestBudget:
    @pytest.mark.parametrize(
        ("sampler", "requested", "steps", "nfe"),
        [
            ("euler", 10, 10, 10),
            ("euler", 35, 35, 35),
            ("heun", 10, 5, 9),
            ("heun", 9, 5, 9),
            ("heun", 35, 18, 35),
            ("heun", 3, 2, 3),
            ("edm", 20, 10, 19),
            ("ddim", 2, 2, 2),
        ],
    )
    def test_the_most_steps_within_it(self, sampler, requested, steps, nfe):
        (row,) = rows(sampler=sampler, nfe=requested)
        assert (row["steps"], row["nfe"], row["nfe_requested"]) == (steps, nfe, requested)

    def test_budgets_that_give_the_same_steps_share_a_cell(self):
        plan = make(sampler="heun", nfe="9,10")
        assert len(plan.rows) == 2 and len(plan.cells) == 1

    def test_a_budget_that_is_too_small(self):
        with pytest.raises(UsageError, match="nfe=2 is too small for sampler heun: 2 steps need 3"):
            make(sampler="heun", nfe=2)

    @pytest.mark.parametrize(
        ("words", "left", "note"),
        [
            ({"sampler": "heun,euler", "nfe": "2,5"}, 3, "heun: NFE 2 is too small (2 steps need"),
            ({"sampler": "heun,edm,euler", "nfe": 2}, 1, "edm: NFE 2 is too small (2 steps need 3"),
            ({"model": "digits-cld-exact"}, 15, "rk45-flow: NFE 5 is too small (1 step needs 7 ev"),
            (
                {"model": "digits-cld-exact,digits-bdm-exact", "nfe": "5,6"},
                6 + 7,
                "rk45-flow: NFE 5, 6 on digits-cld-exact are too small (1 step needs 7 evaluations)"
                ", NFE 5 on digits-bdm-exact is too small (1 step needs 6 evaluations); left out",
            ),
            (
                {"sampler": "gddim", "nfe": "1,4", "param": "gddim.denoise=false,true"},
                3,
                "gddim: NFE 1 with denoise=True is too small (1 step needs 2 evaluations); left",
            ),
            (
                {"model": "digits-bdm-exact,digits-exact", "sampler": "rk45-flow,gddim", "nfe": 2},
                2,
                "rk45-flow: NFE 2 is too small",
            ),
            (
                {"sampler": "euler,heun", "discretization": "iddpm", "nfe": "9,1500"},
                3,
                "euler: NFE 1500 is out of reach (discretization iddpm gave 1500 levels",
            ),
        ],
        ids=str,
    )
    def test_a_point_without_room_is_left_out_with_a_note(self, words, left, note):
        plan = make(**words)
        assert len(plan.rows) == left
        (found,) = (line for line in plan.notes if note in line)
        assert "\n" not in found and found.endswith("; left out")

    @pytest.mark.parametrize("nfe", ["2,5", "5,2"])
    def test_a_method_that_needs_more_steps(self, nfe, monkeypatch):
        entry = SamplerEntry("ahead", ahead, order=1, evaluations=lambda steps: steps)
        monkeypatch.setitem(samplers._entries, "ahead", entry)
        plan = make(sampler="ahead", nfe=nfe)
        assert [row.columns["nfe"] for row in plan.rows] == [5]
        assert plan.notes[0].startswith("ahead: NFE 2 is out of reach (sampler ahead failed (Index")

    def test_a_method_of_others_that_needs_more_steps(self):
        plan = make(sampler=ahead, nfe="2,5")
        assert [row.columns["nfe"] for row in plan.rows] == [5]
        assert "ahead: NFE 2 is too small (3 steps need 3 evaluations); left out" in plan.notes[0]

    def test_a_model_of_which_nothing_is_left_is_not_fetched(self):
        words = {"sampler": "rk45-flow", "nfe": 6, "model": "digits-cld-exact,digits-bdm-exact"}
        assert list(make(**words).sources) == ["digits-bdm-exact"]

    @pytest.mark.parametrize(
        "words",
        [
            {"sampler": "euler,heun", "nfe": "5", "param": "heun.alpha=2"},
            {"sampler": "euler", "nfe": "2,5", "param": "euler.schedule=pv"},
            {"sampler": "euler", "discretization": "iddpm,edm", "param": "euler.M=1"},
            {"model": "digits-exact,digits-adm", "sampler": "euler,respaced"},
        ],
        ids=str,
    )
    def test_a_mistake_is_no_matter_of_the_budget(self, words):
        with pytest.raises(UsageError):
            make(**words)


class TestExplicitLevels:
    def test_they_fix_the_steps(self):
        found = rows(sampler="euler,heun", discretization="80/20/5/1/0.1")
        assert [
            (r["sampler"], r["steps"], r["nfe"], r["nfe_requested"], r["rho"]) for r in found
        ] == [
            ("euler", 5, 5, None, None),
            ("heun", 5, 9, None, None),
        ]
        assert found[0]["discretization"] == "80/20/5/1/0.1"

    def test_the_final_0_makes_no_difference(self):
        assert cells(sampler="euler", discretization="80/5") == cells(
            sampler="euler", discretization=[80, 5, 0]
        )

    def test_lists_that_differ_in_late_digits_are_two(self):
        levels = "80/5/1.00000001,80/5/1.00000002"
        plan = make(sampler="euler", discretization=levels)
        assert len(plan.rows) == len(plan.cells) == 2


class TestProtocol:
    def test_an_override_shows_in_the_rows(self):
        (row,) = rows(**BASE, num_samples=500)
        assert re.fullmatch("custom:[0-9a-f]{8}", row["protocol"])
        assert row["num_samples"] == 500

    def test_nvlabs_noise_belongs_to_a_kind_of_device(self):
        (cell,) = make(**BASE, noise="nvlabs", device="cpu").cells.values()
        assert cell.conditions["noise_device"] == "cpu"
        (cell,) = make(**BASE).cells.values()
        assert "noise_device" not in cell.conditions


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"model": "digits-exat"}, "unknown model 'digits-exat'; did you mean 'digits-exact'"),
        ({"sampler": "hun"}, "unknown sampler 'hun'; did you mean 'heun'"),
        ({"sampler": "no.such:thing"}, "sampler 'no.such:thing' cannot be imported"),
        ({"metric": "fd-digit"}, "unknown metric 'fd-digit'; did you mean 'fd-digits'"),
        ({"protocol": "digit"}, "unknown protocol 'digit'"),
        ({"discretization": "emd"}, "unknown discretization 'emd'"),
        (
            {"param": "edm.Schurn=3"},
            "unknown parameter 'Schurn' of sampler edm; did you mean 'S_churn'",
        ),
        ({"param": "emd.S_churn=3"}, "unknown sampler in --param 'emd'; did you mean 'edm'"),
        ({"sampler": "heun", "param": "edm.S_churn=3"}, "unknown sampler in --param 'edm'"),
        ({"sampler": "edm", "param": "edm.S_churn=much"}, "edm.S_churn='much' must be a number"),
        ({"sampler": "heun", "param": "heun.schedule=3"}, "heun.schedule=3 must be a word"),
        ({"sampler": "heun", "param": "heun.M=100"}, "unknown parameter 'M' of sampler heun"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_name_that_does_not_exist(words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        make(**words)


@pytest.mark.parametrize(
    "words",
    [
        {"noise": "portabel"},
        {"state_dtype": "float65"},
        {"dtype": "float65"},
        {"sampler": "heun", "param": "heun.alpha=5"},
        {"sampler": "heun", "param": "heun.schedule=pv"},
        {"sampler": "heun", "param": "heun.scaling=true"},
        {"sampler": "ddim", "param": "ddim.eta=2"},
        {"sampler": "heun", "discretization": "iddpm", "param": "heun.M=many"},
        {"sampler": "heun", "discretization": "vp", "param": "heun.epsilon_s=1"},
        {"sampler": "heun", "discretization": "80/5/-1"},
    ],
    ids=str,
)
def test_a_value_that_cannot_work_is_refused_before_anything_is_computed(words):
    with pytest.raises(SamplebenchError):
        make(**words)


@pytest.mark.parametrize(
    "words",
    [
        {"sampler": "heun", "nfe": 10, "rho": 3},
        {"sampler": "ddim", "nfe": 6, "param": "ddim.eta=0.5"},
        {"sampler": "edm", "nfe": 9, "param": "edm.S_churn=10", "discretization": "vp"},
        {"sampler": "euler", "nfe": 6, "discretization": "iddpm", "param": "euler.M=100"},
    ],
    ids=str,
)
def test_a_cell_plans_what_the_engine_does(words, mixture):
    """Steps, evaluations and effective parameters are those of `sb.sample` with the same words."""
    (cell,) = make(**words).cells.values()
    params = Request.of(**words).param.get(words["sampler"], {})
    setting = prepare(
        mixture("gauss1"),
        words["sampler"],
        nfe=words["nfe"],
        rho=words.get("rho"),
        discretization=words.get("discretization", "edm"),
        params={name: values[0] for name, values in params.items()},
    )
    assert setting.steps == cell.conditions["steps"]
    assert Solver.of(words["sampler"]).evaluations(setting.steps) == cell.nfe
    shown = {k: str(v) if v == float("inf") else v for k, v in setting.params.items()}
    assert cell.conditions["params"] == shown
