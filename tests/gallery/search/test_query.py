"""Searches find the videos that contain every word, newest first, page by page, within the given list only."""

import pytest
from django.utils import timezone

from gallery.access import library_of
from gallery.models import SearchDoc, Video, Visibility
from gallery.models.search import PUBLIC, scope_word, words_of
from gallery.search.query import MAX_TEXT, MAX_WORDS, find
from tests.factories import VideoFactory, a_request

pytestmark = pytest.mark.django_db


def a_video(user, prompt: str, title: str = "-", **fields) -> Video:
    return VideoFactory(user=user, request=a_request(prompt=prompt, seed=1), title=title, **fields)


def prompts(user, text: str, query=None, order="-created_at", size=10) -> list[str]:
    return [video.prompt for video in find(library_of(user), text, query or {}, size, order, owner=user).rows]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Red, RED heart!", ["a", "red", "heart"]),
        ("Zażółć gęślą JAŹŃ", ["zazolc", "gesla", "jazn"]),
        ("it's 3D_art-work", ["it", "s", "3d", "art", "work"]),
        ("赤い心", ["赤", "い", "心"]),
        ('\'; DROP TABLE "x" -- * AND', ["drop", "table", "x", "and"]),
        ("... !!", []),
    ],
)
def test_words_are_small_plain_and_each_once(text, words):
    assert words_of(text) == words


def test_every_word_must_be_there_in_prompt_or_title(user):
    a_video(user, "a red heart rising", "Morning")
    a_video(user, "a red star falling")
    assert prompts(user, "red") == ["a red star falling", "a red heart rising"]
    assert prompts(user, "morning RED") == ["a red heart rising"]
    assert prompts(user, "red nothing") == []


def test_the_last_word_may_be_a_beginning(user):
    a_video(user, "a heart rising")
    assert prompts(user, "hear") == ["a heart rising"]
    assert prompts(user, "hear rising") == []
    assert prompts(user, "he") == []


@pytest.mark.parametrize("text", ["żółte słońce", "zolte slonce", "ŻÓŁTE"])
def test_accents_and_case_do_not_matter(user, text):
    a_video(user, "Żółte słońce nad morzem")
    assert prompts(user, text) == ["Żółte słońce nad morzem"]


@pytest.mark.parametrize(
    "text", ['"', "'", "\\", "a AND", "NOT heart", "heart*", "(", "NEAR(a b)", "%", "'':*", "\x00"]
)
def test_no_sign_has_a_meaning_of_its_own(user, text):
    a_video(user, "nothing of that")
    assert prompts(user, text) in ([], ["nothing of that"])


def test_a_text_is_bounded(user):
    a_video(user, "heart")
    assert prompts(user, "heart" + " " * MAX_TEXT + "missing") == ["heart"]
    video = a_video(user, " ".join(words := [f"word{n}" for n in range(MAX_WORDS)]))
    assert prompts(user, " ".join([*words, "missing"])) == [video.prompt]
    assert prompts(user, "x" * MAX_TEXT * 100) == []


def test_somebody_elses_videos_are_not_found(user, other_user):
    a_video(other_user, "a red heart")
    assert prompts(user, "heart") == []
    assert find(Video.objects.listed(), "heart", {}, 10, "-published_at").rows == []


def test_search_stays_within_the_given_list(user):
    video = a_video(user, "a red heart")
    assert find(library_of(user).filter(format="gif"), "heart", {}, 10, owner=user).rows == []
    Video.objects.filter(pk=video.pk).update(deleted_at="2026-01-01T00:00Z")
    assert prompts(user, "heart") == []


@pytest.mark.parametrize("order", ["-created_at", "created_at"])
def test_pages_neither_repeat_nor_lose_anything(user, order):
    made = [a_video(user, f"heart number {n}").prompt for n in range(7)]
    expected = made[::-1] if order.startswith("-") else made

    def page(query):
        name, _, value = query.partition("=")
        return find(library_of(user), "heart", {name: value}, 3, order, owner=user)

    first = page("")
    second = page(first.older)
    third = page(second.older)
    assert [video.prompt for found in (first, second, third) for video in found.rows] == expected
    assert (first.newer, third.older) == ("", "")
    assert [video.prompt for video in page(third.newer).rows] == expected[3:6]
    assert [video.prompt for video in page(second.newer).rows] == expected[:3]


@pytest.mark.parametrize("mark", ["before=x", "before=-5", "after=" + "9" * 40, "before=1-" + "0" * 32])
def test_a_mangled_mark_gives_the_first_page(user, mark):
    a_video(user, "heart")
    name, _, value = mark.partition("=")
    assert prompts(user, "heart", {name: value}) == ["heart"]


def test_other_orders_search_too(user):
    for size in (10, 30, 20):
        a_video(user, f"heart of {size}", size=size)
    assert prompts(user, "heart", order="-size") == ["heart of 30", "heart of 20", "heart of 10"]


def test_a_page_takes_one_query(user, django_assert_num_queries):
    for n in range(3):
        a_video(user, f"heart {n}")
    with django_assert_num_queries(1):
        assert len(prompts(user, "heart", size=2)) == 2


def test_indexing_again_follows_a_new_title_and_keeps_the_place(user):
    video = a_video(user, "a red heart", "Old")
    number = SearchDoc.objects.get(video=video).number
    video.title = "New"
    video.save()
    SearchDoc.objects.index([video])
    assert SearchDoc.objects.get(video=video).number == number
    assert prompts(user, "new") == ["a red heart"]
    assert prompts(user, "old") == []


def test_a_video_that_is_gone_leaves_nothing_in_the_search(user):
    a_video(user, "a red heart").delete()
    assert SearchDoc.objects.count() == 0
    a_video(user, "a blue heart")
    assert prompts(user, "heart") == ["a blue heart"]


def public(user, prompt: str) -> Video:
    return a_video(user, prompt, visibility=Visibility.PUBLIC, published_at=timezone.now())


@pytest.mark.parametrize("word", [scope_word(PUBLIC), scope_word("u1")])
def test_a_prompt_that_holds_the_name_of_a_scope_takes_no_place_of_others(user, other_user, word):
    for _ in range(4):
        public(user, "a dog")
    public(other_user, f"a dog {word}")
    found = find(Video.objects.listed(), "dog", {}, 4)
    assert (len(found.rows), bool(found.older)) == (4, True)
    assert prompts(user, "dog") == ["a dog"] * 4


@pytest.mark.parametrize("sign", ["\u19b0", "\u1a80", "\U00011f02", "ﷺ", "①", "\U0001d7d8"])
def test_every_letter_like_character_is_searchable(user, sign):
    a_video(user, f"a heart a{sign}b")
    assert prompts(user, f"a{sign}b") == [f"a heart a{sign}b"]
    assert prompts(user, f"{sign} nothing") == []


def test_a_word_too_long_for_the_index_is_cut(user):
    a_video(user, "\u327c" * 180)
    assert prompts(user, "\u327c" * 180) == ["\u327c" * 180]


def test_the_first_words_of_a_very_long_text_are_found(user):
    signs = "".join(chr(0x4E00 + n) for n in range(900))
    video = a_video(user, f"{signs} end", "Beginning")
    assert len(SearchDoc.objects.get(video=video).text.encode()) < 2500
    assert prompts(user, "beginning 一") == [video.prompt]
    assert prompts(user, "end") == []
