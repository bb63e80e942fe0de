"""Devices and dtypes by name."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.devices import resolve_device, resolve_dtype
from samplebench.errors import EnvironmentError_, UsageError


def test_dtypes():
    assert resolve_dtype(None) is None
    assert resolve_dtype("float32") == resolve_dtype(torch.float32) == torch.float32


@pytest.mark.parametrize("name", ["float65", "int64", "nn", ""])
def test_an_unknown_dtype(name):
    with pytest.raises(UsageError, match=f"unknown dtype '{name}'; use float64, float32"):
        resolve_dtype(name)


def test_devices():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    best = resolve_device(None)
    assert (best.type == "cuda") == torch.cuda.is_available()


def test_an_unknown_device():
    with pytest.raises(UsageError, match="unknown device 'gpu'; use cuda, cuda:1, mps or cpu"):
        resolve_device("gpu")


def test_a_device_that_is_not_there():
    with pytest.raises(EnvironmentError_, match=r"device 'cuda:77' cannot be used here .*cpu") as e:
        resolve_device("cuda:77")
    assert e.value.exit_code == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_has_the_dtype_asked_for(dtype):
    model = sb.load("digits-exact", device="cpu", dtype=dtype)
    assert model.state_dtype == resolve_dtype(dtype)
    assert sb.sample(model, "euler", steps=3, seeds=[0]).dtype == resolve_dtype(dtype)


def test_an_unknown_model():
    with pytest.raises(UsageError, match="'digits-exac'; did you mean 'digits-exact'"):
        sb.load("digits-exac")
