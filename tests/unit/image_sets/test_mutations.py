"""Damaged image files, zip archives, arrays and references: read, or refused in one line.

Whatever a mutation makes of them, nothing is run, imported, written or connected to.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import time
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from samplebench.doctor.memory import peak_bytes
from samplebench.errors import InputError
from samplebench.image_sets import read
from samplebench.references import files as reference_files
from samplebench.results.damage import check_sheet

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 3, 8, 9), dtype=np.uint8)
FACTS = {"num_images": 7, "extractor": "toy", "weights_sha256": "ab", "made_from": "7 toys"}
FORMATS = {
    "png": "PNG", "jpg": "JPEG", "gif": "GIF", "tif": "TIFF", "bmp": "BMP", "tga": "TGA",
    "webp": "WEBP", "ppm": "PPM", "rgb": "SGI", "pcx": "PCX",
}  # fmt: skip
SECONDS = 20
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename",
             "subprocess.", "socket.", "pty.", "ctypes.", "shutil.", "pickle.")  # fmt: skip
watch: dict[str, list[str] | None] = {"deeds": None}


def hook(event, arguments):
    deeds = watch["deeds"]
    if deeds is None:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if event.startswith(FORBIDDEN) or (writes and arguments[0] != os.devnull):
        deeds.append(f"{event} {arguments!r}"[:200])


@pytest.fixture(scope="module", autouse=True)
def hooked():
    sys.addaudithook(hook)
    yield
    watch["deeds"] = None


def picture(form, **words):
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0].transpose(1, 2, 0)).save(buffer, format=form, **words)
    return buffer.getvalue()


def arrays(save, *bare, **named):
    buffer = io.BytesIO()
    save(buffer, *bare, **named)
    return buffer.getvalue()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(2):
            archive.writestr(f"0/{i}.png", picture("PNG"))
        archive.writestr("dataset.json", "{}")
    return buffer.getvalue()


def images(path):
    assert sum(len(batch) for batch in read(path).batches()) > 0


def in_a_folder(path):
    images(path.parent)


OWN = {"mu": np.zeros(6), "sigma": np.eye(6), "facts": json.dumps(FACTS)}
READERS = {
    **{f"image.{suffix}": (in_a_folder, picture(form)) for suffix, form in FORMATS.items()},
    "lzw.tif": (in_a_folder, picture("TIFF", compression="tiff_lzw")),
    "set.zip": (images, zipped()),
    "set.npy": (images, arrays(np.save, IMAGES)),
    "set.npz": (images, arrays(np.savez, images=IMAGES)),
    "packed.npz": (images, arrays(np.savez_compressed, images=IMAGES)),
    "own.reference.npz": (reference_files.read, arrays(np.savez, **OWN)),
    "packed.reference.npz": (reference_files.read, arrays(np.savez_compressed, **OWN)),
    "sheet.png": (check_sheet, picture("PNG")),
}


def mutated(data, chance):
    """The data with some bytes changed, left out or added, mostly where headers are."""
    data = bytearray(data)
    kind = chance.randrange(6)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(max(1, min(len(data), chance.choice((64, 256, 1 << 30)))))
        if chance.random() < 0.3:
            at = len(data) - chance.randrange(1, max(2, min(len(data), 120)))
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at : at + 1] = bytes(b ^ 1 << chance.randrange(8) for b in data[at : at + 1])
        elif kind == 2:
            del data[at : at + chance.randrange(1, 30)]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.randrange(1, 20))
        elif kind == 4:
            data[at : at + 4] = chance.choice(
                (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"9999")
            )
        else:
            del data[at:]
    return bytes(data)


def outcomes(tmp_path, name, count):
    """How `count` mutations ended."""
    reader, data = READERS[name]
    chance = random.Random(name)
    found, before = Counter(), peak_bytes()
    (tmp_path / "set").mkdir()
    path = tmp_path / "set" / name
    for _ in range(count):
        path.write_bytes(mutated(data, chance))
        start, watch["deeds"] = time.process_time(), []
        try:
            reader(path)
            found["read"] += 1
        except InputError as error:
            assert "\n" not in str(error) and name in str(error)
            found["refused"] += 1
        finally:
            deeds, watch["deeds"] = watch["deeds"], None
        assert not deeds and time.process_time() - start < SECONDS
    print(f"{name}: {dict(found)}")
    assert peak_bytes() - before < 1 << 30
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_good_file_is_read(tmp_path, name):
    reader, data = READERS[name]
    (tmp_path / name).write_bytes(data)
    reader(tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_mutations(tmp_path, name, mutations):
    assert outcomes(tmp_path, name, mutations)["refused"] > mutations / 20


def test_the_hook_sees_what_must_not_be(tmp_path):
    """Else the others would prove nothing."""
    watch["deeds"] = []
    try:
        os.system("true")
        (tmp_path / "written").write_text("")
        assert [deed.split()[0] for deed in watch["deeds"]] == ["os.system", "open"]
    finally:
        watch["deeds"] = None


def test_a_pipe_in_the_place_of_a_contact_sheet(tmp_path):
    os.mkfifo(tmp_path / "sheet.png")
    with pytest.raises(InputError, match=r"sheet\.png is a pipe, not a file; move it away"):
        check_sheet(tmp_path / "sheet.png")
