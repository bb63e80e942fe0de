"""Which metric is computed against which reference."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from samplebench import registry
from samplebench.errors import InputError, UsageError
from samplebench.metrics.moments import Moments
from samplebench.references import reference as references
from samplebench.results.kept import key_of
from samplebench.scoring.measure import check_extractor, extractor_condition, measures, ready


@pytest.fixture
def metric(monkeypatch):
    """`metric(name, function, **facts)`: registers one of others."""

    def register(name, function=lambda a, b: 0.0, **facts):
        entry = registry.metrics.made(name, function, **facts)
        monkeypatch.setitem(registry.metrics._entries, name, entry)
        return entry

    return register


@pytest.fixture
def statistics(tmp_path):
    """`statistics(name, extractor, dim, keep)`: a file of statistics; its path."""

    def save(name, extractor="pixels", dim=192, keep=False):
        rows = np.random.default_rng(0).standard_normal((9, dim))
        made = SimpleNamespace(name=extractor, weights_sha256="")
        path = tmp_path / f"{name}.reference.npz"
        references.save(path, Moments.of(rows), made, "9 images", rows if keep else None)
        return str(path)

    return save


def pairs(found):
    return [(each.reference.id, each.metric.name) for each in found]


def test_each_reference_with_the_metrics_that_it_fits(statistics, stored, array):
    mine, images = statistics("mine"), stored(array, "npy")
    found = measures(["fd-digits", "fd-pixels"], [mine, "digits", images])
    assert pairs(found) == [
        ("mine", "fd-pixels"),
        ("digits", "fd-digits"),
        ("images.npy", "fd-digits"),
        ("images.npy", "fd-pixels"),
    ]
    assert [each.label for each in found[1:3]] == [
        f"digits@{found[1].reference.sha256[:8]}", "images.npy@?"
    ]  # fmt: skip


def test_the_default_counts_where_none_is_given(statistics):
    mine = statistics("mine")
    assert pairs(measures(["fd-pixels"], [], default=mine)) == [("mine", "fd-pixels")]
    assert pairs(measures(["fd-digits"], ["digits"], default=mine)) == [("digits", "fd-digits")]


def test_equal_references_count_once(statistics, stored, array, tmp_path):
    assert len(measures(["fd-digits"], ["digits", "digits"])) == 1
    first, second = stored(array, "folder", "set"), stored(array, "folder", "again")
    (tmp_path / "moved").mkdir()
    second = (tmp_path / "again").rename(tmp_path / "moved" / "set")
    found = measures(["fd-digits"], [first, str(second)])
    # The same name and, as is known once they are read, the same images.
    assert len(found) == 2 and len(ready(found, offline=True, quiet=True)) == 1


@pytest.mark.parametrize("name", ["two\nlines", "no\xa0break", "not utf-8 \udcff"])
def test_names_that_no_table_can_have(statistics, stored, array, name):
    for source in (stored(array, "folder", name), stored(array, "npz", name), statistics(name)):
        found = ready(measures(["fd-pixels"], [source]), offline=True, quiet=True)
        assert found[0].label.isprintable() and "\ufffd" in found[0].label


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["fd-digit"], ["digits"], "unknown metric 'fd-digit'; did you mean 'fd-digits'"),
        (["fd-digits"], ["digit"], "unknown reference 'digit'; did you mean 'digits'"),
        (["fd-digits"], [""], "unknown reference ''"),
        (["fd-digits"], [], "the reference of the model, none, is not here; give --metric fd-digi"),
        (
            ["fd-digits", "fd-pixels"],
            ["digits"],
            "reference digits holds digits features, fd-pixels compares pixels features; give "
            "--metric fd-pixels --reference FILE, made by 'samplebench reference make --extractor "
            "pixels'",
        ),
        (
            ["fd-pixels"],
            ["digits", "edm-cifar10-32x32"],
            "digits holds digits features, reference edm-cifar10-32x32 holds inception features, "
            "fd-pixels compares pixels",
        ),
        (
            ["fd-digits"],
            ["digits", "edm-cifar10-32x32"],
            "edm-cifar10-32x32 holds inception features, which no metric here compares .fd-digits",
        ),
        (
            ["sfid"],
            ["edm-cifar10-32x32"],
            "edm-cifar10-32x32 holds inception features, sfid compares inception-spatial .*give",
        ),
        (
            ["fd-digits"],
            ["edm2-img64", "digits"],
            "edm2-img64 holds inception and dinov2 features, which no metric here compares .fd-d",
        ),
        (["bare"], ["digits"], "metric bare does not declare an extractor; register it"),
        (["lost"], ["digits"], r"metric lost needs other .*: unknown extractor 'nobody'"),
        (
            ["rows"],
            ["digits-kde"],
            "digits-kde keeps no features; give --reference digits, images, or make .*--keep feat",
        ),
        (
            ["rows"],
            ["edm-cifar10-32x32"],
            "rows compares digits features; .* --extractor digits --keep features",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(metric, names, given, message):
    metric("bare")
    metric("lost", extractor="nobody")
    metric("rows", extractor="digits", statistic="features")
    with pytest.raises((UsageError, InputError), match=message) as caught:
        measures(names, given)
    assert "\n" not in str(caught.value)


def test_a_default_that_is_not_here():
    with pytest.raises(UsageError, match="the reference of toy, lost, is not here; give --metric"):
        measures(["fd-digits"], [], default="lost", model="toy")


def test_rows_for_metrics_on_features(metric, statistics, stored, array):
    metric("rows", extractor="pixels", statistic="features")
    kept, images = statistics("kept", keep=True), stored(array, "npy")
    found = ready(measures(["rows", "fd-pixels"], [kept, images]), offline=True, quiet=True)
    assert len(found) == 4
    assert found[0].reference.statistic("features").shape == (9, 192)
    assert found[2].reference.statistic("features").shape == (100, 192)
    # One pass serves both kinds.
    assert found[2].reference is found[3].reference


def test_released_statistics_are_not_fetched_to_be_planned():
    (found,) = measures(["fid"], ["edm-cifar10-32x32"])
    assert found.reference.sha256.startswith("4ada108c")
    extractor = registry.extractors.get("inception")
    assert extractor_condition("inception", found.reference) == {
        "name": "inception",
        "weights_sha256": extractor.weights_sha256,
        "feature_dim": 2048,
        "numerics": extractor.numerics,
    }


def test_features_of_another_numerics_are_other_ones(monkeypatch):
    """What was kept under the old ones is not taken for the new; at first nothing is said."""
    (found,) = measures(["fid"], ["edm-cifar10-32x32"])
    keys = set()
    for number in (1, 2, 3):
        monkeypatch.setattr(registry.extractors.get("inception"), "numerics", number)
        condition = extractor_condition("inception", found.reference)
        assert condition.get("numerics", 1) == number and ("numerics" in condition) == (number > 1)
        keys.add(key_of(condition))
    assert len(keys) == 3


def test_names_of_the_field_on_the_references_that_hold_their_features():
    openai, edm2 = "openai-VIRTUAL_imagenet64_labeled", "edm2-img64"
    found = measures(["fid", "sfid", "fd-dinov2"], [openai, edm2])
    held = [(each.reference.id, each.metric.name, each.extractor) for each in found]
    assert held == [
        (openai, "fid", "inception"),
        (openai, "sfid", "inception-spatial"),
        (edm2, "fid", "inception"),
        (edm2, "fd-dinov2", "dinov2"),
    ]
    # Each has one name, and is the same function.
    for other in ("fd-inception", "fd-inception-spatial"):
        with pytest.raises(UsageError, match="unknown metric"):
            registry.metrics.entry(other)
    names = ("fid", "sfid", "fd-dinov2-pil", "fd-digits")
    assert {registry.metrics.entry(name).obj for name in names} == {found[0].metric.obj}
    assert {*names} <= {*registry.metrics.names()}


def test_another_extractor_of_that_name_is_refused():
    found = references.load("digits")
    extractor = SimpleNamespace(weights_sha256=found.weights_sha256, feature_dim=64)
    check_extractor(found, extractor)
    extractor.feature_dim = 65
    with pytest.raises(InputError, match=r"digits holds 64 features an image, .* digits has 65"):
        check_extractor(found, extractor)
    extractor.weights_sha256 = "other"
    with pytest.raises(InputError, match="made with other weights of extractor digits"):
        check_extractor(found, extractor)


def test_one_that_compares_with_nothing_needs_no_reference(metric, statistics):
    metric("alone", extractor="digits", statistic="features", against="nothing")
    (found,) = measures(["alone"], [])
    assert found.known and found.label == "" and found.reference.statistic("nothing") is None
    assert ready([found], offline=True, quiet=True) == (found,)
    mine = statistics("mine")
    assert pairs(measures(["alone", "fd-pixels"], [mine])) == [("mine", "fd-pixels"), ("", "alone")]
    with pytest.raises(UsageError, match="no metric here compares"):
        measures(["alone"], ["digits"])


def test_features_are_taken_of_the_reference_that_has_them(metric, statistics):
    """The statistics of others serve the metrics that need no more."""
    metric("rows", extractor="pixels", statistic="features")
    metric("shape", extractor="pixels", statistic="features", against="moments")
    bare, kept = statistics("bare"), statistics("kept", keep=True)
    found = pairs(measures(["fd-pixels", "rows", "shape"], [bare, kept]))
    assert found == [
        *((name, each) for name, each in (("bare", "fd-pixels"), ("bare", "shape"))),
        *(("kept", each) for each in ("fd-pixels", "rows", "shape")),
    ]
    assert pairs(measures(["shape"], [bare])) == [("bare", "shape")]


def test_features_of_images_beside_statistics(metric, tmp_path, monkeypatch):
    """As in OpenAI's files; statistics are those of the file, whatever the images."""
    from samplebench.embedded import load_digits

    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    metric("rows", extractor="inception", statistic="features")
    images = load_digits()[0][:30].transpose(0, 2, 3, 1)
    path = tmp_path / "VIRTUAL_mine.npz"
    np.savez(path, mu=np.arange(2048.0), sigma=np.eye(2048), arr_0=images)
    (found,) = measures(["rows"], [str(path)])
    assert found.reference.keeps_rows and found.reference.mean[7] == 7
    assert found.reference.images == path
    np.savez(path, mu=np.zeros(2048), sigma=np.eye(2048))
    with pytest.raises(InputError, match=r"mine\.npz keeps no features; give --reference openai"):
        measures(["rows"], [str(path)])


def test_the_digits_are_their_own_features(metric, tmp_path, monkeypatch):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    metric("rows", extractor="digits", statistic="features")
    found = ready(measures(["fd-digits", "rows"], ["digits"]), offline=True, quiet=True)
    assert len({each.label for each in found}) == 1
    rows = found[1].reference.statistic("features")
    assert rows.shape == (1797, 64) and not rows.flags.writeable
    assert np.allclose(rows.mean(0, dtype=np.float64), found[0].reference.mean, rtol=1e-6)
    assert found[1].reference.blocked("features") is found[1].reference.blocked("features")


@pytest.mark.parametrize("name", ["fd-digits_min", "mine_stderr", "seed"])
def test_a_metric_is_not_called_as_a_column(metric, name):
    metric(name, extractor="digits")
    with pytest.raises(UsageError, match=f"a metric is called {name}, which is a column of the"):
        measures(["fd-digits", name], ["digits"])
