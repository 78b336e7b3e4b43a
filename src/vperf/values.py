"""`dataclass` for frozen values, made in a twentieth of the time: a start makes sixty of them.

The standard one compiles six methods of a class when it is imported. This one compiles a
constructor, a comparison or a hash when it is first called, for most classes of a run never
compare, and what the standard library knows of a class is made when it is asked: `fields`,
`replace`, `asdict`, pickle and pattern matching work as ever; type checkers see the standard one.
Not here: classes that change, which the standard one makes.
"""

from __future__ import annotations

import dataclasses
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_WORTH_COMPILING = 4
"""Values of a class from which on its constructor is compiled, which takes as long as forty."""

_DECLARED: dict[type, dict[str, Any]] = {}
"""Of each class, its own fields with what stands behind their names: a default, a `field`."""
_FIELDS: dict[type, tuple[dataclasses.Field[Any], ...]] = {}

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool, slots: bool = False, repr: bool = True, eq: bool = True
    ) -> Callable[[type], type]:
        """`dataclasses.dataclass` of a frozen class."""
        assert frozen

        def made(cls: type) -> type:
            own = dict(cls.__dict__)
            declared = {name: own.get(name, dataclasses.MISSING) for name in cls.__annotations__}

            def owner() -> type:
                return cls

            methods = {"__setattr__": _refuse, "__delattr__": _refuse, "__init__": _init(owner),
                       "__replace__": dataclasses.replace}  # fmt: skip
            methods |= {name: _Later(owner, name) for name in _STANDARD}
            if eq:
                methods |= {"__eq__": _later_eq(owner), "__hash__": _later_hash(owner)}
            if repr:
                methods["__repr__"] = _repr
            if slots:
                methods |= {"__getstate__": _getstate, "__setstate__": _setstate}
            methods = {name: it for name, it in methods.items() if own.get(name) is None}
            if slots:
                cls = _slotted(cls, declared, own | methods)
            else:
                for name, it in methods.items():
                    setattr(cls, name, it)
                for name, it in declared.items():
                    if isinstance(it, dataclasses.Field):
                        delattr(cls, name)
                        if it.default is not dataclasses.MISSING:
                            setattr(cls, name, it.default)
            _DECLARED[cls] = declared
            return cls

        return made


def _slotted(cls: type, declared: dict[str, Any], own: dict[str, Any]) -> type:
    """The class with slots for what it declares."""
    bases = [base.__dict__ for base in cls.__mro__[1:-1]]
    inherited = {name for base in bases for name in base.get("__slots__", ())}
    own = {name: it for name, it in own.items() if name not in declared}
    own.pop("__dict__", None)
    own.pop("__weakref__", None)
    own["__slots__"] = tuple(name for name in declared if name not in inherited)
    own["__qualname__"] = cls.__qualname__
    return type(cls)(cls.__name__, cls.__bases__, own)


_STANDARD = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")


class _Later:
    """What the standard library gives a class, from when it is first read."""

    def __init__(self, owner: Callable[[], type], name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, value: object, cls: type) -> Any:
        owner = self._owner()
        found = getattr(_twin(owner, frozen=self._name == "__dataclass_params__"), self._name)
        setattr(owner, self._name, found)
        return found


def _twin(cls: type, *, frozen: bool) -> type:
    """What the standard library makes of the same fields; of a frozen one it compiles methods."""
    annotations: dict[str, Any] = {}
    declared: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base in _DECLARED:
            annotations |= base.__annotations__
            declared |= _DECLARED[base]
    own = {name: it for name, it in declared.items() if it is not dataclasses.MISSING}
    own |= {"__annotations__": annotations, "__doc__": "-"}  # without, it looks up the signature
    twin = type(cls.__name__, (), own)
    return dataclasses.dataclass(frozen=frozen, init=False, repr=False, eq=False)(twin)


def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of a class, those of its bases first."""
    if cls in _FIELDS:
        return _FIELDS[cls]
    found: dict[str, dataclasses.Field[Any]] = {}
    for base in reversed(cls.__mro__):
        for name, it in _DECLARED.get(base, {}).items():
            own = it if isinstance(it, dataclasses.Field) else dataclasses.field(default=it)
            own.name = name
            found[name] = own
    return _FIELDS.setdefault(cls, tuple(found.values()))


def _refuse(self: Any, name: str, *value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


def _repr(self: Any) -> str:
    shown = (f"{f.name}={getattr(self, f.name)!r}" for f in _fields(type(self)) if f.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in _fields(type(self))]


def _setstate(self: Any, state: list[Any]) -> None:
    for field, value in zip(_fields(type(self)), state, strict=True):
        object.__setattr__(self, field.name, value)


def _init(owner: Callable[[], type]) -> Callable[..., None]:
    made = 0

    def __init__(self: Any, *given: Any, **named: Any) -> None:  # noqa: N807
        nonlocal made
        made += 1
        cls = owner()
        if made > _WORTH_COMPILING or not _filled(cls, self, given, named):
            _put(cls, "__init__", _init_of(cls))(self, *given, **named)

    return __init__


def _filled(cls: type, self: Any, given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Fill the fields of one value; False where arguments are wrong, which the compiled constructor
    says better."""
    fields = _fields(cls)
    names = [field.name for field in fields if field.init]
    if len(given) > len(names) or not named.keys() <= set(names[len(given) :]):
        return False
    values = {**dict(zip(names, given, strict=False)), **named}
    for field in fields:
        if field.name in values:
            value = values[field.name]
        elif field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            return False
        object.__setattr__(self, field.name, value)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()
    return True


def _later_eq(owner: Callable[[], type]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        cls = owner()
        mine, others = _tuple_of(cls, "self"), _tuple_of(cls, "other")
        body = f"return {mine} == {others} if other.__class__ is self.__class__ else NotImplemented"
        return _put(cls, "__eq__", _compiled("self, other", [body], {}))(self, other)

    return __eq__


def _later_hash(owner: Callable[[], type]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        cls = owner()
        body = f"return hash({_tuple_of(cls, 'self')})"
        found: int = _put(cls, "__hash__", _compiled("self", [body], {}))(self)
        return found

    return __hash__


def _tuple_of(cls: type, value: str) -> str:
    compared = (field.name for field in _fields(cls) if field.compare)
    return f"({''.join(f'{value}.{name},' for name in compared)})"


def _init_of(cls: type) -> Callable[..., None]:
    """The constructor: through the slots themselves, which a frozen class does not guard."""
    names: dict[str, Any] = {"put": object.__setattr__}
    parameters, body = ["self"], []
    for field in _fields(cls):
        name = value = field.name
        parameter = name
        if field.default is not dataclasses.MISSING:
            names[f"_{name}"], parameter = field.default, f"{name}=_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_{name}"], parameter = field.default_factory, f"{name}=put"  # nobody's value
            value = f"_{name}() if {name} is put else {name}" if field.init else f"_{name}()"
        if field.init:
            parameters.append(parameter)
        slot = getattr(cls, name, None)
        if isinstance(slot, MemberDescriptorType):
            names[f"put_{name}"] = slot.__set__
            body.append(f"put_{name}(self, {value})")
        else:
            body.append(f"put(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    return _compiled(", ".join(parameters), body or ["pass"], names)


def _compiled(parameters: str, body: list[str], names: dict[str, Any]) -> Callable[..., Any]:
    lines = "".join(f"\n    {line}" for line in body)
    exec(f"def made({parameters}):{lines}", names)
    made: Callable[..., Any] = names["made"]
    return made


def _put(cls: type, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    method.__module__ = cls.__module__
    setattr(cls, name, method)
    return method
