"""Journeys on a site that renders: refine a draft, make variations, cancel, try again, start from a file."""

import re
import uuid
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from generation.domain import stages
from generation.domain.states import Stage
from tests.e2e.conftest import open_page
from tests.e2e.creating import make, queue
from tests.e2e.held_stages import HeldFrames, chunk, held_queue, job_folder, wait_until
from tests.e2e.test_create import drop
from tests.e2e.test_first_clip import plays
from tests.e2e.variants import LOCALES

pytestmark = [pytest.mark.e2e, pytest.mark.renders, pytest.mark.thorough]

PASSWORD = "a long enough passphrase"
RENDERED = 240_000  # milliseconds; only limits a hanging test
STAGES = list(Stage)
STAGE_BEFORE = {"interpolate": "generate", "upscale": "interpolate", "assemble": "upscale"}
RUNS = """
from generation.models import StageRun
from generation.domain.states import Stage
print(*[StageRun.objects.filter(job="{job}", stage=stage).count() for stage in Stage])
"""  # how often each stage was started
POLISH = {
    "What do you want to see?": "Co chcesz zobaczyć?",
    "Draft": "Szkic",
    "Make the clip": "Utwórz klip",
    "Finished": "Gotowe",
    "Failed": "Nie udało się",
    "Open the clip": "Otwórz klip",
    "Render in full": "Renderuj w pełnej jakości",
    "How it was made": "Jak powstał",
    "Try again": "Spróbuj ponownie",
    "The frames of an earlier stage were damaged in storage. “Try again” renders them again.": (
        "Klatki z wcześniejszego etapu uległy uszkodzeniu w magazynie. „Spróbuj ponownie” wyrenderuje je od nowa."
    ),
    "Something went wrong on our side (reference {}). “Try again” continues where it stopped.": (
        "Coś poszło nie tak po naszej stronie (numer sprawy {}). „Spróbuj ponownie” zacznie tam, gdzie praca stanęła."
    ),
}


def sign_up(page) -> None:
    name = f"ann{uuid.uuid4().hex[:10]}"
    page.goto("/accounts/signup/")
    for field, value in {"username": name, "email": f"{name}@example.org", "password1": PASSWORD}.items():
        page.locator(f"[name={field}]").fill(value)
    page.locator("[name=password2]").fill(PASSWORD)
    page.locator("[name=password2]").press("Enter")
    expect(page).to_have_url(re.compile("/create/$"))


@pytest.fixture
def signed_up(page):
    """Return a page just after signing up."""
    sign_up(page)
    return page


@pytest.fixture(params=LOCALES)
def in_language(request, browser, site):
    """Yield such a page in an English or Polish browser, and a function that translates an English text to match."""
    is_polish = request.param == "pl-PL"
    with open_page(browser, site, locale=request.param) as page:
        sign_up(page)
        yield page, lambda text: POLISH[text] if is_polish else text


def ask(page, prompt: str, quality: str = "draft", seconds: str = "1") -> str:
    """Submit a clip in simple mode and return the job's ID."""
    page.goto("/create/?mode=simple")
    page.locator("[name=prompt]").fill(prompt)
    page.locator(f"[name=quality][value={quality}]").check()
    page.locator("select[name=seconds]").select_option(seconds)
    return queue(page)


def card_of(page, job: str):
    return page.locator(f"#job-{job}")


def expect_end(card, status: str) -> None:
    expect(card).to_have_attribute("data-status", re.compile("done|failed|cancelled"), timeout=RENDERED)
    assert card.get_attribute("data-status") == status, card.inner_text()


def expect_stage(card, stage: str, state: str) -> None:
    step = card.locator(".stages > li").nth(STAGES.index(stage))
    expect(step).to_have_attribute("data-state", state, timeout=RENDERED)


def seed_and_width(page) -> tuple[int, int]:
    """Return the seed and the width of the video on the page."""
    return int(page.locator(".facts .mono").inner_text()), int(page.locator("video").get_attribute("width"))


