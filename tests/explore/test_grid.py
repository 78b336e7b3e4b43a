"""The product of choices."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from vperf import api
from vperf.errors import InputError, UnknownNameError
from vperf.explore.grid import Grid, grid
from vperf.resolve import Resolver
from vperf.resolve.card import gpus_named
from vperf.sources.gpus import gpu_names
from vperf.sources.models import load_model_config
from vperf.speeds import speeds

QWEN = "Qwen/Qwen3-8B"


def points(options: dict[str, Any]) -> Grid:
    return grid(options, Resolver())


def test_the_product_has_every_combination_and_the_last_axis_is_fastest() -> None:
    found = points({"model": QWEN, "gpu": "h100", "tp": [1, 2], "batch_size": [1, 4, 8]})
    assert found.count == 6
    chosen = [tuple(s.chosen.values()) for s in found]
    assert list(found.axes) == ["batch_size", "tp"]
    assert chosen == [(1, 1), (1, 2), (4, 1), (4, 2), (8, 1), (8, 2)]


def test_all_is_every_gpu_and_all_of_a_vendor_only_its_own() -> None:
    assert [gpu.id for gpu in gpus_named(["all"])] == list(gpu_names())
    apple = gpus_named(["all-apple"])
    assert apple
    assert {gpu.vendor for gpu in apple} == {"Apple"}
    assert len(gpus_named(["h100", "all"])) == len(gpu_names())


def test_an_unknown_group_of_gpus_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="all-acme") as caught:
        gpus_named(["all-acme"])
    assert "all-nvidia" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gpu": "h100"}, "model is missing"),
        ({"model": QWEN}, "gpu is missing"),
        ({"model": QWEN, "gpu": "h100", "colour": 1}, "unknown option 'colour'"),
        ({"model": QWEN, "gpu": "h100", "tp": []}, "tp: has no value"),
        ({"model": QWEN, "gpu": "h100", "context": 5, "input_len": 7}, "combined with input-len"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        points(options)


def test_a_context_is_one_decode_step_at_it() -> None:
    (setting,) = points({"model": QWEN, "gpu": "h100", "context": 4096})
    assert (setting.scenario.input_len, setting.scenario.output_len) == (4096, 1)
    at = api.ask(setting.scenario)
    depth = next(point for point in at.depth if point.context_tokens == 4096)
    assert at.expected.decode_tokens_per_s == depth.expected_decode_tokens_per_s


def test_a_context_under_a_load_is_refused() -> None:
    found = points({"model": QWEN, "gpu": "h100", "context": 4096, "max_concurrency": 4})
    with pytest.raises(InputError, match="one decode step"):
        next(iter(found))


def test_auto_is_what_the_checkpoint_holds() -> None:
    found = points({"model": QWEN, "gpu": "h100", "quantization": ["auto", "fp8"]})
    assert [s.scenario.quantization for s in found] == [None, "fp8"]


def test_a_model_on_disk_is_read_once_for_all_points(tmp_path: Path) -> None:
    config = load_model_config(QWEN).config
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dict(config)))
    found = points({"model": str(file), "gpu": ["h100", "l40s"]})
    file.unlink()
    resolver = Resolver()
    assert [speeds(resolver.deployment(s.scenario)).gpus for s in found] == [1, 1]


def test_what_is_no_gpu_is_said_and_no_traceback() -> None:
    with pytest.raises(InputError, match="must be a name or a Gpu, not 7"):
        points({"model": QWEN, "gpu": 7})


def test_names_of_options_are_looked_up_before_any_point() -> None:
    with pytest.raises(UnknownNameError, match="vlm"):
        points({"model": QWEN, "gpu": "h100", "engine": ["vllm", "vlm"]})
    assert points({"model": QWEN, "gpu": "h100", "quantization": ["auto", "fp8"]}).count == 2


def test_a_config_read_once_gives_what_its_name_gives() -> None:
    found = load_model_config(QWEN)
    by_name = api.estimate(QWEN, "h100", batch_size=4)
    assert api.estimate(found, "h100", batch_size=4).expected == by_name.expected


def test_a_range_stays_lazy_and_its_first_point_is_there_at_once() -> None:
    many = points({"model": QWEN, "gpu": "h100", "batch_size": range(1, 10**7 + 1), "tp": [1, 2]})
    assert many.count == 2 * 10**7
    first, second, third = islice(many, 3)
    assert [p.chosen for p in (first, second, third)] == [
        {"batch_size": 1, "tp": 1},
        {"batch_size": 1, "tp": 2},
        {"batch_size": 2, "tp": 1},
    ]
    assert many.labels()["batch_size"] == range(1, 10**7 + 1)


def test_a_misspelt_card_is_refused_before_a_model_is_looked_for() -> None:
    with pytest.raises(UnknownNameError, match="hh100"):
        points({"model": "foo/bar", "gpu": "hh100"})


def test_cards_of_unlike_counts_are_choices_of_one_axis() -> None:
    found = list(points({"model": QWEN, "gpu": ["2xl40s", "h100"]}))
    assert [p.chosen["gpu"] for p in found] == ["2xl40s", "h100-sxm-80gb"]
    assert [p.scenario.tp for p in found] == [2, 1]
