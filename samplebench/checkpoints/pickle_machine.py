"""A pickle machine that builds plain data and what its caller's table allows, and nothing else.

It takes the place of `pickle.Unpickler`, which imports what a file names, lets BUILD set attributes
and reserves memory for the lengths a file claims. Here a global is looked up as an exact (module,
name) pair, REDUCE, NEWOBJ and BUILD reach only functions of that table, every length is held
against the file before anything is read, and long byte strings stay in the file as a `Blob`.
Opcodes: what Python's pickler writes in protocols 2 to 5 (https://docs.python.org/3/library/pickle.html).
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from typing import Any

from samplebench.checkpoints.pickle_values import Blob, Buildable, DamagedFile, Global, Refused
from samplebench.files.shown import kind, shown

MAX_OPCODES = 1_000_000  # a checkpoint has some 120 for each of its tensors
MAX_TEXT = 1 << 26  # bytes of all str values together
LONG_TEXT = 1 << 16  # a longer text stays in the file
MAX_NAME = 256
PROTOCOLS = range(2, 6)

_OPCODES = {op.code: op.name for op in pickletools.opcodes}


class Machine:
    """Reads one pickle from the present position of a file.

    Args:
        file: opened for reading.
        end: position behind the last byte that may be read.
        table: the allowed globals.
        persistent: what a persistent id stands for; None: there may be none.
    """

    def __init__(
        self,
        file: BufferedIOBase,
        end: int,
        table: Mapping[tuple[str, str], Global],
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.file, self.table, self.persistent = file, table, persistent
        self.position, self.end = file.tell(), end
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the marks
        self.memo: dict[int, Any] = {}
        self.text = 0

    def load(self) -> Any:
        """The object that the pickle holds.

        Raises:
            Refused: an opcode, a global or a value that has no place there.
            DamagedFile: the pickle breaks off or contradicts itself.
        """
        if self.take(1) != pickle.PROTO or self.number(1) not in PROTOCOLS:
            raise Refused("not a pickle of protocol 2 to 5")
        for _ in range(MAX_OPCODES):
            code = self.take(1)
            if code == pickle.STOP:
                break
            step = _STEPS.get(code)
            if step is None:
                name = _OPCODES.get(code.decode("latin-1"), f"0x{code.hex()}")
                raise Refused(f"opcode {name} does not occur in genuine files")
            try:
                step(self)
            except (IndexError, KeyError, UnicodeDecodeError):
                raise DamagedFile(
                    f"the pickle contradicts itself before byte {self.position}"
                ) from None
        else:
            raise Refused(f"more than {MAX_OPCODES} opcodes")
        if len(self.stack) != 1 or self.below:
            raise DamagedFile("the pickle ends with more or less than one object")
        return self.stack.pop()

    # Reading.

    def claim(self, count: int) -> int:
        """The present position, after stepping over `count` bytes that must exist."""
        start = self.position
        if count > self.end - start:
            raise DamagedFile(f"breaks off: {count} bytes wanted at byte {start} of {self.end}")
        self.position += count
        return start

    def take(self, count: int) -> bytes:
        self.claim(count)
        data = self.file.read(count)
        if len(data) != count:
            raise DamagedFile(f"breaks off before byte {self.position}")
        return data

    def number(self, count: int) -> int:
        """An unsigned little-endian number of `count` bytes."""
        return int.from_bytes(self.take(count), "little")

    def line(self) -> str:
        data = self.file.readline(min(MAX_NAME, self.end - self.position))
        self.position += len(data)
        if not data.endswith(b"\n"):
            raise DamagedFile(f"no name at byte {self.position - len(data)}")
        return data[:-1].decode("utf-8")

    def blob(self, length: int, text: bool = False) -> Blob:
        start = self.claim(length)
        self.file.seek(self.position)
        return Blob(self.file, start, length, text)

    # The opcodes; each leaves its result on the stack.

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_text(self, width: int) -> None:
        length = self.number(width)
        if length > LONG_TEXT:
            self.push(self.blob(length, text=True))
            return
        self.text += length
        if self.text > MAX_TEXT:
            raise Refused(f"more than {MAX_TEXT >> 20} MiB of text")
        self.push(self.take(length).decode("utf-8"))

    def push_long(self) -> None:
        length = self.number(1)
        if length > 16:
            raise Refused(f"an integer of {length} bytes")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    def push_tuple(self, count: int) -> None:
        self.push(tuple([self.stack.pop() for _ in range(count)][::-1]))

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def frame(self) -> None:
        length = self.number(8)
        if length > self.end - self.position:
            raise DamagedFile(f"breaks off: a frame of {length} bytes at byte {self.position}")

    def extend(self, items: list[Any]) -> None:
        self.target(list).extend(items)

    def add(self, items: list[Any]) -> None:
        # Numbers can be chosen so that all share a hash; those of texts are random.
        if not all(type(item) is str for item in items):
            raise Refused("a set of other things than texts")
        self.target(set).update(items)

    def set_items(self, items: list[Any]) -> None:
        found = self.target(dict)
        if len(items) % 2:
            raise DamagedFile(f"a dictionary key without a value before byte {self.position}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:
                raise Refused(f"a dictionary key that is {kind(key)}, not text")
            if key in found:
                raise Refused(f"dictionary key '{shown(key)}' is set twice")
            found[key] = value

    def target(self, wanted: type) -> Any:
        found = self.stack[-1]
        if type(found) is not wanted:
            raise Refused(f"{kind(found)} is filled like a {wanted.__name__}")
        return found

    def put(self, index: int) -> None:
        if index > MAX_OPCODES:
            raise Refused(f"memo index {index}")
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.push(self.memo[index])

    def find(self, module: Any, name: Any) -> None:
        found = self.table.get((module, name)) if type(module) is type(name) is str else None
        if found is None:
            raise Refused(f"global {shown(module)}.{shown(name)} is not part of an EDM checkpoint")
        self.push(found)

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.find(module, name)

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not Global or function.reduce is None:
            raise Refused(f"{kind(function)} is called")
        if type(arguments) is not tuple:
            raise Refused(f"{function.name} is called with {kind(arguments)}, not a tuple")
        self.push(function.reduce(arguments))

    def new(self) -> None:
        arguments, found = self.stack.pop(), self.stack.pop()
        if type(found) is not Global or found.new is None:
            raise Refused(f"{kind(found)} is instantiated")
        if arguments != ():
            raise Refused(f"{found.name} is instantiated with arguments")
        self.push(found.new())

    def build(self) -> None:
        state = self.stack.pop()
        found = self.stack[-1]
        if not isinstance(found, Buildable):
            raise Refused(f"{kind(found)} is given a state (opcode BUILD)")
        found.build(state)

    def persistent_id(self) -> None:
        if self.persistent is None:
            raise Refused("a persistent id does not occur in genuine files")
        self.push(self.persistent(self.stack.pop()))


_STEPS: dict[bytes, Callable[[Machine], None]] = {
    pickle.FRAME: Machine.frame,
    pickle.MARK: Machine.mark,
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(int.from_bytes(m.take(4), "little", signed=True)),
    pickle.BININT1: lambda m: m.push(m.number(1)),
    pickle.BININT2: lambda m: m.push(m.number(2)),
    pickle.LONG1: Machine.push_long,
    pickle.BINFLOAT: lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    pickle.SHORT_BINUNICODE: lambda m: m.push_text(1),
    pickle.BINUNICODE: lambda m: m.push_text(4),
    pickle.BINUNICODE8: lambda m: m.push_text(8),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.blob(m.number(1))),
    pickle.BINBYTES: lambda m: m.push(m.blob(m.number(4))),
    pickle.BINBYTES8: lambda m: m.push(m.blob(m.number(8))),
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE1: lambda m: m.push_tuple(1),
    pickle.TUPLE2: lambda m: m.push_tuple(2),
    pickle.TUPLE3: lambda m: m.push_tuple(3),
    pickle.TUPLE: lambda m: m.push(tuple(m.since_mark())),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.APPEND: lambda m: m.extend([m.stack.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.since_mark()),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.SETITEM: lambda m: m.set_items([m.stack.pop() for _ in range(2)][::-1]),
    pickle.SETITEMS: lambda m: m.set_items(m.since_mark()),
    pickle.EMPTY_SET: lambda m: m.push(set()),
    pickle.ADDITEMS: lambda m: m.add(m.since_mark()),
    pickle.MEMOIZE: lambda m: m.put(len(m.memo)),
    pickle.BINPUT: lambda m: m.put(m.number(1)),
    pickle.LONG_BINPUT: lambda m: m.put(m.number(4)),
    pickle.BINGET: lambda m: m.get(m.number(1)),
    pickle.LONG_BINGET: lambda m: m.get(m.number(4)),
    pickle.GLOBAL: lambda m: m.find(m.line(), m.line()),
    pickle.STACK_GLOBAL: Machine.stack_global,
    pickle.REDUCE: Machine.reduce,
    pickle.NEWOBJ: Machine.new,
    pickle.BUILD: Machine.build,
    pickle.BINPERSID: Machine.persistent_id,
}
