"""Types that are refused with a reason: none of them is answered after all."""

import pytest

from vperf.errors import UnsupportedModelError
from vperf.model.families import all_families
from vperf.model.read import build_model
from vperf.model.refused import WHY
from vperf.model.text_model import CHANGED


def test_no_refused_type_has_a_family() -> None:
    assert not WHY.keys() & set(all_families())


@pytest.mark.parametrize("kind", WHY)
def test_a_refusal_says_what_keeps_vperf_from_the_type(kind: str) -> None:
    config = {"model_type": kind, "hidden_size": 64, "num_hidden_layers": 2}
    with pytest.raises(UnsupportedModelError, match="is not supported: ") as refusal:
        build_model(config, source=kind)
    assert WHY[kind] in str(refusal.value)


def test_wrappers_that_speak_are_refused_as_wrappers_too() -> None:
    assert {"csm", "moshi", "vibevoice", "qwen2_5_omni"} <= CHANGED
