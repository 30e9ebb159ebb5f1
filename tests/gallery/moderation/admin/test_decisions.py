"""The moderation admin: the report queue, bulk decisions, permissions."""

import re

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from auravideo.celery import app
from gallery.models import Act, ModerationAction, Report, Video, Visibility
from gallery.moderation import decisions, services
from generation.models import BlockedTerm
from tests.admin_forms import values_of
from tests.factories import ReportFactory, UserFactory, VideoFactory, a_known_user, a_moderator, staff_with
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

QUEUE = reverse("admin:gallery_report_changelist")
VIDEOS = reverse("admin:gallery_video_changelist")
PEOPLE = reverse("admin:accounts_user_changelist")
TERMS = reverse("admin:generation_blockedterm_changelist")
HISTORY = reverse("admin:gallery_moderationaction_changelist")
OVERVIEW = reverse("admin-overview")
WHY = "Not here"


@pytest.fixture(autouse=True)
def _sent(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_args, **_options: None)


@pytest.fixture
def moderator():
    """Create a moderator from before the permissions were split, who may also pick."""
    return staff_with("moderate", "pick")


@pytest.fixture
def signed_in(client, moderator):
    sign_in(client, moderator)
    return client


@pytest.fixture
def report():
    return ReportFactory(video=a_public_video(), note="It is mine.")


def a_public_video(**fields) -> Video:
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now(), **fields)


def act(client, address, decision, *rows, **data):
    """Submit an action with its reason, as the confirmation page does."""
    values = {"why": WHY, "decided": "yes", **data}
    chosen = {"action": decision.name, "_selected_action": [row.pk for row in rows]}
    return client.post(address, {**chosen, **values}, follow=True)


