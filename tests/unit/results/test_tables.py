"""CSV, text, JSON and frame of the rows."""

from __future__ import annotations

import json
import math

import pytest

from samplebench.report import terminal
from samplebench.results import tables
from samplebench.results.fields import alias_of, metrics_of, value_text, value_texts
from samplebench.results.requests import fault_of_metrics
from samplebench.results.row import COLUMNS


def rounded(row):
    return {k: float(f"{v:.12g}") if isinstance(v, float) else v for k, v in row.items()}


def test_csv_round_trip_keeps_types_order_and_twelve_digits(make_view, tmp_path):
    rows = make_view().rows
    rows[0] |= {"nfe_requested": None, "rho": None, "model": 'a "quoted", model\nof two lines'}
    rows[1]["fd-toy"] = math.pi * 1e-5
    rows[2]["fd-toy"] = None
    path = tables.write_csv(rows, tmp_path / "results.csv")
    back = tables.read_csv(path)
    assert back == [rounded(row) for row in rows]
    assert [type(v) for v in back[3].values()] == [type(v) for v in rows[3].values()]
    assert back[1]["fd-toy"] != math.pi * 1e-5
    assert "3.14159265359e-05" in path.read_text(encoding="utf-8")


def test_csv_bytes_are_equal_and_leave_no_other_file(make_view, tmp_path):
    rows = make_view().rows
    first = tables.write_csv(rows, tmp_path / "one" / "results.csv").read_bytes()
    again = tables.write_csv(tables.read_csv(tmp_path / "one" / "results.csv"), tmp_path / "b.csv")
    assert again.read_bytes() == first
    assert b"\r" not in first
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["results.csv"]


def test_csv_has_the_union_of_metrics_by_first_appearance(make_view, tmp_path):
    rows = make_view().rows[:3]
    rows[1] |= {"fid": 2.5, "fid_stderr": 0.25}
    path = tables.write_csv(rows, tmp_path / "results.csv")
    head, first, second, _ = path.read_text(encoding="utf-8").splitlines()
    metrics = ["fd-toy", "fd-toy_stderr", "fid", "fid_stderr"]
    assert head.split(",") == [*COLUMNS, *metrics, "cell"]
    assert first.split(",")[-3:-1] == ["", ""]
    assert second.split(",")[-3:-1] == ["2.5", "0.25"]


def test_columns_over_repeats_where_a_row_has_them(make_view, tmp_path):
    rows = make_view().rows[:2]
    rows[1] |= {"repeats": 3, "fd-toy_sd": 0.5, "fd-toy_min": 1.25, "other": 2.0, "other_max": 4.0}
    path = tables.write_csv(rows, tmp_path / "results.csv")
    head, first, _ = path.read_text(encoding="utf-8").splitlines()
    names = ["fd-toy", "fd-toy_stderr", "fd-toy_sd", "fd-toy_min"]
    names += ["other", "other_stderr", "other_max"]
    assert head.split(",") == [*COLUMNS, *names, "cell"]
    assert first.split(",")[-6:-1] == [""] * 5
    back = tables.read_csv(path)
    assert metrics_of(back) == ["fd-toy", "other"] and back[1]["fd-toy_min"] == 1.25
    assert list(tables.to_frame(rows)["other_max"].dropna()) == [4.0]


def test_a_metric_whose_name_ends_as_one_is_a_metric():
    """As long as there is none by the rest of its name."""
    rows = [{"loss_min": 1.0, "loss_min_stderr": 0.1, "loss_min_sd": 0.2, "peak_max": 3.0}]
    assert metrics_of(rows) == ["loss_min", "peak_max"]
    assert fault_of_metrics(["loss_min", "peak_max"]) == ""
    for names, taken in ((["loss_min", "loss"], "loss_min"), (["x_stderr"], "x_stderr")):
        assert fault_of_metrics(names) == f"a metric is called {taken}, which is a column"


def test_the_terminal_tells_what_repeats_did(make_view):
    rows = make_view(repeats=3).rows[:2]
    assert "over its repeats" not in terminal.to_text(rows)
    rows[0] |= {"fd-toy_sd": 0.123456, "fd-toy_min": 1.0}
    _, _, head, _, first, second = terminal.to_text(rows).splitlines()
    assert head.split()[-4:] == ["fd-toy", "over", "its", "repeats"]
    assert first.endswith("sd 0.1235, min 1") and second.endswith("-")


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.csv"
    path.write_text("old", encoding="utf-8")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("samplebench.files.atomic.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        tables.write_csv([], path)
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [
        ("results.csv", "old")
    ]


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (12.3456, 0.1234, "12.35 ± 0.12"),
        (12.3456, 0.0996, "12.35 ± 0.10"),
        (1234.5, 123.0, "1234 ± 123"),
        (0.5, 0.0, "0.5 ± 0"),
        (2.345678, None, "2.346"),
        (None, None, "-"),
        (math.nan, 0.1, "nan"),
        (2.0, math.nan, "2 ± nan"),
        (0.0, 0.25, "0.00 ± 0.25"),
        (-0.5, 0.25, "-0.50 ± 0.25"),
        (1.2345e-7, 2.3e-9, "(1.235 ± 0.023)e-07"),
    ],
)
def test_values_have_the_digits_of_their_standard_error(value, stderr, text):
    assert value_text(value, stderr) == text


