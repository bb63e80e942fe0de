"""Whether a document has a card's form, by schema.json; a fault in a few words, with its place."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.cards.name import LETTERS, LONGEST
from samplebench.errors import unknown
from samplebench.files.shown import shown

if TYPE_CHECKING:
    from jsonschema import ValidationError

_JSON = {dict: "an object", list: "an array", str: "a text", bool: "a truth value"}
_BOUNDS = {
    **dict.fromkeys(("minItems", "minProperties"), "at least"),
    **dict.fromkeys(("maxItems", "maxProperties", "maxLength"), "at most"),
}
_LONGEST_PLACE = 60
_WORDS = {"object": "an object", "array": "an array", "string": "a text", "number": "a number",
          "boolean": "a truth value", "integer": "a whole number"}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """The schema of all cards."""
    file = resources.files("samplebench.cards") / "schema.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def most_states() -> int:
    """How many states a solver card may have after its first."""
    return int(schema()["$defs"]["solver"]["properties"]["times"]["maxItems"]) - 1


def check(content: Any, form: str) -> None:
    """Raises ValueError unless a document has a form.

    Args:
        content: as JSON has it.
        form: of the schema's `$defs`.
    """
    from jsonschema import Draft202012Validator

    defs = schema()["$defs"]
    if isinstance(content, dict) and defs[form].get("additionalProperties") is False:
        known = defs[form]["properties"]
        for key in content:
            if key not in known:
                raise ValueError(str(unknown("key", shown(key), known)))
    validator = Draft202012Validator({"$defs": defs, "$ref": f"#/$defs/{form}"})
    # The first alone: a document of millions of faults would take its time.
    if (fault := next(validator.iter_errors(content), None)) is not None:
        raise ValueError(_told(fault))


def place(parts: Iterable[str | int]) -> str:
    """Where a value stands, e.g. "a[3][0]"; "it" of the whole."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{shown(p)}" for p in parts)
    text = text.removeprefix(".") or "it"
    return text if len(text) <= _LONGEST_PLACE else f"...{text[3 - _LONGEST_PLACE :]}"


def _told(fault: ValidationError) -> str:
    """A fault in a few words."""
    where, value, asked = place(fault.absolute_path), fault.instance, fault.validator_value
    seen, rule = _JSON.get(type(value)) or shown(value), str(fault.validator)
    if rule == "required":
        return f"{next(key for key in asked if key not in value)} is missing"
    if rule == "type":
        kinds = [asked] if isinstance(asked, str) else asked
        return f"{where} is {seen}, not {' or '.join(_WORDS.get(kind, kind) for kind in kinds)}"
    if rule in ("enum", "const"):
        value = seen if isinstance(value, dict | list) else shown(value)
        return f"{where} is {value}, not {', '.join(asked) if rule == 'enum' else asked}"
    if rule in _BOUNDS:
        unit = "characters" if isinstance(value, str) else "entries"
        wanted = "needed" if rule.startswith("min") else "possible"
        return f"{where} has {len(value):,} {unit}; {_BOUNDS[rule]} {asked:,} are {wanted}"
    if rule == "minimum":
        return f"{where} is {shown(value)}, less than {asked}"
    if rule == "pattern":
        return f"{where} is {shown(value) or 'empty'}; {LETTERS} are allowed, up to {LONGEST}"
    return f"{where}: {line_of(fault.message)}"
