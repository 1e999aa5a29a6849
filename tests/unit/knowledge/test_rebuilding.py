"""How an index that is built anew comes along."""

from __future__ import annotations

from aragora.knowledge.near import Stage
from aragora.knowledge.rebuilding import Rebuilding


def test_where_nobody_asked_nothing_goes_on() -> None:
    rebuilding = Rebuilding()
    rebuilding.loaded(3)
    rebuilding.ended(1.0)
    assert (rebuilding.last, rebuilding.stage, rebuilding.embeds) == (None, Stage.DONE, False)


def test_asking_again_adds_nothing_but_new_vectors_and_after_its_end_begins_another() -> None:
    rebuilding = Rebuilding()
    first = rebuilding.asked(anew=False, now=1.0)
    assert rebuilding.asked(anew=False, now=2.0) == first
    assert rebuilding.asked(anew=True, now=3.0).rebuild_id == first.rebuild_id
    assert rebuilding.asked(anew=False, now=4.0).embed_anew
    rebuilding.ended(5.0)
    assert rebuilding.asked(anew=False, now=6.0).rebuild_id != first.rebuild_id


def test_it_says_how_many_are_loaded_then_embedded_and_refused() -> None:
    rebuilding = Rebuilding()
    rebuilding.asked(anew=True, now=1.0)
    rebuilding.loads(5)
    rebuilding.loaded(4)
    assert rebuilding.last is not None
    assert (rebuilding.last.done, rebuilding.last.of) == (4, 5)
    rebuilding.begins_to_embed(5)
    rebuilding.loaded(9)  # pages of another loading are not counted as embedded
    rebuilding.embedded(4, 3, before=2)
    rebuilding.embedded(2, 2, before=1)  # one more than were there when it began
    assert rebuilding.before == 1
    last = rebuilding.last
    assert (last.stage, last.done, last.of, last.refused) == (Stage.EMBEDDING, 6, 6, 1)
    rebuilding.ended(9.0)
    assert rebuilding.last.ended_at == 9.0
    assert rebuilding.stage is Stage.DONE
