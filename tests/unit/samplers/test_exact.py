"""Exact draws: whose they are, what decides each, what they score, and what is said without."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import catalog
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.registry import adapters
from samplebench.regression import load_rows
from samplebench.results.columns import fault
from samplebench.sampling.setting import prepare

CLOSED = [name for name, entry in catalog().items() if adapters.entry(entry.format).exact]
OTHERS = [n for n, e in catalog().items() if e.embedded and n not in CLOSED]
NUMBER = 6000


@pytest.fixture(scope="module", params=CLOSED)
def model(request):
    return sb.load(request.param, device="cpu")


def middles(n):
    """The middles of n equal parts of the unit interval."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def test_what_has_draws_of_a_set_has_draws_of_numbers(model):
    assert set(CLOSED) >= {"digits-exact", "digits-exact-uncond", "digits-cld-exact", "exact-2d"}
    assert callable(model.draw) and callable(model.draw_from)


def test_a_draw_is_its_seeds_alone(model):
    whole = sb.sample(model, "exact", seeds=range(70, 82))
    for seeds in ([81], [75, 70], range(74, 79)):
        assert torch.equal(
            sb.sample(model, "exact", seeds=seeds), whole[[seed - 70 for seed in seeds]]
        )
    assert len(torch.unique(whole.flatten(1), dim=0)) == 12


def test_draws_of_numbers_have_the_law_of_draws_of_a_set(model):
    """Mean and covariance, by which both are normal up to their components."""
    drawn = sb.sample(model, "exact", seeds=range(NUMBER)).flatten(1)
    other = model.draw(NUMBER, 3)[0].flatten(1)
    spread = other.std(0).max()
    assert (drawn.mean(0) - other.mean(0)).abs().max() < 6 * spread * (2 / NUMBER) ** 0.5
    assert (drawn.T.cov() - other.T.cov()).abs().max() < 0.08 * spread**2


@pytest.mark.parametrize("name", [n for n in CLOSED if n.startswith("digits")])
def test_each_image_of_a_class_has_an_equal_part(name):
    density = sb.load(name, device="cpu")
    images, classes = density.images, density.classes
    counts = [len(images)] if classes is None else classes.bincount().tolist()
    for label, count in enumerate(counts):
        labels = None if classes is None else torch.full((count,), label)
        still = torch.zeros(count, *density.shape, dtype=torch.float64)
        found = density.draw_from(middles(count), still, labels).flatten(1)
        wanted = images if classes is None else images[classes == label]
        assert torch.equal(found, wanted)
    # Both ends of the interval, which are the first and the last image.
    ends = density.draw_from(torch.tensor([0.0, 1.0]).double(), still[:2], None).flatten(1)
    order = torch.arange(len(images)) if classes is None else classes.argsort(stable=True)
    assert torch.equal(ends, images[order[[0, -1]]])


def test_without_labels_every_class_is_as_likely():
    density = sb.load("digits-exact", device="cpu")
    n = 100 * density.num_classes
    drawn = density.draw_from(middles(n), torch.zeros(n, *density.shape).double(), None)
    nearest = torch.cdist(drawn.flatten(1), density.images).argmin(1)
    assert density.classes[nearest].bincount().tolist() == [100] * density.num_classes


@pytest.mark.parametrize("name", [n for n in CLOSED if not n.startswith("digits")])
def test_each_component_has_its_weight(name):
    mixture, n = sb.load(name, device="cpu"), 10_000
    still = torch.zeros(n, *mixture.shape, dtype=torch.float64)
    drawn = mixture.draw_from(middles(n), still, None).flatten(1)
    shares = [(drawn == mean).all(1).double().mean() for mean in mixture.means]
    assert sum(shares) == pytest.approx(1, abs=1e-12)
    assert torch.stack(shares) == pytest.approx(mixture.weights, abs=2 / n)
    ends = mixture.draw_from(torch.tensor([0.0, 1.0]).double(), still[:2], None).flatten(1)
    assert torch.equal(ends, mixture.means[[0, -1]])


def test_labels_are_those_of_the_other_samplers():
    density = sb.load("digits-exact", device="cpu")

    def classes(sampler, **words):
        x = sb.sample(density, sampler, seeds=range(40), **words).flatten(1)
        return density.classes[torch.cdist(x, density.images).argmin(1)]

    assert (classes("exact") == classes("heun", nfe=35)).float().mean() > 0.9


def test_their_distance_is_the_floor(tmp_path):
    """The value of a sweep at N = 1,797; docs and README tell it."""
    frame = sb.run(model="digits-exact", sampler=["exact"], out=tmp_path)
    (row,) = frame.to_dict("records")
    assert row["fd-digits"] == pytest.approx(0.11, abs=0.02)
    assert (row["nfe"], row["depth"], row["steps"], row["discretization"]) == (0, 0, 0, "no steps")
    (written,) = load_rows(tmp_path).rows
    assert fault(written) == ""
    # Whoever makes a step has evaluated something.
    for steps in (3, None):
        assert fault({**written, "steps": steps}) == "nfe is 0, not above 0"
    assert fault({**written, "nfe": -1}).startswith("nfe is -1")


