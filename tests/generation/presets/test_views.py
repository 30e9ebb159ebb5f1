"""Presets: saved from the form, applied without losing the prompt, renamed and deleted only by their owner."""

import json

import pytest
from django.urls import reverse

from generation.models import Job, Preset
from generation.presets import services as presets
from tests.factories import PresetFactory, UserFactory
from tests.generation.create.pages import ADVANCED, SIMPLE, edit, values

pytestmark = pytest.mark.django_db


def save(client, data, mode="advanced", name="Night"):
    address = f"{reverse('generation:create-save-preset')}?mode={mode}"
    return client.post(address, {**data, "preset_name": name})


def test_a_preset_keeps_everything_but_the_prompt(signed_in, user):
    response = save(signed_in, ADVANCED)
    preset = Preset.objects.get(user=user)
    assert preset.name == "Night"
    assert "prompt" not in preset.settings
    assert (preset.settings["negative_prompt"], preset.settings["width"], preset.settings["seed"]) == ("rain", 304, 5)
    assert values(response)["prompt"] == ADVANCED["prompt"]
    assert not Job.objects.exists()


def test_a_quality_can_be_kept_without_a_prompt(signed_in, user):
    save(signed_in, {**SIMPLE, "prompt": ""}, mode="simple")
    assert Preset.objects.get(user=user).settings["height"] == 128


def test_saving_under_a_known_name_replaces_its_settings(signed_in, user):
    save(signed_in, ADVANCED)
    response = save(signed_in, {**ADVANCED, "steps": "12"}, name="NIGHT")
    assert Preset.objects.get(user=user).settings["steps"] == 12
    assert "was updated" in response.content.decode()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "draft", "Best", "a\0b"])
def test_an_invalid_name_is_reported_at_its_field(signed_in, name):
    response = save(signed_in, ADVANCED, name=name)
    assert response.context["naming"].errors["preset_name"]
    assert values(response)["negative_prompt"] == "rain"
    assert not Preset.objects.exists()


@pytest.mark.parametrize("prompt", ["a red heart", ""])
@pytest.mark.parametrize(("field", "value"), [("steps", "0"), ("short_side", "255")])
def test_settings_that_cannot_be_rendered_are_not_kept(signed_in, prompt, field, value):
    response = save(signed_in, {**ADVANCED, "prompt": prompt, field: value})
    assert list(response.context["form"].errors) == [field]
    assert "Please check the marked field" in response.content.decode()
    assert values(response)["prompt"] == prompt
    assert not Preset.objects.exists()


def test_the_number_of_presets_is_bounded(signed_in, user, monkeypatch):
    monkeypatch.setattr(presets, "MAX_PRESETS", 1)
    save(signed_in, ADVANCED)
    assert "You already have 1 presets" in save(signed_in, ADVANCED, name="another").content.decode()
    assert Preset.objects.count() == 1


@pytest.mark.parametrize("shared", [False, True])
def test_a_preset_is_applied_by_its_link(signed_in, user, shared):
    preset = PresetFactory(user=None if shared else user)
    found = values(signed_in.get(reverse("generation:create"), {"preset": preset.pk, "mode": "advanced"}))
    assert (found["fps"], found.get("prompt")) == (16, None)


def test_a_preset_is_applied_to_what_was_typed(signed_in, user):
    found = values(edit(signed_in, f"mode=advanced&preset={PresetFactory(user=user).pk}", ADVANCED))
    assert (found["prompt"], found["fps"]) == (ADVANCED["prompt"], 16)
    assert found["negative_prompt"] == ""


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000"])
def test_a_missing_preset_is_not_found(signed_in, id):
    assert signed_in.get(reverse("generation:create"), {"preset": id}).status_code == 404
    assert edit(signed_in, f"mode=simple&preset={id}", SIMPLE).status_code == 404


def test_another_users_preset_is_not_found(signed_in, other_user):
    preset = PresetFactory(user=other_user, name="secret plan")
    assert signed_in.get(reverse("generation:create"), {"preset": preset.pk}).status_code == 404
    assert edit(signed_in, f"mode=simple&preset={preset.pk}", SIMPLE).status_code == 404
    for name in ("preset-rename", "preset-delete"):
        assert signed_in.post(reverse(f"generation:{name}", args=[preset.pk]), {"name": "mine"}).status_code == 404
    assert "secret plan" not in signed_in.get(reverse("generation:presets")).content.decode()
    assert Preset.objects.get().name == "secret plan"