@pytest.mark.parametrize(
    ("pairs", "texts"),
    [
        (
            [(6.071e-4, 2e-7), (-1.2e-5, 1.5e-6), (0.0, 1e-6), (math.nan, 1e-6), (None, None)],
            ["(6.0710 ± 0.0020)e-04", "(-0.120 ± 0.015)e-04", "(0.000 ± 0.010)e-04", "nan",
             "-"],
        ),
        ([(6.071e-4, 2e-5), (1.3e-5, 2e-5)], ["0.000607 ± 0.000020", "0.000013 ± 0.000020"]),
        # One is large: the small ones are written out beside it.
        ([(0.021, 4e-4), (-1.2e-6, 2e-6)], ["0.02100 ± 0.00040", "-0.0000012 ± 0.0000020"]),
        ([(3.1e7, 1e5), (2.5, 0.1)], ["(3.100 ± 0.010)e+07", "2.50 ± 0.10"]),
        ([(6.071e-4, None), (1e-5, None), (0.0, None)], ["6.071e-04", "0.100e-04", "0.000e-04"]),
        ([(0.0, 0.0), (0.0, None)], ["0 ± 0", "0"]),
    ],
)  # fmt: skip
def test_small_values_of_a_column_share_a_power_of_ten(pairs, texts):
    assert value_texts(pairs) == texts


def test_text_says_constants_once_and_varying_columns_in_rows(make_view):
    said, blank, head, _, *lines = terminal.to_text(make_view().rows).splitlines()
    assert said == (
        "model: toy-model, protocol: toy, reference: toy-reference@cdcdcdcd, N: 500, "
        "dtype: float64, seed: 0, repeats: 1"
    )
    assert blank == ""
    assert head.split() == ["sampler", "discretization", "NFE", "fd-toy"]
    assert len(lines) == 24
    assert lines[-1].startswith("edm S_churn=0  edm rho=3")
    assert len({line.index("±") for line in lines}) == 1


def test_text_shows_protocol_and_n_as_columns_where_they_differ(make_view):
    view = make_view(protocols=("toy", "toy-half"))
    view.rows[0]["num_samples"] = 1000
    said, _, head, *_ = terminal.to_text(view.rows).splitlines()
    assert "protocol" not in said and "N:" not in said
    assert {"protocol", "N"} <= set(head.split())


def test_text_tells_rows_apart_that_differ_in_steps_only(make_view):
    row = make_view().rows[0]
    lines = terminal.to_text([row, row | {"steps": 6}]).splitlines()
    assert lines[2].split() == ["NFE", "steps", "fd-toy"]
    assert [line.split()[:2] for line in lines[4:]] == [["5", "5"], ["5", "6"]]


def test_text_has_no_control_characters(make_view):
    text = terminal.to_text(make_view(model="red\x1b[31m\nmodel").rows)
    assert "\x1b" not in text
    assert "red\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}model" in text


def test_text_of_no_rows():
    assert terminal.to_text([]) == "no results yet"


def test_json_is_valid_and_rounded(make_view):
    rows = make_view().rows
    rows[0]["fd-toy"] = math.nan
    back = json.loads(tables.to_json(rows), parse_constant=pytest.fail)
    assert back[0]["fd-toy"] is None
    assert back[1:] == [rounded(row) for row in rows[1:]]


def test_frame_is_typed(make_view):
    rows = make_view().rows
    rows[0]["nfe_requested"] = None
    frame = tables.to_frame(rows)
    assert list(frame.columns) == [*COLUMNS, "fd-toy", "fd-toy_stderr", "cell"]
    assert str(frame["nfe_requested"].dtype) == "Int64"
    assert frame["nfe"].tolist() == [row["nfe"] for row in rows]
    assert frame["fd-toy"].tolist() == [row["fd-toy"] for row in rows]


@pytest.mark.parametrize(
    ("row", "cell", "alias"),
    [
        ({"sampler": "edm", "params": ""}, {"sampler": "heun"}, "heun"),
        ({"sampler": "edm", "params": "S_churn=10"}, {"params": {"S_churn": 10.0}}, None),
        ({"sampler": "edm", "params": "S_churn=10"}, {"params": {"S_churn": 5.0}}, "edm S_churn=5"),
        ({"sampler": "edm", "params": "S_churn=1"}, {"params": {"S_churn": 9}}, "edm S_churn=9"),
        ({"sampler": "edm", "params": ""}, {"params": {"S_noise": 1.0}}, None),
        ({"sampler": "edm", "params": "mode=b"}, {"params": {"mode": "a"}}, None),
        ({"sampler": "edm", "params": "S_churn=10"}, {"params": None}, None),
        ({"sampler": "edm"}, {}, None),
    ],
    ids=str,
)  # fmt: skip
def test_what_computed_a_row(row, cell, alias):
    conditions = {"sampler": "edm", **cell}
    assert alias_of({**row, "cell": "ab"}, [{"conditions": conditions}]) == alias
