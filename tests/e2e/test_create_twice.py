"""The create page in more than one tab, with more cards than usual, and pressed twice."""

import json

import pytest
from playwright.sync_api import expect

from tests.e2e.creating import cards, make, sign_up

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

TYPED = "a large green cross falling in the desert"
A_DRAFT = """
from django.utils import timezone
from accounts.models import User
from tests.factories import JobFactory, a_request
user = User.objects.get(username={name!r})
request = a_request(quality="draft", width=128, height=128)
print(JobFactory(user=user, status="cancelled", ended_at=timezone.now(), request=request).pk)
"""
MANY_CARDS = """(count) => {
    const card = document.querySelector("#feed-jobs .job");
    for (let n = 0; n < count; n++) {
        const copy = card.cloneNode(true);
        copy.id = `job-${crypto.randomUUID()}`;
        card.after(copy);
    }
}"""

# The time of a slow double click; the first request is held until it is over.
PRESS_TWICE = """() => {
    const button = document.querySelector("#create-form .button--lamp");
    button.click();
    setTimeout(() => { button.click(); console.log("pressed twice"); }, 400);
}"""


@pytest.fixture
def signed_up(quick_page):
    quick_page.user_name = sign_up(quick_page)
    return quick_page


def prompt(page):
    return page.locator("[name=prompt]")


def test_making_a_clip_in_one_tab_keeps_what_was_typed_in_another(signed_up):
    one = signed_up
    prompt(one).fill("a red heart")
    other = one.context.new_page()
    other.goto("/create/")
    prompt(other).fill(TYPED)
    other.wait_for_function("text => localStorage.getItem('create-draft').includes(text)", arg=TYPED)
    make(one)
    expect(cards(one)).to_have_count(1)
    other.close()
    one.goto("/create/")
    expect(prompt(one)).to_have_value(TYPED)
    make(one)
    expect(cards(one)).to_have_count(2)
    one.goto("/create/")
    expect(prompt(one)).to_have_value("")


def test_a_page_with_hundreds_of_cards_still_follows_the_newest(signed_up):
    page = signed_up
    prompt(page).fill("a red heart")
    make(page)
    expect(cards(page)).to_have_count(1)
    page.evaluate(MANY_CARDS, 300)
    make(page)
    expect(cards(page)).to_have_count(302)
    elsewhere = page.context.new_page()
    elsewhere.goto("/jobs/")
    job = cards(page).first.get_attribute("id")
    elsewhere.locator(f"#{job}").get_by_role("button", name="Cancel").click()
    expect(page.locator(f"#{job}")).to_have_attribute("data-status", "cancelled")


def test_pressing_render_in_full_twice_queues_once(signed_up, pages_only):
    page, held = signed_up, []
    job = pages_only.python(A_DRAFT.format(name=page.user_name)).strip()
    page.goto(f"/create/?from={job}&quality=standard")
    page.route("**/create/?mode=*", lambda route: held.append(route))
    with page.expect_console_message(lambda message: message.text == "pressed twice"):
        page.evaluate(PRESS_TWICE)
    held[0].continue_()
    expect(page.get_by_text("Your clip is queued.")).to_be_visible()
    count = f"from generation.models import Job; print(Job.objects.filter(user__username={page.user_name!r}).count())"
    assert (len(held), json.loads(pages_only.python(count))) == (1, 2)
