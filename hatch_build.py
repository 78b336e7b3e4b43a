"""Building a wheel: the names of all GPUs in one file, so that a vague name opens it and not 184.

Not here: what a name is (vperf.sources.gpus), which reads the files themselves without this one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GpuNames(BuildHookInterface):
    """Writes vperf/configs/gpus.index into the wheel; an editable install has none."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of the wheel are collected."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from vperf.sources.gpus import index_of  # noqa: PLC0415  (just made importable)

        index = root / "build" / "gpus.index"
        index.parent.mkdir(exist_ok=True)
        index.write_bytes(index_of(root / "configs" / "gpus"))
        build_data["force_include"][str(index)] = "vperf/configs/gpus.index"
