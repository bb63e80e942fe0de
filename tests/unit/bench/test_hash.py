"""What changes a cell's name and what does not: aliases, numbers, repeats."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.results.cell import Cell
from tests.unit.bench.planned import BASE, cells, make


class TestAliases:
    def test_edm_without_churn_is_heun(self):
        assert cells(sampler="edm", nfe=9, param="edm.S_churn=0") == cells(sampler="heun", nfe=9)

    def test_idle_parameters_do_not_count(self):
        idle = "edm.S_churn=0,edm.S_min=0.1,edm.S_max=5,edm.S_noise=1.1"
        assert cells(sampler="edm", nfe=9, param=idle) == cells(sampler="heun", nfe=9)
        for sampler in ("euler", "heun"):
            plain = cells(sampler=sampler, nfe=9)
            assert cells(sampler=sampler, nfe=9, param=f"{sampler}.S_noise=1.1") == plain
            assert cells(sampler=sampler, nfe=9, param=f"{sampler}.epsilon_s=0.01") == plain

    def test_ddim_without_fresh_noise_is_euler(self):
        assert cells(sampler="ddim", nfe=9, param="ddim.eta=0") == cells(sampler="euler", nfe=9)

    def test_an_alias_is_named_and_computed_once(self):
        plan = make(sampler="heun,edm,euler,ddim", nfe=9)
        assert [(row.columns["sampler"], row.computed_as) for row in plan.rows] == [
            ("heun", ""),
            ("edm", "heun"),
            ("euler", ""),
            ("ddim", "euler"),
        ]
        assert len(plan.cells) == 2

    @pytest.mark.parametrize("param", ["edm.S_churn=10", "ddim.eta=0.5", "euler.S_churn=1"])
    def test_a_stochastic_sampler_is_nobodys_alias(self, param):
        sampler = param.split(".")[0]
        (row,) = make(sampler=sampler, nfe=9, param=param).rows
        assert row.computed_as == ""
        assert row.cells[0].conditions["sampler"] == sampler

    def test_a_default_written_out_is_the_default(self):
        assert cells(sampler="heun", nfe=9, param="heun.alpha=1,heun.schedule=linear") == cells(
            sampler="heun", nfe=9
        )
        assert cells(sampler="heun", nfe=9, batch_size=64, seed=0, dtype="float64") == cells(
            sampler="heun", nfe=9
        )

    def test_epsilon_s_counts_under_the_vp_schedule(self):
        vp = {"sampler": "heun", "nfe": 9}
        a, b = (
            cells(**vp, param=f"heun.schedule=vp,heun.epsilon_s={e}") for e in ("0.001", "0.01")
        )
        assert a != b


class TestHash:
    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 1},
            {"num_samples": 1000},
            {"batch_size": 32},
            {"rho": 5},
            {"rho": 7.0000001},
            {"nfe": 11},
            {"discretization": "logsnr"},
            {"model": "digits-exact-uncond"},
            {"dtype": "float32"},
            {"state_dtype": "float32"},
            {"noise": "nvlabs"},
            {"param": "edm.S_churn=11"},
            {"param": "edm.S_churn=10,edm.S_min=0.05"},
            {"param": "edm.S_churn=10,edm.S_max=50"},
            {"param": "edm.S_churn=10,edm.S_noise=1.003"},
            {"sampler": "heun", "param": "heun.S_churn=10"},
        ],
        ids=str,
    )
    def test_what_changes_a_number_changes_the_cell(self, change):
        before, after = cells(**BASE), cells(**{**BASE, **change})
        assert len(before) == len(after) == 1
        assert before != after

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"param": "edm.S_churn=10"}, {"param": "edm.S_churn=10.0"}),
            ({"param": "edm.S_churn=10"}, {"param": {"edm.S_churn": [10.0]}}),
            ({"rho": 7}, {"rho": "7.0"}),
            ({"nfe": 9}, {"nfe": 10}),
            ({"repeats": 1}, {"out": "elsewhere"}),
            ({"metric": "fd-digits"}, {}),
            ({"protocol": "digits"}, {"num_samples": 1797, "noise": "portable"}),
            ({"device": "cpu"}, {}),
        ],
        ids=str,
    )
    def test_what_does_not_change_a_number_does_not(self, one, other):
        assert cells(**{**BASE, **one}) == cells(**{**BASE, **other})

    @pytest.mark.parametrize(
        ("one", "other"), [("M=1000", "M=1000.0"), ("C_1=0", "C_1=0.0"), ("C_2=1", "C_2=1.0")]
    )
    def test_constants_of_a_discretization_are_numbers_too(self, one, other):
        words = {"sampler": "heun", "nfe": 9, "discretization": "iddpm"}
        assert cells(**words, param=f"heun.{one}") == cells(**words, param=f"heun.{other}")

    @settings(max_examples=50, deadline=None)
    @given(
        conditions=st.dictionaries(
            st.text(max_size=5),
            st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.none()),
            max_size=6,
        ),
        seed=st.randoms(use_true_random=False),
    )
    def test_the_order_of_conditions_does_not_count_their_values_do(self, conditions, seed):
        shuffled = list(conditions.items())
        seed.shuffle(shuffled)
        name = Cell(conditions, 1).hash
        assert re.fullmatch("[0-9a-f]{64}", name)
        assert Cell(dict(shuffled), 1).hash == name
        for key in conditions:
            assert Cell({**conditions, key: "another value"}, 1).hash != name
        assert Cell({**conditions, "another key": 0}, 1).hash != name

    @settings(max_examples=25, deadline=None)
    @given(
        churn=st.integers(1, 100),
        noise=st.floats(0.9, 1.1),
        rho=st.integers(1, 12),
        seed=st.integers(0, 2**40),
    )
    def test_how_a_number_is_written_does_not_count(self, churn, noise, rho, seed):
        text = {
            "rho": f"{rho}.0",
            "seed": str(seed),
            "param": f"edm.S_noise={noise!r},edm.S_churn={churn}.0",
        }
        plain = {
            "rho": rho,
            "seed": seed,
            "param": {"edm": {"S_churn": churn, "S_noise": noise}},
        }
        shared = {"sampler": "edm", "nfe": 9}
        assert cells(**shared, **text) == cells(**shared, **plain)


class TestRepeats:
    def test_a_repeat_is_the_next_range_of_seeds(self):
        (row,) = make(**BASE, num_samples=100, seed=5, repeats=3).rows
        assert [cell.conditions["seed"] for cell in row.cells] == [5, 105, 205]
        assert row.columns["repeats"] == 3 and row.columns["seed"] == 5

    def test_its_cells_are_those_of_shifted_seeds(self):
        repeated = cells(**BASE, num_samples=100, seed=5, repeats=3)
        assert repeated == [
            cell for seed in (5, 105, 205) for cell in cells(**BASE, num_samples=100, seed=seed)
        ]

    def test_more_repeats_reuse_the_cells_of_fewer(self):
        assert cells(**BASE, repeats=4)[:2] == cells(**BASE, repeats=2)
