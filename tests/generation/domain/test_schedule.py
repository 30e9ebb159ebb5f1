"""When clips will be ready, worked out by hand for a few small queues."""

import pytest

from generation.domain.schedule import Clip, Times, Unit, times

ONE = [["generate"], ["upscale"], ["cpu"]]


def clip(key, user=1, generate=4.0, chunks=1, upscale=1.0, assemble=0.5, **options):
    upscaled = tuple((Unit("upscale", upscale),) for _ in range(chunks))
    blocks = (((Unit("generate", generate),),), upscaled, ((Unit("cpu", assemble),),))
    return Clip(key, user, blocks, **{"waits": True, **options})


def ready(*clips, workers=ONE, served=None):
    return {key: found.ready for key, found in times(clips, workers, "generate", served).items()}


def test_clips_of_one_user_follow_one_another():
    assert ready(clip("a"), clip("b"), clip("c")) == {"a": 5.5, "b": 9.5, "c": 13.5}


def test_two_workers_take_two_at_a_time():
    found = ready(clip("a"), clip("b"), clip("c"), workers=[*ONE, *ONE])
    assert found == {"a": 5.5, "b": 5.5, "c": 9.5}


def test_the_slowest_stage_decides():
    assert ready(clip("a", upscale=9), clip("b", upscale=9)) == {"a": 13.5, "b": 22.5}


def test_chunks_are_upscaled_by_as_many_workers_as_there_are():
    assert ready(clip("a", chunks=4)) == {"a": 8.5}
    assert ready(clip("a", chunks=4), workers=[*ONE, ["upscale"]]) == {"a": 6.5}


def test_users_take_turns_and_whoever_was_served_last_waits():
    clips = [clip("a1"), clip("a2"), clip("b1", user=2), clip("b2", user=2)]
    order = sorted(ready(*clips).items(), key=lambda found: found[1])
    assert [key for key, _ready in order] == ["a1", "b1", "a2", "b2"]
    order = sorted(ready(*clips, served={1: -5.0}).items(), key=lambda found: found[1])
    assert [key for key, _ready in order] == ["b1", "a1", "b2", "a2"]


def test_what_is_running_keeps_its_worker_for_what_is_left_of_it():
    rendering = clip("a", generate=2.5, running=1, waits=False)
    assert ready(rendering, clip("b")) == {"a": 4.0, "b": 8.0}


def test_a_model_is_loaded_once():
    def cold(key):
        return Clip(key, 1, (((Unit("generate", 4.0, "tiny", 20.0),),),), waits=True)

    assert times([cold("a"), cold("b")], ONE, "generate") == {"a": Times(0.0, 24.0), "b": Times(24.0, 28.0)}


def test_a_worker_of_several_queues_does_one_thing_at_a_time():
    everything = [["generate", "upscale", "cpu"]]
    assert ready(clip("a"), workers=everything) == {"a": 5.5}
    assert ready(clip("a"), clip("b"), workers=everything) == {"a": 5.5, "b": 11.0}, "begins when the first is ready"
    assert ready(clip("a", chunks=4), clip("b"), workers=everything) == {"a": 8.5, "b": 14.0}


def test_a_worker_of_several_queues_leaves_the_work_to_those_of_one():
    workers = [["generate", "upscale"], ["upscale"], ["cpu"]]
    assert ready(clip("a"), clip("b"), workers=workers) == ready(clip("a"), clip("b"))


def test_a_worker_of_several_queues_ends_first_what_it_is_at():
    upscaling = Clip("a", 1, (((Unit("upscale", 3.0),),),), running=1)
    found = times([upscaling, clip("b", user=2)], [["generate", "upscale"], ["cpu"]], "generate")
    assert found == {"a": Times(0.0, 3.0), "b": Times(3.0, 8.5)}


@pytest.mark.parametrize("workers", [[], [["upscale"]]])
def test_a_queue_without_workers_counts_as_one(workers):
    assert ready(clip("a"), workers=workers) == {"a": 5.5}
