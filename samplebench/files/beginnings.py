"""What a file is, from its first bytes, where it is not what was wanted: the one table of them."""

from __future__ import annotations

FLAX = "a msgpack file, as Flax writes it"
HEAD = 512  # bytes that are enough

# What stands in the place of a file in a clone without Git LFS, new and old.
POINTERS = (b"version https://git-lfs", b"version https://hawser")
_POINTER = "a pointer of Git LFS"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_NAMES = {
    b"PK\x03\x04": "a zip archive, as torch.save writes it",
    _LEGACY: "a torch.save file of an old version of torch",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
    **dict.fromkeys(POINTERS, _POINTER),
    b"GGUF": "a GGUF file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"PAR1": "a Parquet file",
    b"%!PS": "a PostScript file",
    b"%PDF": "a PDF file",
    b"\x7fELF": "a program",
    b"\x08\x00\x00\x00TFL3": "a TensorFlow Lite model",
}
_MARK = b"\xef\xbb\xbf \t\r\n"  # byte order mark and space before text


def marked(head: bytes) -> str | None:
    """The kind of file that has this mark, e.g. "a gzip archive"; None: none that is known."""
    for start, name in _NAMES.items():
        if head.startswith(start):
            return name
    return "a tar archive" if head[257:262] == b"ustar" else None


def named(head: bytes) -> str | None:
    """The same, with formats of weights and texts that have no mark, but a form."""
    if found := marked(head):
        return found
    if head[8:10] in (b'{"', b"{ ") and int.from_bytes(head[:8], "little") < 1 << 30:
        return "a safetensors file"
    text = head.lstrip(_MARK)
    if text.startswith(b"{"):
        index = b'"weight_map"' in head or b'"metadata"' in head
        return "the index of a checkpoint in parts" if index else "a JSON file"
    return FLAX if _is_flax(head) else None


def what(head: bytes) -> str:
    """What a file is in place of images or numbers, and what to do with it."""
    if not head:
        return "empty"
    if is_web_page(head):
        return "a web page: the download went wrong"
    if head.startswith(b"\x80"):
        return "a pickle, which could run code"
    name = named(head) or "of an unknown kind"
    if name == _POINTER:
        return f"{name}, not the file: git lfs pull"
    return f"{name}: unpack it" if name.endswith("archive") else name


def is_web_page(head: bytes) -> bool:
    """Whether a page of a server came in place of the file."""
    return head.lstrip(_MARK).startswith(b"<")


def _is_flax(head: bytes) -> bool:
    """A msgpack map whose first key is a text."""
    if not head or not (0x81 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF)):
        return False
    key = head[{0xDE: 3, 0xDF: 5}.get(head[0], 1) :][:1]
    return bool(key) and (0xA1 <= key[0] <= 0xBF or key[0] == 0xD9)
