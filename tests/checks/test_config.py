"""vperf.toml: what is read of it, what is refused, and how its checks are run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import vperf
from vperf import Bars, InputError
from vperf.checks.config import read_config

_SERVED = {
    "backend": "vllm", "model_id": "Qwen/Qwen3-4B-Instruct-2507", "num_prompts": 320,
    "request_rate": "inf", "max_concurrency": 32, "duration": 41.0, "completed": 320,
    "total_input_tokens": 327680, "total_output_tokens": 40960, "request_throughput": 7.8,
    "output_throughput": 999.0, "mean_ttft_ms": 410.0, "mean_tpot_ms": 27.4,
}  # fmt: skip


def _served(path: Path, **instead: float) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**_SERVED, **instead}), encoding="utf-8")


def _config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "vperf.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_config_holds_checks_with_shared_defaults(tmp_path: Path) -> None:
    plans = read_config(
        _config(
            tmp_path,
            """
            [defaults]
            gpu = "h100"
            min_efficiency = 0.7

            [[check]]
            file = "a.json"
            max-ttft = "200 ms"

            [[check]]
            file = "sub/b.json"
            gpu = "h200"
            label = "tg128"
            tensor = 1
            """.replace("tensor = 1", "tp = 2"),
        )
    )
    first, second = plans
    assert first.file == str(tmp_path / "a.json")
    assert (first.gpu, first.bars) == ("h100", Bars(min_efficiency=0.7, max_ttft_s=0.2))
    assert (second.gpu, second.label, second.options) == ("h200", "tg128", {"tp": 2})
    assert second.bars == Bars(min_efficiency=0.7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu = 'h100'", "'gpu' stands in no table"),
        ("[defaults]\nmin_eff = 1\n[[check]]\nfile = 'a'", r"\[defaults\]: unknown key 'min_eff'"),
        ("[defaults]\nfile = 'a'\n[[check]]\nfile = 'a'", r"\[defaults\]: file: belongs to"),
        ("[[check]]\nfile = 'a'\nmax_drift = 5", "check 1: max_drift: '5' is not a share"),
        ("[[check]]\nfile = 'a'\n[[check]]\nfile = 'b*.json'", "check 2: file: 'b.*no file"),
        ("", r"has no \[\[check\]\]"),
        ("x = [", "not valid TOML"),
        ("[checks]\na = 1", "unknown table 'checks'"),
        ("[[check]]\ngpu = 'h100'", "check 1: has no file"),
        ("[[check]]\nfile = 'a'\nmin_speed = 1", "check 1: unknown key 'min_speed'"),
        ("[[check]]\nfile = 'a'\ntp = 'two'", "check 1: tp: "),
        ("[[check]]\nfile = 'a'\nmax_ttft = '5 parsecs'", "check 1: max_ttft"),
        ("[[check]]\nfile = 'a'\nmin_mbu = -1", "check 1: min-mbu: must be above 0"),
    ],
)
def test_a_wrong_config_names_the_check_and_the_key(tmp_path: Path, text: str, words: str) -> None:
    path = _config(tmp_path, text)
    with pytest.raises(InputError, match=words) as error:
        read_config(path)
    assert str(path) in error.value.message


def test_a_config_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_config(tmp_path / "none.toml")


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_config(_config(tmp_path, "[[check]]\nfile = 'a'\nmin-efficency = 0.7"))
    assert error.value.hint == "did you mean min_efficiency?"


def test_a_pattern_is_a_check_for_each_match(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _served(tmp_path / "results" / f"{name}.json")
    config = _config(tmp_path, "[[check]]\nfile = 'results/*.json'\nmin_mbu = 0.1")
    plans = read_config(config)
    assert [plan.name for plan in plans] == ["results/a.json", "results/b.json"]
    assert {plan.bars for plan in plans} == {Bars(min_mbu=0.1)}


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("card.toml", "load.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path.parent)
    text = "[defaults]\nbaseline = 'old.json'\n[[check]]\nfile = 'a'\ngpu = 'card.toml'"
    text += "\nworkload = 'load.json'"
    (plan,) = read_config(_config(tmp_path, text))
    assert plan.file == str(tmp_path / "a")
    assert plan.gpu == str(tmp_path / "card.toml")
    assert plan.baseline == tmp_path / "old.json"
    assert plan.options == {"workload": str(tmp_path / "load.json")}


def test_checks_of_one_baseline_find_their_own_in_it(tmp_path: Path) -> None:
    for name, rate in (("a", 999.0), ("b", 900.0)):
        _served(tmp_path / "results" / f"{name}.json", output_throughput=rate)
    config = _config(tmp_path, "[[check]]\nfile = 'results/*.json'\ngpu = 'rtx-4090'")
    before = [each for _, each in vperf.check_config(config)]
    old = tmp_path / "old.json"
    data = {
        "schema": "vperf/checks/1", "vperf_version": "0", "checks": [c.to_dict() for c in before]
    }  # fmt: skip
    old.write_text(json.dumps(data), encoding="utf-8")
    _served(tmp_path / "results" / "b.json", output_throughput=800.0)
    _served(tmp_path / "results" / "c.json")
    found = dict(vperf.check_config(config, baseline=old, max_drift=0.05))
    passed = {name: each.passed for name, each in found.items()}
    assert passed == {"results/a.json": True, "results/b.json": False, "results/c.json": None}
    assert "no drift" in found["results/c.json"].warnings[0]
    assert replace(found["results/a.json"], drift=None, bars=()) == before[0]
