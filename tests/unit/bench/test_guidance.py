"""Guidance of a sweep: its cells, its passes planned and counted, and what is refused."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.adapters.openai.flags import classifier
from samplebench.bench.engines.here import load_bench
from samplebench.bench.guides import Guide
from samplebench.bench.progress import work
from samplebench.bench.request import Request
from samplebench.bench.stop import Interrupted
from samplebench.errors import UsageError
from samplebench.results.record import Record
from tests.unit.bench.folders import After, content, sweep
from tests.unit.bench.planned import cells, make, rows

WORDS = {"sampler": "heun", "nfe": 9, "num_samples": 40, "batch_size": 16}
CFG = {"guidance": "cfg", "guidance_scale": 2}
CATALOGUE = """
[weak]
format = "exact"
location = "package://digits.npz"
shape = [1, 8, 8]
protocol = "digits"
reference = "digits-kde"
num_classes = 10
config = { bandwidth = 0.6, conditional = true }

[wide]
format = "exact"
location = "package://digits.npz"
shape = [1, 16, 16]
protocol = "digits"
num_classes = 10
config = { bandwidth = 0.6, conditional = true }

[judged]
format = "openai"
location = "none.pt"
shape = [1, 8, 8]
protocol = "digits"
config = { family = "guided-diffusion", noise_schedule = "cosine" }
[judged.classifier]
location = "judge.pt"
[judged.classifier.config.architecture]
image_size = 8
in_channels = 1
model_channels = 32
out_channels = 10
num_res_blocks = 1
attention_resolutions = [1]
channel_mult = [1]
num_head_channels = 32
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A catalogue with a weaker model of the digits, and one with a classifier of theirs."""
    home = tmp_path_factory.mktemp("catalogue")
    (home / "mine.toml").write_text(CATALOGUE)
    architecture = {
        "image_size": 8, "in_channels": 1, "model_channels": 32, "out_channels": 10,
        "num_res_blocks": 1, "attention_resolutions": [1], "channel_mult": [1],
        "num_head_channels": 32,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = classifier({"architecture": architecture})
        state = {name: torch.randn_like(t) * 0.2 for name, t in network.state_dict().items()}
    torch.save(state, home / "judge.pt")
    return str(home / "mine.toml")


def record(swept) -> Record:
    (cell,) = swept.plan.cells
    return swept.store.cell(cell)


def test_an_unguided_cell_is_what_it_was():
    (plain,) = make(**WORDS).cells.values()
    assert "guidance" not in plain.conditions
    for words in (
        {"guidance": "none"},
        {"guidance": "cfg", "guidance_scale": 1},
        {"guidance": "cfg", "guidance_scale": 1, "guidance_interval": "1/2"},
        {"guidance": "auto", "guidance_scale": 1, "guiding_model": "digits-exact"},
    ):
        assert cells(**WORDS, **words) == [plain.hash]


def test_all_of_a_guidance_is_in_the_hash(models):
    words = {
        "guidance": ["none", "cfg", "auto", "classifier"],
        "guidance_scale": [2, 3],
        "guidance_interval": ["0/inf", "0.3/5", "0.3/inf"],
        "guiding_model": ["weak", "digits-exact"],
        "classifier": "judged",
        "checkpoints": models,
    }
    # One without, and of each kind scales times intervals times guides.
    assert len(set(cells(**WORDS, **words))) == 1 + 2 * 3 * (2 + 2 + 1)
    named = {row["guidance"] for row in rows(**WORDS, **words)}
    assert len(named) == 31 and not any("," in name for name in named)
    assert {"", "cfg 2 by weak", "auto 3 on 0.3 to 5 by digits-exact"} <= named
    assert {"classifier 2 of judged", "classifier 3 on 0.3 to inf of judged"} <= named


def test_rows_of_a_sweep():
    found = rows(
        **WORDS, guidance="none,cfg", guidance_scale="1,2", guidance_interval="0/inf,0.3/5"
    )
    assert [(row["guidance"], row["nfe"], row["guide_nfe"]) for row in found] == [
        ("", 9, 0), ("cfg 1", 9, 0), ("cfg 2", 9, 9), ("cfg 2 on 0.3 to 5", 9, 2),
    ]  # fmt: skip
    plan = make(**WORDS, guidance="none,cfg", guidance_scale="1,2")
    assert len(plan.cells) == 2
    assert [row.computed_as for row in plan.rows] == ["", "heun without guidance", ""]


def test_where_a_method_chooses_its_steps_no_pass_is_planned(tmp_path):
    words = {**CFG, "sampler": "rk45", "param": "rk45.rtol=1", "num_samples": 4, "batch_size": 4}
    (row,) = rows(**words)
    assert (row["nfe"], row["guide_nfe"]) == (None, None)
    found = record(sweep(tmp_path, **words, guidance_interval="0.3/5"))
    assert 0 < found["guide_nfe"] < found["nfe"] and "guide_nfe_planned" not in found


@pytest.mark.parametrize(
    ("sampler", "interval"),
    [
        ("heun", "0/inf"), ("heun", "200/inf"),
        *((name, "0.3/5") for name in ("heun", "edm", "restart", "euler-flow")),
    ],
)  # fmt: skip
def test_passes_are_counted_as_planned(sampler, interval, tmp_path):
    words = {"param": "edm.S_churn=20"} if sampler == "edm" else {}
    words |= {"nfe": 30} if sampler == "restart" else {}
    swept = sweep(
        tmp_path, **{**WORDS, "sampler": sampler, **words, **CFG, "guidance_interval": interval}
    )
    found = record(swept)
    assert found["guide_nfe"] == found["guide_nfe_planned"]
    assert found["nfe"] == found["nfe_planned"]
    assert (found["guide_nfe"] == 0) == (interval == "200/inf")
    (row,) = swept.store.view(swept.plan.rows).rows
    assert (row["nfe"], row["guide_nfe"]) == (found["nfe"], found["guide_nfe"])


def test_a_guided_cell_is_resumed_and_reused(tmp_path):
    words = {**WORDS, **CFG, "guidance_interval": "0.3/5"}
    whole = sweep(tmp_path / "whole", **words)
    assert whole.evaluations > 0 and record(whole)["guide_nfe"] == 2
    with pytest.raises(Interrupted):
        sweep(tmp_path / "killed", After(2), **words)
    sweep(tmp_path / "killed", **words)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    assert sweep(tmp_path / "whole", **words).evaluations == 0


def test_further_passes_cost_what_their_network_costs(models, tmp_path):
    words = {**WORDS, "checkpoints": models}
    alone = record(sweep(tmp_path / "0", **words))
    own = record(sweep(tmp_path / "1", **words, **CFG))
    assert own["gflop_per_image"] == pytest.approx(2 * alone["gflop_per_image"])
    auto = {"guidance": "auto", "guidance_scale": 1.5, "guiding_model": "weak"}
    weak = record(sweep(tmp_path / "2", **words, **auto, guidance_interval="0.3/5"))
    assert weak["gflop_per_image"] == pytest.approx(alone["gflop_per_image"] * (1 + 2 / 9))
    assert weak["conditions"]["guidance"]["model"]["config"]["bandwidth"] == 0.6
    judged = {"guidance": "classifier", "classifier": "judged"}
    by_class = record(sweep(tmp_path / "3", **words, **judged))
    # The network's own size: forward and backward through some millions of products.
    assert by_class["gflop_per_image"] > alone["gflop_per_image"] + 9 * 1e-3
    assert by_class["guide_nfe"] == 9 and len(by_class["conditions"]["guidance"]) == 3


def test_images_differ_by_guidance(models, tmp_path):
    words = {**WORDS, "checkpoints": models, "guiding_model": "weak", "classifier": "judged"}
    plan = sweep(tmp_path, **words, guidance="none,cfg,auto,classifier", guidance_scale=3)
    values = {row["guidance"]: row["fd-digits"] for row in plan.store.view(plan.plan.rows).rows}
    assert len(set(values.values())) == len(values) == 4


def test_labels_of_an_unconditional_model_are_the_classifiers(models, tmp_path):
    """Drawn by the seeds as those of a conditional one, so images differ by them alone."""
    words = {**WORDS, "model": "digits-exact-uncond", "checkpoints": models}
    judged = {"guidance": "classifier", "classifier": "judged", "guidance_scale": 3}
    swept = sweep(tmp_path, **words, **judged)
    found = record(swept)
    assert found["guide_nfe"] == found["nfe"] == 9 and not found["nonfinite"]


def test_classes_that_no_table_says_are_looked_at_when_the_file_is_here(models, tmp_path):
    text = CATALOGUE.replace("num_classes = 10\n", "")
    (tmp_path / "mine.toml").write_text(text)
    words = {**WORDS, "model": "weak", "checkpoints": str(tmp_path / "mine.toml")}
    assert record(sweep(tmp_path / "out", **words, **CFG))["guide_nfe"] == 9
    other = text.replace("conditional = true", "conditional = false")
    (tmp_path / "mine.toml").write_text(other)
    with pytest.raises(UsageError, match="guidance cfg needs a class-conditional model, and weak"):
        sweep(tmp_path / "out", **words, **CFG)


def test_an_estimate_counts_the_guide(monkeypatch, models):
    from samplebench.bench import estimate as room

    plan = make(
        sampler="heun", nfe=9, guidance="auto", guidance_scale=2, guiding_model="weak",
        checkpoints=models, num_samples=50_000,
    )  # fmt: skip
    monkeypatch.setattr(room, "seconds_per_block", lambda model, block: 1.0)
    monkeypatch.setattr(room, "_seconds", lambda model, ask: 2.0)
    guides = {"weak": Guide(None, lambda: None, None)}
    words = room.estimate(None, list(plan.cells.values()), True, guides)
    # 782 blocks of 9 evaluations of 1 s, and as many passes of 2 s.
    assert words.startswith(f"about {room.said(782 * 9 * 3 / 3600)} in all")


def test_guides_are_loaded_once_and_only_where_they_are_needed(models):
    plan = make(**WORDS, **CFG, checkpoints=models, guiding_model="weak")
    ((name, source),) = plan.sources.items()
    assert [*source.guides] == ["weak"]
    bench = load_bench(plan, name, list(plan.cells.values()), torch.device("cpu"))
    assert [*bench.guides] == ["weak"]
    assert bench.guides["weak"].network.bandwidth == 0.6


def named(name, scale=1.0):
    """A network of one's own under a name."""
    uncond = sb.load("digits-exact-uncond", device="cpu")

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor([scale], dtype=torch.float64))

        def forward(self, x, sigma):
            return uncond(x, sigma) * self.scale

    return sb.wrap(Scaled().eval(), predicts="D", time="sigma", shape=(1, 8, 8), name=name)


