"""Traces of real requests, under the column names of those that publish them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.sources.traces import Trace, read_trace


def _read(tmp_path: Path, name: str, text: str) -> Trace:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_trace(file)


def _rows(trace: Trace) -> list[tuple[float, int, int]]:
    traffic = trace.traffic
    assert traffic.arrival_s is not None
    return [
        (round(s, 6), i, o)
        for s, i, o in zip(
            traffic.arrival_s, traffic.input_tokens, traffic.output_tokens, strict=True
        )
    ]


def test_azure_dates_become_seconds_from_the_first(tmp_path: Path) -> None:
    trace = _read(
        tmp_path, "azure.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n"
        "2023-11-16 18:15:50.9951690,396,109\n",
    )  # fmt: skip
    assert trace.columns == "Azure"
    assert _rows(trace) == [(0.0, 374, 44), (4.314579, 396, 109)]


def test_a_date_without_a_zone_is_utc_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # goes back an hour on 2023-10-29
    getattr(time, "tzset", lambda: None)()
    try:
        trace = _read(
            tmp_path, "azure.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-10-29 00:30:00,1,1\n2023-10-29 03:30:00,1,1\n2023-10-29 05:30:00+01:00,1,1\n",
        )  # fmt: skip
    finally:
        monkeypatch.undo()
        getattr(time, "tzset", lambda: None)()
    assert [row[0] for row in _rows(trace)] == [0.0, 3 * 3600.0, 4 * 3600.0]


def test_an_answer_says_what_its_trace_was_taken_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"timestamp": 500 * i, "input_length": 9, "output_length": i} for i in range(4)]
    path.write_text("\n".join(map(json.dumps, rows)))
    answer = vperf.estimate("qwen3-8b", "h100", trace=str(path))
    assert answer.assumptions.count(
        "trace mine: 3 requests in 1.00 s, times taken as milliseconds (Mooncake's columns); "
        "1 without an answer are left out"
    ) == 1  # fmt: skip


def test_burstgpt_rows_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    trace = _read(
        tmp_path, "burst.csv",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n"
        "45,ChatGPT,1087,0,1087,Conversation log\n"
        "118,GPT-4,417,276,693,API log\n",
    )  # fmt: skip
    assert (trace.columns, trace.failed) == ("BurstGPT", 1)
    assert _rows(trace) == [(0.0, 472, 18), (113.0, 417, 276)]


def test_mooncake_times_are_milliseconds_and_hashes_give_prefix_hits(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 27482, "input_length": 1500, "output_length": 52, "hash_ids": [46, 47, 48]},
        {"timestamp": 30535, "input_length": 1536, "output_length": 26, "hash_ids": [46, 47, 99]},
    ]
    trace = _read(tmp_path, "mooncake.jsonl", "\n".join(map(json.dumps, rows)))
    assert trace.columns == "Mooncake"
    assert _rows(trace) == [(0.0, 1500, 52), (3.053, 1536, 26)]
    assert list(trace.traffic.cached_tokens or ()) == [0, 1024]
    assert trace.prefix_hit == pytest.approx(1024 / 3036)


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 9.5, "input_len": 10, "output_len": 1},
        {"timestamp": 7.0, "input_len": 20, "output_len": 2},
    ]
    trace = _read(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    assert _rows(trace) == [(0.0, 20, 2), (2.5, 10, 1)]
    assert trace.prefix_hit is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "holds no request"),
        ("a.csv", "a,b\n1,2\n", "a, b"),
        ("a.csv", "Timestamp,Request tokens,Response tokens\n1,x,3\n", "line 2"),
        ("a.csv", "Timestamp,Request tokens,Response tokens\n1,3,0\n", "with an answer"),
        ("a.csv", "Timestamp,Request tokens,Response tokens\nnan,3,1\n", "out of range"),
        ("a.jsonl", '{"timestamp":1,"input_len":5.5,"output_len":1}', "line 1"),
        ("a.jsonl", '{"timestamp":1,"input_len":-5,"output_len":1}', "line 1"),
        ("a.jsonl", '{"timestamp":1,"input_len":true,"output_len":1}', "line 1"),
        ("a.jsonl", "[1]", "must be an object"),
        ("a.jsonl", "{", "not valid JSON"),
        ("a.jsonl", '{"timestamp":1,"input_len":1e99,"output_len":1}', "out of range"),
        ("a.jsonl", '{"timestamp":1,"input_len":5,"output_len":1,"hash_ids":[[]]}', "hash_ids"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, name, text)
    assert said in f"{caught.value.field} {caught.value}"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_trace(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="null byte"):
        read_trace("a\0b")


@pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
def test_a_device_is_refused_and_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a regular file nor a pipe"):
        read_trace("/dev/zero")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_row = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("timestamp", "input_len", "output_len", "hash_ids"), _json)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_row, max_size=4))
def test_any_json_is_read_or_refused(tmp_path: Path, rows: list[object]) -> None:
    try:
        trace = _read(tmp_path, "any.jsonl", "\n".join(map(json.dumps, rows)))
    except InputError:
        return
    assert len(trace.traffic) + trace.failed == len(rows)
