"""Words of a request that nothing, or not everything, in a sweep takes."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey
from samplebench.errors import UsageError
from samplebench.trajectory.plan import families


def make(**words):
    return planning.make(Request.of(**words))


class TestWords:
    """Words of a request that nothing, or not everything, takes."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ({"sampler": "gddim", "rho": 3}, "--rho has no effect on any sampler in this sweep: "
            "gddi"),
            ({"sampler": "euler", "discretization": "logsnr,ve", "rho": 7}, "euler (logsnr, ve)"),
            ({"sampler": "euler", "discretization": "80/5/1", "rho": 7}, "euler (80/5/1)"),
            ({"discretization": "80/5/1", "nfe": 10}, "--nfe has no effect on any sampler in"),
            ({"model": "digits-adm", "sampler": "ddim", "rho": 7}, "--rho has no effect on an"),
            ({"model": "digits-adm", "sampler": "ddim", "discretization": "edm"}, "ddim (respaci"),
            ({"model": "digits-cld", "discretization": "logsnr"}, "--discretization has no effect"),
            ({"model": "digits-adm", "sampler": "respaced", "param": "respaced.M=9",
              "discretization": "iddpm"}, "unknown parameter 'M' of sampler respaced"),
            ({"sampler": "gddim", "param": "gddim.M=9", "discretization": "iddpm"}, "'M' of samp"),
            ({"model": "digits-exact,digits-vp", "preset": "tuned"}, "has no preset"),
        ],
        ids=str,
    )  # fmt: skip
    def test_refused_where_nothing_takes_them(self, words, message):
        with pytest.raises(UsageError, match=re.escape(message)):
            make(**words)

    @pytest.mark.parametrize(
        ("words", "note"),
        [
            (
                {"model": "digits-exact,digits-adm", "sampler": "heun,ddim", "rho": 3},
                "rho has no effect on: ddim (respacing)",
            ),
            ({"sampler": "euler,gddim", "rho": "3,7"}, "rho has no effect on: gddim (time)"),
            (
                {"sampler": "euler,ddim,heun", "discretization": "edm,logsnr", "rho": 7},
                "rho has no effect on: euler (logsnr), ddim (logsnr), heun (logsnr)",
            ),
            (
                {"sampler": "euler", "discretization": "edm,80/5/1", "nfe": 9},
                "nfe has no effect on: euler (80/5/1)",
            ),
            (
                {"sampler": "euler,gddim", "discretization": "edm"},
                "discretization has no effect on: gddim (time)",
            ),
            (
                {"sampler": "euler", "discretization": "edm,iddpm", "param": "euler.M=500"},
                "euler.M has no effect on: euler (edm)",
            ),
            (
                {"sampler": "edm", "param": "edm.S_noise=1.003"},
                "edm.S_noise has no effect on: edm (computed as heun)",
            ),
            (
                {"sampler": "edm", "param": "edm.S_churn=0,10,edm.S_noise=1.003"},
                "edm.S_noise has no effect on: edm (computed as heun)",
            ),
            (
                {"sampler": "gddim", "param": "gddim.correct_last=true"},
                "gddim.correct_last has no effect on: gddim (computed as gddim)",
            ),
            (
                {"model": "vp-cifar10,digits-vp", "preset": "tuned", "sampler": "heun"},
                "preset has no effect on: digits-vp",
            ),
        ],
        ids=str,
    )
    def test_told_where_some_do_not(self, words, note):
        assert [line for line in make(**words).notes if "no effect" in line] == [note]

    @pytest.mark.parametrize(
        "words",
        [
            {},
            {"model": "digits-cld-exact"},
            {"model": "digits-adm"},
            {"discretization": "80/5/1"},
            {"sampler": "edm,ddim", "param": "edm.S_churn=0,10,ddim.eta=0,1"},
            {"sampler": "euler-maruyama", "param": "euler-maruyama.lam=0"},
            {"sampler": "euler", "discretization": "vp", "param": "euler.epsilon_s=0.01"},
            {"nfe": "10,10", "rho": "7,7.0", "discretization": "edm,edm", "metric": "fd-digits"},
        ],
        ids=str,
    )
    def test_nothing_is_said_of_defaults_and_of_what_counts(self, words):
        assert [line for line in make(**words).notes if "no effect" in line] == []

    @pytest.mark.parametrize(
        "words", [{"discretization": "80/5/1"}, {"model": "digits-cld-exact", "nfe": 9}], ids=str
    )
    def test_a_dumped_request_is_not_refused(self, words):
        request = make(**words).request
        assert planning.make(Request.of(**request.words())).cells == make(**words).cells


class TestTrajectory:
    """The same words of `samplebench trajectory`, and the same rule."""

    MODEL = SimpleNamespace(sigma_min=0.0, sigma_max=float("inf"))

    def ask(self, *steps, **words):
        request = Request.of(**words)
        survey = Survey(request.given | ({"steps"} if steps else set()))
        found = families(self.MODEL, request, survey, steps)
        return [(f.sampler, len(f.settings)) for f in found], survey.notes()

    @pytest.mark.parametrize(
        ("steps", "words", "message"),
        [
            ((), {"rho": 3, "discretization": "ve"}, "--rho has no effect on any sampler in this"),
            ((), {"nfe": 9, "discretization": "80/5/1"}, "--nfe has no effect on any sampler"),
            ((9,), {"discretization": "80/5/1"}, "--steps has no effect on any sampler"),
            ((), {"nfe": 1}, "nfe=1 is too small for sampler heun"),
        ],
        ids=str,
    )
    def test_refused(self, steps, words, message):
        with pytest.raises(UsageError, match=message):
            self.ask(*steps, sampler="heun", **words)

    def test_told(self):
        found, notes = self.ask(sampler="heun,euler", nfe="2,9", rho=3, discretization="edm,ve")
        assert found == [("heun", 1), ("heun", 1), ("euler", 2), ("euler", 2)]
        assert notes == [
            "heun: NFE 2 is too small (2 steps need 3 evaluations); left out",
            "rho has no effect on: heun (ve), euler (ve)",
        ]