def test_guides_of_one_name_cannot_be_told_apart():
    """And a guide that is called like the model that it guides; one that is that model may be."""
    one, two = named("mine"), named("mine", 0.5)
    reason = "two models are called mine; rename one"
    with pytest.raises(UsageError, match=reason):
        make(**WORDS, **CFG, guiding_model=[one, two])
    auto = {"guidance": "auto", "guidance_scale": 2, "protocol": "digits"}
    auto |= {"reference": "digits-kde", **WORDS}
    with pytest.raises(UsageError, match=reason):
        make(**auto, model=one, guiding_model=two)
    assert len(make(**auto, model=one, guiding_model=[one, one]).cells) == 1


def test_what_is_to_be_known_of_a_guide_is_told(models, tmp_path):
    text = CATALOGUE.replace("[weak]", '[weak]\ncaveat = "trained for an hour"')
    (tmp_path / "mine.toml").write_text(text)
    plan = make(**WORDS, **CFG, checkpoints=str(tmp_path / "mine.toml"), guiding_model="weak")
    assert "weak: trained for an hour" in plan.notes
    # Nothing is said of the unguided curve beside them, which has no guide.
    beside = {**CFG, "guidance": "none,cfg", "checkpoints": models, "guiding_model": "weak"}
    assert make(**WORDS, **beside).notes == make(**WORDS).notes


