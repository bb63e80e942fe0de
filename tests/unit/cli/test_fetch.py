"""`samplebench fetch` brings what guides a model and what metrics need, too."""

from __future__ import annotations

import json

import torch

from samplebench.adapters.openai.flags import classifier
from samplebench.cli import main
from samplebench.registry import extractors, metrics

ARCHITECTURE = {
    "image_size": 8, "in_channels": 1, "model_channels": 32, "out_channels": 10,
    "num_res_blocks": 1, "attention_resolutions": [1], "channel_mult": [1], "num_head_channels": 32,
}  # fmt: skip
CATALOGUE = """
[mine]
format = "exact"
location = "package://digits.npz"
shape = [1, 8, 8]
protocol = "digits"
reference = "digits-kde"
config = { bandwidth = 0.6 }
[mine.classifier]
format = "openai"
location = "judge.pt"
[mine.classifier.config.architecture]
"""


def test_a_classifier_is_looked_at_beside_its_model(tmp_path, capsys):
    text = CATALOGUE + "\n".join(f"{name} = {value}" for name, value in ARCHITECTURE.items())
    (tmp_path / "mine.toml").write_text(text)
    words = ["fetch", "mine", "--checkpoints", str(tmp_path / "mine.toml"), "--json", "--quiet"]
    assert main(words) == 2  # its file is not there
    assert "mine-classifier: " in capsys.readouterr().err
    network = classifier({"architecture": ARCHITECTURE})
    torch.save({n: torch.zeros_like(t, device="cpu") for n, t in network.state_dict().items()},
               tmp_path / "judge.pt")  # fmt: skip
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in found] == ["mine", "mine-classifier"]


def test_what_metrics_need(tmp_path, capsys, monkeypatch):
    """Each file once, however many layers of its network are named."""
    asked = []

    def extractor(name):
        class Fetched:
            feature_dim, weights_sha256 = 3, "0" * 64

            @classmethod
            def fetch(cls, *, offline, quiet):
                asked.append(name)
                return tmp_path / "weights"

        return extractors.made(name, Fetched)

    (tmp_path / "weights").write_bytes(b"12345")
    for name in ("mine", "mine-deep"):
        monkeypatch.setitem(extractors._entries, name, extractor(name))
    words = ["fetch", "digits-exact", "--json", "--quiet", "--metric"]
    assert main([*words, "fd-digits,fd-mine,fd-mine-deep"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["bytes"]) for row in found][1:] == [("mine", 5)]
    assert asked == ["mine", "mine-deep"]
    assert main([*words, "fd-digit"]) == 2
    assert "did you mean 'fd-digits'" in capsys.readouterr().err
    bare = metrics.made("bare", max)
    monkeypatch.setitem(metrics._entries, "bare", bare)
    assert main([*words, "bare"]) == 2
    assert "metric bare does not declare an extractor" in capsys.readouterr().err
