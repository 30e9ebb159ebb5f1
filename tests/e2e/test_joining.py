"""Joining a site that is not open to everybody: by invitation, by approval, or not at all."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SCREENSHOTS, open_page
from tests.e2e.soundness import too_wide, violations
from tests.site import PASSWORD, Site

pytestmark = pytest.mark.e2e

POLISH = {
    "By invitation": "Za zaproszeniem",
    "Check again": "Sprawdź ponownie",
    "Copied": "Skopiowano",
    "Copy link": "Skopiuj link",
    "1 newcomer was approved.": "Zatwierdzono 1 nową osobę.",
    "Everyone it was meant for has signed up.": "Wszyscy, dla których było przeznaczone, założyli już konta.",
    "Only robots fill in this field.": "To pole wypełniają tylko roboty.",
    "Sign up": "Załóż konto",
    "This invitation no longer works": "To zaproszenie już nie działa",
    "what you entered is deleted": "wpisane przez Ciebie dane zostaną usunięte",
    "What do you want to see?": "Co chcesz zobaczyć?",
    "Your account is waiting for approval": "Twoje konto czeka na zatwierdzenie",
}
OPERATOR = """
from accounts.models import User
User.objects.create_superuser("operator", "operator@example.org", {password!r})
"""
RULE = """
from accounts.joining.models import JoiningRules
JoiningRules.objects.update_or_create(pk=1, defaults={{"policy": {policy!r}}})
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """Yield a site without workers, with its operator and nobody else."""
    started = Site(tmp_path_factory.mktemp("door") / "home", queues="").start()
    started.python(OPERATOR.format(password=PASSWORD))
    yield started
    assert started.stop() == 0


@pytest.fixture
def say(language):
    return lambda words: words if language == "en" else POLISH[words]


@pytest.fixture
def options(language) -> dict:
    return {"locale": {"en": "en-GB", "pl": "pl-PL"}[language]}


@pytest.fixture
def operator(browser, door, options):
    """Yield the operator's browser."""
    state = {"cookies": [{"name": "sessionid", "value": door.session_of("operator"), "url": door.url}], "origins": []}
    with open_page(browser, door, **options, storage_state=state) as page:
        yield page


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def fill_in(page: Page, name: str) -> None:
    """Fill in the form as a person does, by what can be seen, and send it."""
    fields = {"username": name, "email": f"{name}@example.org", "password1": PASSWORD, "password2": PASSWORD}
    for field, value in fields.items():
        page.locator(f"[name={field}]:visible").fill(value)
    page.get_by_role("main").locator(".button--lamp").click()


def is_sound(page: Page, name: str) -> None:
    """Expect no violation and nothing too wide; keep a picture."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)
    assert violations(page) == []
    assert too_wide(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})


def test_an_invitation_is_made_copied_and_followed_once(browser, door, options, operator, say, language):
    operator.goto("/admin/accounts/joiningrules/")
    operator.locator("[name=policy]").select_option("invitation")
    operator.locator("[name=_save]").click()
    operator.goto("/admin/accounts/invitation/add/")
    operator.locator("[name=note]").fill(f"the club {language}")
    operator.locator("[name=_save]").click()
    link = operator.locator("#invitation-link").input_value()
    operator.get_by_role("button", name=say("Copy link")).click()
    expect(operator.get_by_role("button", name=say("Copied"))).to_be_visible()

    with open_page(browser, door, **options) as guest:
        guest.goto("/")
        expect(guest.locator("a[href='/accounts/signup/']")).to_have_count(0)
        is_sound(guest, f"joining-home-{language}")
        guest.goto("/accounts/signup/")
        heading(guest, say("By invitation"))
        is_sound(guest, f"joining-by-invitation-{language}")
        guest.goto(link)
        heading(guest, say("Sign up"))
        fill_in(guest, "operators")  # reserved
        expect(guest.locator("#id_username_error")).to_be_visible()
        fill_in(guest, f"guest-{language}")
        heading(guest, say("What do you want to see?"))

    context = browser.new_context(base_url=door.url, **options)  # without checking its log, which has the status
    late = context.new_page()
    assert late.goto(link).status == 410
    heading(late, say("This invitation no longer works"))
    expect(late.get_by_role("main")).to_contain_text(say("Everyone it was meant for has signed up."))
    is_sound(late, f"joining-used-up-{language}")
    context.close()


def test_a_newcomer_waits_until_a_moderator_approves(browser, door, options, operator, say, language):
    door.python(RULE.format(policy="approval"))
    name = f"newcomer-{language}"
    with open_page(browser, door, **options) as newcomer:
        newcomer.goto("/")
        newcomer.get_by_role("banner").get_by_role("link", name=say("Sign up")).click()
        is_sound(newcomer, f"joining-by-approval-{language}")
        fill_in(newcomer, name)
        heading(newcomer, say("Your account is waiting for approval"))
        expect(newcomer.get_by_role("main")).to_contain_text(say("what you entered is deleted"))
        is_sound(newcomer, f"joining-waiting-{language}")
        newcomer.goto("/create/")
        heading(newcomer, say("Your account is waiting for approval"))

        operator.goto("/admin/overview/")
        operator.locator(".overview__number a[href*=approval]").click()
        row = operator.locator("#result_list tr", has=operator.get_by_role("link", name=name))
        expect(row.locator(".field-ends")).to_contain_text("20")  # the year in which the account ends if undecided
        row.get_by_role("link", name=name).click()
        operator.locator(".object-actions form:has([value=approve]) button").click()
        operator.locator(".decide [type=submit]").click()
        expect(operator.locator(".messagelist")).to_contain_text(say("1 newcomer was approved."))

        newcomer.get_by_role("link", name=say("Check again")).click()
        heading(newcomer, say("What do you want to see?"))


@pytest.mark.thorough
def test_a_robot_is_refused_and_a_person_taken_for_one_can_go_on(browser, door, options, say, language):
    door.python(RULE.format(policy="open"))
    with open_page(browser, door, **options) as page:
        page.goto("/accounts/signup/")
        expect(page.locator("[name=remarks]")).to_be_hidden()
        page.locator("[name=remarks]").evaluate("field => { field.value = 'Nice site!'; }")
        fill_in(page, f"person-{language}")
        expect(page.locator("#id_remarks_error")).to_contain_text(say("Only robots fill in this field."))
        is_sound(page, f"joining-robot-{language}")
        page.locator("[name=remarks]").fill("")
        fill_in(page, f"person-{language}")
        heading(page, say("What do you want to see?"))
