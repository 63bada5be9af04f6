"""Types at the public border: what is handed in is checked against the annotations of the function.

``typed`` stands above what users call. Inside, mypy has checked the same annotations, so that nothing is
checked twice.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from objectspace.errors import InputError
from objectspace.places import RemotePath

P = ParamSpec("P")
R = TypeVar("R")

#: Characters of a wrong value that a message shows.
_SHOWN = 60

#: What no object with methods of ours is: a Detector, a Figure.
_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes, list, tuple, dict, set)

#: What gives a value of these types.
_GIVEN_BY = {
    "Answer": "SpaceSearch.nearest",
    "Audit": "audit",
    "Comparison": "compare_spaces",
    "Context": "measure_context",
    "Detector": "load_detector",
    "FactorMeasure": "measure_factor",
    "Image": "read_image",
    "Occlusion": "measure_occlusion",
    "Projection": "project",
    "Queries": "SpaceSearch.stored",
    "SheetRow": "sheet_rows",
    "Store": "open_store",
    "Views": "view_objects",
}

#: Words for types that are not ours.
_WORDS = {
    str: "a text",
    Path: "a path",
    RemotePath: "a path",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type(None): "None",
}


def typed(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function, or a class, that raises InputError for an argument of another type than annotated.

    The message names the argument, what came and what was expected. An array is taken as anything that has
    rows, and its dtype and shape are the function's to check; a text is no sequence of texts.

    >>> from objectspace.arguments import typed
    >>> @typed
    ... def grow(count: int) -> int:
    ...     return count + 1
    >>> grow("3")
    Traceback (most recent call last):
    objectspace.errors.InputError: count is '3' of type str, expected a whole number
    """
    if inspect.isclass(function):
        made = cast(Any, function)
        made.__init__ = _checking(made.__init__, made.__module__)
        return cast(Callable[P, R], made)
    return _checking(function, function.__module__)


def _checking(function: Callable[P, R], module: str) -> Callable[P, R]:
    signature = inspect.signature(function)
    various = {
        name
        for name, one in signature.parameters.items()
        if one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }

    @functools.cache
    def kinds() -> dict[str, Any]:
        # Read at the first call: by then all that the annotations name is imported, or never will be.
        hints = get_type_hints(function, {}, _Names(vars(sys.modules[module])))
        return {name: kind for name, kind in hints.items() if name not in various}

    @functools.wraps(function)
    def check_and_call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python says it with the function's name
        for name, value in given.items():
            _check(name, value, kinds().get(name, Any))
        return function(*args, **kwargs)

    return check_and_call


def check_fields(record: Any, kind: type) -> None:
    """Raise InputError, as :func:`typed`, where a record has another type in a field of ``kind``."""
    hints = get_type_hints(kind, {}, _Names(vars(sys.modules[kind.__module__])))
    for one in dataclasses.fields(kind):
        _check(one.name, getattr(record, one.name), hints[one.name])


def _check(name: str, value: Any, kind: Any) -> None:
    if type(value) is not kind and not _fits(value, kind):
        raise InputError(f"{name} is {_shown(value)} of type {type(value).__name__}, expected {_told(kind)}")


class _NamedType(type):
    """A type known by its name alone: its module is imported for type checkers only, or is not installed."""

    def __instancecheck__(cls, value: object) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(value).__mro__)


class _Names(dict[str, Any]):
    """The names of a module, and a type known by its name for each that the module lacks."""

    def __missing__(self, name: str) -> Any:
        builtin = getattr(sys.modules["builtins"], name, None)
        return _NamedType(name, (), {}) if builtin is None else builtin


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value is of a type."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return isinstance(value, tuple({type(one) for one in inside}))
    if _is_array(kind):
        return hasattr(value, "__array__") or isinstance(value, list | tuple)
    if origin in (Callable, types.FunctionType) or kind is Callable:
        return callable(value)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if origin is tuple and inside[-1:] != (...,):
        return _is_list(value, tuple) and _are_each(value, inside)
    if inspect.isclass(origin) and issubclass(origin, Iterable):
        return _is_list(value, origin) and _are_all(value, inside[0] if inside else Any)
    return _is_one(value, kind)


def _is_array(kind: Any) -> bool:
    """Return whether a type is numpy's array, without importing numpy."""
    return getattr(get_origin(kind) or kind, "__module__", "").partition(".")[0] == "numpy"


def _is_list(value: Any, kind: type) -> bool:
    """Return whether a value holds others: in an order where a sequence is asked for."""
    if isinstance(value, str | bytes | Mapping):
        return False
    if issubclass(kind, Sequence):
        return isinstance(value, Sequence) or hasattr(value, "__array__")
    return isinstance(value, Iterable)


def _are_all(value: Any, kind: Any) -> bool:
    return not isinstance(value, list | tuple) or all(_fits(one, kind) for one in value)


def _are_each(value: Any, kinds: tuple[Any, ...]) -> bool:
    """Return whether the values of a tuple are of a type each; how many is the function's to check."""
    return not isinstance(value, list | tuple) or all(map(_fits, value, kinds))


def _is_one(value: Any, kind: Any) -> bool:
    if kind in (None, type(None)):
        return value is None
    if kind is Path:
        return isinstance(value, os.PathLike)
    if kind is bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if getattr(kind, "_is_protocol", False):
        return not isinstance(value, _PLAIN)
    return not inspect.isclass(kind) or isinstance(value, kind)


def _told(kind: Any) -> str:
    """Return a type in words."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind]
    if origin in (Union, types.UnionType):
        words = list(dict.fromkeys(_told(one) for one in inside))
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if _is_array(kind):
        return "an array"
    if origin is Callable or kind is Callable:
        return "a function"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a dict"
    if origin is tuple and inside[-1:] != (...,):
        return f"a tuple ({', '.join(map(_told, inside))})"
    if inspect.isclass(origin) and issubclass(origin, Iterable):
        return f"a list (each {_told(inside[0]).partition(', which')[0]})" if inside else "a list"
    name = getattr(kind, "__name__", str(kind))
    article = "an" if name[0] in "AEIO" else "a"
    given = f", which {_GIVEN_BY[name]} gives" if name in _GIVEN_BY else ""
    return f"{article} {name}{given}"


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
