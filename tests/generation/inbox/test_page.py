"""The inbox in the administration, and on the command line."""

import io
import time
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from generation.catalogue import approved
from generation.inbox import folder
from generation.requests import available
from tests import model_files as files
from tests.factories import UserFactory, a_moderator
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

PAGE, APPROVE, WITHDRAW = (reverse(f"admin-inbox{name}") for name in ("", "-approve", "-withdraw"))


@pytest.fixture
def home(settings, tmp_path):
    settings.HOME = tmp_path
    return tmp_path


@pytest.fixture
def operator(client):
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    return client


def drop(home, shapes, name="ink.safetensors", **options):
    files.write(folder.inbox(home) / name, shapes, **options)


def text_of(page):
    return " ".join(page.content.decode().split())


def test_the_page_says_what_each_file_is_or_why_not(home, operator):
    drop(home, files.kohya(with_text=True), metadata={"modelspec.title": "Ink <wash>"})
    drop(home, files.checkpoint(vae=False), "big.safetensors")
    drop(home, files.kohya(2048), "xl.safetensors")
    (folder.inbox(home) / "old.ckpt").write_bytes(b"\x80\x02")
    page = text_of(operator.get(PAGE))
    assert "style (LoRA): <b>Ink &lt;wash&gt;</b> (with text encoder)" in page
    assert "checkpoint: <b>big</b> (without a VAE)" in page
    assert "This LoRA is for another model (SDXL)" in page
    assert "This kind of file (.ckpt) can run programs" in page
    assert page.count(">Approve<") == 2


def test_approving_offers_the_file_and_is_recorded(home, operator):
    drop(home, files.kohya())
    page = text_of(operator.post(APPROVE, {"name": "ink.safetensors"}, follow=True))
    assert "The file ink.safetensors can be used now, as ink." in page
    assert "There are no files." in page
    assert "<b>ink</b> <code>ink</code>" in page
    assert available.catalogue().styles["ink"].is_available(home)
    assert LogEntry.objects.get().object_repr == "admin-inbox-approve"
    page = text_of(operator.post(WITHDRAW, {"id": "ink"}, follow=True))
    assert "The file ink.safetensors is in the inbox again." in page
    assert "ink" not in available.catalogue().styles


def test_a_checkpoint_that_lacks_files_names_the_command_that_fetches_them(home, operator):
    drop(home, files.checkpoint(), "big.safetensors")
    page = text_of(operator.post(APPROVE, {"name": "big.safetensors"}, follow=True))
    assert "Approved: big.safetensors, as big. Fetch what it needs besides with: " in page
    assert page.count("manage.py fetch_models big") == 2, "in the message, and beside the entry"


HOSTILE = {
    "a checkpoint's matrix without dimensions": {
        **files.checkpoint(),
        f"{files.UNET}input_blocks.1.1.{files.CROSS}": (),
    },
    "a Wan LoRA without dimensions": {"blocks.0.self_attn.q.lora_A.weight": ()},
    "more vectors than a word can have": {"emb_params": (65, 768)},
    "half a character": {"\ud800": (2,)},
    "what a terminal obeys": {"\x1b]0;x\x07\u202egpj": (2,)},
}


@pytest.mark.parametrize("shapes", HOSTILE.values(), ids=HOSTILE)
def test_no_names_or_shapes_keep_the_page_from_being_shown(home, operator, shapes):
    drop(home, shapes)
    page = text_of(operator.get(PAGE))
    assert "ink.safetensors" in page
    assert operator.get(reverse("admin-overview")).status_code == 200
    shown = page + command()
    assert not {"\x1b", "\x07", "\u202e", "\ud800"} & set(shown)
    assert "refused" in command()


def test_a_description_of_brackets_takes_no_time(home, operator):
    drop(home, files.kohya(), metadata={"modelspec.description": "<" * 2**20})
    started = time.monotonic()
    assert operator.post(APPROVE, {"name": "ink.safetensors"}).status_code == 302
    assert time.monotonic() - started < 5
    assert "ink" in available.catalogue().styles


@pytest.mark.parametrize(
    ("address", "data", "reason"),
    [
        (APPROVE, {"name": "../x.safetensors"}, "There is no file of this name in the inbox any more."),
        (APPROVE, {}, "There is no file of this name in the inbox any more."),
        (APPROVE, {"name": "xl.safetensors"}, "This LoRA is for another model (SDXL)"),
        (WITHDRAW, {"id": "tiny"}, "No approved file has this ID."),
    ],
)
def test_what_cannot_be_done_is_explained(home, operator, address, data, reason):
    drop(home, files.kohya(2048), "xl.safetensors")
    assert reason in text_of(operator.post(address, data, follow=True))
    assert not approved.path(home).exists()


