"""Building a wheel: the names of all GPUs in one file, and all that is said of them in another, so
that a vague name, or a list, opens it and not 200; each file of facts as JSON beside its TOML.

Not here: what a name is (vperf.sources.gpu_names), which reads the files where there is no index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GpuNames(BuildHookInterface):
    """Writes vperf/configs/gpus.index and gpus.json; an editable install has none of it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of the wheel are collected."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        from vperf.sources.catalog import as_json  # noqa: PLC0415  (importable now)
        from vperf.sources.gpu_names import index_of, tables_of  # noqa: PLC0415

        configs = root / "configs"
        cards = configs / "gpus"
        made = {"gpus.index": index_of(cards), "gpus.json": tables_of(cards)}
        for path in sorted(configs.glob("*/*.toml")):
            made[f"{path.parent.name}/{path.stem}.json"] = as_json(path)
        for name, data in made.items():
            file = root / "build" / "configs" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            build_data["force_include"][str(file)] = f"vperf/configs/{name}"
