"""Frozen dataclasses that check themselves, and registries that find them: the base of every cell, task and setting.

A dataclass is its own configuration schema: its annotations say what is allowed, and the same one-sentence
errors meet the user of a notebook and of the command line.
"""

import copy
import dataclasses
import functools
import importlib
import inspect
import math
import numbers
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar, Union

from gru_lab import outside
from gru_lab.errors import UserError, listed, nearest

LARGEST = 2**31 - 1  # of the whole numbers that an array holds


@dataclass(frozen=True)
class Range:
    """The allowed interval of a number: `low <= x <= high`; without its ends where `above` or `below` is set."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, x: float) -> bool:
        return (self.low < x if self.above else self.low <= x) and (x < self.high if self.below else x <= self.high)

    def __str__(self) -> str:
        low = "" if self.low == -math.inf else f"{'above' if self.above else 'of at least'} {_short(self.low)}"
        high = "" if self.high in (math.inf, LARGEST) else f"{'below' if self.below else 'at most'} {_short(self.high)}"
        return " and ".join(part for part in (low, high) if part)


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


class Continuous:
    """Marks a number that may differ between the members of one compiled program, where it enters as an array."""


CONTINUOUS = Continuous()

NO_NUMBERS = types.MappingProxyType({"numbers": False})  # metadata of a field that changes no result but for rounding

LATER = types.MappingProxyType({"later": True})  # of a field that came later: at its default an identity is as before

Size = Annotated[int, Range(1, LARGEST)]
Depth = Annotated[int, Range(1, 1000)]  # of layers, each of which is compiled
Count = Annotated[int, Range(0, LARGEST)]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Probability = Annotated[float, Range(0, 1)]
Fraction = Annotated[float, Range(0, 1, below=True)]


class Schema:
    """Base of frozen dataclasses whose fields are checked against their annotations when they are made.

    `group` is the name by which a user knows the object (`cell`, `task`, ...): errors speak of `cell.hidden`.
    Fields may be bool, int, float, str, Literal, optional, tuples or dictionaries of these, other classes, and numbers
    with a `Range` through Annotated. Fields marked `CONTINUOUS` are the hyper-parameters of which a population may hold
    several values.

    A field with the metadata `NO_NUMBERS` takes no part in the identity of results, as one with `compare=False`; yet
    instances that differ in it are not equal, so that programs compiled for one are not taken for the other.

    A field with the metadata `LATER` takes part where it is not at its default: results from before it keep their
    identity.

    `revision` is part of the identity of every result that a class takes part in: it must be raised when a change of
    the class changes its numbers.
    """

    group: ClassVar[str] = ""
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if "__dataclass_fields__" not in vars(type(self)):
            name = type(self).__name__
            raise UserError(f"class {name} is not a dataclass: write @dataclass(frozen=True) above it")
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # pyright: ignore
        for name, value in conform(type(self), fields).items():
            object.__setattr__(self, name, value)
        self.check()

    def check(self) -> None:
        """Raise `UserError` where fields that are right one by one do not fit together."""

    def refuse(self, field: str, why: str) -> typing.NoReturn:
        """Raise the error for a field: `refuse("length", "it must be ...")`."""
        raise UserError(f"{self.group}.{field} is {getattr(self, field)!r}: {why}")


def continuous(item: Schema) -> dict[str, float]:
    """The numbers of an instance that are marked `CONTINUOUS`, by field; those that are unset (None) are left out."""
    hints = _hints(type(item))
    values = {name: getattr(item, name) for name, hint in hints.items() if CONTINUOUS in typing.get_args(hint)}
    return {name: value for name, value in values.items() if value is not None}


def bound(item: "S", values: Mapping[str, Any]) -> "S":
    """A copy with other values in some fields, which are not checked: arrays under a trace, for example.

    >>> bound(Range(0, 1), {"high": 2.0})
    Range(low=0, high=2.0, above=False, below=False)
    """
    copied = copy.copy(item)
    for name, value in values.items():
        object.__setattr__(copied, name, value)
    return copied


def conform(cls: type[Schema], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the annotations of a class want them, or `UserError` for the first that is not allowed."""
    hints = _hints(cls)
    prefix = f"{cls.group}." if cls.group else ""
    return {name: checked(f"{prefix}{name}", value, hints[name]) for name, value in fields.items()}


