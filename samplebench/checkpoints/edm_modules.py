"""From the record of a network to its state dict and its constructor arguments."""

from __future__ import annotations

import re
from typing import Any

from samplebench.checkpoints.edm_families import EDM, PickleFamily
from samplebench.checkpoints.edm_records import Module, Tensor
from samplebench.checkpoints.pickle_values import Refused
from samplebench.files.shown import SCALARS, kind, shown

MAX_DEPTH = 8  # of modules within modules, and of lists within constructor arguments
MAX_ENTRIES = 300_000  # of all dictionaries of all modules; the largest release has some 30,000
MAX_ARGUMENTS = 1000  # values in the constructor arguments, all levels together
MAX_WORD = 256  # characters of a text among them
UNETS = ("SongUNet", "DhariwalUNet")  # what an argument model_type may name


def state_dict(network: Module, family: PickleFamily = EDM) -> dict[str, Tensor]:
    """The records of all parameters and buffers by name, in the order of torch's state dict.

    Args:
        network: the outermost module.
        family: whose classes the modules may have.

    Raises:
        Refused: the modules are no tree, or one holds what a trained network does not.
    """
    walk = _ModuleWalk((*family.modules, "ModuleDict"))
    walk.visit(network, "", 0)
    return walk.found


def init_kwargs(network: Module) -> dict[str, Any]:
    """The constructor arguments; whether they make sense is for the constructor to say.

    Raises:
        Refused: they are no plain data of reasonable extent, or name another network.
    """
    state = network.state or {}
    if state.get("_init_args") != ():
        raise Refused("the network was constructed with arguments without names")
    found = state.get("_init_kwargs")
    if type(found) is not dict:
        raise Refused(f"the constructor arguments are {kind(found)}, not a dictionary")
    kwargs = _PlainCopy().copy(found, 0)
    if "model_type" in kwargs and kwargs["model_type"] not in UNETS:
        raise Refused(f"model_type {shown(kwargs['model_type'])} is not one of {', '.join(UNETS)}")
    return kwargs


class _ModuleWalk:
    """Visits module records, each once: depth first, a module's own tensors before its children."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.found: dict[str, Tensor] = {}
        self.visited: set[Module] = set()
        self.entries = 0

    def visit(self, module: Module, prefix: str, depth: int) -> None:
        where = prefix.removesuffix(".") or "ema"
        if module in self.visited:
            raise Refused(f"module {where} occurs twice")
        self.visited.add(module)
        if depth > MAX_DEPTH:
            raise Refused(f"module {where} is nested too deep")
        if module.class_name not in self.classes:
            raise Refused(f"module {where} is of class {module.class_name}")
        state = module.state or {}
        self.count(state)
        for key, value in state.items():
            if "_hooks" in key or key == "_non_persistent_buffers_set":
                wanted = dict if "_hooks" in key else set
                if type(value) is not wanted or value:
                    raise Refused(f"{shown(key)} of module {where} is not empty")
        for part, is_parameter in (("_parameters", True), ("_buffers", False)):
            for name, value in self.part(state, part, where).items():
                if value is not None:
                    self.add(f"{prefix}{name}", value, part, is_parameter)
        for name, child in self.part(state, "_modules", where).items():
            if type(child) is not Module:
                raise Refused(f"{prefix}{name} among the _modules is {kind(child)}, not a module")
            self.visit(child, f"{prefix}{name}.", depth + 1)

    def part(self, state: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        """The dictionary `key` of a module, its names checked."""
        found = state.get(key)
        if type(found) is not dict:
            raise Refused(f"{key} of module {where} is {kind(found)}, not a dictionary")
        self.count(found)
        for name in found:
            if not re.fullmatch(r"\w{1,64}", name, re.ASCII):
                raise Refused(f"{key} of module {where} holds the name '{shown(name)}'")
        return found

    def add(self, name: str, value: Any, part: str, is_parameter: bool) -> None:
        if type(value) is not Tensor:
            raise Refused(f"{name} among the {part} is {kind(value)}, not a tensor")
        if value.parameter is not is_parameter:
            raise Refused(f"{name} is a {'parameter' if value.parameter else 'buffer'} in {part}")
        if name in self.found:
            raise Refused(f"tensor {name} occurs twice")
        self.found[name] = value

    def count(self, entries: dict[str, Any]) -> None:
        # Modules may share a dictionary: the size of the file is no bound.
        self.entries += len(entries)
        if self.entries > MAX_ENTRIES:
            raise Refused(f"modules with more than {MAX_ENTRIES} entries")


class _PlainCopy:
    """Copies nested plain data of bounded extent."""

    def __init__(self) -> None:
        self.count = 0

    def copy(self, value: Any, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_ARGUMENTS or depth > MAX_DEPTH:
            raise Refused("the constructor arguments are too many or nested too deep")
        if type(value) is dict:
            return {self.copy(k, depth): self.copy(v, depth + 1) for k, v in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.copy(item, depth + 1) for item in value)
        if type(value) not in SCALARS:
            raise Refused(f"{kind(value)} among the constructor arguments")
        if type(value) is str and len(value) > MAX_WORD:
            raise Refused(f"a text of {len(value)} characters among the constructor arguments")
        return value
