"""Engine profiles: every file is complete, and an unknown engine is refused."""

from __future__ import annotations

import datetime
import tomllib

import pytest

from vperf.errors import UnknownNameError
from vperf.sources.catalog import data_dir
from vperf.sources.engines import engine_names, load_engine

KEYS = {
    "id", "name", "host_time_per_step", "launch_time", "memory_utilization", "max_batched_tokens",
    "request_time", "admission_steps", "source", "checked",
}  # fmt: skip


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_file_has_exactly_the_known_keys_a_source_and_a_date(name: str) -> None:
    file = tomllib.loads((data_dir() / "engines" / f"{name}.toml").read_text("utf-8"))
    assert set(file) == KEYS
    engine = load_engine(name)
    assert engine.id == name
    assert engine.source
    assert datetime.date.fromisoformat(engine.checked)
    assert 0 < engine.host_s_per_step < 0.1
    assert 0 < engine.launch_s < 1e-4
    assert 0.5 < engine.memory_utilization <= 1


def test_an_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'fast'") as caught:
        load_engine("fast")
    assert "vllm" in caught.value.hint
