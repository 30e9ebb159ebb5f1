"""A blocked term rejects a prompt on every path, with a message at the field, and the typed text is kept."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from generation.batches import services as batches
from generation.batches.parsing import read_rows
from generation.domain.states import Status
from generation.models import Batch, BlockedTerm, Job
from generation.queue import blocked_terms, services
from generation.queue.blocked_terms import BlockedPrompt
from generation.requests.request import RenderRequest
from tests.factories import JobFactory, a_request

pytestmark = pytest.mark.django_db

MESSAGE = "No weapons here, please."
SETTINGS = {"aspect": "1:1", "seconds": "2", "quality": "draft"}


@pytest.fixture
def blocked():
    return BlockedTerm.objects.create(term="toy gun", message=MESSAGE)


def request(prompt: str) -> RenderRequest:
    return RenderRequest.from_dict(a_request(prompt=prompt))


def problem(prompt: str) -> str:
    try:
        blocked_terms.load().check(prompt)
    except BlockedPrompt as error:
        (text,) = error.errors["prompt"]
        return str(text)
    return ""


# --- Matching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        "a toy gun on a table",
        "A TOY GUN",
        "toy-gun!",
        "a toy,   gun",
        "toy\ngun",
        "a toy_gun",
        "ｔｏｙ ｇｕｎ",
        "a to\u200by gun",
        "toy toy gun",
        "a to\ufe0fy gun",
        "a to\u034fy gun",
        "a to\u17b4y gun",
        "a to\u115fy gun",
        "a toy\u3164 gun",
        "a to\u2065y gun",
        "a toy g\U000e0080un",
        "a toy gun\u0332",
        "a t\u043ey gun",
        "a toy gu\u2060n",
    ],
)
def test_whole_words_count_whatever_their_case_and_punctuation(blocked, prompt):
    assert problem(prompt) == MESSAGE


@pytest.mark.parametrize("prompt", ["a toy gunboat", "a gun toy", "toy", "a toy for a gun", "begun", ""])
def test_parts_of_words_and_other_orders_do_not(blocked, prompt):
    assert problem(prompt) == ""


def test_words_of_every_language_can_be_listed():
    BlockedTerm.objects.create(term="ŻÓŁW")
    BlockedTerm.objects.create(term="straße")
    assert problem("zielony żółw nad morzem")
    assert problem("eine STRASSE")
    assert problem("zolw") == ""


def test_letters_that_look_alike_are_told_apart_where_they_are_at_home():
    BlockedTerm.objects.create(term="cop")
    assert problem("a c\u043ep")
    assert problem("\u0441\u043e\u0440") == ""  # Russian for litter


def test_without_a_message_of_its_own_the_term_is_named():
    BlockedTerm.objects.create(term="toy gun")
    assert "“toy gun”" in problem("a toy gun")


def test_a_term_that_is_switched_off_or_holds_no_word_blocks_nothing(blocked):
    BlockedTerm.objects.update(is_active=False)
    BlockedTerm.objects.create(term="---")
    assert problem("a toy gun --- and more") == ""


def test_however_many_prompts_there_are_the_terms_are_read_once(blocked, django_assert_num_queries):
    rows = read_rows("\n".join(f"a red heart, {n}" for n in range(500)).encode(), name="p.txt")
    with django_assert_num_queries(1):
        assert len(batches.check(rows)) == 500


# --- Every path a prompt takes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_the_form_says_it_at_the_prompt_and_keeps_what_was_typed(client, user, blocked, mode):
    client.force_login(user)
    data = {**SETTINGS, "short_side": "128", "fps": "8", "format": "mp4", "model": "tiny", "variations": "1"}
    response = client.post(f"{reverse('generation:create')}?mode={mode}", {**data, "prompt": "a toy gun"})
    assert response.context["form"].errors["prompt"] == [MESSAGE]
    assert response.context["form"]["prompt"].value() == "a toy gun"
    assert not Job.objects.exists()


def test_the_negative_prompt_may_name_what_must_not_be_seen(client, user, blocked):
    client.force_login(user)
    data = {**SETTINGS, "prompt": "a red heart", "negative_prompt": "a toy gun"}
    assert client.post(reverse("generation:create"), data).status_code == 302
    assert Job.objects.get().request["negative_prompt"] == "a toy gun"


def test_the_page_for_many_prompts_names_the_line(client, user, blocked):
    client.force_login(user)
    response = client.post(
        reverse("generation:create-many"), {**SETTINGS, "lines": "a red heart\na toy gun\na blue star"}
    )
    (found,) = response.context["form"].problems
    assert (found["line"], found["field"], found["text"]) == (2, "prompt", MESSAGE)
    assert not Job.objects.exists()


def test_the_batch_command_names_the_line(user, blocked, tmp_path):
    file, errors = tmp_path / "prompts.txt", StringIO()
    file.write_text("a red heart\na toy gun\n")
    with pytest.raises(CommandError, match="1 of 2 rows cannot be rendered"):
        call_command("batch", str(file), "--user", user.username, stdout=StringIO(), stderr=errors)
    assert f"line 2, prompt: {MESSAGE}" in errors.getvalue()
    assert not Job.objects.exists()


def test_nothing_gets_around_the_forms(user, blocked):
    with pytest.raises(BlockedPrompt):
        services.submit(user, request("a toy gun"))
    assert not Job.objects.exists()
    assert services.submit(user, request("a red heart"))


def test_a_job_from_before_the_term_was_listed_is_not_rendered_again(client, user, blocked):
    job = JobFactory(user=user, status=Status.FAILED, request=a_request(prompt="a toy gun"))
    client.force_login(user)
    page = client.post(reverse("generation:retry", args=[job.pk]), follow=True).content.decode()
    assert MESSAGE in page
    job.refresh_from_db()
    assert job.status == Status.FAILED


def test_a_term_that_is_listed_while_a_batch_is_being_queued_stops_its_row_alone(user):
    rows = read_rows(b"a red heart\na toy gun\na blue star\n", name="p.txt")
    entries = batches.check(rows)
    batch, _is_new = batches.open_batch(user, "p.txt", rows)
    BlockedTerm.objects.create(term="toy gun")
    feed = batches.Feed(batch, entries)
    list(feed.advance())
    assert (feed.queued, feed.refused, len(feed)) == (2, 1, 0)
    assert sorted(Batch.objects.get().jobs.values_list("row", flat=True)) == [1, 3]
