"""An assembler of pickles by hand, and the parts of a small network pickle to alter."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are; together they push one value."""

    code: bytes


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def code(value: Any) -> bytes:
    """Opcodes that push a value."""
    match value:
        case Raw():
            return value.code
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            width = value.bit_length() // 8 + 1
            return b"\x8a" + bytes([width]) + value.to_bytes(width, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return text(value)
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case list():
            return b"](" + b"".join(map(code, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(code, value)) + b"t"
        case set():
            return b"\x8f(" + b"".join(map(code, value)) + b"\x90"
        case dict():
            items = b"".join(code(key) + code(item) for key, item in value.items())
            return b"}(" + items + b"u"
    raise TypeError(value)


def name(path: str) -> Raw:
    """A global by GLOBAL; "module:attribute"."""
    module, attribute = path.split(":")
    return Raw(f"c{module}\n{attribute}\n".encode())


def stacked(path: str) -> Raw:
    """A global by STACK_GLOBAL."""
    module, attribute = path.split(":")
    return Raw(text(module) + text(attribute) + b"\x93")


def call(function: Raw, *arguments: Any) -> Raw:
    return Raw(function.code + code(tuple(arguments)) + b"R")


def call_remembered(path: str, *arguments: Any) -> Raw:
    """A call whose global is named by texts that were met before, all in one tuple."""
    module, attribute = path.split(":")
    put, get = b"r\x70\x11\x01\0", b"j\x70\x11\x01\0"
    put2, get2 = b"r\x71\x11\x01\0", b"j\x71\x11\x01\0"
    function = Raw(get + get2 + b"\x93")
    met = text(module) + put + text(attribute) + put2
    return Raw(b"(" + met + call(function, *arguments).code + b"t")


def new(function: Raw, *arguments: Any) -> Raw:
    return Raw(function.code + code(tuple(arguments)) + b"\x81")


def build(value: Any, state: Any) -> Raw:
    return Raw(code(value) + code(state) + b"b")


def pickled(value: Any, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + code(value) + b"."


def one_hash(count: int, before: bytes, after: bytes, end: bytes) -> bytes:
    """Whole numbers that Python hashes alike, each followed by `after`."""
    numbers = (code(((1 << 61) - 1) * i) for i in range(1, count))
    return before + b"".join(number + after for number in numbers) + end


# The parts of a network pickle.

ORDERED = call(name("collections:OrderedDict"))
LOAD = name("torch.storage:_load_from_bytes")
TENSOR = name("torch._utils:_rebuild_tensor_v2")
PARAMETER = name("torch._utils:_rebuild_parameter")
OBJECT = name("torch_utils.persistence:_reconstruct_persistent_obj")
MODULE_DICT = name("torch.nn.modules.container:ModuleDict")
DTYPE = name("numpy:dtype")
SCALAR = name("numpy.core.multiarray:scalar")
FLOATS = name("torch:FloatStorage")
KEYS = ["7"]
DTYPE_STATE = (3, "<", None, None, None, -1, -1, 0)


def stream(
    *,
    magic: Any = MAGIC,
    protocol: Any = 1001,
    system: Any = SYSTEM,
    pid: Any = None,
    storage: Any = FLOATS,
    location: Any = "cpu",
    elements: Any = 4,
    view: Any = None,
    header: Raw | None = None,
    keys: Any = KEYS,
    count: int = 4,
    data: bytes = bytes(16),
) -> bytes:
    """A storage of four float32 numbers as torch.save wrote it before it had zip files."""
    pid = pid or ("storage", storage, "7", location, elements, view)
    header = header or Raw(code(pid) + b"Q")
    parts = (magic, protocol, system, header, keys)
    return b"".join(pickled(part, 2) for part in parts) + struct.pack("<q", count) + data


STREAM = stream()


def storage(data: Any = STREAM) -> Raw:
    return call(LOAD, data)


STORAGE = storage()


def tensor(
    store: Any = STORAGE,
    offset: Any = 0,
    size: Any = (2, 2),
    stride: Any = (2, 1),
    hooks: Any = ORDERED,
) -> Raw:
    return call(TENSOR, store, offset, size, stride, False, hooks)


MATRIX = tensor()


def parameter(value: Any = MATRIX, hooks: Any = ORDERED) -> Raw:
    return call(PARAMETER, value, False, hooks)


def meta(class_name: Any, state: Any, **changes: Any) -> dict[str, Any]:
    found = {"type": "class", "version": 6, "module_src": "# source"}
    return {**found, "class_name": class_name, "state": state, **changes}


def state(parameters: Any = ORDERED, modules: Any = ORDERED, **changes: Any) -> dict[str, Any]:
    """A module's `__dict__`."""
    found = {"training": False, "_parameters": parameters, "_buffers": ORDERED}
    found |= {"_non_persistent_buffers_set": set(), "_forward_hooks": ORDERED}
    return {**found, "_modules": modules, "_init_args": (), "_init_kwargs": {}, **changes}


def module(class_name: str, **changes: Any) -> Raw:
    return call(OBJECT, meta(class_name, state(**changes)))


WEIGHT = parameter()


def linear(weight: Any = WEIGHT, **changes: Any) -> Raw:
    return module("Linear", parameters={"weight": weight}, **changes)


LINEAR = linear()


def network(child: Any = LINEAR, **changes: Any) -> Raw:
    """A preconditioner with one U-Net with one layer."""
    unet = module("SongUNet", modules={"map_layer0": child})
    return module("EDMPrecond", modules={"model": unet}, **changes)


NETWORK = network()


def file(ema: Any = NETWORK, **others: Any) -> bytes:
    return pickled({"ema": ema, **others})
