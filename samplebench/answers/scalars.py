"""Numbers, words and lists in the dress of other libraries, as Python's own.

Whatever takes a value of a user passes it through here first: NumPy's and torch's scalars, arrays
and tensors, pandas' columns, `Decimal`, `Fraction`, ranges and generators.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from typing import Any

from samplebench.answers.blame import line_of
from samplebench.errors import InputError, UsageError

_DEEPEST = 50


def scalar(value: Any) -> Any:
    """One number, truth value or word as bool, int, float or str; anything else as it is.

    The value itself counts, not how it was written: `np.float32(0.1)` is 0.10000000149.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, str):
        return str(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = _item(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real | Decimal):
        return _real(value)
    return value


def values(given: Any) -> list[Any]:
    """One value or several as a list of scalars; sets are sorted where they can be.

    Text, mappings and functions are one value.
    """
    if isinstance(given, str | bytes | Mapping) or callable(given):
        return [scalar(given)]
    if hasattr(given, "tolist"):  # arrays, tensors and columns
        given = given.tolist()
    if not isinstance(given, Iterable):
        return [scalar(given)]
    found = [scalar(value) for value in given]
    if isinstance(given, Set):
        try:
            return sorted(found)
        except TypeError:
            return found
    return found


def items(given: Any) -> list[Any]:
    """`values`, of a text those between its commas."""
    if isinstance(given, str):
        return [item.strip() for item in given.split(",")]
    return values(given)


def listed(name: str, given: Any, example: str) -> list[Any]:
    """The items of a flag.

    Raises:
        UsageError: there is none, or an empty one.
    """
    found = items(given)
    if not found or any(isinstance(item, str) and not item for item in found):
        raise UsageError(f"--{name} is empty or has an empty item; write e.g. {example}")
    return found


def plain(value: Any, depth: int = 0) -> Any:
    """A configuration with every value within its mappings and lists as JSON has it.

    Raises:
        InputError: it is nested without end.
    """
    if depth > _DEEPEST:
        raise InputError("the configuration is nested too deeply")
    if isinstance(value, Mapping):
        return {scalar(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | range) or getattr(value, "shape", ()) != ():
        return [plain(inner, depth + 1) for inner in values(value)]
    return scalar(value)


def precision(dtype: Any) -> Any:
    """The name of NumPy's or torch's precision, e.g. "float32"; anything else as it is."""
    if type(dtype).__module__ == "torch":
        return str(dtype).removeprefix("torch.")
    kind = getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    numpy = type(dtype).__module__.startswith("numpy") or str(
        getattr(dtype, "__module__", "")
    ).startswith("numpy")
    return kind if numpy and isinstance(kind, str) else dtype


def whole(name: str, value: Any) -> int:
    """A positive whole number, however it is written.

    Raises:
        UsageError: it is something else.
    """
    number = scalar(value)
    numeric = isinstance(number, int | float) and not isinstance(number, bool)
    if not (numeric and 1 <= number < math.inf and number == number // 1):
        raise UsageError(f"{name}={line_of(str(value))} must be a positive whole number")
    return int(number)


def counted(name: str, value: Any, least: int = 1, most: int = 2**63) -> int:
    """The whole number of a flag, within a range.

    Raises:
        UsageError: it is something else.
    """
    flag, value = f"--{name.replace('_', '-')}", scalar(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        try:
            number = int(value)
            if number != value and not isinstance(value, str):
                raise ValueError
        except ValueError:  # "1e3"
            number = int(float(value))
            if number != float(value):
                raise
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{flag} {line_of(str(value))} is not a whole number") from None
    if not least <= number <= most:
        raise UsageError(f"{flag} {value} is out of range; give {least} to {most:,}")
    return number


def real(name: str, value: Any) -> float:
    """A number, or a word that is one; whether it is finite is for whoever asks.

    Raises:
        UsageError: it is something else.
    """
    number = scalar(value)
    try:
        if isinstance(number, bool | bytes | bytearray):
            raise ValueError
        return float(number)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise UsageError(f"{name}={line_of(str(value))} must be a number") from None


def _item(value: Any) -> Any:
    """What an array of no dimensions holds; itself where it has no content."""
    try:
        return value.item()
    except Exception:  # a tensor on the meta device, an array of objects
        return value


def _real(value: Any) -> int | float:
    """Whole where it is exactly that, as 3 in `Fraction(3)`; floats stay floats."""
    try:
        number = float(value)
    except (ArithmeticError, ValueError):  # beyond every float; a signalling NaN
        return math.nan if isinstance(value, Decimal) else math.inf
    exact = isinstance(value, Decimal | numbers.Rational) and number.is_integer()
    return int(number) if exact else number