def allowed(cls: type[Schema]) -> dict[str, str]:
    """The values that each field of a class may have, in the words of its errors.

    >>> @dataclass(frozen=True)
    ... class Layers(Schema):
    ...     number: Size = 1
    ...     kind: Literal["plain", "gated"] | None = None
    >>> allowed(Layers)
    {'number': 'a whole number of at least 1', 'kind': "'plain', 'gated' or null"}
    """
    return {field.name: listed(_kinds(_hints(cls)[field.name])) for field in dataclasses.fields(cls)}  # pyright: ignore


@functools.cache
def _hints(cls: type[Schema]) -> Mapping[str, Any]:
    """The annotations of a class; reading them again for each of many records would take most of the time."""
    return typing.get_type_hints(cls, include_extras=True)


def checked(path: str, value: Any, hint: Any) -> Any:
    """The value as its annotation wants it (an int for a float, a list for a tuple), or `UserError`."""
    fitting, result = _fit(value, hint)
    if not fitting:
        kinds = _kinds(hint)
        hinted = nearest(value, [kind.strip("'") for kind in kinds if kind.startswith("'")])
        beyond = isinstance(value, int) and value > LARGEST and not any("at most" in kind for kind in kinds)
        largest = f" and at most {LARGEST}" if beyond else ""
        raise UserError(f"{path} is {value!r}: it must be {listed(kinds)}{largest}.{hinted}")
    return result


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _fit(value: Any, hint: Any) -> tuple[bool, Any]:
    if type(value) is hint and hint in (bool, int, str):  # nearly all
        return True, value
    origin, args = _parts(hint)
    if hint is Any:
        return True, value
    if origin is Annotated:
        fitting, value = _fit(value, args[0])
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return fitting, value
        return fitting and all(value in limit for limit in args[1:] if isinstance(limit, Range)), value
    if origin in (Union, types.UnionType):
        return next(((True, out) for fitting, out in (_fit(value, arg) for arg in args) if fitting), (False, value))
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args), value
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            return False, value
        parts = [_fit(item, args[0]) for item in value]
        return all(fitting for fitting, _ in parts), tuple(out for _, out in parts)
    if origin is dict:
        if not isinstance(value, dict):
            return False, value
        if args[1] is Any:
            return True, dict(value)
        items = {key: _fit(item, args[1]) for key, item in value.items()}
        return all(fitting for fitting, _ in items.values()), {key: out for key, (_, out) in items.items()}
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool), value
    if hint is int:
        return isinstance(value, numbers.Integral), int(value) if isinstance(value, numbers.Integral) else value
    if hint is float:
        try:
            real = isinstance(value, numbers.Real) and math.isfinite(value)
        except OverflowError:  # a whole number beyond all floats
            real = False
        return real, float(value) if real else value
    if hint is Path:
        return isinstance(value, (str, Path)), Path(value) if isinstance(value, str) else value
    kind = type(None) if hint is None else origin or hint
    return isinstance(value, kind), value


def _kinds(hint: Any) -> list[str]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        limits = " and ".join(str(limit) for limit in args[1:] if isinstance(limit, Range))
        return [f"{kind} {limits}".strip() for kind in _kinds(args[0])]
    if origin in (Union, types.UnionType):
        return [kind for arg in args for kind in _kinds(arg)]
    if origin is Literal:
        return [repr(arg) for arg in args]
    if origin is tuple:
        return [f"a list whose every item is {listed(_kinds(args[0]))}"]
    if origin is dict:
        return [f"a mapping to {listed(_kinds(args[1]))}"]
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a name",
        Path: "the path of a file",
        type(None): "null",
        Any: "anything",
    }
    return [words.get(hint, f"a {getattr(hint, '__name__', hint)}")]


S = TypeVar("S", bound=Schema)
C = TypeVar("C", bound=Schema)


