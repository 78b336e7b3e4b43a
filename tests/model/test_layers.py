"""Equal layers are read once, and are those that would read the same one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.model import gguf_files
from vperf.errors import InputError
from vperf.model import read
from vperf.model.blocks.base import Scope
from vperf.model.checkpoint import Config
from vperf.model.gguf import build_gguf
from vperf.model.layers import EqualLayers, LayerNumber, item_of, one_of
from vperf.model.read import build_model
from vperf.sources.models import load_model_config, model_ids


class EachLayer:
    """Every layer read by itself."""

    def __init__(self, read_one: Callable[[LayerNumber], int]) -> None:
        self.read_one = read_one

    def __getitem__(self, number: int) -> int:
        return self.read_one(LayerNumber(number, lambda this: this, []))


def _one_of_each_kind() -> list[str]:
    found: dict[Any, str] = {}
    for name in model_ids():
        model = load_model_config(name)
        text = model.config.get("text_config", model.config)
        scheme = model.hf_quant_config or model.config.get("quantization_config")
        found.setdefault((text.get("model_type"), scheme is None), name)
    return list(found.values())


def test_a_model_is_the_same_as_when_each_layer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    names = _one_of_each_kind()
    assert len(names) > 100

    def models() -> list[Any]:
        found = map(load_model_config, names)
        return [
            build_model(each.config, source="x", hf_quant_config=each.hf_quant_config)
            for each in found
        ]

    shared = models()
    monkeypatch.setattr(read, "EqualLayers", EachLayer)
    for name, one, other in zip(names, shared, models(), strict=True):
        assert one == other, name


@pytest.mark.parametrize("file", [
    gguf_files.llama_q4_k_m, gguf_files.deepseek, gguf_files.gpt_oss, gguf_files.gemma2,
    gguf_files.lfm2, gguf_files.qwen3_next, gguf_files.modern_bert,
])  # fmt: skip
def test_a_file_is_the_same_as_when_each_layer_is_read(
    file: Callable[[], gguf_files.File], monkeypatch: pytest.MonkeyPatch
) -> None:
    header = file().header
    shared = build_gguf(header)
    monkeypatch.setattr(read, "EqualLayers", EachLayer)
    assert build_gguf(header) == shared


def _grown(config: dict[str, Any], layers: int) -> dict[str, Any]:
    """The same with so many layers, its lists of an item a layer repeated."""
    grown: dict[str, Any] = json.loads(json.dumps(config))
    text = grown.get("text_config", grown)
    before = text["num_hidden_layers"]
    text["num_hidden_layers"] = layers
    for key, value in text.items():
        if isinstance(value, list) and len(value) in {before, before + 1}:
            text[key] = (value * layers)[: layers + len(value) - before]
    return grown


@pytest.mark.parametrize("name", [
    "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V4-Flash",
    "google/gemma-3-27b-it", "google/gemma-3n-E2B-it", "nvidia/Qwen3.5-122B-A10B-NVFP4",
    "openai/gpt-oss-120b", "tencent/Hunyuan-A13B-Instruct", "zai-org/GLM-5.1-FP8",
])  # fmt: skip
def test_five_hundred_layers_ask_for_as_many_weights_as_a_hundred(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_model_config(name)
    asked: list[str] = []
    linear = Scope.linear

    def counted(self: Scope, module: str, *sizes: Any, **how: Any) -> Any:
        asked.append(module)
        return linear(self, module, *sizes, **how)

    monkeypatch.setattr(Scope, "linear", counted)
    weights = []
    for layers in (100, 500):
        asked.clear()
        config = _grown(dict(found.config), layers)
        model = build_model(config, source=name, hf_quant_config=found.hf_quant_config)
        assert model.layer_count == layers
        weights.append(len(asked))
    assert weights[0] == weights[1] < 100 * len(model.kinds[0][1].blocks)


@pytest.mark.parametrize(
    ("reads", "times"),
    [
        (lambda n: None, 1),
        (lambda n: n < 3, 2),
        (lambda n: 3 <= n < 90, 3),
        (lambda n: not n % 4, 2),
        (lambda n: (100 - 1 - n) // 10 == 0, 2),
        (lambda n: "abc"[n % 3], 3),
        (lambda n: max(n - 97, 0) > 1, 3),
        (lambda n: 4 * n // 100 == 4 * (n - 1) // 100, 2),
        (lambda n: item_of([7] * 50 + [8] * 50, n), 2),
        (lambda n: one_of(n + 1, frozenset(range(20))), 2),
        (bool, 2),
        (lambda n: n == 5 or n != 6, 3),
        (lambda n: n in {1, 2}, 100),
        (lambda n: f"layers.{n}", 100),
        (lambda n: list(range(100))[n], 100),
    ],
)
def test_layers_are_read_once_for_each_set_of_answers(
    reads: Callable[[Any], Any], times: int
) -> None:
    read_ones: list[int] = []

    def read_one(layer: Any) -> Any:
        read_ones.append(layer.number)
        return reads(layer)

    layers = EqualLayers(read_one)
    assert [layers[n] for n in range(100)] == [reads(n) for n in range(100)]
    assert len(read_ones) == times


def test_an_item_is_known_by_its_type_too() -> None:
    items = [1, True, 1.0, "1", None, [1], [1]]
    assert [EqualLayers(lambda n: type(item_of(items, n)))[i] for i in range(7)] == [
        int, bool, float, str, type(None), list, list,
    ]  # fmt: skip
    layers = EqualLayers(lambda n: type(item_of(items, n)))
    assert [layers[i] for i in range(7)] == list(map(type, items))


def test_a_wrong_item_is_named_by_its_layer() -> None:
    widths = Config({"widths": [8] * 40 + [True]}, "x.json")
    layers = EqualLayers(lambda n: widths.integer_at(cast("int", n), "widths"))
    assert [layers[n] for n in range(40)] == [8] * 40
    with pytest.raises(InputError, match="must be an integer, not True") as caught:
        layers[40]
    assert caught.value.field == "widths[40]"
