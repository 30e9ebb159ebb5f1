"""Misconfiguration is reported at start-up, with a fix."""

from auravideo import checks
from generation.catalogue.load import load_catalogue


def ids(messages):
    return [message.id for message in messages]


def test_a_fresh_checkout_has_nothing_to_complain_of():
    assert checks.check_home() + checks.check_catalogue() + checks.check_hosts() == []


def test_a_catalogue_that_cannot_be_read_is_named(settings, tmp_path):
    broken = tmp_path / "mine.toml"
    broken.write_text("[models.x]\nlabel = 3\n")
    settings.CATALOGUE_FILE = str(broken)
    found = checks.check_catalogue()
    assert ids(found) == ["auravideo.E002"]
    assert "mine.toml" in found[0].msg


def test_a_default_model_that_is_not_here_comes_with_its_command(settings, tmp_path):
    extra = tmp_path / "mine.toml"
    model = next(id for id, model in load_catalogue().models.items() if not model.builtin)
    extra.write_text(f'[models."{model}"]\ndefault = true\n')
    settings.CATALOGUE_FILE = str(extra)
    found = checks.check_catalogue()
    assert "auravideo.W001" in ids(found)
    assert any(f"fetch_models {model}" in message.hint for message in found)


def test_an_image_without_its_static_files_is_reported(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    assert checks.check_static() == []
    settings.STATIC_COLLECTED = str(tmp_path)
    assert ids(checks.check_static()) == ["auravideo.E005"]
    (tmp_path / "staticfiles.json").touch()
    assert checks.check_static() == []


def test_every_website_is_not_let_in(settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert ids(checks.check_hosts()) == ["auravideo.E003"]
