"""Values as JSON: the contract of --json. Printed by plain `print`; NaN and infinity are bugs.

Escapes every character that is not ASCII, so no string of a config reaches a terminal raw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vperf.answer import Estimate


def render(answer: Estimate) -> str:
    """The Estimate under its schema "vperf/estimate/1"."""
    return dump(answer.to_dict())


def dump(value: Mapping[str, Any]) -> str:
    """Any of vperf's JSON answers: indented, keys in their documented order."""
    return json.dumps(value, allow_nan=False, indent=2, ensure_ascii=True) + "\n"
