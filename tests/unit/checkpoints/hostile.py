"""Kinds of hostile and of damaged network pickles: name, file, and what the refusal must say.

Large files are made when they are asked for.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import opcodes as op

Raw, call, name, pickled = op.Raw, op.call, op.name, op.pickled
# What each payload would do: leave a file behind.
TOUCH = "touch CANARY"
ORDERED = name("collections:OrderedDict")
PUT, GET = b"r\x90\x5f\x01\x00", b"j\x90\x5f\x01\x00"
SYSTEM = call(name("posix:system"), TOUCH)

FOREIGN = """posix:system os:system nt:system subprocess:Popen subprocess:check_output builtins:eval
builtins:exec builtins:getattr builtins:__import__ builtins:open __builtin__:eval pickle:loads
importlib:import_module runpy:run_path operator:attrgetter functools:partial ctypes:CDLL
socket:socket torch:load torch.hub:load torch.jit:load
torch.serialization:load numpy:load numpy:frombuffer
torch_utils.persistence:_src_to_module torch_utils.persistence:persistent_class
dnnlib.util:call_func_by_name dnnlib.util:construct_class_by_name dnnlib.util:get_obj_by_name
dnnlib.util:open_url torch.storage:UntypedStorage.from_file torch.storage:UntypedStorage
torch._utils:_import_dotted_name torch._utils:_rebuild_parameter_with_state
torch._utils:_rebuild_tensor_v2.__globals__ torch._utils:_rebuild_tensor_v2.__globals__.__getitem__
collections:OrderedDict.fromkeys collections:namedtuple numpy:dtype.__reduce__ codecs:encode
torch.nn.modules.container:ModuleDict.__init__ torch.nn.modules.container:Sequential
torch.nn.modules.linear:Linear samplebench.errors:InputError""".split()


def zipped() -> bytes:
    """A TorchScript archive, in part."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as found:
        found.writestr("archive/data.pkl", pickled(SYSTEM, 2))
        found.writestr("archive/code/__torch__.py", "import os")
    return file.getvalue()


TAR = tarfile.TarInfo("storages").tobuf() + bytes(1024)
ZIP = zipped()


def stream(**changes: Any) -> bytes:
    """A file whose only storage stream is altered."""
    return op.file(op.network(op.linear(op.parameter(op.tensor(op.storage(op.stream(**changes)))))))


def storage(data: Any) -> bytes:
    return op.file(op.network(op.linear(op.parameter(op.tensor(op.storage(data))))))


def tensor(**changes: Any) -> bytes:
    return op.file(op.network(op.linear(op.parameter(op.tensor(**changes)))))


def layer(**changes: Any) -> bytes:
    """A file whose only layer is altered."""
    return op.file(op.network(op.linear(**changes)))


def raw(code: bytes) -> bytes:
    """A file that has these opcodes for a value beside a genuine network."""
    return op.file(loss_fn=Raw(code))


def kwargs(**arguments: Any) -> bytes:
    return op.file(op.network(_init_kwargs=arguments))


def scalar(dtype: str = "f8", data: Any = bytes(8), state: Any = op.DTYPE_STATE) -> bytes:
    found = op.build(call(op.DTYPE, dtype, False, True), state)
    return kwargs(dropout=call(op.SCALAR, found, data))


def meta(**changes: Any) -> bytes:
    found = op.meta("EDMPrecond", op.state())
    return op.file(call(op.OBJECT, found | changes))


def laughs(opening: bytes, closing: bytes, levels: int = 100) -> bytes:
    """Each level holds the one below ten times."""
    found = opening + closing
    for _ in range(levels):
        found = opening + found + PUT + GET * 9 + closing
    return found


def shared_modules(levels: int = 5, width: int = 40) -> bytes:
    found = op.LINEAR
    for _ in range(levels):
        children = "".join(f"c{i} " for i in range(width)).split()
        first = Raw(found.code + PUT)
        modules = dict.fromkeys(children, Raw(GET)) | {children[0]: first}
        found = op.module("UNetBlock", modules=modules)
    return op.file(op.network(found))


def cyclic_modules() -> bytes:
    # The dictionary of children is met again inside its own child.
    state = op.state(modules=Raw(GET))
    child = call(op.OBJECT, op.meta("UNetBlock", state))
    items = op.text("again") + child.code
    modules = Raw(b"}" + PUT + b"(" + items + b"u")
    return op.file(op.network(op.module("UNetBlock", modules=modules)))