def test_everybodys_presets_are_shown_and_nobody_renames_or_deletes_them(signed_in):
    preset = PresetFactory(user=None, name="house style")
    assert "house style" in signed_in.get(reverse("generation:presets")).content.decode()
    assert "house style" in signed_in.get(reverse("generation:create")).content.decode()
    for name in ("preset-rename", "preset-delete"):
        assert signed_in.post(reverse(f"generation:{name}", args=[preset.pk]), {"name": "x"}).status_code == 404


@pytest.mark.parametrize("shared", [False, True])
def test_the_list_says_what_is_in_each_preset(signed_in, user, shared):
    PresetFactory(user=None if shared else user)
    page = signed_in.get(reverse("generation:presets")).content.decode()
    for text in ("256 × 256", "2 seconds", "16 fps", "MP4", "Tiny world"):
        assert f"<span>{text}</span>" in page


def test_a_preset_whose_model_is_gone_is_still_listed(signed_in, user):
    preset = PresetFactory(user=user)
    preset.settings["model"] = "gone"
    preset.save()
    assert "<span>gone</span>" in signed_in.get(reverse("generation:presets")).content.decode()


def test_the_delete_button_of_a_preset_is_folded_away(signed_in, user):
    preset = PresetFactory(user=user)
    page = signed_in.get(reverse("generation:presets")).content.decode()
    folded = page.partition('<details class="more">')[2].partition("</details>")[0]
    assert reverse("generation:preset-delete", args=[preset.pk]) in folded
    assert page.count("Delete this preset") == 1


def test_a_preset_is_renamed(signed_in, user):
    preset = PresetFactory(user=user)
    signed_in.post(reverse("generation:preset-rename", args=[preset.pk]), {f"{preset.pk}-name": "Dusk"})
    assert Preset.objects.get().name == "Dusk"


@pytest.mark.parametrize("name", ["", "taken", "TAKEN", "draft"])
def test_an_invalid_new_name_is_reported_at_its_field(signed_in, user, name):
    PresetFactory(user=user, name="taken")
    preset = PresetFactory(user=user, name="old")
    response = signed_in.post(reverse("generation:preset-rename", args=[preset.pk]), {f"{preset.pk}-name": name})
    assert sum(bool(form.errors) for form in response.context["forms"]) == 1
    assert Preset.objects.get(pk=preset.pk).name == "old"


def test_a_preset_is_deleted(signed_in, user):
    signed_in.post(reverse("generation:preset-delete", args=[PresetFactory(user=user).pk]))
    assert not Preset.objects.exists()


@pytest.mark.parametrize("name", ["preset-rename", "preset-delete"])
def test_changing_a_preset_requires_post(signed_in, user, name):
    assert signed_in.get(reverse(f"generation:{name}", args=[PresetFactory(user=user).pk])).status_code == 405


def test_anonymous_visitors_are_asked_to_sign_in(client):
    assert client.get(reverse("generation:presets")).url.startswith(reverse("account_login"))


# --- Staff -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(client):
    staff = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(staff)
    return staff


def test_staff_write_a_preset_for_everybody(client, staff):
    assert client.get(reverse("admin:generation_preset_add")).status_code == 200
    data = {"name": "house style", "user": "", "settings": json.dumps({"size": "384x256", "fps": 8})}
    assert client.post(reverse("admin:generation_preset_add"), data).status_code == 302
    preset = Preset.objects.get()
    assert preset.is_shared
    assert (preset.settings["width"], preset.settings["fps"], preset.settings["model"]) == (384, 8, "tiny")


@pytest.mark.parametrize("written", ['{"fps": 7}', '{"nonsense": 1}', "[1]", "{", '{"size": "1x1"}'])
def test_settings_that_cannot_be_rendered_are_refused_in_the_admin(client, staff, written):
    data = {"name": "house style", "user": "", "settings": written}
    response = client.post(reverse("admin:generation_preset_add"), data)
    assert response.context["adminform"].errors["settings"]
    assert not Preset.objects.exists()


def test_staff_give_everybody_a_copy_of_a_preset_once(client, staff):
    preset = PresetFactory(user=staff, name="Night")
    data = {"action": "share", "_selected_action": [str(preset.pk)]}
    for _ in range(2):
        client.post(reverse("admin:generation_preset_changelist"), data)
    assert Preset.objects.get(user=None).settings == preset.settings
    assert Preset.objects.count() == 2
