"""One table of options for every command that scenario_options for an estimate."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Annotated, Any, get_type_hints

import pytest
import typer

from vperf.cli.coercion import simplify
from vperf.cli.scenario_options import ScenarioOptions, scenario_options
from vperf.errors import InputError
from vperf.scenario import OPTIONS, Options, Scenario


def run(*arguments: object, **how: Any) -> ScenarioOptions:
    seen: list[ScenarioOptions] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @scenario_options(**how)
    def command(
        *, typed: ScenarioOptions, flag: Annotated[bool, typer.Option("--flag")] = False
    ) -> None:
        seen.append(typed)

    built = typer.main.get_command(app)
    simplify(built)
    built.main(args=[str(a) for a in arguments], standalone_mode=False)
    return seen[0]


def test_every_option_of_a_scenario_is_on_the_command_line() -> None:
    given = {str: "8", int: "8", float: "0.5", list: "bf16=8", bool: None}
    for name, told in OPTIONS.items():
        for flag in told.flags:
            typed = run(flag, *filter(None, [given[told.kind]]), optional=True)
            assert typed.values.keys() == {name}, flag


def test_the_keywords_of_estimate_are_the_fields_of_a_question() -> None:
    hints = get_type_hints(Scenario)
    named = {f.name: hints[f.name] for f in fields(Scenario) if f.default is not MISSING}
    assert named == get_type_hints(Options)


def test_options_left_out_are_a_question_with_its_defaults() -> None:
    assert run("-m", "qwen3-8b", "-g", "h100").scenario() == Scenario("qwen3-8b", "h100")


def test_options_given_are_the_fields_of_the_question() -> None:
    typed = run("-m", "qwen3-8b", "-g", "h100", "--tp", 2, "-q", "fp8", "--no-cuda-graphs")
    wanted = Scenario("qwen3-8b", "h100", tp=2, quantization="fp8", cuda_graphs=False)
    assert typed.scenario() == wanted


def test_many_choices_repeat_and_take_commas_each_once_and_in_order() -> None:
    typed = run("-m", "a", "--tp", "4,1", "--tp", "2", "--tp", "1", many=("tp", "gpu"))
    assert typed.choices == {"tp": (4, 1, 2)}
    assert "tp" not in typed.values


def test_options_hold_what_was_given_and_lists_of_choices() -> None:
    typed = run(
        "-m", "a", "--tp", "1,2", "-q", "fp8", "--no-cuda-graphs", "--memory", "48 GB", many=("tp",)
    )
    options = typed.options()
    given = {n: options[n] for n in ("model", "tp", "quantization", "cuda_graphs")}
    assert given == {"model": "a", "tp": (1, 2), "quantization": "fp8", "cuda_graphs": False}
    assert options["memory"] == "48 GB"


@pytest.mark.parametrize("text", ["1,,2", "", ",", "1, ,2"])
def test_an_empty_choice_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        run("--tp", text, many=("tp",))


def test_a_choice_that_is_not_a_number_is_named() -> None:
    with pytest.raises(InputError, match="'two' is not a whole number"):
        run("--tp", "1,two", many=("tp",))


def test_a_choice_below_the_least_is_refused() -> None:
    with pytest.raises(InputError, match="0 is less than 1"):
        run("--tp", "1,0", many=("tp",))


def test_without_leaves_options_out() -> None:
    with pytest.raises(Exception, match=r"(?i)no such option"):
        run("--tp", 2, without=("tp",))


def test_optional_holds_what_was_given_alone_a_zero_too() -> None:
    assert run(optional=True).values == {}
    typed = run("--image-tokens", 0, "--tp", 2, "--no-cuda-graphs", optional=True)
    assert typed.values == {"image_tokens": 0, "tp": 2, "cuda_graphs": False}


def test_numbers_of_many_choices_take_ranges_among_commas() -> None:
    typed = run("--tp", "1,2..8", "--request-rate", "0.5..2", many=("tp", "request_rate"))
    assert typed.choices == {"tp": (1, 2, 4, 8), "request_rate": (0.5, 1.0, 2.0)}


def test_a_workload_takes_the_place_of_lengths_that_were_not_given() -> None:
    scenario = run("-m", "qwen3-8b", "-g", "h100", "--workload", "chat").scenario()
    assert scenario == Scenario("qwen3-8b", "h100", workload="chat")


@pytest.mark.parametrize("given", [("--input-len", 1024), ("--output-len", 128)])
def test_a_workload_with_lengths_is_refused_even_with_those_of_the_default(
    given: tuple[str, int],
) -> None:
    with pytest.raises(InputError, match="--workload states the lengths"):
        run("-m", "qwen3-8b", "-g", "h100", "--workload", "chat", *given).scenario()


def test_numbers_are_read_as_people_type_them() -> None:
    typed = run("--input-len", "4k", "--gpu-memory-utilization", "95%", optional=True)
    assert typed.values == {"input_len": 4096, "gpu_memory_utilization": pytest.approx(0.95)}
    ranged = run("--input-len", "1k..4k,10k", many=("input_len",))
    assert ranged.choices == {"input_len": (1024, 2048, 4096, 10000)}


@pytest.mark.parametrize("named", ["2xh100", "2 x h100", "h100:2"])
def test_a_count_before_or_after_a_gpu_is_tensor_parallelism(named: str) -> None:
    assert run("-m", "a", "-g", named).scenario() == Scenario("a", "h100", tp=2)


def test_a_count_of_gpus_agrees_with_what_else_is_said() -> None:
    assert run("-m", "a", "-g", "4x3090", "--tp", 2, "--pp", 2).scenario().gpu == "3090"
    with pytest.raises(InputError, match="2 GPUs are not the 4"):
        run("-m", "a", "-g", "2xh100", "--tp", 4).scenario()


def test_model_and_gpu_need_no_flags() -> None:
    wanted = Scenario("a", "h100")
    for given in (("a", "h100"), ("-m", "a", "h100"), ("a", "-g", "h100")):
        assert run(*given).scenario() == wanted
    with pytest.raises(InputError, match="'b' is one too many"):
        run("-m", "a", "-g", "h100", "b")


def test_arguments_of_a_command_with_choices_are_choices() -> None:
    typed = run("a,b", "h100", many=("model", "gpu"))
    assert typed.choices == {"model": ("a", "b"), "gpu": ("h100",)}


def test_a_list_of_acceptances_is_no_end_of_a_range() -> None:
    with pytest.raises(InputError, match="'a/', which is not a number"):
        run("--acceptance", "a/../b", many=("acceptance",))