def texts(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# --- Notes ------------------------------------------------------------------------------------------------------------


PRIVATE = [each for each in vars(decisions).values() if getattr(each, "form", None) is decisions.NoteForm]


@pytest.mark.parametrize("decision", PRIVATE, ids=lambda decision: decision.name)
@pytest.mark.parametrize("is_hidden_by_reports", [False, True])
def test_a_note_for_the_history_is_never_told_to_the_owner(signed_in, report, decision, is_hidden_by_reports, settings):
    if is_hidden_by_reports:
        settings.AUTO_HIDE_REPORTS = 2
        for key in ("one", "another"):
            services.report(report.video, a_known_user(), key, "spam")
    elif decision is decisions.UNPICK:
        services.pick(report.video.user, report.video)
    act(signed_in, VIDEOS, decision, report.video)
    signed_in.force_login(report.video.user)
    assert WHY not in signed_in.get(reverse("gallery:notices")).content.decode()


def test_a_pick_needs_no_reason_and_its_owner_reads_one(signed_in, report):
    form = decisions.PICK.form({"why": ""})
    assert form.is_valid()
    assert "The user will read this" in str(form.fields["why"].help_text)
    act(signed_in, VIDEOS, decisions.PICK, report.video)
    signed_in.force_login(report.video.user)
    assert WHY in signed_in.get(reverse("gallery:notices")).content.decode()


# --- The queue --------------------------------------------------------------------------------------------------------


def test_the_clip_plays_in_the_list_and_nothing_of_it_is_loaded_before(signed_in, report):
    page = signed_in.get(QUEUE).content.decode()
    player = re.search(r"<video[^>]*>", page)[0]
    assert f'src="{reverse("gallery:file", args=[report.video.pk])}"' in player
    for wish in ("controls", "muted", "loop", 'preload="none"', "poster="):
        assert wish in player
    for text in (
        report.video.title,
        report.video.user.username,
        "It is mine.",
        "Advertising or spam",
        "reported by a visitor",
    ):
        assert text in page


def test_the_queue_begins_with_what_is_open_and_counts_the_reports_of_a_video(signed_in, moderator, report):
    ReportFactory(video=report.video)
    answered = ReportFactory(video=a_public_video())
    services.dismiss(moderator, answered.video, "")
    rows = signed_in.get(QUEUE).context["cl"].result_list
    assert [row.video for row in rows] == [report.video] * 2
    assert {row.open_reports for row in rows} == {2}
    assert signed_in.get(QUEUE, {"state": "dismissed"}).context["cl"].result_list.get() == answered
    assert len(signed_in.get(QUEUE, {"state": "all"}).context["cl"].result_list) == 3


@pytest.mark.parametrize(
    ("query", "finds"),
    [({"q": "mine"}, True), ({"q": "theirs"}, False), ({"reason": "spam"}, True), ({"reason": "hate"}, False)],
)
def test_the_queue_is_searched_and_filtered(signed_in, report, query, finds):
    assert len(signed_in.get(QUEUE, query).context["cl"].result_list) == int(finds)


def test_the_queue_costs_no_query_per_row(signed_in, report, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as few:
        signed_in.get(QUEUE)
    ReportFactory.create_batch(8, reporter=UserFactory())
    with django_assert_max_num_queries(len(few)):
        assert len(signed_in.get(QUEUE).context["cl"].result_list) == 9


def test_moderators_can_load_files_of_hidden_and_private_videos(signed_in, moderator, report):
    services.hide(moderator, report.video, WHY)
    path = reverse("gallery:poster", args=[report.video.pk])
    report.video.poster_file.storage.save(report.video.poster_file.name, ContentFile(b"picture"))
    assert signed_in.get(path).status_code == 200


# --- Decisions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision",
    [
        decisions.DISMISS,
        decisions.HIDE,
        decisions.RESTORE,
        decisions.DELETE,
        decisions.WARN,
        decisions.SUSPEND,
    ],
    ids=lambda decision: decision.name,
)
def test_a_reason_is_asked_for_before_anything_happens(signed_in, report, decision):
    response = signed_in.post(QUEUE, {"action": decision.name, "_selected_action": [report.pk]})
    page = response.content.decode()
    assert response.status_code == 200
    assert str(decision.meaning) in page
    assert report.video.user.username in page
    assert not ModerationAction.objects.exists()
    assert Report.objects.get().state == "open"


def asked(client, address, decision, *rows) -> str:
    """Return the confirmation page of a decision."""
    return client.post(
        address, {"action": decision.name, "_selected_action": [row.pk for row in rows]}
    ).content.decode()


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


@pytest.mark.parametrize("decision", [decisions.DELETE, decisions.WARN, decisions.SUSPEND], ids=lambda one: one.name)
def test_the_decision_page_shows_the_reports_and_their_reporters(signed_in, moderator, decision):
    report = ReportFactory(video=a_public_video(title="A cat"), note="It is <mine>.", reporter=UserFactory())
    answered = ReportFactory(video=report.video, note="Long ago.")
    Report.objects.filter(pk=answered.pk).update(state="dismissed")
    ReportFactory(note="Of another video.")
    page = asked(signed_in, QUEUE, decision, report)
    for text in ("A cat", "It is &lt;mine&gt;.", report.get_reason_display(), report.reporter.username):
        assert text in page
    for row in (report.video, report.video.user, report.reporter):
        assert f'href="{page_of(row)}"' in page
    assert "Long ago." not in page
    assert "Of another video." not in page


def test_deciding_about_a_user_shows_reports_on_all_their_videos(signed_in, user):
    for title in ("A cat", "A dog"):
        ReportFactory(video=a_public_video(user=user, title=title), note=f"{title} that is mine.")
    page = asked(signed_in, PEOPLE, decisions.SUSPEND, user)
    for text in ("A cat that is mine.", "A dog that is mine.", f'href="{page_of(user)}"'):
        assert text in page
    assert "No open reports." in asked(signed_in, PEOPLE, decisions.SUSPEND, UserFactory())


def test_the_newest_reports_are_shown_and_the_rest_counted(signed_in, report):
    for number in range(decisions.REPORTS_SHOWN + 1):
        ReportFactory(video=report.video, note=f"note {number}")
    page = asked(signed_in, QUEUE, decisions.HIDE, report)
    assert re.findall(r"note (\d)", page) == ["5", "4", "3", "2", "1"]
    assert "and 2 more reports" in page


@pytest.mark.parametrize("decision", [decisions.HIDE, decisions.SUSPEND], ids=lambda one: one.name)
def test_showing_reports_costs_no_query_per_row(signed_in, report, decision, django_assert_max_num_queries):
    with django_assert_max_num_queries(20) as few:
        asked(signed_in, QUEUE, decision, report)
    others = [ReportFactory(video=a_public_video(), reporter=UserFactory()) for _n in range(4)]
    with django_assert_max_num_queries(len(few)):
        page = asked(signed_in, QUEUE, decision, report, *others)
    assert page.count('class="complaint"') == 5


@pytest.mark.parametrize("decision", [decisions.HIDE, decisions.DELETE, decisions.WARN, decisions.SUSPEND])
def test_without_a_reason_nothing_happens_to_anybody(signed_in, report, decision):
    for why in ("", "x" * 1001):
        response = act(signed_in, QUEUE, decision, report, why=why)
        assert response.context["form"].errors["why"]
    assert not ModerationAction.objects.exists()


def test_many_are_hidden_at_once_and_the_list_says_how_many(signed_in, moderator, report):
    second, other = ReportFactory(video=report.video), ReportFactory(video=a_public_video())
    response = act(signed_in, QUEUE, decisions.HIDE, report, second, other)
    assert texts(response) == ["2 clips were hidden."]
    assert Video.objects.filter(hidden_at__isnull=False).count() == 2
    assert set(Report.objects.values_list("state", "handled_by")) == {("upheld", moderator.pk)}
    assert set(ModerationAction.objects.values_list("act", "actor", "reason")) == {(Act.HIDE, moderator.pk, WHY)}


def test_rows_left_unchanged_are_reported_too(signed_in, moderator, report):
    services.hide(moderator, report.video, WHY)
    response = act(signed_in, f"{QUEUE}?state=all", decisions.HIDE, report)
    assert texts(response) == ["1 was left unchanged: nothing to change, or already gone."]
    assert texts(act(signed_in, f"{QUEUE}?state=all", decisions.RESTORE, report)) == ["1 clip may be shown again."]


def test_dismissing_needs_no_reason(signed_in, report):
    assert texts(act(signed_in, QUEUE, decisions.DISMISS, report, why="")) == ["Reports on 1 clip were dismissed."]


def test_deleting_from_the_queue(signed_in, report):
    assert texts(act(signed_in, QUEUE, decisions.DELETE, report)) == ["1 clip was deleted."]
    assert not Video.objects.kept().exists()


def test_warnings_are_per_video_and_suspensions_per_user(signed_in, report):
    other = ReportFactory(video=a_public_video(user=report.video.user))
    assert texts(act(signed_in, QUEUE, decisions.WARN, report, other)) == ["2 warnings were sent."]
    third, fourth = ReportFactory(video=report.video), ReportFactory(video=other.video)
    response = act(signed_in, QUEUE, decisions.SUSPEND, third, fourth, days="7")
    assert texts(response) == ["1 user was suspended."]
    assert ModerationAction.objects.filter(act=Act.SUSPEND).count() == 1


@pytest.mark.parametrize(("days", "seconds"), [("1", 86400), ("90", 90 * 86400), ("", None)])
def test_a_suspension_is_as_long_as_was_chosen(signed_in, report, days, seconds):
    act(signed_in, QUEUE, decisions.SUSPEND, report, days=days)
    person = User.objects.get(pk=report.video.user_id)
    assert person.is_suspended
    if seconds is None:
        assert person.suspended_until is None
    else:
        assert abs((person.suspended_until - timezone.now()).total_seconds() - seconds) < 60


@pytest.mark.parametrize("days", ["0", "-1", "5", "forever"])
def test_an_invalid_duration_suspends_nobody(signed_in, report, days):
    assert act(signed_in, QUEUE, decisions.SUSPEND, report, days=days).context["form"].errors["days"]
    assert User.objects.get(pk=report.video.user_id).is_active


def test_a_moderator_cannot_suspend_other_staff_and_is_told(signed_in, moderator):
    reports = [ReportFactory(video=a_public_video(user=user)) for user in (moderator, a_moderator())]
    (text,) = texts(act(signed_in, QUEUE, decisions.SUSPEND, *reports, days="7"))
    assert text.startswith("2 were not suspended")
    assert not User.objects.filter(is_active=False).exists()


def test_too_many_at_once_are_refused(signed_in, monkeypatch, report):
    monkeypatch.setattr(decisions, "MAX_AT_ONCE", 1)
    other = ReportFactory(video=a_public_video())
    assert texts(act(signed_in, QUEUE, decisions.HIDE, report, other)) == ["Select at most 1 at once."]
    assert not Video.objects.filter(hidden_at__isnull=False).exists()


def test_videos_are_picked_from_their_list(signed_in):
    public, unlisted = a_public_video(), VideoFactory(shared=True)
    response = act(signed_in, VIDEOS, decisions.PICK, public, unlisted, why="")
    assert texts(response)[0] == "1 clip was picked."
    assert "1 was not picked" in texts(response)[1]
    assert texts(act(signed_in, VIDEOS, decisions.UNPICK, public, why="")) == ["1 clip is no longer picked."]


def test_a_suspension_is_ended_from_the_list_of_people(signed_in, moderator, user):
    services.suspend(moderator, user, None, WHY)
    assert texts(act(signed_in, PEOPLE, decisions.UNSUSPEND, user)) == ["1 suspension was ended."]
    assert User.objects.get(pk=user.pk).is_active


def test_list_actions_are_available_on_the_object_page(signed_in, moderator, report):
    services.dismiss(moderator, report.video, "")
    page = signed_in.get(page_of(report)).content.decode()
    assert f'action="{QUEUE}?state=all"' in page
    assert 'value="suspend"' in page
    person = signed_in.get(page_of(report.video.user)).content.decode()
    assert f'action="{PEOPLE}"' in person
    assert 'value="suspend"' in person


def offered(client, row) -> set[str]:
    """Return the names of the decisions offered on a single object's page."""
    page = client.get(page_of(row)).content.decode()
    return set(re.findall(r'name="action" value="(\w+)"', page))


def test_a_video_page_offers_only_effective_decisions(signed_in, moderator):
    video = a_public_video()
    assert offered(signed_in, video) == {"hide", "pick", "remove", "warn"}
    services.pick(moderator, video)
    assert offered(signed_in, video) == {"hide", "unpick", "remove", "warn"}
    services.unpick(moderator, video)
    services.hide(moderator, video, WHY)
    assert offered(signed_in, video) == {"restore", "remove", "warn"}
    services.delete(moderator, video, WHY)
    assert "remove" not in offered(signed_in, video)


def test_a_video_with_open_reports_can_be_left_as_it_is_from_its_page(signed_in, moderator, report):
    assert offered(signed_in, report.video) == {"dismiss", "hide", "pick", "remove", "warn"}
    assert texts(act(signed_in, VIDEOS, decisions.DISMISS, report.video)) == ["Reports on 1 clip were dismissed."]
    assert "dismiss" not in offered(signed_in, report.video)


def test_a_video_hidden_by_reports_can_be_hidden_by_a_moderator_or_restored(signed_in, settings):
    settings.AUTO_HIDE_REPORTS = 1
    video = a_public_video()
    services.report(video, a_known_user(), "a visitor", "spam")
    assert {"hide", "restore", "dismiss"} <= offered(signed_in, video)


def test_a_report_page_offers_only_effective_decisions(signed_in, moderator, report):
    assert offered(signed_in, report) == {"dismiss", "hide", "remove", "warn", "suspend"}
    services.hide(moderator, report.video, WHY)
    assert offered(signed_in, report) == {"restore", "remove", "warn", "suspend"}


def test_a_user_page_offers_only_effective_decisions(signed_in, moderator, user):
    assert offered(signed_in, user) == {"warn", "suspend"}
    services.suspend(moderator, user, None, WHY)
    assert offered(signed_in, user) == {"warn", "suspend", "unsuspend"}  # suspending again changes the end
    assert offered(signed_in, moderator) == offered(signed_in, a_moderator()) == {"warn"}
    accounts.request_deletion(user)
    assert offered(signed_in, user) == set()
    assert offered(signed_in, UserFactory(is_active=False)) == {"warn"}


def test_irreversible_decisions_are_styled_as_warnings(signed_in, report):
    page = signed_in.get(page_of(report)).content.decode()
    assert re.findall(r'class="button deletelink">([^<]+)<', page) == ["Delete forever"]
    assert 'class="default deletelink"' in asked(signed_in, QUEUE, decisions.DELETE, report)
    assert "deletelink" not in asked(signed_in, QUEUE, decisions.HIDE, report)


def test_a_report_is_called_by_its_reason_and_the_title_of_its_video(signed_in, report):
    page = signed_in.get(page_of(report)).content.decode()
    assert f"<title>Advertising or spam: {report.video.title} |" in page
    assert str(report.video_id) not in re.search(r"<title>(.*)</title>", page)[1]


# --- History ----------------------------------------------------------------------------------------------------------


def test_the_history_is_on_the_pages_of_the_video_and_the_person_and_in_a_list(signed_in, moderator, report):
    services.hide(moderator, report.video, "The very reason")
    pages = (
        reverse("admin:gallery_video_change", args=[report.video.pk]),
        reverse("admin:accounts_user_change", args=[report.video.user_id]),
        reverse("admin:gallery_report_change", args=[report.pk]),
        HISTORY,
    )
    for address in pages:
        page = signed_in.get(address).content.decode()
        for text in ("The very reason", "Clip hidden", moderator.username):
            assert text in page, (address, text)
    assert len(signed_in.get(HISTORY, {"act": Act.RESTORE}).context["cl"].result_list) == 0


def test_nobody_can_change_the_history_not_even_a_superuser(client, moderator, report):
    services.hide(moderator, report.video, WHY)
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    for model, row in (("report", report), ("moderationaction", ModerationAction.objects.get())):
        assert client.get(reverse(f"admin:gallery_{model}_add")).status_code == 403
        assert client.post(reverse(f"admin:gallery_{model}_change", args=[row.pk]), {"reason": "x"}).status_code == 403
        address = reverse(f"admin:gallery_{model}_delete", args=[row.pk])
        assert client.post(address, {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        client.post(reverse(f"admin:gallery_{model}_changelist"), chosen)
    assert Report.objects.get().reason == "spam"
    assert ModerationAction.objects.get().reason == WHY


# --- Permissions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codenames", [(), ("view_report", "change_report", "view_video", "view_blockedterm")])
def test_staff_without_the_permission_sees_none_of_it(client, report, codenames):
    sign_in(client, staff_with(*codenames))
    index = client.get(reverse("admin:index")).content.decode()
    for address in (QUEUE, VIDEOS, HISTORY, TERMS, OVERVIEW):
        assert address not in index
        assert client.get(address).status_code == 403
    for name in ("gallery_report", "gallery_video"):
        row = report if name == "gallery_report" else report.video
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 403
    assert act(client, QUEUE, decisions.HIDE, report).status_code == 403
    assert not Video.objects.filter(hidden_at__isnull=False).exists()


def test_the_permission_gives_all_of_it_and_no_rights_over_accounts(signed_in, user):
    user.email = "somebody@secret.example"
    user.save()
    index = signed_in.get(reverse("admin:index")).content.decode()
    for address in (QUEUE, VIDEOS, HISTORY, TERMS, OVERVIEW, PEOPLE):
        assert address in index
        assert signed_in.get(address).status_code == 200
    address = reverse("admin:accounts_user_change", args=[user.pk])
    for page in (signed_in.get(PEOPLE), signed_in.get(address)):
        assert user.username in page.content.decode()
        assert "somebody@secret.example" not in page.content.decode()
    assert not signed_in.get(PEOPLE, {"q": "secret.example"}).context["cl"].result_list
    assert signed_in.post(address, {"username": "taken", "is_superuser": "on"}).status_code == 403
    assert signed_in.get(reverse("admin:accounts_user_add")).status_code == 403
    assert signed_in.get(reverse("admin:auth_user_password_change", args=[user.pk])).status_code == 403
    assert signed_in.get(reverse("admin:accounts_user_delete", args=[user.pk])).status_code == 403


def test_account_managers_without_the_permission_see_no_moderation(client, moderator, user):
    services.suspend(moderator, user, None, "a secret reason")
    sign_in(client, staff_with("view_user", "change_user"))
    response = client.get(reverse("admin:accounts_user_change", args=[user.pk]))
    assert response.status_code == 200
    assert "a secret reason" not in response.content.decode()
    assert 'value="suspend"' not in response.content.decode()


def test_a_suspension_is_not_ended_by_a_tick(client, moderator, user):
    services.suspend(moderator, user, None, WHY)
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    address = reverse("admin:accounts_user_change", args=[user.pk])
    assert client.post(address, values_of(client.get(address)) | {"is_active": "on"}).status_code == 302
    assert User.objects.get(pk=user.pk).is_suspended
    assert not User.objects.get(pk=user.pk).is_active


def test_moderators_list_the_terms_that_prompts_may_not_hold(signed_in):
    address = reverse("admin:generation_blockedterm_add")
    assert signed_in.post(address, {"term": "toy gun", "message": "No.", "is_active": "on"}).status_code == 302
    term = BlockedTerm.objects.get()
    change = reverse("admin:generation_blockedterm_change", args=[term.pk])
    assert signed_in.post(change, {"term": "toy gun", "message": ""}).status_code == 302
    assert not BlockedTerm.objects.get().is_active


@pytest.mark.parametrize("term", ["---", "!?", "\u200b"])
def test_a_term_without_a_word_would_block_nothing_and_is_refused(signed_in, term):
    response = signed_in.post(reverse("admin:generation_blockedterm_add"), {"term": term, "is_active": "on"})
    assert response.context["adminform"].errors
    assert not BlockedTerm.objects.exists()


def test_an_account_that_is_being_deleted_is_not_warned_or_suspended(signed_in, user):
    accounts.request_deletion(user)
    for decision in (decisions.WARN, decisions.SUSPEND):
        assert len(texts(act(signed_in, PEOPLE, decision, user, days="1"))) == 1
    assert not ModerationAction.objects.exists()


@pytest.mark.parametrize(
    "query", ["email__startswith=x", "is_superuser__exact=1", "last_login__isnull=1", "password=x"]
)
def test_moderators_cannot_filter_users_by_hidden_fields(signed_in, query):
    people = reverse("admin:accounts_user_changelist")
    assert signed_in.get(f"{people}?{query}").status_code in (302, 400)
    assert signed_in.get(f"{people}?is_active__exact=1").status_code == 200
    assert signed_in.get(f"{people}?suspended_at__isempty=1").status_code == 200
