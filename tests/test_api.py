"""What `import vperf` gives beside estimates: lists of what there is, and errors that say it."""

from __future__ import annotations

import pytest

import vperf


def test_dir_shows_every_public_name_and_nothing_that_is_not_there() -> None:
    assert set(vperf.__all__) <= set(dir(vperf))
    assert all(hasattr(vperf, name) for name in dir(vperf))


def test_gpus_and_models_list_what_a_name_is_part_of() -> None:
    assert {"rtx-4090", "l40s"} <= {gpu.id for gpu in vperf.gpus()}
    found = vperf.gpus("RTX 4090")
    assert found
    assert all("rtx 4090" in gpu.name.lower() for gpu in found)
    assert "Qwen/Qwen3-8B" in [model.id for model in vperf.models("qwen3-8b")]
    assert vperf.models("no such model") == ()


def test_the_text_of_an_error_holds_its_hint() -> None:
    with pytest.raises(vperf.UnknownNameError) as caught:
        vperf.estimate("qwen3-8b", "h101")
    assert caught.value.hint
    assert str(caught.value) == f"{caught.value.message}; {caught.value.hint}"


def test_a_roofline_is_of_the_estimate_with_the_same_options() -> None:
    found = vperf.roofline("qwen3-8b", "h100", batch_size=8)
    assert found.estimate == vperf.estimate("qwen3-8b", "h100", batch_size=8)
