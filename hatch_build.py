"""Building a wheel: the names of all GPUs in one file, and all that is said of them in another, so
that a vague name, or a list, opens it and not 184.

Not here: what a name is (vperf.sources.gpu_names), which reads the files where there is no index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GpuNames(BuildHookInterface):
    """Writes vperf/configs/gpus.index and gpus.json; an editable install has neither."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of the wheel are collected."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from vperf.sources.gpu_names import index_of, tables_of  # noqa: PLC0415  (just made importable)

        (root / "build").mkdir(exist_ok=True)
        for name, of in (("gpus.index", index_of), ("gpus.json", tables_of)):
            file = root / "build" / name
            file.write_bytes(of(root / "configs" / "gpus"))
            build_data["force_include"][str(file)] = f"vperf/configs/{name}"
