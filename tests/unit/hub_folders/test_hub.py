"""Folders of a hub: pinned, verified, cached, and each way to fail in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import huggingface_hub
import numpy
import pytest
import torch

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.checkpoints.diffusers_folder import hub_entry
from samplebench.checkpoints.local import digest, local_file
from samplebench.cli import main
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError, UsageError
from samplebench.files.atomic import sha256
from tests.unit.hub_folders.folders import saved, scheduler, unet
from tests.unit.hub_folders.hub_server import Hub, commit_of, serve

WORD = "hf:org/net"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of two commits: other weights, the same JSON."""
    found = []
    for seed in (0, 1):
        folder = saved(tmp_path_factory.mktemp("files"), unet(seed), scheduler("DDPM"))
        found.append(
            {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
        )
    return found


@pytest.fixture
def hub(files, tmp_path, monkeypatch):
    made = Hub()
    server = serve(made)
    made.push(files[0])
    constants = huggingface_hub.constants
    # What HF_ENDPOINT and HF_HOME set when the library is imported.
    monkeypatch.setattr(constants, "ENDPOINT", made.address)
    template = made.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for module in ("hf_api", "file_download"):
        assert getattr(huggingface_hub, module).constants is constants
    yield made
    server.shutdown()
    server.server_close()


def refused(kind, call, *said):
    with pytest.raises(kind) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 2000 and "hf_secret" not in line
    for word in said:
        assert word in line
    return caught.value


def test_the_json_files_come_first_and_the_weights_when_they_are_needed(hub, files):
    entry = hub_entry(WORD)
    assert not any(path.endswith(WEIGHTS) for path, _ in hub.asked)
    assert (entry.id, entry.shape, entry.source) == (
        "org/net",
        (3, 8, 8),
        f"hf:org/net@{commit_of(1)}",
    )
    # Known before it is here, so that a plan names its cells once.
    assert digest(entry) == sha256(local_file(entry))
    model = sb.load(entry)
    assert model.provenance["source"] == entry.source
    assert model.provenance["sha256"] == entry.sha256
    assert {token for _, token in hub.asked} == {"Bearer hf_secret"}, hub.asked


def test_a_revision_that_moves_is_another_model_and_what_was_pinned_stays(hub, files):
    before = hub_entry(WORD)
    hub.push(files[1])
    after = hub_entry(WORD)
    assert before.config == after.config
    assert before.sha256 != after.sha256 and before.source != after.source
    models = [sb.load(entry) for entry in (before, after, hub_entry(f"{WORD}@{commit_of(1)}"))]
    x = torch.ones(1, 3, 8, 8)
    assert torch.equal(models[0](x, 1.0), models[2](x, 1.0))
    assert not torch.equal(models[0](x, 1.0), models[1](x, 1.0))


def test_a_branch(hub, files):
    hub.push(files[1], "ema/long")
    assert hub_entry(f"{WORD}@ema/long").source.endswith(commit_of(2))


def test_offline_is_the_cache_alone(hub, monkeypatch):
    refused(EnvironmentError_, lambda: hub_entry(WORD, offline=True), "offline")
    online = hub_entry(WORD)
    refused(EnvironmentError_, lambda: hub_entry(WORD, offline=True), "offline")
    local_file(online)
    asked = len(hub.asked)
    offline = hub_entry(WORD, offline=True)
    assert (offline.source, offline.sha256) == (online.source, online.sha256)
    sb.load(offline, offline=True)
    monkeypatch.setenv("SAMPLEBENCH_OFFLINE", "1")
    assert hub_entry(WORD).sha256 == online.sha256
    assert len(hub.asked) == asked


def test_small_weights_without_git_lfs_are_hashed_here(hub):
    hub.lfs = False
    entry = hub_entry(WORD)
    assert entry.sha256 == sha256(local_file(entry))


@pytest.mark.parametrize(
    "word",
    ["hf:", "hf:net", "hf:org/../net", "hf:org/net@", "hf:org/net@../x", "hf:org/net/unet",
     "hf:org/net@a//b", "hf:http://x/y", "hf:org/net\n", "hf:-org/net"],
)  # fmt: skip
def test_words_that_name_no_folder(hub, word):
    refused(UsageError, lambda: hub_entry(word), "hf:org/name")
    assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        ((404, "RepoNotFound"), UsageError, "no such folder"),
        ((401, "RepoNotFound"), UsageError, "HF_TOKEN"),
        ((403, "GatedRepo"), EnvironmentError_, "gated"),
        ((403, None), EnvironmentError_, "could not be fetched"),
        ((400, None), EnvironmentError_, "could not be fetched"),
    ],
)
def test_what_the_hub_says_no_with(hub, status, kind, said):
    hub.status = status
    error = refused(kind, lambda: hub_entry(WORD), said)
    assert error.exit_code == (3 if kind is EnvironmentError_ else 2)


