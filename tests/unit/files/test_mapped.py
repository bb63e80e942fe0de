"""Arrays that are mapped from where they lie in a file."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from samplebench.files.archives import Arrays, Unreadable

ARRAY = np.arange(60, dtype=np.float32).reshape(10, 6)


def mapped(path, key="x"):
    return Arrays(path)[key].mapped()


def is_mapped(array):
    return isinstance(array.base, np.memmap)


def test_members_and_bare_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.arange(7), x=ARRAY, y=ARRAY.T)
    np.save(tmp_path / "a.npy", ARRAY)
    np.save(tmp_path / "f.npy", np.asfortranarray(ARRAY))
    for name, key in (("a.npz", "x"), ("a.npy", ""), ("f.npy", "")):
        found = mapped(tmp_path / name, key)
        assert np.array_equal(found, ARRAY) and is_mapped(found)
        assert found.dtype == np.float32 and not found.flags.writeable
    assert np.array_equal(mapped(tmp_path / "a.npz", "y"), ARRAY.T)


@pytest.mark.parametrize("kind", ["packed", "big-endian", "empty"])
def test_what_cannot_be_mapped_is_read(tmp_path, kind):
    array = {"big-endian": ARRAY.astype(">f4"), "empty": ARRAY[:0]}.get(kind, ARRAY)
    (np.savez_compressed if kind == "packed" else np.savez)(tmp_path / "a.npz", x=array)
    found = mapped(tmp_path / "a.npz")
    assert np.array_equal(found, array) and not is_mapped(found)
    assert found.dtype.isnative and not found.flags.writeable


def test_a_member_behind_other_data_and_with_a_longer_head(tmp_path):
    """As in an archive that something was put before, or whose writer left notes in it."""
    np.save(tmp_path / "x.npy", ARRAY)
    info = zipfile.ZipInfo("x.npy")
    info.extra = b"\xfe\xca\x05\x00notes"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr(info, (tmp_path / "x.npy").read_bytes())
    whole = (tmp_path / "a.npz").read_bytes()
    assert np.array_equal(mapped(tmp_path / "a.npz"), ARRAY)
    # The local header's extra field need not be the directory's.
    at = whole.rindex(b"notes")
    (tmp_path / "a.npz").write_bytes(whole[:at] + b"other" + whole[at + 5 :])
    assert np.array_equal(mapped(tmp_path / "a.npz"), ARRAY)
    (tmp_path / "b.npz").write_bytes(b"PK" + bytes(98) + whole)
    found = mapped(tmp_path / "b.npz")
    assert np.array_equal(found, ARRAY) and is_mapped(found)


def test_a_damaged_member_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=ARRAY)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[data.index(ARRAY.tobytes()) + 9] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(Unreadable, match="CRC"):
        mapped(tmp_path / "a.npz")


def test_whatever_is_changed_ends_in_the_array_or_a_line(tmp_path):
    np.savez(tmp_path / "a.npz", x=ARRAY)
    whole = (tmp_path / "a.npz").read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(len(whole), size=200):
        data = bytearray(whole)
        data[place] ^= 1 << int(generator.integers(8))
        (tmp_path / "a.npz").write_bytes(data)
        try:
            found = mapped(tmp_path / "a.npz")
        except (Unreadable, KeyError):
            continue
        assert np.array_equal(found, ARRAY)