class Registry(Generic[S]):
    """The named classes of one kind, found by importing every module of a package once.

    A name is either one that `register` gave, or `module:Class` or `path/to/file.py:Class` for a class that lives
    outside of GRU Lab.
    """

    def __init__(self, kind: str, base: type[S], package: str) -> None:
        self.kind, self.base, self.package = kind, base, package
        self._classes: dict[str, type[S]] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator: make the class known under a name."""

        def enter(cls: type[C]) -> type[C]:
            known = self._classes.get(name)
            if known and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise UserError(f"{self.kind} {name!r} is registered twice: by {known.__module__} and {cls.__module__}")
            self._classes[name] = cls  # pyright: ignore[reportArgumentType]
            return cls

        return enter

    def names(self) -> tuple[str, ...]:
        """The names of what the package itself holds, sorted."""
        self._discover()
        inside = f"{self.package}."
        return tuple(sorted(name for name, cls in self._classes.items() if cls.__module__.startswith(inside)))

    def get(self, name: str) -> type[S]:
        """The class of a name; `UserError` names the nearest one if there is none."""
        if ":" in str(name):
            return self._outside(name)
        if name not in self.names():
            raise UserError(
                f"{self.kind} {name!r} is unknown: it must be {listed(self.names())}, "
                f"or path/to/file.py:Class for a class of the user's own.{nearest(name, self.names())}"
            )
        return self._classes[name]

    def create(self, name: str, **fields: Any) -> S:
        """An instance: `create("gru", hidden=128)`."""
        return build(self.get(name), fields, self.kind)

    def name_of(self, item: S) -> str:
        """The name under which `create` would find the class of an instance again."""
        cls = type(item)
        registered = [name for name in self.names() if self._classes[name] is cls]
        return registered[0] if registered else f"{cls.__module__}:{cls.__qualname__}"

    def classes(self) -> dict[str, type[S]]:
        """The classes of the package by the names that their modules give them: `GRU` for `gru`."""
        return {cls.__name__: cls for cls in (self._classes[name] for name in self.names())}

    def exported(self, name: str) -> type[S]:
        """The `__getattr__` of the package: `from gru_lab.cells import GRU` finds the class when first asked for."""
        if not name.startswith("_") and (cls := self.classes().get(name)):
            return cls
        raise AttributeError(f"module {self.package!r} has no attribute {name!r}")

    def _discover(self) -> None:
        if not self._discovered:
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
            self._discovered = True

    def _outside(self, name: str) -> type[S]:
        cls = outside.load(name, self.kind)
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise UserError(f"{self.kind} {name!r} is not a class derived from {self.base.__name__}")
        if "__dataclass_fields__" not in vars(cls):
            raise UserError(f"{self.kind} {name!r} is not a dataclass: write @dataclass(frozen=True) above the class")
        if missing := self._unwritten(cls):
            raise UserError(f"{self.kind} {name!r} is abstract: it lacks {listed(missing, 'and')}")
        return cls

    def _unwritten(self, cls: type[S]) -> list[str]:
        """The names that a class lacks: its base leaves them open, and every class of ours writes them."""

        def written(each: type, name: str, opened: Any) -> bool:
            return inspect.getattr_static(each, name) is not opened

        ours = [self.get(name) for name in self.names()]
        return [
            name
            for name, opened in vars(self.base).items()
            if _is_open(opened) and not written(cls, name, opened) and all(written(each, name, opened) for each in ours)
        ]


def _is_open(member: Any) -> bool:
    """True for a method or property that raises `NotImplementedError`."""
    function = inspect.unwrap(getattr(member, "fget", None) or member)
    return "NotImplementedError" in getattr(getattr(function, "__code__", None), "co_names", ())


def build(cls: type[S], fields: Mapping[str, Any], path: str = "") -> S:
    """`cls(**fields)`, with one sentence for a field that the class does not have or that is missing."""
    path = path or cls.group
    known = {field.name: field for field in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]
    for name in fields:
        if name not in known:
            raise UserError(f"{path}.{name} is unknown: {path} has {listed(known)}.{nearest(name, known)}")
    missing = dataclasses.MISSING
    for name, field in known.items():
        if name not in fields and field.default is missing and field.default_factory is missing:
            raise UserError(f"{path}.{name} is missing: {path} cannot be made without it")
    return cls(**conform(cls, fields))
