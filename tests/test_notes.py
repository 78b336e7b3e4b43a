import ast
import copy
import json
import pickle

import vperf
from tests.source import modules
from vperf.notes import KINDS, Note, notes_of


def test_a_note_is_its_sentence_and_knows_its_kind_and_values() -> None:
    note = Note("context", context=9000, most=8192)
    assert note == "9000 tokens are beyond the model's maximum context of 8192"
    assert (note.kind, note.role, note.guess) == ("context", "warning", False)
    assert note.values == {"context": 9000, "most": 8192}
    assert type(str(note)) is str
    assert json.dumps([note]) == json.dumps([str(note)])


def test_copies_and_pickles_keep_kind_and_values() -> None:
    note = Note("users_wait", slots=3, users=8)
    for other in (copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert (other, other.kind, other.values) == (note, note.kind, note.values)


def test_free_text_becomes_notes_and_notes_stay_what_they_are() -> None:
    kept = Note("windows")
    free, same = notes_of("card", ("braces {stay}", kept))
    assert (free, free.kind) == ("braces {stay}", "card")
    assert same is kept


def test_every_kind_is_made_somewhere_and_every_note_made_is_of_a_kind() -> None:
    strings = {
        node.value
        for name, nodes in modules().items()
        if name != "notes.py"
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    made = {
        call.args[0].value
        for nodes in modules().values()
        for call in nodes
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("Note", "notes_of")
        and isinstance(call.args[0], ast.Constant)
    }
    assert made <= KINDS.keys()
    assert KINDS.keys() <= strings


def test_guesses_that_changed_the_answer_are_marked() -> None:
    answer = vperf.estimate("Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000")
    guesses = {note.kind for note in answer.assumptions if note.guess}
    assert "card_choice" in guesses
    assert "engine_default" in guesses
    exact = vperf.estimate(
        "Qwen/Qwen3-4B-Instruct-2507", "RTX PRO 6000 Blackwell Server Edition", engine="vllm"
    )
    assert not {"card_choice", "engine_default"} & {note.kind for note in exact.assumptions}


def test_a_served_load_queues_and_says_so_no_more() -> None:
    batch = vperf.estimate("Qwen/Qwen3-32B", "h200")
    served = vperf.estimate("Qwen/Qwen3-32B", "h200", max_concurrency=4)
    assert [note.kind for note in batch.not_modelled] == ["queueing", "throttling"]
    assert [note.kind for note in served.not_modelled] == ["throttling"]