def deep_modules(levels: int) -> bytes:
    found = op.LINEAR
    for _ in range(levels):
        found = op.module("UNetBlock", modules={"c": found})
    return op.file(op.network(found))


def shared_tensors(modules: int = 2000, tensors: int = 1000) -> bytes:
    """One dictionary of parameters in many modules."""
    weights = {f"w{i}": Raw(GET) for i in range(1, tensors)}
    first = Raw(op.code({"w0": Raw(op.WEIGHT.code + PUT)} | weights) + PUT[:1] + b"\x91" + PUT[2:])
    again = Raw(GET[:1] + b"\x91" + GET[2:])
    found = {"c0": op.module("Linear", parameters=first)}
    found |= {f"c{i}": op.module("Linear", parameters=again) for i in range(1, modules)}
    return op.file(op.network(op.module("UNetBlock", modules=found)))


def repeated_stream(size: int, times: int) -> bytes:
    data = Raw(op.code(op.stream(elements=size // 4, count=size // 4, data=bytes(size))) + PUT)
    again = call(op.LOAD, Raw(GET)).code * (times - 1)
    return raw(b"(" + call(op.LOAD, data).code + again + b"t")


def repeated_text(size: int, times: int) -> bytes:
    first = Raw(op.code("x" * size) + PUT)
    encode = name("_codecs:encode")
    again = call(encode, Raw(GET), "latin1").code * (times - 1)
    return raw(b"(" + call(encode, first, "latin1").code + again + b"t")


LATIN = op.stream(magic=SYSTEM).decode("latin-1")
METADATA = call(op.TENSOR, op.STORAGE, 0, (), (), False, {}, {"x": 1})
INCOMPLETE = call(op.SCALAR, call(op.DTYPE, "f8", False, True), bytes(8))
TOWER = Raw(b"N" + b"\x85" * 300_000)
LIST_TOWER = Raw(b"](" * 300_000 + b"N" + b"e" * 300_000)
GENUINE = op.file()
LONG = struct.pack("<Q", 1 << 40)
FOUR = b"\xff\xff\xff\x7f"

KINDS: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    # What is no pickle, or no whole one.
    "empty": (b"", "is empty"),
    "web-page": (b"\n<!DOCTYPE html><html>", "web page"),
    "zip": (ZIP, "zip archive"),
    "tar": (TAR, "tar archive"),
    "torch-legacy": (op.stream(), "old version of torch"),
    "text": (b"cos\nsystem\n(S'touch CANARY'\ntR.", "not a pickle of protocol 2 to 5"),
    "protocol-0": (b"\x80\x00" + GENUINE[2:], "not a pickle of protocol 2 to 5"),
    "protocol-6": (b"\x80\x06" + GENUINE[2:], "not a pickle of protocol 2 to 5"),
    "two-bytes": (b"\x80\x04", "breaks off"),
    "truncated": (GENUINE[:-40], "breaks off"),
    "truncated-in-a-storage": (GENUINE[: GENUINE.index(bytes(16)) + 4], "breaks off"),
    "no-stop": (GENUINE[:-1], "breaks off"),
    "after-stop": (GENUINE + b"cposix\nsystem\n.", "follow the end"),
    "second-pickle": (GENUINE + GENUINE, "follow the end"),
    "no-network": (pickled({"G_ema": op.NETWORK}), "no network called 'ema' (it holds: G_ema)"),
    "no-dictionary": (pickled([op.NETWORK]), "no network called 'ema'"),
    "network-is-a-layer": (op.file(op.LINEAR), "'ema' is not one of"),
    "network-is-a-tensor": (op.file(op.MATRIX), "'ema' is not one of"),
    # Payloads where a value may stand.
    "system-first": (pickled({"a": SYSTEM, "ema": op.NETWORK}), "global posix.system is not part"),
    "system-as-key": (pickled(Raw(b"}" + SYSTEM.code + b"Ns")), "posix"),
    "system-as-argument": (kwargs(dropout=SYSTEM), "posix.system"),
    "system-as-state": (op.file(op.build(op.new(op.MODULE_DICT), SYSTEM)), "posix.system"),
    "name-with-a-line-break": (raw(op.stacked("os:\x1b[2J\nsystem").code), r"os.\x1b[2J\nsystem"),
    "name-is-no-text": (raw(b"K\x01K\x02\x93"), "global 1.2 is not part"),
    "name-is-a-tower": (raw(laughs(b"(", b"t") + b"N\x93"), "global a tuple.None is not part"),
    "name-without-end": (raw(b"c" + b"x" * 5000), "no name at byte"),
    # Payloads inside a storage stream.
    "stream-magic": (stream(magic=SYSTEM), "posix.system"),
    "stream-protocol": (stream(protocol=SYSTEM), "posix.system"),
    "stream-system": (stream(system=SYSTEM), "posix.system"),
    "stream-header": (stream(header=SYSTEM), "posix.system"),
    "stream-keys": (stream(keys=[SYSTEM]), "posix.system"),
    "stream-storage": (stream(storage=name("posix:system")), "posix.system"),
    "stream-in-stream": (stream(header=op.storage(stream(header=SYSTEM))), "_load_from_bytes"),
    "stream-allowed-outside": (stream(header=op.ORDERED), "OrderedDict is not part"),
    "stream-as-text": (storage(call(name("_codecs:encode"), LATIN, "latin1")), "posix.system"),
    "stream-is-zip": (storage(ZIP), "zip form"),
    "stream-is-tar": (storage(TAR), "tar form"),
    "stream-is-network": (storage(GENUINE), "_reconstruct_persistent_obj is not part"),
    "stream-is-text": (storage("text"), "_load_from_bytes is called with a str"),
    "stream-is-long-text": (storage("x" * 70_000), "a storage of text"),
    "stream-is-empty": (storage(b""), "breaks off"),
    "stream-is-noise": (storage(bytes(range(256))), "not a pickle of protocol"),
    "stream-wrong-magic": (stream(magic=op.MAGIC + 1), "magic number"),
    "stream-wrong-protocol": (stream(protocol=1002), "of protocol 1002"),
    "stream-big-endian": (stream(system=op.SYSTEM | {"little_endian": False}), "big-endian"),
    "stream-type-sizes": (stream(system=op.SYSTEM | {"type_sizes": {"int": 8}}), "type_sizes"),
    "stream-no-system": (stream(system={}), "does not describe its system"),
    "stream-unknown-type": (stream(storage=name("torch:BoolStorage")), "torch.BoolStorage"),
    "stream-type-is-text": (stream(storage="FloatStorage"), "without type or key"),
    "stream-module-tag": (stream(pid=("module", None, "a", "b", 1, None)), "does not describe"),
    "stream-id-is-no-tuple": (stream(pid="storage"), "does not describe a storage"),
    "stream-no-id": (stream(header=Raw(b"N")), "does not hold one storage"),
    "stream-location": (stream(location="meta:x"), "unknown device"),
    "stream-view": (stream(view=("8", 0, 4)), "view of another"),
    "stream-two-keys": (stream(keys=["7", "8"]), "other than one key"),
    "stream-other-key": (stream(keys=["8"]), "whose key is not '7'"),
    "stream-negative-header": (stream(elements=-4), "with -4 elements"),
    "stream-negative-count": (stream(elements=4, count=-4), "whose data says -4"),
    "stream-other-count": (stream(elements=5), "of 5 elements whose data says 4"),
    "stream-short": (stream(data=bytes(15)), "4 float32 with 15 bytes"),
    "stream-trailing": (stream(data=bytes(17)), "4 float32 with 17 bytes"),
    "stream-huge-count": (stream(elements=1 << 40, count=1 << 40), "with 16 bytes"),
    "stream-long-header": (stream(system={"x": "x" * 5000}), "breaks off"),
    "stream-tower": (stream(protocol=Raw(laughs(b"(", b"t", 30))), "of protocol a tuple"),
    # Opcodes that genuine files do not have.
    "inst": (raw(b"(" + op.text(TOUCH) + b"iposix\nsystem\n"), "opcode INST"),
    "obj": (raw(b"(" + op.OBJECT.code + b"o"), "opcode OBJ"),
    "ext1": (raw(b"\x82\x01"), "opcode EXT1"),
    "ext2": (raw(b"\x83\x01\x00"), "opcode EXT2"),
    "ext4": (raw(b"\x84\x01\x00\x00\x00"), "opcode EXT4"),
    "persid": (raw(b"P7\n"), "opcode PERSID"),
    "binpersid": (raw(b"K\x07Q"), "persistent id"),
    "next-buffer": (raw(b"\x97"), "opcode NEXT_BUFFER"),
    "readonly-buffer": (raw(b"\x97\x98"), "opcode NEXT_BUFFER"),
    "bytearray": (raw(b"\x96" + bytes(8)), "opcode BYTEARRAY8"),
    "newobj-ex": (raw(op.MODULE_DICT.code + b")}\x92"), "opcode NEWOBJ_EX"),
    "decimal-int": (raw(b"I" + b"9" * 5000 + b"\n"), "opcode INT"),
    "dup": (raw(b"N2\x86"), "opcode DUP"),
    "pop": (raw(b"NN0"), "opcode POP"),
    "unknown-opcode": (raw(b"\xfe"), "opcode 0xfe"),
    "second-proto": (raw(b"\x80\x04N"), "opcode PROTO"),
    # Allowed globals, used otherwise.
    "newobj-with-arguments": (raw(op.new(op.MODULE_DICT, {}).code), "with arguments"),
    "newobj-of-a-function": (raw(op.new(op.LOAD).code), "_load_from_bytes is instantiated"),
    "newobj-of-a-text": (raw(op.text("x") + b")\x81"), "a str is instantiated"),
    "ordereddict-of-a-callable": (raw(call(ORDERED, op.LOAD).code), "1 arguments, not 0"),
    "ordereddict-of-a-map": (raw(call(ORDERED, {}).code), "1 arguments, not 0"),
    "module-dict-called": (raw(call(op.MODULE_DICT).code), "ModuleDict is called"),
    "text-called": (raw(call(Raw(op.text("os.system")), TOUCH).code), "a str is called"),
    "call-with-a-list": (raw(op.LOAD.code + b"]R"), "with a list, not a tuple"),
    "call-without-arguments": (raw(call(op.LOAD).code), "with 0 arguments, not 1"),
    "easydict-with-arguments": (raw(op.new(name("dnnlib.util:EasyDict"), {}).code), "arguments"),
    "encode-other-codec": (raw(call(name("_codecs:encode"), "x", "rot13").code), "latin1"),
    "encode-of-bytes": (raw(call(name("_codecs:encode"), b"x", "latin1").code), "a Blob"),
    "encode-wide": (raw(call(name("_codecs:encode"), "\u20ac", "latin1").code), "not latin1"),
    "set-of-modules": (raw(call(name("builtins:set"), [op.LINEAR]).code), "set that is not empty"),
    "build-on-a-dict": (raw(op.build({}, {"a": 1}).code), "a dict is given a state"),
    "build-on-a-tensor": (raw(op.build(op.MATRIX, (True, {})).code), "a Tensor is given a state"),
    "build-on-a-storage": (raw(op.build(op.STORAGE, {}).code), "a Storage is given a state"),
    "build-on-a-function": (raw(op.build(op.LOAD, {"x": 1}).code), "_load_from_bytes is given"),
    "build-on-an-object": (raw(op.build(op.LINEAR, {"x": 1}).code), "given a second state"),
    "build-with-slots": (raw(op.build(op.new(op.MODULE_DICT), (None, {"x": 1})).code), "a tuple"),
    "build-twice": (raw(op.build(op.build(op.new(op.MODULE_DICT), {}), {}).code), "second state"),
    # Tensors.
    "beyond-its-storage": (tensor(size=(2, 3), stride=(3, 1)), "beyond its storage of 4"),
    "offset-beyond": (tensor(offset=1), "beyond its storage"),
    "stride-beyond": (tensor(stride=(4, 1)), "beyond its storage"),
    "stride-zero": (tensor(size=(1 << 20, 1 << 20), stride=(0, 0)), "more elements than"),
    "huge-size": (tensor(size=(1 << 61, 1), stride=(1, 1)), "beyond its storage"),
    "overflowing-size": (tensor(size=(1 << 100,), stride=(1,)), "are not counts"),
    "empty-and-huge": (tensor(offset=5, size=(0,), stride=(1,)), "beyond its storage"),
    "negative-size": (tensor(size=(-2, -2)), "are not counts"),
    "negative-stride": (tensor(offset=3, stride=(-2, -1)), "are not counts"),
    "negative-offset": (tensor(offset=-1), "are not counts"),
    "fractional-size": (tensor(size=(2.0, 2)), "are not counts"),
    "size-is-a-flag": (tensor(size=(True, 2)), "are not counts"),
    "size-is-a-list": (tensor(size=[2, 2]), "a list for a tuple"),
    "sizes-and-strides": (tensor(size=(2, 2), stride=(1,)), "2 sizes and 1 strides"),
    "thousand-dimensions": (tensor(size=(1,) * 1000, stride=(1,) * 1000), "1000 sizes"),
    "tensor-hooks": (tensor(hooks={"0": op.LOAD}), "tensor with hooks"),
    "tensor-of-a-tensor": (tensor(store=op.MATRIX), "with a Tensor for a Storage"),
    "tensor-metadata": (raw(METADATA.code), "7 arguments, not 6"),
    "parameter-hooks": (raw(op.parameter(hooks={"0": 1}).code), "parameter with hooks"),
    "parameter-of-a-storage": (raw(op.parameter(op.STORAGE).code), "a Storage for a Tensor"),
    # Modules.
    "hooks": (layer(_forward_hooks={"0": op.LOAD}), "_forward_hooks of module model.map_layer0"),
    "unheard-of-hooks": (layer(_new_hooks={"0": 1}), "_new_hooks of module"),
    "hooks-are-a-list": (layer(_forward_hooks=[]), "_forward_hooks of module"),
    "volatile-buffers": (layer(_non_persistent_buffers_set={"a"}), "_non_persistent_buffers_set"),
    "set-of-one-hash": (lambda: raw(op.one_hash(300_000, b"\x8f(", b"", b"\x90")), "than texts"),
    "set-of-one-hash-in-floats": (
        lambda: raw(b"\x8f(" + b"".join(op.code(2.0 ** (61 * i)) for i in range(16)) + b"\x90"),
        "than texts",
    ),
    "stream-of-one-hash": (stream(system=Raw(op.one_hash(50, b"}(", b"N", b"u"))), "not text"),
    "module-among-parameters": (layer(weight=op.LINEAR), "is a Module, not a tensor"),
    "number-among-parameters": (layer(weight=1), "is an int, not a tensor"),
    "buffer-among-parameters": (layer(weight=op.MATRIX), "is a buffer in _parameters"),
    "parameter-among-buffers": (layer(_buffers={"a": op.WEIGHT}), "is a parameter in _buffers"),
    "tensor-among-modules": (layer(modules={"a": op.MATRIX}), "is a Tensor, not a module"),
    "parameters-are-a-list": (layer(_parameters=[]), "_parameters of module"),
    "no-modules": (layer(_modules=None), "_modules of module model.map_layer0 is None"),
    "dotted-name": (layer(_parameters={"a.b": op.WEIGHT}), "holds the name 'a.b'"),
    "name-twice": (layer(_buffers={"weight": op.MATRIX}), "weight occurs twice"),
    "key-twice": (raw(b"}(" + (op.text("a") + b"N") * 2 + b"u"), "'a' is set twice"),
    "key-without-value": (raw(b"}(" + op.text("a") + b"u"), "key without a value"),
    "key-is-a-tower": (raw(b"}" + laughs(b"(", b"t") + b"Ns"), "key that is a tuple"),
    "loss-among-modules": (op.file(op.network(op.module("EDMLoss"))), "is of class EDMLoss"),
    "unknown-class": (op.file(op.network(op.module("Unpickler"))), "class Unpickler is not part"),
    "shared-module": (lambda: shared_modules(), "occurs twice"),
    "cyclic-modules": (cyclic_modules(), "occurs twice"),
    "deep-modules": (lambda: deep_modules(2000), "nested too deep"),
    "shared-tensors": (lambda: shared_tensors(), "more than 300000 entries"),
    "object-without-source": (op.file(call(op.OBJECT, {"type": "class"})), "without the keys"),
    "object-is-a-function": (meta(type="func"), "that is not a class"),
    "object-version": (meta(version=5), "of version 5"),
    "object-source-is-code": (meta(module_src=SYSTEM), "posix.system"),
    "object-source-is-a-list": (meta(module_src=[]), "source is not text"),
    "object-state-is-a-tuple": (meta(state=({}, {})), "is a tuple, not a dictionary"),
    "object-class-is-a-list": (meta(class_name=["EDMPrecond"]), "class a list is not part"),
    # Constructor arguments.
    "model-type": (kwargs(model_type="os.system"), "model_type os.system is not one of"),
    "model-type-is-a-list": (kwargs(model_type=["SongUNet"]), "is not one of"),
    "argument-is-a-module": (kwargs(channels=op.LINEAR), "a Module among"),
    "argument-is-a-tensor": (kwargs(channels=op.MATRIX), "a Tensor among"),
    "argument-is-a-function": (kwargs(channels=op.LOAD), "_load_from_bytes among"),
    "argument-is-bytes": (kwargs(channels=b"x"), "a Blob among"),
    "argument-tower": (kwargs(channel_mult=Raw(laughs(b"(", b"t"))), "nested too deep"),
    "argument-cycle": (kwargs(a=Raw(b"]" + PUT + GET + b"a")), "nested too deep"),
    "many-arguments": (kwargs(channel_mult=[1] * 2000), "too many"),
    "long-argument": (kwargs(embedding_type="x" * 1000), "1000 characters"),
    "arguments-without-names": (op.file(op.network(_init_args=(1,))), "without names"),
    "arguments-are-a-list": (op.file(op.network(_init_kwargs=[])), "are a list"),
    "scalar-of-objects": (scalar(dtype="O8"), "O8 is not the type"),
    "scalar-of-void": (scalar(dtype="V8"), "V8 is not the type"),
    "scalar-of-fields": (scalar(state=(3, "|", None, ("a",), {}, 8, 1, 0)), "unusual state"),
    "scalar-big-endian": (scalar(state=(3, ">", None, None, None, -1, -1, 0)), "unusual state"),
    "scalar-too-short": (scalar(data=bytes(7)), "with 7 bytes"),
    "scalar-of-a-text": (scalar(data="12345678"), "a str for a Blob"),
    "scalar-without-order": (kwargs(a=INCOMPLETE), "incomplete type"),
    # Bombs.
    "memo": (raw(b"Nr\xff\xff\xff\x0f"), "memo index 268435455"),
    "memo-unknown": (raw(b"j\x01\x02\x03\x04"), "contradicts itself"),
    "stack-underflow": (b"\x80\x04R.", "contradicts itself"),
    "mark-missing": (b"\x80\x04t.", "contradicts itself"),
    "mark-left": (b"\x80\x04(N.", "more or less than one object"),
    "two-objects": (b"\x80\x04NN.", "more or less than one object"),
    "bytes-8": (raw(b"\x8e" + LONG), "1099511627776 bytes wanted"),
    "text-8": (raw(b"\x8d" + LONG), "1099511627776 bytes wanted"),
    "bytes-4": (raw(b"B" + FOUR), "2147483647 bytes wanted"),
    "text-4": (raw(b"X" + FOUR), "2147483647 bytes wanted"),
    "long-4": (raw(b"\x8b" + FOUR), "opcode LONG4"),
    "long-1": (raw(b"\x8a\xff" + b"\x7f" * 255), "an integer of 255 bytes"),
    "frame": (b"\x80\x04\x95" + LONG + GENUINE[2:], "breaks off: a frame"),
    "broken-text": (raw(b"X\x02\x00\x00\x00\xff\xff"), "contradicts itself"),
    "stream-1000-times": (lambda: repeated_stream(1 << 20, 1000), "storages hold more than"),
    "small-stream-often": (lambda: repeated_stream(0, 20_000), "more than 10000 storages"),
    "wide-text-late": (
        lambda: raw(call(name("_codecs:encode"), "x" * (3 << 20) + "\u20ac", "latin1").code),
        "not latin1",
    ),
    "text-cut-within-a-letter": (
        raw(name("_codecs:encode").code + b"(X\x01\0\0\0\xc3" + op.text("latin1") + b"tR"),
        "contradicts itself",
    ),
    "text-1000-times": (lambda: repeated_text(1 << 20, 1000), "decoded texts hold more"),
    "deep-tuples": (lambda: layer(modules={"a": TOWER}), "not a module"),
    "deep-lists": (lambda: kwargs(a=LIST_TOWER), "nested too deep"),
    "marks": (lambda: raw(b"(" * 2_000_000), "more than 1000000 opcodes"),
    "opcodes": (lambda: raw(b"N" * 2_000_000), "more than 1000000 opcodes"),
    "wide-text": (lambda: raw(op.code([("\U0001f600" + "x" * 65_000)] * 1200)), "64 MiB of text"),
}  # fmt: skip
for path in FOREIGN:
    kind = path.replace(":", ".")
    said = f"global {kind} is not part of an EDM checkpoint; refused"
    KINDS[f"{kind}-global"] = raw(call(name(path), TOUCH).code), said
    KINDS[f"{kind}-stacked"] = raw(call(op.stacked(path), TOUCH).code), said
    KINDS[f"{kind}-remembered"] = raw(op.call_remembered(path, TOUCH).code), said