def test_staff_without_the_permission_neither_see_nor_approve(home, client):
    sign_in(client, UserFactory(is_staff=True))
    drop(home, files.kohya())
    assert client.get(PAGE).status_code == 403
    assert client.post(APPROVE, {"name": "ink.safetensors"}).status_code == 403
    assert (folder.inbox(home) / "ink.safetensors").is_file()
    assert "admin/inbox" not in client.get(reverse("admin:index")).content.decode()


EDITED = {
    "no file is named": "[styles.x]\nlabel = 'a'\n",
    "a kind that is a number": "styles = 5\n",
    "an entry that is a number": "[styles]\nx = 5\n",
    "a file that is a number": "[styles.x]\nweights = 5\n",
    "a file elsewhere": "[styles.x]\nlabel = 'a'\nweights = '../../secret'\n",
    "a folder elsewhere": "[styles.'../x']\nlabel = 'a'\nweights = 'secret'\n",
    "the folder above": "[styles.'..']\nlabel = 'a'\nweights = 'secret'\n",
    "no TOML": "[",
    "deep TOML": "a = " + "[" * 5000,
}


@pytest.mark.parametrize("text", EDITED.values(), ids=EDITED)
def test_an_edited_list_of_what_was_approved_is_told_and_moves_nothing(home, operator, text):
    drop(home, files.kohya())
    (home / "secret").touch()
    (home / "models" / "x").mkdir()
    operator.get(PAGE)  # a site that runs keeps the last catalogue that was valid
    approved.path(home).write_text(text)
    assert "In the inbox" in text_of(operator.get(PAGE))
    for id in ("x", "../x", ".."):
        assert "The catalogue would no longer be valid" in text_of(operator.post(WITHDRAW, {"id": id}, follow=True))
    operator.post(APPROVE, {"name": "ink.safetensors"}, follow=True)
    assert (home / "secret").exists()
    assert [path.name for path in folder.inbox(home).iterdir()] == ["ink.safetensors"]


def test_another_site_cannot_approve(home):
    client = Client(enforce_csrf_checks=True)
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    drop(home, files.kohya())
    assert client.post(APPROVE, {"name": "ink.safetensors"}).status_code == 403
    assert (folder.inbox(home) / "ink.safetensors").is_file()


def test_the_index_leads_there(operator):
    assert PAGE in operator.get(reverse("admin:index")).content.decode()


def test_the_overview_counts_those_that_can_be_approved(home, operator, client):
    overview = reverse("admin-overview")
    assert "Model files to approve" not in operator.get(overview).content.decode()
    drop(home, files.kohya())
    drop(home, files.kohya(2048), "xl.safetensors")
    page = text_of(operator.get(overview))
    assert f'Model files to approve</h2> <p class="overview__number"><a href="{PAGE}">1</a>' in page
    sign_in(client, a_moderator())
    assert "Model files to approve" not in client.get(overview).content.decode()


def test_a_page_changes_nothing_when_it_is_only_read(home, operator):
    drop(home, files.kohya())
    assert operator.get(APPROVE).status_code == operator.get(WITHDRAW).status_code == 405
    operator.get(PAGE)
    assert [path.name for path in Path(home, "models").iterdir()] == ["inbox"]


# --- The command line -------------------------------------------------------------------------------------------------


def command(*args):
    out = io.StringIO()
    call_command("inbox", *args, stdout=out)
    return out.getvalue()


def test_the_command_lists_approves_and_takes_back(home):
    assert command() == f"There are no files in {home}/models/inbox.\n"
    drop(home, files.kohya())
    (folder.inbox(home) / "old.ckpt").touch()
    listed = command()
    assert "ink.safetensors: styles, ink\n" in listed
    assert "old.ckpt: refused. This kind of file (.ckpt)" in listed
    assert command("--approve", "ink.safetensors") == "ink.safetensors: can be used, as ink\n"
    assert "approved: ink (styles, ink)\n" in command()
    assert "ink: is in the inbox again" in command("--withdraw", "ink")


def test_the_command_fails_if_something_is_refused(home):
    drop(home, files.kohya())
    with pytest.raises(CommandError, match="1 refused"):
        command("--approve", "gone.safetensors", "ink.safetensors")
    assert "ink" in available.catalogue().styles, "the others are approved all the same"
