"""Archives of others: whatever is odd in their zip directory is one line."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from samplebench.errors import EnvironmentError_, InputError
from samplebench.files.archives import Arrays, Unreadable, one_line
from samplebench.image_sets import read
from samplebench.references import files as reference_files

FACTS = {"num_images": 7, "extractor": "toy", "weights_sha256": "ab", "made_from": "7 toys"}
KINDS = {
    "images": (read, {"images": np.zeros((2, 8, 8), np.uint8)}),
    "reference": (
        reference_files.read,
        {"mu": np.zeros(3), "sigma": np.eye(3), "facts": json.dumps(FACTS)},
    ),
}


def directory(offset, value, size=2):
    """A change of a field of the first entry in the directory, and of its twin at the member."""

    def change(data):
        data = bytearray(data)
        at = data.index(b"PK\x01\x02")
        data[at + offset : at + offset + size] = value.to_bytes(size, "little")
        if 6 <= offset < 28:
            data[offset - 2 : offset - 2 + size] = value.to_bytes(size, "little")
        return bytes(data)

    return change


def end(offset, value, size):
    def change(data):
        data = bytearray(data)
        at = data.rindex(b"PK\x05\x06")
        data[at + offset : at + offset + size] = value.to_bytes(size, "little")
        return bytes(data)

    return change


ODD = {
    "encrypted": directory(8, 1),
    "strong encryption": directory(8, 0x41),
    "patched": directory(8, 0x20),
    "needs a newer version": directory(6, 255),
    "deflate64": directory(10, 9),
    "zstandard": directory(10, 93),
    "implode": directory(10, 6),
    "lzma that is none": directory(10, 14),
    "bzip2 that is none": directory(10, 12),
    "deflate that is none": directory(10, 8),
    "larger than the file": directory(20, 0x7FFFFFFF, 4),
    "elsewhere": directory(42, 0x7FFFFFFF, 4),
    "another checksum": directory(16, 1, 4),
    "a directory of 4 GB": end(12, 0xFFFFFFF0, 4),
    "a directory elsewhere": end(16, 0xFFFFFFF0, 4),
    "cut": lambda data: data[: len(data) // 2],
    "twice": lambda data: data.replace(b"sigma.npy", b"mu.npy\0\0\0").replace(
        b"images", b"imag\0s"
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ODD)
def test_odd_directories(tmp_path, kind, case):
    reader, arrays = KINDS[kind]
    path = tmp_path / "set.npz"
    np.savez(path, **arrays)
    path.write_bytes(ODD[case](path.read_bytes()))
    with pytest.raises(InputError, match=r"set\.npz") as caught:
        found = reader(path)
        list(found.batches())
    assert "\n" not in str(caught.value)


def test_a_directory_larger_than_its_members_can_be(tmp_path):
    """Names and no data: each would take half a kilobyte of memory for its 47 bytes."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, *[0] * 8, 1, *[0] * 6) + b"x"
    data = entry * 20_000
    data += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 20_000, 20_000, len(data), 0, 0)
    (tmp_path / "set.npz").write_bytes(b"PK\3\4" + data)
    with pytest.raises(InputError, match="directory is larger than its members can be"):
        read(tmp_path / "set.npz")


def test_headers_are_read_when_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", good=np.arange(5, dtype=">i2"), objects=np.array([None]))
    arrays = Arrays(tmp_path / "a.npz")
    assert arrays.keys == ("good", "objects") and arrays["good"].text == ">i2 [5]"
    assert np.array_equal(arrays["good"].whole(), np.arange(5))
    with pytest.raises(Unreadable, match="allow_pickle"):
        _ = arrays["objects"]


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (KeyError("x\ny"), Unreadable, "^'x"),
        (OSError(5, "Input/output error"), Unreadable, "^Input/output error$"),
        (RuntimeError("first\nsecond"), Unreadable, "^first$"),
        (AssertionError(), Unreadable, "^AssertionError$"),
        (MemoryError(), EnvironmentError_, "out of memory"),
        (InputError("as it is"), InputError, "^as it is$"),
    ],
)
def test_whatever_a_library_raises(raised, expected, message):
    with pytest.raises(expected, match=message), one_line():
        raise raised
