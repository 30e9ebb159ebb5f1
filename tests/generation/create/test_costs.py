"""Budgets of the create page: database queries and form instances."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generation.create.forms import CreateForm
from generation.models import BlockedTerm, Job
from tests.factories import JobFactory
from tests.generation.create.pages import ADVANCED, SIMPLE, create

PAGES = [("simple", SIMPLE), ("advanced", ADVANCED)]


@pytest.fixture
def built(monkeypatch):
    """Record the mode of every form that is built."""
    found, build = [], CreateForm.__init__

    def counted(form, *args, **kwargs):
        build(form, *args, **kwargs)
        found.append(form.mode)

    monkeypatch.setattr(CreateForm, "__init__", counted)
    return found


def ask_for_summary(client, mode, data):
    return client.post(f"{reverse('generation:create-summary')}?mode={mode}", data)


@pytest.mark.django_db
@pytest.mark.parametrize(("mode", "data"), PAGES)
def test_a_live_summary_takes_five_queries_however_long_the_queue(
    signed_in, user, other_user, mode, data, django_assert_max_num_queries
):
    """One each for the session and the user, three for the queue."""
    JobFactory.create_batch(30, user=other_user)
    JobFactory.create_batch(3, user=user, priority=2)
    BlockedTerm.objects.create(term="toy gun")
    signed_in.get(reverse("generation:create"), {"mode": mode})  # stores the mode and caches this machine's rates
    with django_assert_max_num_queries(5):
        response = ask_for_summary(signed_in, mode, data)
    assert response.context["summary"].queue.jobs == 3 + 4, "her own, and one of the other user before each turn"


@pytest.mark.django_db
@pytest.mark.parametrize(("mode", "data"), PAGES)
def test_a_live_summary_builds_one_form(signed_in, built, mode, data):
    response = ask_for_summary(signed_in, mode, data)
    assert response.context["summary"]
    assert built == [mode]


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_the_page_itself_builds_one_form(signed_in, built, mode):
    response = signed_in.get(reverse("generation:create"), {"mode": mode})
    assert response.context["summary"]
    assert built == [mode]
    job = JobFactory(user=response.context["user"])
    signed_in.get(reverse("generation:create"), {"from": job.pk, "quality": "standard"})
    assert len(built) == 2


@pytest.mark.django_db
def test_a_page_that_comes_back_with_complaints_builds_one_form(signed_in, built):
    assert create(signed_in, "advanced", {**ADVANCED, "fps": "7"}).context["form"].errors
    assert built == ["advanced"]


@pytest.mark.django_db(transaction=True)
def test_eight_variations_take_few_queries_and_the_terms_are_read_once_by_the_form_and_once_at_submission(
    signed_in,
):
    BlockedTerm.objects.create(term="toy gun")
    signed_in.get(reverse("generation:create"), {"mode": "advanced"})
    with CaptureQueriesContext(connection) as queries:
        create(signed_in, "advanced", {**ADVANCED, "variations": "8", "seed": ""})
    assert Job.objects.count() == 8
    assert len(queries) <= 24, "\n".join(query["sql"] for query in queries)
    assert sum("generation_blockedterm" in query["sql"] for query in queries) == 2
