"""Stacks: which clips belong together, and that each stack has exactly one front, whatever happens to its clips."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery import lifecycle, stacks
from gallery.models import Video
from gallery.models.stack_key import stack_key
from gallery.moderation import services as moderation
from generation.domain.states import Status
from generation.requests import available
from generation.requests.choices import to_requests
from tests.factories import JobFactory, UserFactory, VideoFactory, a_request
from tests.races import somebody_waits_for_a_lock

SIMPLE = {"prompt": "a red heart", "aspect": "16:9", "seconds": 2}


def asked(**changes) -> dict:
    """Return the stored request of a create form."""
    return to_requests({**SIMPLE, **changes}, available.offer())[0].to_dict()


def a_clip(user, **values) -> Video:
    """Create a clip whose stack is that of its request."""
    return VideoFactory(user=user, stack_key="", **values)


def fronts() -> set:
    return set(Video.objects.filter(is_front=True).values_list("pk", flat=True))


# --- Which belong together --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aspect", ["16:9", "3:2", "1:1", "2:3", "9:16"])
def test_a_draft_and_its_full_versions_belong_together(aspect):
    keys = {stack_key(asked(aspect=aspect, quality=quality)) for quality in ("draft", "standard", "best")}
    assert len(keys) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("other_families")
@pytest.mark.parametrize("model", ["waves", "waves-fast", "clouds"])
def test_models_without_a_motion_adapter_have_stacks_as_well(model):
    named = [asked(model=model, quality=quality) for quality in ("draft", "standard", "best")]
    spelt = [asked(model=model, short_side=one["height"], fps=one["fps"], steps=one["steps"]) for one in named]
    assert {one["quality"] for one in spelt} == {""}
    assert len({stack_key(one) for one in named + spelt}) == 1
    assert stack_key(named[0]) != stack_key(asked(quality="draft"))


@pytest.mark.parametrize("quality", ["draft", "standard", "best"])
def test_a_quality_that_the_advanced_page_spells_out_is_that_quality(quality):
    named = asked(quality=quality)
    spelt = asked(short_side=named["height"], fps=named["fps"], steps=named["steps"])
    assert spelt["quality"] == ""
    assert stack_key(spelt) == stack_key(named)


@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"prompt": " A  red HEART "}, {"quality": "best", "seed": 5}, {"negative_prompt": ""}]
)
def test_what_does_not_part_clips(changes):
    assert stack_key(asked(**{"quality": "draft", **changes})) == stack_key(asked(quality="draft", seed=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a blue heart"},
        {"negative_prompt": "rain"},
        {"seconds": 3},
        {"guidance": 3},
        {"format": "gif"},
        {"aspect": "1:1"},
        {"short_side": 200},
        {"short_side": 256, "fps": 8},
        {"short_side": 256, "steps": 3},
    ],
)
def test_what_parts_clips(changes):
    assert stack_key(asked(**changes)) != stack_key(asked(short_side=256))


def test_a_clip_of_a_model_that_is_gone_still_has_a_stack():
    request = {**a_request(), "model": "gone", "quality": ""}
    assert stack_key(request) == stack_key({**request, "seed": 5}) != stack_key({**request, "steps": 3})


# --- One front each ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_newest_is_in_front_per_user(user, other_user):
    first, second = a_clip(user), a_clip(user)
    theirs, other = a_clip(other_user), a_clip(user, request=a_request(prompt="a blue star"))
    assert fronts() == {second.pk, theirs.pk, other.pk}
    assert list(stacks.clips_of(first)) == [second, first]


@pytest.mark.django_db
def test_the_next_one_comes_to_the_front_and_the_first_returns_there(user):
    first, second, third = a_clip(user), a_clip(user), a_clip(user)
    lifecycle.trash(Video.objects.filter(pk=third.pk))
    assert fronts() == {second.pk}
    lifecycle.trash(Video.objects.filter(pk__in=[first.pk, second.pk]))
    assert fronts() == set()
    lifecycle.restore(Video.objects.filter(pk=first.pk))
    assert fronts() == {first.pk}
    lifecycle.restore(Video.objects.filter(pk__in=[second.pk, third.pk]))
    assert fronts() == {third.pk}
    lifecycle.delete(third)
    assert fronts() == {second.pk}


@pytest.mark.django_db
def test_a_clip_that_is_rendered_comes_to_the_front_by_the_clock_of_the_database(user):
    old = a_clip(user)
    Video.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=1))
    job = JobFactory(user=user, status=Status.DONE, seed=7)
    made = lifecycle.create(job, {"width": 256, "height": 256, "frames": 48, "fps": 24, "size": 1, "video": "v",
                                  "poster": "p", "preview": "w"})  # fmt: skip
    assert made.stack_key == old.stack_key
    assert fronts() == {made.pk}


@pytest.mark.django_db
def test_many_at_once_take_few_queries(user, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(stacks, "_AT_ONCE", 10)
    videos = [a_clip(user, request=a_request(prompt=f"a heart {n % 5}", seed=n)) for n in range(20)]
    Video.objects.update(is_front=False)
    with django_assert_num_queries(8):
        stacks.refresh([video.pk for video in videos])
    assert fronts() == {video.pk for video in videos[15:]}


@pytest.mark.django_db
def test_clips_of_several_users_keep_to_themselves(user, other_user):
    mine, theirs = [a_clip(user) for _ in range(2)], [a_clip(other_user) for _ in range(2)]
    lifecycle.trash(Video.objects.filter(pk__in=[mine[1].pk, theirs[0].pk]))
    assert fronts() == {mine[0].pk, theirs[1].pk}


@pytest.mark.django_db
def test_changing_stacks_takes_the_lock_of_their_owner(user, django_assert_num_queries):
    with django_assert_num_queries(1) as caught:
        stacks.lock([user.pk, user.pk])
    if connection.vendor == "postgresql":  # SQLite has one writer at a time
        assert "FOR NO KEY UPDATE" in caught[0]["sql"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_clips_that_are_made_at_the_same_time_leave_one_front(user):
    def make() -> None:
        a_clip(user)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            a_clip(user)
            other = pool.submit(make)
            while not other.done() and not somebody_waits_for_a_lock():
                time.sleep(0.01)
        other.result()
    assert Video.objects.count() == 2
    assert len(fronts()) == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db
def test_moderation_locks_the_owner_before_the_video_as_deleting_does(user):
    video = a_clip(user)
    with CaptureQueriesContext(connection) as asked:
        moderation.delete(UserFactory(is_staff=True), video, "spam")
    sql = [query["sql"] for query in asked]
    owner = next(n for n, text in enumerate(sql) if "FOR NO KEY UPDATE" in text)
    assert owner < next(n for n, text in enumerate(sql) if "FOR UPDATE" in text and 'FROM "gallery_video"' in text)


# --- Relatives --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_draft_and_its_full_version_know_each_other_by_their_seed(user):
    draft = a_clip(user, request=asked(quality="draft", seed=7))
    a_clip(user, request=asked(quality="standard", seed=8))
    assert stacks.relatives_of(draft) == stacks.Relatives(2)
    full = a_clip(user, request=asked(quality="standard", seed=7))
    assert stacks.relatives_of(draft) == stacks.Relatives(3, full=full.pk)
    assert stacks.relatives_of(full) == stacks.Relatives(3, draft=draft.pk)
    assert stacks.relatives_of(VideoFactory(user=user)) == stacks.Relatives(1)


# --- Clips from before ------------------------------------------------------------------------------------------------


@pytest.fixture
def migration(monkeypatch):
    found = import_module("gallery.migrations.0012_fill_stacks")
    monkeypatch.setattr(found, "AT_ONCE", 3)
    return found


@pytest.mark.django_db
def test_existing_clips_are_stacked_as_new_ones_are(migration, user, other_user):
    requests = [asked(quality=quality, seed=n) for n, quality in enumerate(("draft", "standard", "best", "draft"))]
    requests += [asked(aspect="custom", width=300, height=200, quality="draft"), asked(steps=3), asked(prompt="x")]
    requests += [{**requests[0], "preset": "draft"}, a_request(fps=8), a_request(negative_prompt="rain", guidance=2)]
    requests[7].pop("quality")
    videos = [a_clip(owner, request=request) for request in requests for owner in (user, other_user)]
    lifecycle.trash(Video.objects.filter(pk=videos[6].pk))
    wanted, keys = fronts(), dict(Video.objects.values_list("pk", "stack_key"))
    odd = VideoFactory(user=user)
    Video.objects.update(stack_key="", is_front=False)
    Video.objects.filter(pk=odd.pk).update(request=["no", "object"])
    migration.fill_keys(apps, None)
    migration.find_fronts(apps, None)
    assert fronts() == {*wanted, odd.pk}
    assert dict(Video.objects.values_list("pk", "stack_key")) == {**keys, odd.pk: odd.pk.hex}


@pytest.mark.django_db
def test_filling_continues_where_it_was_interrupted(migration, user):
    videos = [a_clip(user) for _ in range(7)]
    Video.objects.filter(pk__in=[video.pk for video in videos[:4]]).update(stack_key="", is_front=False)
    migration.fill_keys(apps, None)
    assert Video.objects.filter(stack_key=videos[6].stack_key).count() == 7
