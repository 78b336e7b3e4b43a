"""Files of facts as a checkout and as a wheel have them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vperf.files import read_toml
from vperf.sources import catalog
from vperf.sources.catalog import Files, as_json, data_dir, read_back
from vperf.sources.gpu_keys import GPU_FILE


def test_the_json_of_a_wheel_says_what_its_toml_does() -> None:
    files = sorted(data_dir().glob("*/*.toml"))
    assert len(files) > 200
    for path in files:
        assert read_back(as_json(path)) == read_toml(path), path


def test_where_a_file_stands_as_json_too_no_toml_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = data_dir() / "gpus" / "rtx-4090.toml"
    wanted = read_toml(shipped)
    shutil.copy(shipped, tmp_path)
    (tmp_path / "rtx-4090.json").write_bytes(as_json(shipped))
    monkeypatch.setattr(catalog, "read_toml", None)
    files = Files(tmp_path, tmp_path / "none")
    assert files.ids == ("rtx-4090",)
    assert files.table("rtx-4090", GPU_FILE) == wanted
