"""The check of a file of facts against its table of keys, by pydantic.

A user's file is validated with this when it is read, the bundled ones in the tests: pydantic takes
longer to load than the rest of an estimate. Not here: the tables (gpu_keys.py, engine_keys.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    create_model,
)

from vperf.errors import InputError
from vperf.sources.keys import AMOUNT, SHARE, STEPS, WORDS, Each, Key, Keys, Rows, Unit


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


def _unit(parse: Callable[[str], float]) -> BeforeValidator:
    def convert(value: object) -> float:
        try:
            return parse(value if isinstance(value, str) else repr(value))
        except InputError as error:
            raise ValueError(error.message) from None

    return BeforeValidator(convert)


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"{name!r} is not one of {', '.join(names)}")
        return name

    return AfterValidator(check)


_GROUP_SIZE = Annotated[str, Field(pattern=r"^[1-9]\d{0,3}$")]
_PLAIN: Mapping[Any, Any] = {
    int: Annotated[PositiveInt, Field(le=10**15)],
    float: Annotated[PositiveFloat, Field(ge=1e-30, le=1e30)],
    AMOUNT: Annotated[NonNegativeFloat, Field(le=1e30)],
    STEPS: Annotated[NonNegativeInt, Field(le=10**4)],
    SHARE: Annotated[PositiveFloat, Field(le=1.0)],
    WORDS: list[str | Annotated[dict[Literal["when", "word"], str], Field(min_length=2)]],
}
"""Within what can be computed with, as units.is_moderate."""


def _annotation(name: str, key: Key) -> Any:  # noqa: PLR0911  (one return a kind)
    kind = key.kind
    if isinstance(kind, Unit):
        return Annotated[float, _unit(kind.parse)]
    if isinstance(kind, Each):
        names: Any = _GROUP_SIZE if kind.names is int else str
        if isinstance(kind.names, tuple):
            names = Annotated[str, _one_of(kind.names)]
        table: Any = dict.__class_getitem__((names, _annotation(name, Key("", kind.kind))))
        return Annotated[table, Field(min_length=1)] if key.required else table
    if isinstance(kind, Rows):
        return list.__class_getitem__(_model(name, kind.keys))
    if isinstance(kind, Mapping):
        return _model(name, kind)
    if kind is str and key.required:
        return Annotated[str, Field(min_length=1)]
    if kind == tuple[float, float]:  # a list in TOML, which strict tuples do not take
        return Annotated[list[float], Field(min_length=2, max_length=2)]
    return _PLAIN.get(kind, kind) if isinstance(kind, type | str) else kind


def _field(name: str, key: Key) -> Any:
    annotation = _annotation(name, key)
    if key.required:
        return annotation, ...
    if isinstance(key.kind, Each):
        return annotation, Field(default_factory=dict)
    if key.kind == list[str]:
        return annotation, Field(default_factory=list)
    return (annotation, "") if key.kind is str else (annotation | None, None)


def _model(name: str, keys: Keys) -> Any:
    fields = {key: _field(key, each) for key, each in keys.items()}
    return create_model(name, __base__=_Table, **fields)


def check_file(data: Mapping[str, Any], keys: Keys, source: str) -> Any:
    """A parsed file, checked, with quantities in SI units; `source` is what errors call it.

    Raises InputError naming the file and the field.
    """
    model = _MODELS.get(id(keys)) or _MODELS.setdefault(id(keys), _model("File", keys))
    try:
        file = model.model_validate(data)
    except ValidationError as error:
        # A misspelt key is also a missing one: say the key that is there.
        errors = error.errors(include_url=False)
        first = min(errors, key=lambda item: item["type"] != "extra_forbidden")
        path = [str(key) for key in first["loc"] if key != "[key]"]
        raise InputError(
            _explained(first["type"], first["msg"]),
            source=source,
            field=".".join(path),
            hint=_nearest_key(path, keys) if first["type"] == "extra_forbidden" else "",
        ) from None
    vendor = data.get("vendor", "")
    for field in _lacking(data, keys, vendor):
        raise InputError(f"required of {vendor} cards, but missing", source=source, field=field)
    return file


_MODELS: dict[int, Any] = {}
"""By table of keys, which are constants of their modules."""


def _lacking(table: Mapping[str, Any], keys: Keys, vendor: str, path: str = "") -> Iterator[str]:
    """Keys that cards of this vendor must have, and this one has not."""
    for name, key in keys.items():
        if name not in table:
            if key.needed_by == vendor != "":
                yield path + name
        elif isinstance(key.kind, Mapping):
            yield from _lacking(table[name], key.kind, vendor, f"{path}{name}.")


def _explained(kind: str, message: str) -> str:
    ours = {"extra_forbidden": "unknown key", "missing": "required, but missing"}
    return ours.get(kind, message.removeprefix("Value error, "))


def _nearest_key(path: list[str], keys: Any) -> str:
    for name in path[:-1]:
        kind = keys[name].kind if name in keys else None
        # Of all_reduce.8.latncy, 8 is a name of the user's.
        keys = {path[-2]: Key("", kind.kind)} if isinstance(kind, Each) else kind
        if not isinstance(keys, Mapping):
            return ""
    import difflib  # noqa: PLC0415  (only on the way to an error)

    near = difflib.get_close_matches(path[-1], keys, n=1)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(keys)}"
