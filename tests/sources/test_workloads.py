"""Workloads by name and as files: what they hold, what is refused, what they do to an estimate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vperf
from vperf.cli.scenario_options import option
from vperf.errors import InputError, UnknownNameError, VperfError
from vperf.serving.lengths import distribution
from vperf.sources.workloads import load_workload, workload_names


@pytest.mark.parametrize("name", workload_names())
def test_a_bundled_workload_says_where_its_lengths_are_from(name: str) -> None:
    lengths = load_workload(name)
    assert lengths.name == name
    assert len(lengths.source) > 20
    assert lengths.input_tokens > lengths.output_tokens > 0


def test_the_bundled_workloads_are_those_of_the_help() -> None:
    assert all(name in option("workload").help for name in workload_names())


def written(tmp_path: Path, name: str, text: str) -> str:
    file = tmp_path / name
    file.write_text(text)
    return str(file)


def test_json_lines_keep_the_means_of_the_requests(tmp_path: Path) -> None:
    rows = [{"input_len": 10 * n, "output_len": 1000 - n} for n in range(1, 500)]
    text = "\n".join(map(json.dumps, rows))
    lengths = load_workload(written(tmp_path, "mine.jsonl", text))
    assert (lengths.input_tokens, lengths.output_tokens) == (2500, 750)
    assert sum(r.share for r in lengths.requests) == pytest.approx(1)
    mean = sum(r.share * r.input_tokens for r in lengths.requests)
    assert mean == pytest.approx(2500, rel=1e-3)
    assert len(lengths.requests) <= 32


def test_the_names_that_other_tools_use_are_understood(tmp_path: Path) -> None:
    text = '[{"input_length": 100, "output_length": 7, "hash_ids": [1]}]'
    lengths = load_workload(written(tmp_path, "trace.json", text))
    assert (lengths.input_tokens, lengths.output_tokens) == (100, 7)


def test_percentiles_are_interpolated_and_end_where_they_end(tmp_path: Path) -> None:
    text = "output_len = 100\n[input_len]\np0 = 1\np100 = 2000\n"
    lengths = load_workload(written(tmp_path, "even.toml", text))
    assert lengths.input_tokens == pytest.approx(1000, abs=2)
    flat = load_workload(written(tmp_path, "flat.toml", "output_len = 9\ninput_len = {p50 = 70}"))
    assert {r.input_tokens for r in flat.requests} == {70}


def test_listed_requests_have_weights(tmp_path: Path) -> None:
    text = (
        "[[requests]]\ninput_len = 100\noutput_len = 10\nweight = 3\n"
        "[[requests]]\ninput_len = 500\noutput_len = 50\n"
    )
    lengths = load_workload(written(tmp_path, "two.toml", text))
    assert (lengths.input_tokens, lengths.output_tokens) == (200, 20)
    assert [r.share for r in lengths.requests] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "input_len = 5", "output_len: required"),
        ("a.toml", "input_len = 0\noutput_len = 5", "number of tokens"),
        ("a.toml", "input_len = true\noutput_len = 5", "number of tokens"),
        ("a.toml", "input_len = 5\noutput_len = 5\ncolour = 1", "colour: unknown key"),
        ("a.toml", "input_len = {half = 5}\noutput_len = 5", "not a percentile"),
        ("a.toml", "input_len = {p10 = 5, p90 = 4}\noutput_len = 5", "must not fall"),
        ("a.toml", "input_len = {}\noutput_len = 5", "no percentile"),
        ("a.toml", "input_len = 5\noutput_len = 5\nprefix_cache_hit = 1", "below 1"),
        ("a.toml", "requests = []", "list of tables"),
        ("a.toml", "input_len = 5\n[[requests]]\ninput_len = 5\noutput_len = 5", "combined"),
        ("a.toml", "[[requests]]\ninput_len = 5\noutput_len = 5\nweight = 0", "above 0"),
        ("a.toml", "[[requests]]\ninput_len = 5", "output_len"),
        ("a.toml", "= 5", "not valid TOML"),
        ("a.jsonl", "", "no request"),
        ("a.jsonl", "5", "must be an object"),
        ("a.jsonl", '{"input_len": 5', "not valid JSON"),
        ("a.jsonl", '{"input_len": 5, "output_len": "many"}', "number of tokens"),
        ("a.jsonl", '{"input_len": 5}', "has no output_len"),
        ("a.json", '{"input_len": 5}', "list of requests"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_workload(written(tmp_path, name, text))
    assert name in caught.value.message


def test_conversations_without_lengths_say_what_to_do(tmp_path: Path) -> None:
    file = written(tmp_path, "sharegpt.json", '[{"conversations": [{"value": "hello"}]}]')
    with pytest.raises(InputError) as caught:
        load_workload(file)
    assert "tokenizer" in caught.value.hint


def test_an_unknown_workload_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_workload("poetry")
    assert "chat" in caught.value.hint


def test_a_workload_of_one_length_is_that_length() -> None:
    lengths = load_workload("chat")
    named = vperf.estimate("qwen3-8b", "h100", workload="chat")
    plain = vperf.estimate("qwen3-8b", "h100", input_len=lengths.input_tokens,
                           output_len=lengths.output_tokens)  # fmt: skip
    assert (named.limit, named.expected, named.memory) == (
        plain.limit, plain.expected, plain.memory
    )  # fmt: skip
    assert any("workload chat" in line for line in named.assumptions)


def mixed(tmp_path: Path, rows: list[tuple[int, int]], **options: Any) -> vperf.Estimate:
    text = "\n".join(json.dumps({"input_len": i, "output_len": o}) for i, o in rows)
    file = written(tmp_path, "mixed.jsonl", text)
    return vperf.estimate("qwen3-8b", "h100", workload=file, **options)


def test_figures_of_a_distribution_are_means_over_its_requests(tmp_path: Path) -> None:
    rows = [(200, 50), (8000, 400)]
    each = [vperf.estimate("qwen3-8b", "h100", input_len=i, output_len=o) for i, o in rows]
    answer = mixed(tmp_path, rows)
    ttft = sum(e.expected.ttft_s for e in each) / 2
    assert answer.expected.ttft_s == pytest.approx(ttft)
    tokens = sum(o for _, o in rows)
    tpot = sum(o * e.expected.tpot_s for e, (_, o) in zip(each, rows, strict=True)) / tokens
    assert answer.expected.tpot_s == pytest.approx(tpot)


def test_the_limit_of_a_distribution_is_no_more_than_the_mean_of_limits(tmp_path: Path) -> None:
    rows = [(100, 10), (30_000, 500)]
    for batch in (1, 16, 256):
        each = [
            vperf.estimate("qwen3-8b", "h100", input_len=i, output_len=o, batch_size=batch)
            for i, o in rows
        ]
        answer = mixed(tmp_path, rows, batch_size=batch)
        tokens = sum(o for _, o in rows)
        mean = sum(o * e.limit.tpot_s for e, (_, o) in zip(each, rows, strict=True)) / tokens
        assert answer.limit.tpot_s <= mean * (1 + 1e-9)
        assert answer.limit.tpot_s <= answer.expected.tpot_s


def test_cells_of_a_distribution_keep_the_spread_of_both_sides() -> None:
    pairs = [(i, o, 1.0) for i in (10, 1000) for o in (1, 500)]
    lengths = distribution(pairs, name="x", source="")
    assert {(r.input_tokens, r.output_tokens) for r in lengths.requests} == {
        (10, 1), (10, 500), (1000, 1), (1000, 500),
    }  # fmt: skip


def test_a_workload_with_lengths_is_refused() -> None:
    with pytest.raises(VperfError, match="cannot be combined with input-len"):
        vperf.estimate("qwen3-8b", "h100", workload="chat", input_len=7)


def test_prefixes_of_a_workload_are_found_under_a_load_and_said_without() -> None:
    load = vperf.estimate("qwen3-8b", "h100", workload="agent", max_concurrency=4)
    cold = vperf.estimate("qwen3-8b", "h100", input_len=8596, output_len=182, max_concurrency=4)
    assert load.expected.ttft_s < cold.expected.ttft_s
    alone = vperf.estimate("qwen3-8b", "h100", workload="agent")
    assert any("all of each prompt is prefilled" in line for line in alone.assumptions)
