"""An engine's command templates, filled with values: no engine is named here.

A word with values in braces is left out where one of them is not set; so is one that hangs on
another value (`when`). Not here: which values a server or a measurement has (report/commands.py),
what the keys of a file mean (sources/engine_keys.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from vperf.hardware.engine import Engine

Values = Mapping[str, str]
"""Of a command's names, what is set."""

_NAME = re.compile(r"\{(\w+)\}")
"""JSON and YAML in a word have no bare name alone in braces."""


def filled(words: Iterable[str | Mapping[str, str]], values: Values) -> list[str]:
    """The words of a command whose values are all set."""
    found = []
    for word in words:
        text = word if isinstance(word, str) else word["word"]
        if names_of(word) <= values.keys():
            found.append(_NAME.sub(lambda match: values[match[1]], text))
    return found


def names_of(word: str | Mapping[str, str]) -> set[str]:
    """The values that a word needs."""
    text, when = (word, ()) if isinstance(word, str) else (word["word"], (word["when"],))
    return {*_NAME.findall(text), *when}


def takes(engine: Engine, name: str) -> bool:
    """Whether the command that launches the engine, or its file, has a word for this value."""
    launch = engine.launch
    if launch is None:
        return False
    in_file = launch.file is not None and name in launch.file["options"]
    return in_file or any(name in names_of(word) for word in launch.words)


def file_lines(options: Mapping[str, Mapping[str, Any]], values: Values) -> list[str]:
    """The lines of a YAML file: each option whose value is set, those of one key in one line."""
    found: dict[str, Any] = {}
    for name, option in options.items():
        if name not in values:
            continue
        for key, value in option.items():
            for text in filled([value], values) if isinstance(value, str) else ():
                found[key] = text
            if not isinstance(value, str):
                inner = {k: said for k, text in value.items() for said in filled([text], values)}
                before = found.get(key)
                found[key] = {**(before if isinstance(before, dict) else {}), **inner}
    return [f"{key}: {_flow(value)}" for key, value in found.items()]


def _flow(value: str | Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    return f"{{{', '.join(f'{key}: {text}' for key, text in value.items())}}}"


def switch(engine: Engine, name: str, **values: str) -> str:
    """The option that makes a change: by its own name in the file, or by the values it sets.

    Empty where the engine has none.
    """
    if name in engine.switches:
        return "".join(filled([engine.switches[name]], values))
    launch = engine.launch
    if launch is None or not values:
        return ""
    renamed = {key: launch.names.get(key, {}).get(text, text) for key, text in values.items()}
    words = filled([word for word in launch.words if names_of(word)], renamed)
    lines = file_lines(launch.file.get("options", {}), renamed) if launch.file else []
    return " ".join(words) or next(iter(lines), "")