def test_no_word_of_a_grid_makes_another_cell():
    words = {"nfe": [5, 10], "rho": [3, 7], "discretization": ["edm", "vp"], "num_samples": 64}
    plan = planning.make(Request.of(model="digits-exact", sampler=["euler", "exact"], **words))
    (row,) = [row for row in plan.rows if row.columns["sampler"] == "exact"]
    assert [cell.nfe for cell in row.cells] == [0]
    assert row.columns["nfe_requested"] is row.columns["rho"] is None
    assert {f"{word} has no effect on: exact (no steps)" for word in ("nfe", "rho")} <= {
        note.replace("vp, ", "").replace("euler (vp), ", "") for note in plan.notes
    }
    alone = planning.make(Request.of(model="digits-exact", sampler="exact", num_samples=64))
    assert [cell.hash for cell in row.cells] == list(alone.cells)


@pytest.mark.parametrize("name", OTHERS)
def test_a_network_has_none_and_is_told_who_does(name, refused):
    words = Request.of(model=name, sampler="exact")
    text = refused(lambda: planning.make(words), UsageError, f"{name} has none", *CLOSED)
    assert text.startswith("sampler exact needs exact draws of its model")


def test_the_command_ends_with_a_line(capsys, tmp_path):
    code = main(["run", "--model", "digits-vp", "--sampler", "exact", "--out", str(tmp_path / "o")])
    err = capsys.readouterr().err
    assert code == 2 and "digits-vp has none; models in closed form have them: digits-exact" in err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("words", [{"nfe": 5}, {"steps": 5}, {"rho": 7}, {"sigma_max": 80.0}])
def test_words_of_steps_are_refused_where_there_is_one_sampler(words, refused):
    density = sb.load("exact-2d", device="cpu")
    call = lambda: sb.sample(density, "exact", seeds=[0], **words)  # noqa: E731
    refused(call, UsageError, "sampler exact makes no steps", next(iter(words)))


def test_it_is_no_chain_to_start_within():
    setting = prepare(sb.load("exact-2d", device="cpu"), "exact")
    with pytest.raises(UsageError, match="sampler exact cannot be started"):
        setting.starts()


class Halves:
    """A model of others: one pixel, uniform on [0, 1], or what `answer` makes of it."""

    shape, num_classes, sigma_min, sigma_max = (1, 1, 1), 0, 0.0, float("inf")
    device, state_dtype = torch.device("cpu"), torch.float64
    answer = staticmethod(lambda x: x)

    def __call__(self, x, sigma, labels=None):
        raise AssertionError("exact draws are no evaluations")

    def draw_from(self, uniforms, normals, labels):
        return self.answer(uniforms.reshape(-1, 1, 1, 1))


def test_a_model_of_others_may_have_them():
    x = sb.sample(Halves(), "exact", seeds=range(2000)).flatten()
    assert x.mean() == pytest.approx(0.5, abs=0.02) and x.var() == pytest.approx(1 / 12, abs=0.005)


@pytest.mark.parametrize(
    "answer", [lambda x: None, lambda x: x[:1], lambda x: x.long(), lambda x: x.reshape(-1)]
)
def test_what_it_answers_is_judged(answer, refused):
    wrong = Halves()
    wrong.answer = answer
    refused(
        lambda: sb.sample(wrong, "exact", seeds=range(3)),
        UsageError,
        "draw_from of the network returned",
    )


class Greys:
    """A network of x0 in [0, 255], uniform there, or 51 times its label."""

    def __call__(self, x, t, labels=None):
        return torch.full_like(x, 127.5)

    def draw_from(self, uniforms, normals, labels):
        greys = 255 * uniforms if labels is None else 51 * labels
        return greys.reshape(-1, 1, 1, 1).to(normals)


def test_a_wrapped_network_may_have_them_in_its_own_range():
    words = {"predicts": "x0", "process": "ve", "data_range": (0, 255), "shape": (1, 1, 1)}
    x = sb.sample(sb.wrap(Greys(), **words), "exact", seeds=range(2000)).flatten()
    assert x.mean() == pytest.approx(0, abs=0.04) and x.var() == pytest.approx(1 / 3, abs=0.02)
    classes = sb.wrap(Greys(), num_classes=6, **words)
    x = sb.sample(classes, "exact", seeds=range(3), labels=[0, 5, 2]).flatten()
    assert x.tolist() == pytest.approx([-1, 1, -0.2])


def test_a_wrapped_network_without_them_has_none(refused):
    network = sb.wrap(lambda x, t: 0 * x, predicts="x0", process="ve", shape=(1, 1, 1))
    call = lambda: sb.sample(network, "exact", seeds=[0])  # noqa: E731
    refused(call, UsageError, "has none", "a model of yours with a method draw_from")