REFUSED = [
    ({"guidance_scale": 2}, "--guidance-scale needs --guidance cfg, auto, classifier"),
    ({"guidance_interval": "1/2"}, "--guidance-interval needs --guidance cfg"),
    ({"guidance": "none", "guiding_model": "weak"}, "--guiding-model needs --guidance cfg"),
    ({"classifier": "judged"}, "--classifier needs --guidance cfg"),
    ({"guidance": "cfg"}, "--guidance cfg needs --guidance-scale, e.g. 1,2,4"),
    ({"guidance": "auto", "guidance_scale": 2}, "guidance auto needs a weaker guiding_model"),
    ({**CFG, "model": "digits-exact-uncond"}, "digits-exact-uncond is unconditional"),
    ({**CFG, "model": "adm-imagenet64"}, "adm-imagenet64 needs labels"),
    ({**CFG, "classifier": "judged"}, "--classifier has no effect on any sampler in this sweep"),
    ({**CFG, "guiding_model": "weka"}, "unknown model 'weka'; did you mean 'weak'?"),
    ({**CFG, "guiding_model": "wide"}, r"wide makes images \[1, 16, 16\] and digits-exact"),
    ({**CFG, "guiding_model": "digits-cld-exact"}, "digits-cld-exact predicts the noise of"),
    (
        {"guidance": "auto", "guidance_scale": 2, "guiding_model": "digits-exact-uncond"},
        "digits-exact-uncond is unconditional; it can be used for guidance cfg",
    ),
    ({"guidance": "classifier"}, "no classifier was released with digits-exact"),
    ({"guidance": "classifier", "classifier": "adm-imagenet64"}, r"sees images \[3, 64, 64\]"),
    (
        {"guidance": "classifier", "classifier": "judged", "model": "digits-cld-exact",
         "sampler": "gddim"},
        r"guidance classifier needs D\(x; sigma\), and digits-cld-exact predicts",
    ),
    (
        {"guidance": "classifier", "classifier": "judged", "guiding_model": "weak"},
        "--guiding-model has no effect on any sampler in this sweep: guidance classifier",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "reason"), REFUSED)