def test_a_draft_is_rendered_in_full_with_its_prompt_and_seed(in_language):
    page, said = in_language
    prompt = "a large red heart rising over the sea"
    page.goto("/create/?mode=simple")
    expect(page.get_by_role("heading", level=1)).to_have_text(said("What do you want to see?"))
    expect(page.locator("label", has=page.locator("[name=quality][value=draft]"))).to_contain_text(said("Draft"))
    expect(page.locator("#create-form .button--lamp")).to_have_text(said("Make the clip"))
    draft = ask(page, prompt)
    expect_end(card_of(page, draft), "done")
    expect(card_of(page, draft).locator(".job__status")).to_have_text(said("Finished"))
    card_of(page, draft).get_by_role("link", name=said("Open the clip")).click()
    expect(page.locator("#facts")).to_have_text(said("How it was made"))
    seed, width = seed_and_width(page)
    assert width == 128

    page.get_by_role("link", name=said("Render in full")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(said("Render in full"))
    for name, value in {"prompt": prompt, "seed": str(seed), "quality": "standard"}.items():
        expect(page.locator(f"[name={name}]")).to_have_value(value)
    expect(page.locator("main .button--lamp")).to_be_in_viewport()
    page.locator("main .button--lamp").click()
    expect(page).to_have_url(re.compile("/jobs/[0-9a-f-]{36}/$"))
    full = page.url.rstrip("/").rsplit("/", 1)[1]
    assert full != draft
    expect_end(card_of(page, full), "done")
    card_of(page, full).get_by_role("link", name=said("Open the clip")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(prompt)
    assert seed_and_width(page) == (seed, 256)
    assert plays(page) == pytest.approx(1.0, abs=0.01)
    expect(page.get_by_role("link", name=said("Render in full"))).to_have_count(0)


def test_variations_are_clips_with_consecutive_seeds(signed_up):
    page = signed_up
    page.goto("/create/?mode=advanced")
    page.locator("[name=prompt]").fill("a small blue star spinning at sunset")
    for field, value in {"short_side": "128", "steps": "4", "seed": "41", "variations": "2"}.items():
        page.locator(f"[name={field}]").fill(value)
    for field, value in {"seconds": "1", "fps": "8"}.items():
        page.locator(f"select[name={field}]").select_option(value)
    make(page)
    cards = page.locator("article.job")
    expect(cards).to_have_count(2)
    for n in range(2):
        expect_end(cards.nth(n), "done")
    links = cards.get_by_role("link", name="Open the clip")
    expect(links).to_have_count(2)
    seeds = set()
    for address in [links.nth(n).get_attribute("href") for n in range(2)]:
        page.goto(address)
        seeds.add(seed_and_width(page)[0])
    assert seeds == {41, 42}


def test_a_downloaded_clip_dropped_on_the_form_brings_its_prompt_and_seed_back(signed_up, tmp_path):
    page, prompt = signed_up, "a green cross growing in the desert"
    job = ask(page, prompt)
    expect_end(card_of(page, job), "done")
    card_of(page, job).get_by_role("link", name="Open the clip").click()
    seed, _width = seed_and_width(page)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    assert file.suffix == ".mp4"
    page.goto("/create/?mode=advanced")
    drop(page, file.read_bytes())
    expect(page.get_by_text("Settings loaded from the file.")).to_be_visible()
    expect(page.locator("[name=prompt]")).to_have_value(prompt)
    expect(page.locator("[name=seed]")).to_have_value(str(seed))
    expect(page.locator("[name=short_side]")).to_have_value("128")
    expect(page.locator("select[name=seconds]")).to_have_value("1")


def cancel(card) -> None:
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-status", "cancelled")
    expect(card.locator(".job__status")).to_have_text("Cancelled")


def cancel_while_waiting(page, site) -> str:
    with held_queue(site, "cpu"):
        job = ask(page, "a pink circle on white")
        cancel(card_of(page, job))
    return job


def cancel_while_generating(page) -> str:
    job = ask(page, "a purple square circling over a meadow", quality="best", seconds="6")
    expect_stage(card_of(page, job), "generate", "running")
    cancel(card_of(page, job))
    return job


def ask_and_hold_before(stage: str, page, site, held: ExitStack) -> str:
    """Submit a draft, hold it before a stage while `held` is open, and return the job's ID."""
    if stage != "assemble":
        held.enter_context(held_queue(site, stage))
        job = ask(page, "an orange triangle falling on grey")
    else:  # it shares its queue with preprocessing, which the job has to pass first
        with held_queue(site, "upscale"):
            job = ask(page, "an orange triangle falling on grey")
            expect_stage(card_of(page, job), "interpolate", "done")
            held.enter_context(held_queue(site, "cpu"))
    expect_stage(card_of(page, job), STAGE_BEFORE[stage], "done")
    return job


def cancel_in_the_midst_of(stage: str, page, site) -> str:
    """Cancel while the stage is reading its frames, then let it have them: it must notice the cancellation."""
    with ExitStack() as held:
        job = ask_and_hold_before(stage, page, site, held)
        frames = HeldFrames(chunk(site, job, STAGE_BEFORE[stage]))
    frames.wait_for_reader(site, stages.STAGES[Stage(stage)].queue)
    card = card_of(page, job)
    expect_stage(card, stage, "running")
    cancel(card)
    frames.give()
    return job


def test_cancelling_ends_a_clip_at_every_stage_and_the_next_one_is_rendered(signed_up, site):
    page, log_before = signed_up, site.log.read_text()
    cancelled = [cancel_while_waiting(page, site), cancel_while_generating(page)]
    cancelled += [cancel_in_the_midst_of(stage, page, site) for stage in STAGE_BEFORE]
    job = ask(page, "a yellow cross bouncing on black")
    expect_end(card_of(page, job), "done")
    folders = [job_folder(site, job) for job in cancelled]
    wait_until(lambda: not any(folder.exists() for folder in folders), f"frames of {cancelled} were left")
    page.goto("/jobs/?show=cancelled")
    expect(page.locator("article.job[data-status=cancelled]")).to_have_count(len(cancelled))
    page.goto("/videos/")
    expect(page.locator("article.card")).to_have_count(1)
    assert "Traceback" not in site.log.read_text().removeprefix(log_before)


def test_frames_damaged_in_storage_are_rendered_again_without_asking(in_language, site):
    page, said = in_language
    with ExitStack() as held:
        job = ask_and_hold_before("interpolate", page, site, held)
        damage(chunk(site, job, "generate"))
    card = card_of(page, job)
    expect_end(card, "done")
    expect(card.locator(".notice--error")).to_have_count(0)
    assert site.python(RUNS.format(job=job)).split() == ["1", "2", "2", "1", "1"]
    card.get_by_role("link", name=said("Open the clip")).click()
    assert plays(page) == pytest.approx(1.0, abs=0.01)


def test_a_clip_goes_on_where_it_stopped_when_the_cause_of_its_failure_is_gone(in_language, site):
    page, said = in_language
    with ExitStack() as held:
        job = ask_and_hold_before("upscale", page, site, held)
        in_the_way = job_folder(site, job) / "upscale"  # in place of the stage's folder
        in_the_way.write_bytes(b"")
    card = card_of(page, job)
    expect_end(card, "failed")
    text = said("Something went wrong on our side (reference {}). “Try again” continues where it stopped.")
    before, after = map(re.escape, text.split("{}"))
    expect(card.locator(".notice--error")).to_have_text(re.compile(f"^{before}[0-9a-f]{{8}}{after}$"))
    in_the_way.unlink()
    try_again(page, card, said)
    assert site.python(RUNS.format(job=job)).split() == ["1", "1", "1", "2", "1"]


def damage(path) -> None:
    """Change one byte of the last frame."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(content)


def try_again(page, card, said) -> None:
    card.get_by_role("button", name=said("Try again")).click()
    expect(card).not_to_have_attribute("data-status", "failed")
    expect_end(card, "done")
    expect(card.locator(".notice--error")).to_have_count(0)
    card.get_by_role("link", name=said("Open the clip")).click()
    assert plays(page) == pytest.approx(1.0, abs=0.01)
