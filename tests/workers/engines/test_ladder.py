"""Memory modes go down when memory runs out, and up again when it no longer does. Attempts fail with the real error."""

import weakref

import pytest
import torch

from generation.domain.errors import RenderError
from workers.engines import memory
from workers.engines.ladder import MORE_ROOM, PATIENCE, Ladder
from workers.engines.memory import LADDER

CLIP = {"model": "small", "width": 64, "height": 48, "frames": 3}
VOLUME = 64 * 48 * 3
NAMES = [rung.name for rung in LADDER]
GIB = 2**30


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Card:
    """A stand-in for GPU memory: attempts on rungs above `fits` fail. Nothing else is faked."""

    def __init__(self, fits):
        self.fits, self.tried = fits, []

    def attempt(self, rung):
        self.tried.append(rung.name)
        if NAMES.index(rung.name) < self.fits:
            raise out_of_memory()
        return f"made on {rung.name}"


def climb(ladder, card, **options):
    """Return the modes that a clip was tried in."""
    card.tried.clear()
    ladder.run(card.attempt, **{**CLIP, **options})
    return list(card.tried)


def test_the_ladder_is_walked_down_until_it_fits_and_the_rung_is_remembered():
    ladder, card = Ladder(), Card(fits=2)
    assert ladder.run(card.attempt, **CLIP) == "made on offload"
    assert card.tried == NAMES[:3]
    ladder.run(card.attempt, **CLIP)
    assert card.tried[3:] == ["offload"]


def test_larger_clips_start_where_smaller_ones_fitted_and_other_models_at_the_top():
    ladder = Ladder()
    ladder.run(Card(fits=1).attempt, **CLIP)
    assert ladder.start("small", 4 * VOLUME) == 1
    assert ladder.start("small", VOLUME // 3) == 0
    assert ladder.start("other", 4 * VOLUME) == 0


def test_after_the_last_rung_the_person_is_told():
    card = Card(fits=len(LADDER))
    with pytest.raises(RenderError) as caught:
        Ladder().run(card.attempt, **CLIP)
    assert caught.value.id == "out-of-memory"
    assert card.tried == NAMES


def test_other_errors_pass_at_once():
    tried = []

    def attempt(rung):
        tried.append(rung)
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        Ladder().run(attempt, **CLIP)
    assert len(tried) == 1


def test_what_a_failed_attempt_held_is_gone_before_the_next_one():
    held, alive = [], []

    def attempt(rung):
        if rung.name == "full":
            tensor = torch.zeros(1000)
            held.append(weakref.ref(tensor))
            raise out_of_memory()
        return "made"

    Ladder().run(attempt, between=lambda: alive.append(held[0]() is not None), **CLIP)
    assert alive == [False]


def test_what_fits_is_remembered_per_subject_and_not_per_name():
    """An adapter, a precision or a card of another kind needs another mode, whatever the model's label says."""
    ladder = Ladder()
    climb(ladder, Card(fits=2), subject=("base", "adapter"))
    assert climb(ladder, Card(fits=2), subject=("base", "adapter")) == ["offload"]
    assert climb(ladder, Card(fits=0), subject=("base", "other adapter")) == ["full"]


def test_after_some_clips_the_mode_above_is_tried_again_and_kept_if_it_fits():
    ladder, card = Ladder(), Card(fits=2)
    climb(ladder, card)
    card.fits = 0  # what took the memory is gone
    assert [climb(ladder, card) for _ in range(PATIENCE)] == [["offload"]] * PATIENCE
    assert climb(ladder, card) == ["sliced-vae"]
    for _ in range(PATIENCE):
        climb(ladder, card)
    assert [climb(ladder, card) for _ in range(3)] == [["full"]] * 3


def test_a_card_that_stays_too_small_is_tried_ever_more_rarely():
    ladder, card = Ladder(), Card(fits=2)
    climb(ladder, card)
    tries = [index for index in range(60) if climb(ladder, card) == ["sliced-vae", "offload"]]
    assert tries == [PATIENCE, PATIENCE + 2 * PATIENCE + 1, PATIENCE + 2 * PATIENCE + 4 * PATIENCE + 2]


def test_the_mode_above_is_tried_at_once_if_the_card_has_more_room_than_when_it_failed():
    ladder, card, room = Ladder(), Card(fits=2), 4 * GIB
    climb(ladder, card, room=lambda: room)
    assert climb(ladder, card, room=lambda: room) == ["offload"]
    card.fits, room = 0, room + MORE_ROOM
    assert climb(ladder, card, room=lambda: room) == ["sliced-vae"]
    assert climb(ladder, card, room=lambda: room) == ["full"]


def test_more_room_that_is_still_too_little_is_tried_once():
    ladder, card, room = Ladder(), Card(fits=2), 4 * GIB
    climb(ladder, card, room=lambda: room)
    room += MORE_ROOM
    assert climb(ladder, card, room=lambda: room) == ["sliced-vae", "offload"]
    assert climb(ladder, card, room=lambda: room) == ["offload"]


def test_modes_whose_weights_do_not_fit_are_not_tried():
    ladder, card = Ladder(), Card(fits=2)
    needs = {"room": lambda: 2 * GIB, "least": lambda rung: GIB if rung.offload else 3 * GIB}
    assert climb(ladder, card, **needs) == ["offload"]
    assert climb(ladder, card, **needs) == ["offload"]
    card.fits = 0
    assert climb(ladder, card, **{**needs, "room": lambda: 4 * GIB}) == ["sliced-vae"]


def test_the_last_mode_is_tried_whatever_is_said_about_the_room():
    card = Card(fits=0)
    assert climb(Ladder(), card, room=lambda: GIB, least=lambda _rung: 3 * GIB) == [NAMES[-1]]


def test_other_models_are_released_before_a_more_economical_mode_is_chosen():
    ladder, card, others = Ladder(), Card(fits=1), ["upscaler"]

    def release():
        card.fits = 0
        return bool(others and others.pop())

    assert climb(ladder, card, release=release) == ["full", "full"]
    assert climb(ladder, card, release=release) == ["full"]
    card.fits = 2
    assert climb(ladder, card, release=lambda: False) == ["full", "sliced-vae", "offload"]


def test_what_a_larger_clip_fits_in_a_smaller_one_does_too():
    ladder = Ladder()
    climb(ladder, Card(fits=2))
    climb(ladder, Card(fits=0), frames=6, first=0, room=lambda: 99 * GIB)
    ladder.fitted["small", 2 * VOLUME].rung = 2
    for _ in range(2 * PATIENCE + 3):
        climb(ladder, Card(fits=0), frames=6)
    assert climb(ladder, Card(fits=0)) == ["full"]


def test_the_room_is_what_is_free_and_what_this_process_holds_already(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (3 * GIB, 8 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 2 * GIB)
    assert memory.room("cuda") == 5 * GIB
    assert memory.room("cpu") is None
