"""llama.cpp's timings: the server's log, the command line's, and the answers."""

from __future__ import annotations

from tests.checks.importers.files import result, results
from vperf.checks.importers import results_of
from vperf.checks.importers.document import parse


def test_each_request_of_a_servers_log_is_a_run_on_the_card_that_it_found() -> None:
    first, second = results("llama_server.log")
    assert (first.decode_tokens_per_s, first.prefill_tokens_per_s) == (100.0, 5000.0)
    assert (first.setup.input_len, first.setup.output_len) == (600, 400)
    assert second.decode_tokens_per_s == 95.24
    for run in (first, second):
        assert run.setup.gpu == "NVIDIA GeForce RTX 4090"
        assert run.setup.model == "/models/Meta-Llama-3.1-8B-Instruct-Q6_K.gguf"


def test_the_lines_of_2024_are_read() -> None:
    run = result("llama_print_timings_2024.txt")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (50.0, 500.0)
    assert (run.setup.input_len, run.setup.output_len) == (75, 127)


def test_an_answers_timings_say_what_was_cached_and_drafted() -> None:
    run = result("llama_server_answer.json")
    assert run.decode_tokens_per_s == 200.0
    assert run.prefill_tokens_per_s is None
    # 120 tokens of which 60 were drafts that the model kept: 60 steps.
    assert run.setup.acceptance_length == 2.0
    assert run.notes == ("10 tokens of the prompt came out of the cache",)


def test_drafts_that_the_server_prints_make_the_tokens_of_a_step() -> None:
    run = result("llama_server_drafts.log")
    assert run.setup.acceptance_length == 2.0  # 200 tokens, 100 of them accepted drafts
    assert run.setup.model == "/models/Qwen3-8B-Q4_K_M.gguf"


def test_an_answer_that_did_not_end_has_the_last_rate_so_far() -> None:
    run = result("llama_server_so_far.log")
    assert (run.decode_tokens_per_s, run.setup.output_len) == (30.54, 2084)
    assert any("had not ended" in note for note in run.notes)


def test_the_line_of_generation_is_enough() -> None:
    text = "eval time = 9120.00 ms / 479 runs ( 19.04 ms per token, 52.52 tokens per second)\n"
    (run,) = results_of(parse(text, "a file"))
    assert (run.decode_tokens_per_s, run.setup.output_len) == (52.52, 479)


def test_the_prefix_of_2026_is_one_more() -> None:
    run = result("llama_cli_2026.txt")
    assert (run.decode_tokens_per_s, run.prefill_tokens_per_s) == (52.52, 265.94)
