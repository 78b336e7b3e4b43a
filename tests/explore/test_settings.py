"""The product of choices, and answers from what scenarios share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vperf import api
from vperf.errors import InputError, UnknownNameError
from vperf.explore.settings import Resolver, expand_gpus, settings
from vperf.sources.gpus import gpu_names, load_gpu
from vperf.sources.models import load_model_config

QWEN = "Qwen/Qwen3-8B"


def test_the_product_has_every_combination_and_the_last_axis_is_fastest() -> None:
    found = settings({"model": QWEN, "gpu": "h100", "tp": [1, 2], "batch_size": [1, 4, 8]})
    assert found.count == 6
    chosen = [tuple(s.chosen.values()) for s in found]
    assert list(found.axes) == ["batch_size", "tp"]
    assert chosen == [(1, 1), (1, 2), (4, 1), (4, 2), (8, 1), (8, 2)]


def test_all_is_every_gpu_and_all_of_a_vendor_only_its_own() -> None:
    assert [gpu.id for gpu in expand_gpus(["all"])] == list(gpu_names())
    apple = expand_gpus(["all-apple"])
    assert apple
    assert {gpu.vendor for gpu in apple} == {"Apple"}
    assert len(expand_gpus(["h100", "all"])) == len(gpu_names())


def test_an_unknown_group_of_gpus_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="all-acme") as caught:
        expand_gpus(["all-acme"])
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
        settings(options)


def test_a_context_is_one_decode_step_at_it() -> None:
    (setting,) = settings({"model": QWEN, "gpu": "h100", "context": 4096})
    assert (setting.scenario.input_len, setting.scenario.output_len) == (4096, 1)
    at = api.ask(setting.scenario)
    depth = next(point for point in at.depth if point.context_tokens == 4096)
    assert at.expected.decode_tokens_per_s == depth.expected_decode_tokens_per_s


def test_a_context_under_a_load_is_refused() -> None:
    found = settings({"model": QWEN, "gpu": "h100", "context": 4096, "max_concurrency": 4})
    with pytest.raises(InputError, match="one decode step"):
        next(iter(found))


def test_auto_is_what_the_checkpoint_holds() -> None:
    found = settings({"model": QWEN, "gpu": "h100", "quantization": ["auto", "fp8"]})
    assert [s.scenario.quantization for s in found] == [None, "fp8"]


def test_a_model_on_disk_is_read_once_for_all_questions(tmp_path: Path) -> None:
    config = load_model_config(QWEN).config
    file = tmp_path / "config.json"
    file.write_text(json.dumps(dict(config)))
    found = settings({"model": str(file), "gpu": ["h100", "l40s"]})
    file.unlink()
    resolver = Resolver()
    assert [resolver.figures(s.scenario).gpus for s in found] == [1, 1]


def test_an_asker_forgets_so_that_memory_stays_flat() -> None:
    resolver = Resolver()
    Resolver._MOST, most = 4, Resolver._MOST
    try:
        for tp in (1, 2, 4, 8):
            for dtype in ("bf16", "fp8"):
                (setting,) = settings(
                    {"model": QWEN, "gpu": "h100", "tp": tp, "kv_cache_dtype": dtype}
                )
                resolver.figures(setting.scenario)
        assert len(resolver._models) == 4
    finally:
        Resolver._MOST = most


def test_cards_of_one_id_that_differ_are_told_apart() -> None:
    card = load_gpu("h100")
    resolver = Resolver()
    slow = replace(card, memory_bandwidth=card.memory_bandwidth / 2, achieved=None)
    figures = [
        resolver.figures(next(iter(settings({"model": QWEN, "gpu": each}))).scenario)
        for each in (card, slow)
    ]
    assert figures[0].limit.tpot_s < figures[1].limit.tpot_s


def test_what_is_no_gpu_is_said_and_no_traceback() -> None:
    with pytest.raises(InputError, match="must be a name or a Gpu, not 7"):
        settings({"model": QWEN, "gpu": 7})


def test_names_of_options_are_looked_up_once_before_any_question() -> None:
    with pytest.raises(UnknownNameError, match="vlm"):
        settings({"model": QWEN, "gpu": "h100", "engine": ["vllm", "vlm"]})
    assert settings({"model": QWEN, "gpu": "h100", "quantization": ["auto", "fp8"]}).count == 2


def test_a_config_read_once_asks_the_same_question_as_its_name() -> None:
    found = load_model_config(QWEN)
    by_name = api.estimate(QWEN, "h100", batch_size=4)
    assert api.estimate(found, "h100", batch_size=4).expected == by_name.expected
