"""How long loading a model takes is learned for each engine, apart for loads from the disk and from memory."""

import pytest

from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import LoadTime
from generation.queue.loading import times

pytestmark = pytest.mark.django_db

ENGINE = "tiny-film"
FIRST = STAGES[Stage.INTERPOLATE].first_load


def seconds(*boots):
    times._measured.cache_clear()
    return times.seconds(Stage.INTERPOLATE, ENGINE, boots)


def record(boot, *loads, engine=ENGINE):
    for took in loads:
        times.record(engine, took, boot)


def test_the_guess_that_ships_is_for_the_first_time_ever():
    assert seconds("monday") == seconds() == FIRST
    record("monday", 7, engine="another")
    assert seconds("monday") == FIRST


def test_after_a_machine_was_started_the_files_come_from_its_disk():
    record("monday", 30, 6, 5)
    assert seconds("monday") == 6
    assert seconds("tuesday") == 30
    record("tuesday", 40)
    assert seconds("tuesday") == 6
    assert seconds("wednesday") == 40


def test_one_machine_that_has_read_the_files_is_enough():
    record("monday", 30, 6)
    assert seconds("monday", "elsewhere") == 6


def test_a_machine_that_says_nothing_of_its_start_counts_as_running_for_long():
    record("", 30, 6)
    assert seconds() == 6


def test_without_a_load_from_memory_it_is_somewhat_faster_than_from_the_disk():
    record("monday", 20)
    assert 0.7 * 20 <= seconds("monday") < 20


def test_it_is_a_time_that_loading_seldom_exceeds_and_only_the_last_ones_count():
    record("monday", 99, 10, 30, 12, 11)
    assert seconds("monday") == 30
    record("monday", *[5] * times.RECENT)
    assert seconds("monday") == 5


def test_old_times_are_forgotten():
    record("monday", *range(1, 3 * times.KEPT))
    assert LoadTime.objects.filter(from_disk=False).count() == times.KEPT
    assert LoadTime.objects.filter(from_disk=True).count() == 1


def test_a_stage_without_a_model_loads_nothing():
    assert times.seconds(Stage.ASSEMBLE, "", ()) == 0