def test_refusals(words, reason, models):
    with pytest.raises(UsageError, match=reason) as caught:
        make(**{**WORDS, **words, "checkpoints": models})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "value", "reason"),
    [
        ("guidance", "cfg,cgf", "unknown guidance 'cgf'; did you mean 'cfg'?"),
        ("guidance_scale", "2,nan", "guidance_scale=nan must be a number from 0 up"),
        ("guidance_scale", "inf", "guidance_scale=inf must be a number from 0 up"),
        ("guidance_scale", -1, "guidance_scale=-1 must be a number from 0 up"),
        ("guidance_interval", "5/0.3", "must be two noise levels, the lower first"),
        ("guidance_interval", "1/1", "must be two noise levels"),
        ("guidance_interval", "-1/1", "must be two noise levels"),
        ("guidance_interval", "1", "must be two noise levels"),
        ("guidance_interval", [1, 2, 3], "must be two noise levels"),
    ],
)
def test_a_bad_word_is_told(word, value, reason):
    with pytest.raises(UsageError, match=reason):
        Request.of(**{word: value})


@pytest.mark.parametrize(
    "interval", ["0.3/5", (0.3, 5), [(0.3, 5)], ["0.3/5"], [[0.3, 5.0]], torch.tensor([0.3, 5])]
)
def test_intervals_in_every_dress(interval):
    found = Request.of(guidance_interval=interval).guidance_interval
    assert found == (pytest.approx((0.3, 5.0)),)


def test_words_survive_being_written_out():
    request = Request.of(
        guidance="cfg,auto", guidance_scale="1,2.5", guidance_interval="0/inf,0.3/5",
        guiding_model="a,b", classifier="c",
    )  # fmt: skip
    assert request.guidance_interval == ((0.0, float("inf")), (0.3, 5.0))
    assert Request.of(**request.words()) == request


def test_models_in_memory_guide_and_are_guided(tmp_path):
    """By what they are: another guide of the same name makes another cell."""
    exact = sb.load("digits-exact", device="cpu")
    uncond = sb.load("digits-exact-uncond", device="cpu")

    class Single(torch.nn.Module):
        """In another precision than the main model."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x, sigma):
            return uncond(x * self.weight, sigma)

    def single():
        network = Single().eval()
        return sb.wrap(network, predicts="D", time="sigma", shape=(1, 8, 8), name="single")

    def wrapped(scale, name):
        config = {"noise_schedule": "cosine", "diffusion_steps": 100}
        process = sb.process("discrete", **config)
        table = torch.from_numpy(process.sigmas)

        def network(x, t):
            sigma = table[t.long()]
            level = sigma.reshape(-1, 1, 1, 1)
            state = x * (1 + level**2).sqrt()
            return scale * (state - uncond(state, sigma)) / level

        return sb.wrap(
            network, predicts="eps", alpha_bar=process.alpha_bar, shape=(1, 8, 8), name=name
        )

    words = {**WORDS, **CFG, "model": exact, "protocol": "digits", "reference": "digits-kde"}
    found = [
        record(sweep(tmp_path / name, **words, guiding_model=wrapped(scale, name)))
        for scale, name in ((1.0, "one"), (0.5, "half"))
    ]
    assert [each["guide_nfe"] for each in found] == [9, 9]
    ids = [each["conditions"]["guidance"]["model"]["id"] for each in found]
    other = record(sweep(tmp_path / "single", **words, guiding_model=single()))
    assert other["conditions"]["guidance"]["model"]["dtype"] == "float32"
    assert other["conditions"]["dtype"] == "float64"
    assert ids == ["one", "half"] and found[0]["cell"] != found[1]["cell"]


def test_work_that_nobody_plans_has_its_further_passes_too():
    """So a bar over guided and unguided cells tells what is left of both."""
    words = {**WORDS, "sampler": "rk45", "nfe": None, "guidance": "none,cfg", "guidance_scale": 2}
    alone, guided = map(work, make(**words).cells.values())
    assert guided == 2 * alone > 0
