"""What moderators read: the queue of reports and the history."""

import re

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from gallery.models import Act, ModerationAction, Report
from gallery.moderation import services
from tests.factories import ReportFactory, UserFactory
from tests.gallery.moderation.admin.pages import (
    HISTORY,
    QUEUE,
    WHY,
    a_public_video,
)
from tests.persons import sign_in

pytestmark = pytest.mark.django_db


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
