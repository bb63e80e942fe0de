"""What changes a cell's name and what does not: aliases, numbers, repeats."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench import registry
from samplebench.metrics.moments import Moments
from samplebench.references import reference as references
from samplebench.registry import extractors
from samplebench.results.cell import Cell
from tests.unit.bench.planned import BASE, cells, make


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Statistics of images on pixels, and of others on digit features."""
    paths, draw = [], np.random.default_rng(0)
    for name in ("pixels", "digits"):
        extractor = extractors.get(name)()
        path = tmp_path_factory.mktemp(name) / f"{name}.reference.npz"
        rows = draw.normal(size=(400, extractor.feature_dim))
        references.save(path, Moments.of(rows), extractor, "400 draws")
        paths.append(str(path))
    return paths


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


class TestScores:
    """A score is a metric of a cell against a reference, and none of it is the cell's."""

    def test_metrics_and_references_leave_the_cell_alone(self, mine):
        pixels, digits = mine
        plain = make(**BASE)
        for words in (
            {"metric": "fd-pixels", "reference": pixels},
            {"metric": "fd-digits", "reference": digits},
            {"metric": "fd-digits", "reference": ["digits-kde", digits]},
            {"metric": "fd-digits,fd-pixels", "reference": ["digits-kde", *mine]},
        ):
            assert list(make(**BASE, **words).cells) == list(plain.cells)

    def test_nothing_of_scoring_is_among_a_cells_conditions(self):
        (cell,) = make(**BASE).cells.values()
        assert set(cell.conditions) == {
            "numerics", "model", "checkpoint_sha256", "config", "sampler", "params",
            "discretization", "steps", "seed", "num_samples", "block", "dtype", "state_dtype",
            "noise", "quantization",
        }  # fmt: skip
        assert "digits-kde" not in json.dumps(cell.conditions)

    def test_each_reference_is_a_row_and_each_metric_a_score(self, mine):
        words = {"metric": "fd-digits,fd-pixels", "reference": ["digits-kde", *mine]}
        plan = make(**BASE, repeats=2, **words)
        found = [(row.columns["reference"].split("@")[0], row.metrics) for row in plan.rows]
        assert found == [
            ("digits-kde", ("fd-digits",)), ("pixels", ("fd-pixels",)), ("digits", ("fd-digits",))
        ]  # fmt: skip
        assert len(plan.cells) == 2
        assert [len(scores) for scores in plan.scores.values()] == [3, 3]
        for name, scores in plan.scores.items():
            assert {score.conditions["cell"] for score in scores.values()} == {name}

    def test_what_changes_a_value_changes_the_score(self, mine, monkeypatch):
        def scores(**words):
            return {name for each in make(**BASE, **words).scores.values() for name in each}

        plain = scores()
        assert scores(reference="digits-kde") == scores(metric="fd-digits") == plain
        assert not scores(metric="fd-pixels", reference=mine[0]) & plain
        assert not scores(reference=mine[1]) & plain
        assert not scores(seed=1) & plain
        both = scores(reference=["digits-kde", mine[1]])
        assert len(both) == 2 and plain < both
        entry, cell = registry.metrics.entry("fd-digits"), cells(**BASE)
        changed = replace(entry, obj=lambda moments, reference: 1.0, builtin=False)
        monkeypatch.setitem(registry.metrics._entries, "fd-digits", changed)
        assert not scores() & plain and cells(**BASE) == cell


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
