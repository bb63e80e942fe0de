"""Zip files in which torch would read other records than those that were checked."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
import torch

from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.errors import InputError


def saved(state) -> dict[str, bytes]:
    """The records of a `torch.save` file, in folder "x"."""
    file = io.BytesIO()
    torch.save(state, file)
    with zipfile.ZipFile(file) as archive:
        return {f"x/{i.filename.split('/', 1)[1]}": archive.read(i) for i in archive.infolist()}


CHECKED = saved({"weight": torch.zeros(3)})
OTHER = saved({"weight": torch.ones(3), "other": 1})


def two_directories(pointed: bool) -> bytes:
    """The records of both; Python finds the first, a reader that follows the locator the second."""
    file = io.BytesIO()

    def entries(records):
        found = []
        for name, data in records.items():
            offset, checksum = file.tell(), zlib.crc32(data)
            facts = (0, 0, 0, 33, checksum, len(data), len(data), len(name), 0)
            file.write(struct.pack("<4sH4H3I2H", b"PK\x03\x04", 20, *facts) + name.encode() + data)
            central = struct.pack(
                "<4s2H4H3I5H2I", b"PK\x01\x02", 20, 20, *facts, 0, 0, 0, 0, offset
            )
            found.append(central + name.encode())
        return found

    def directory(central):
        start = file.tell()
        file.write(b"".join(central))
        length, end = file.tell() - start, file.tell()
        counts = (len(central), len(central), length, start)
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *counts))
        return end, counts

    first, second = entries(CHECKED), entries(OTHER)
    hidden, _ = directory(second)
    end, counts = directory(first)
    file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, hidden if pointed else end, 1))
    file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, *counts, 0))
    return file.getvalue()


def test_a_directory_that_only_torch_finds(tmp_path):
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(two_directories(pointed=False))
    assert read_torch_file(path).keys() == {"weight"}
    path.write_bytes(two_directories(pointed=True))
    assert torch.load(path, weights_only=True).keys() == {"weight", "other"}
    with pytest.raises(InputError, match="a zip file with a second directory; refused"):
        read_torch_file(path)


def test_records_that_differ_in_case_only(tmp_path):
    path = tmp_path / "checkpoint.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in CHECKED.items():
            archive.writestr(name, data)
        archive.writestr("x/DATA.PKL", OTHER["x/data.pkl"])
    with pytest.raises(InputError, match=r"two records named 'x/DATA\.PKL'"):
        read_torch_file(path)


@pytest.mark.parametrize("before", [b"", b"x" * 64])
def test_what_lies_before_the_end_records(tmp_path, before):
    """Between directory and end record nothing may lie."""
    content = two_directories(pointed=False)
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(content[:-98] + before + content[-98:])
    if not before:
        assert read_torch_file(path).keys() == {"weight"}
        return
    with pytest.raises(InputError):
        read_torch_file(path)