def test_no_such_revision(hub):
    refused(UsageError, lambda: hub_entry(f"{WORD}@v9"), "no revision 'v9'")


def test_no_such_folder(hub):
    refused(UsageError, lambda: hub_entry("hf:org/other"), "no such folder")


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"sha": 5}', b'{"id": "org/net"}'])
def test_an_answer_that_is_none(hub, answer):
    hub.api = answer
    refused(SamplebenchError, lambda: hub_entry(WORD))


def test_no_network(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    error = refused(EnvironmentError_, lambda: hub_entry(WORD), "could not be fetched", "--offline")
    assert error.exit_code == 3


def other(data):
    return bytes([data[0] ^ 1]) + data[1:]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (lambda data: data[:1000], SamplebenchError),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", SamplebenchError),
        (other, InputError),
    ],
)
def test_weights_that_are_not_what_was_said(hub, files, sent, kind):
    hub.sent[WEIGHTS] = sent(files[0][WEIGHTS])
    entry = hub_entry(WORD)
    refused(kind, lambda: sb.load(entry), "org/net")


def test_another_file_is_named_with_what_to_delete(hub, files):
    hub.sent[WEIGHTS] = other(files[0][WEIGHTS])
    entry = hub_entry(WORD)
    line = str(refused(InputError, lambda: local_file(entry), "sha256", "delete"))
    path = line.partition("delete ")[2].partition(" and")[0]
    hub.sent.clear()
    with open(path, "rb"):  # it is there
        pass
    huggingface_hub.file_download.Path(path).unlink()
    sb.load(entry)


def test_a_redirect_without_end(hub):
    entry = hub_entry(WORD)
    hub.loop = True
    refused(EnvironmentError_, lambda: sb.load(entry), "could not be fetched")


def test_a_disk_without_room(hub, monkeypatch):
    def full(*words, **how):
        raise OSError(28, "No space left on device")

    entry = hub_entry(WORD)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    refused(EnvironmentError_, lambda: local_file(entry), "No space left", "HF_HOME")


def test_json_that_is_too_large_is_not_fetched(hub, files):
    content = dict(files[0])
    content["unet/config.json"] = b" " * (1 << 23)
    hub.push(content)
    refused(InputError, lambda: hub_entry(WORD), "8,388,608 bytes")
    assert not any(path.endswith("unet/config.json") for path, _ in hub.asked)


def test_a_folder_of_pickles_is_refused_before_anything_is_fetched(hub, files):
    content = {name: data for name, data in files[0].items() if name != WEIGHTS}
    hub.push({**content, "unet/diffusion_pytorch_model.bin": b"\x80\x02"})
    refused(InputError, lambda: hub_entry(WORD), "pickle")
    assert len(hub.asked) == 1


def test_a_foreign_class(hub, files):
    config = json.loads(files[0]["unet/config.json"]) | {"_class_name": "Mine"}
    hub.push({**files[0], "unet/config.json": json.dumps(config).encode()})
    refused(InputError, lambda: hub_entry(WORD), "describes Mine", commit_of(2))


def test_a_program_that_has_imported_nothing_of_the_client():
    """Its parts are attributes in this process, as other tests have imported them."""
    code = "from samplebench.download.hub import look; look('hf:org/net')"
    words = {"HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": sb.__path__[0] + "/.."}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=words)
    assert "EnvironmentError_: hf:org/net could not be fetched" in done.stderr


def test_revisions_of_one_folder_in_one_sweep(hub, files, tmp_path):
    numpy.save(tmp_path / "real.npy", numpy.zeros((3, 8, 8, 3), numpy.uint8))
    measured = {"metric": "fd-pixels", "reference": str(tmp_path / "real.npy")}
    hub.push(files[1], "ema/long")
    words = [WORD, f"{WORD}@ema/long", f"{WORD}@{commit_of(1)}", f"{WORD}@main"]
    request = Request.of(model=words[:3], nfe=5, num_samples=4, sampler="ddim", **measured)
    plan = make(request)
    names = ["org/net", "org/net@ema/long", f"org/net@{commit_of(1)[:8]}"]
    assert [entry.id for entry in plan.models] == names
    assert plan.folder.name == "+".join(names).replace("/", "-")
    assert hub_entry(words[3]).id == "org/net"


def test_fetch(hub, capsys, monkeypatch):
    # What scores its images is another file's business.
    monkeypatch.setattr("samplebench.scoring.extract.fetch_extractor", lambda name, **how: None)
    assert main(["fetch", WORD, "--json", "--quiet"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["id"], row["hash"]) == ("org/net", "published")
    asked = len(hub.asked)
    assert main(["fetch", WORD, "--offline", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["sha256"] == row["sha256"]
    assert len(hub.asked) == asked
