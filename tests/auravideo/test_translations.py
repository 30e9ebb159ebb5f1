"""Every text is translated to every required language, and no English is left untranslatable."""

import ast
import gettext
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel import Locale
from django.apps import apps
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import to_locale

from auravideo.languages import LANGUAGES, TRANSLATED, Language
from scripts import messages
from tests.addresses import addresses
from tests.persons import sign_in
from tests.sampling import every

ROOT = Path(__file__).resolve().parents[2]
OURS = ("accounts", "generation", "gallery")
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in (".html", ".txt"))
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|<[^>]+>")
WORDS = re.compile(r"[^\W\d_]{2,}")
# Names, units and words that are the same in every language; prompts are English because the models are.
SAME_EVERYWHERE = {"AuraVideo", "GIF", "MP4", "WebM", "px"}
POLISH = next(each for each in TRANSLATED if each.code == "pl")
SEEN_ATTRIBUTES = {"alt", "title", "placeholder", "aria-label", "aria-description", "content", "label"}


def code(language: Language) -> str:
    return language.code


@pytest.fixture(scope="module")
def found():
    return messages.texts()


# --- The catalogues ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_every_language_of_the_site_has_a_catalogue(language):
    assert messages.po_path(language).exists(), "run `make messages`"


def test_there_is_no_catalogue_of_a_language_that_nobody_can_choose():
    assert {path.name for path in (ROOT / "locale").iterdir()} == {to_locale(each.code) for each in TRANSLATED}


@pytest.mark.parametrize("language", [each for each in TRANSLATED if each.is_required], ids=code)
def test_every_text_is_translated(found, language):
    assert len(found) > 300, "the texts were not found"
    missing = [message.id for message in messages.untranslated(messages.update(language, found))]
    assert missing == [], "run `make messages` and translate these in locale/"


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_a_partial_language_has_whole_texts(language):
    """A partially translated plural would mix two languages on one page, depending on a number."""
    mixed = [
        message.id for message in messages.read(language) if any(forms := _forms(message.string)) and not all(forms)
    ]
    assert mixed == []


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_the_catalogue_holds_what_the_site_says_and_nothing_else(found, language):
    present = messages.po_path(language).read_bytes()
    assert messages.written(messages.update(language, found)) == present, "run `make messages`"


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_what_is_compiled_is_what_is_written(language):
    compiled = messages.po_path(language).with_suffix(".mo").read_bytes()
    assert compiled == messages.compiled(messages.read(language)), "run `make messages`"


def _forms(text) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, (tuple, list)) else (text,)


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_a_translation_has_the_values_and_tags_of_its_text(language):
    catalog = messages.read(language)
    assert [(message.id, errors) for message, errors in catalog.check()] == []
    for message in catalog:
        for form in filter(None, _forms(message.string) if message.id else ()):
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(_forms(message.id)[-1])), message.id
            assert form.strip() == form, message.id


@pytest.mark.parametrize("language", LANGUAGES, ids=code)
def test_the_plural_rule_tells_apart_what_the_language_does(language):
    """Compared with the Unicode consortium's rules (CLDR): numbers share a form exactly where those do."""
    rule = re.fullmatch(r"nplurals=(\d); plural=(.+);", language.plural)
    form_of, category_of = gettext.c2py(rule[2]), Locale.parse(language.code, sep="-").plural_form
    pairs = {(form_of(n), category_of(n)) for n in range(1000)}
    assert len(pairs) == len({form for form, _category in pairs}) == len({category for _form, category in pairs})
    assert max(form for form, _category in pairs) < int(rule[1])


@pytest.mark.parametrize("language", TRANSLATED, ids=code)
def test_the_catalogue_states_the_plural_rule_of_the_list(language):
    assert messages.read(language).plural_forms.rstrip(";") == language.plural.rstrip(";")


def test_languages_are_listed_once():
    """Codes that are compared or chosen come from auravideo/languages.py."""
    codes = "|".join(re.escape(each.code) for each in TRANSLATED)
    again = re.compile(rf"""["'](?:{codes})["']""")
    python = [path for app in (*OURS, "auravideo", "scripts", "workers") for path in (ROOT / app).rglob("*.py")]
    sources = [path for path in (*python, *TEMPLATES) if "migrations" not in path.parts]
    assert [path.name for path in sources if again.search(path.read_text())] == ["languages.py"]


@pytest.fixture
def esperanto(found, tmp_path, settings):
    """Add a language with two translated texts."""
    language = Language("eo", "Esperanto", "nplurals=2; plural=(n != 1);", is_required=False)
    catalog = messages.update(language, found)
    catalog.get("Sign in").string = "Ensaluti"
    catalog.get("%d clip").string = ("%d filmeto", "%d filmetoj")
    path = messages.po_path(language, tmp_path)
    path.parent.mkdir(parents=True)
    path.with_suffix(".mo").write_bytes(messages.compiled(catalog))
    settings.LANGUAGES = [*settings.LANGUAGES, (language.code, language.name)]
    settings.LOCALE_PATHS = [*settings.LOCALE_PATHS, tmp_path]
    yield language
    translation.deactivate()


def test_a_partial_language_is_english_where_it_says_nothing(client, db, esperanto):
    page = client.get(reverse("home"), headers={"Accept-Language": "eo"}).content.decode()
    assert '<html lang="eo"' in page
    assert "Ensaluti" in page and "Explore" in page
    assert 'value="eo" lang="eo" aria-current="true">Esperanto<' in page
    with translation.override("eo"):
        assert translation.ngettext("%d clip", "%d clips", 2) % 2 == "2 filmetoj"
        assert translation.ngettext("%d collection", "%d collections", 2) % 2 == "2 collections"


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 klip"), (2, "2 klipy"), (5, "5 klipów"), (12, "12 klipów"), (22, "22 klipy")]
)
def test_polish_counts_as_polish_does(count, text):
    with translation.override("pl"):
        assert translation.ngettext("%d clip", "%d clips", count) % count == text


FRAGMENTS = {"generation:batch-progress", "generation:updates"}  # fragments, which have no language of their own


# --- The pages --------------------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """Collects what a user reads or hears on a page: texts and shown attributes, unless marked as one language."""

    VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    SILENT = {"script", "style", "code", "textarea"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)

    def _is_silent(self) -> bool:
        return any(silent for _tag, silent in self._open)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = {name: value or "" for name, value in attrs}
        silent = tag in self.SILENT or (tag != "html" and "lang" in given)
        if not silent and not self._is_silent() and given.get("name") not in ("viewport", "htmx-config"):
            self.texts += [given[name] for name in SEEN_ATTRIBUTES if given.get(name, "").strip()]
            if tag in ("input", "button") and given.get("type") in ("submit", "button", "reset"):
                self.texts.append(given.get("value", ""))
        if tag not in self.VOID:
            self._open.append((tag, silent))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            if self._open.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._is_silent():
            self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def english():
    """Return every text of ours that differs in Polish."""
    texts = [(form, message.string) for message in messages.read(POLISH) if message.id for form in _forms(message.id)]
    return {form for form, polish in texts if form not in _forms(polish)}


class TestPolishPages:
    """One class, so that its tests share one world."""

    @pytest.mark.parametrize("address", addresses(), ids=lambda address: address.name)
    @pytest.mark.parametrize("person", every(3, ["owner", "anonymous", "admin"]))
    def test_a_polish_page_has_no_english_text_of_ours(self, client, world, english, address, person):
        if world.persons[person] is not None:
            sign_in(client, world.persons[person])
        response = client.get(address.path(world.values), headers={"Accept-Language": "pl"})
        if response["Content-Type"].startswith("text/html") and not response.streaming and response.content:
            html = response.content.decode()
            assert '<html lang="pl"' in html or address.name in FRAGMENTS
            seen = Seen(html).texts
            assert len(seen) > 3, "the page was not read"
            assert [text for text in seen if text.strip(" :") in english] == []


@pytest.mark.parametrize("address", ["help", "account_login", "account_signup", "home"])
def test_the_language_follows_the_browser_and_then_the_persons_choice(client, db, address):
    page = reverse(address)
    assert 'lang="en"' in client.get(page).content.decode()
    assert 'lang="pl"' in client.get(page, headers={"Accept-Language": "pl,en;q=0.5"}).content.decode()
    back = client.post(reverse("set_language"), {"language": "pl"}, headers={"Referer": f"http://testserver{page}"})
    assert back.url == f"http://testserver{page}"
    assert '<html lang="pl"' in client.get(page, headers={"Accept-Language": "en"}).content.decode()


def test_choosing_a_language_leads_to_no_other_site(client, db):
    answer = client.post(reverse("set_language"), {"language": "pl", "next": "https://example.org/"})
    assert answer.url == "/"


# --- English that nobody could translate ------------------------------------------------------------------------------


NOT_SHOWN = re.compile(
    r"\{#.*?#\}"
    r"|\{%\s*comment\b.*?\{%\s*endcomment\s*%\}"
    r"|\{%\s*blocktrans(?:late)?\b.*?\{%\s*endblocktrans(?:late)?\s*%\}"
    r"|\{%.*?%\}"
    r"|\{\{.*?\}\}",
    re.S,
)


def visible_text(template: str) -> list[str]:
    """Return the words that a template shows without translation."""
    found = [word for part in Seen(NOT_SHOWN.sub("", template)).texts for word in WORDS.findall(part)]
    return [word for word in found if word not in SAME_EVERYWHERE]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_template_says_anything_in_english_alone(path):
    assert visible_text(path.read_text()) == []


def test_the_search_in_templates_finds_what_it_looks_for():
    assert visible_text('<p>Hello {{ name }}</p><img alt="A cat">{% translate "fine" %}') == ["Hello", "cat"]
    assert visible_text('<p lang="en">a red heart</p><input type="submit" value="Send">') == ["Send"]
    assert visible_text("{% blocktranslate count n=1 %}a{% plural %}bcd{% endblocktranslate %}{# note #}") == []


SHOWN = {"label", "help_text", "verbose_name", "verbose_name_plural", "description", "short_description"}
SHOWN |= {"empty_label", "message", "error_message", "violation_error_message"}


def untranslated_in(source: str) -> list[str]:
    """Return plain user-facing strings in Python: labels, messages, errors."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            found += [node.value] if names & SHOWN else []
        elif isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg in SHOWN]
            found += _shown_arguments(node)
    return [ast.unparse(node) for node in found if _has_words(node)]


def _shown_arguments(call: ast.Call) -> list[ast.expr]:
    """Return the positional arguments of a call that are shown to users."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    of = getattr(getattr(call.func, "value", None), "id", "")
    if name == "add_error" or (of == "messages" and name in ("success", "info", "warning", "error")):
        return call.args[1:2]
    is_field = of == "models" and name.endswith("Field") and name != "OneToOneField"
    return call.args[:1] if is_field or name in ("ValidationError", "Http404") else []


def _has_words(node: ast.expr) -> bool:
    """Return whether a literal has words of its own; an f-string's values come from elsewhere."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(WORDS.search(text) for text in texts)


SOURCES = sorted(
    path
    for app in (*OURS, "auravideo")
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts and "management" not in path.parts
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_label_and_no_message_is_english_alone(path):
    assert untranslated_in(path.read_text()) == []


def test_the_search_in_python_finds_what_it_looks_for():
    source = 'f(label="Name"); messages.info(r, "Done"); raise ValidationError(f"no {x}"); models.CharField("title")'
    assert len(untranslated_in(source)) == 4
    assert untranslated_in('f(label=_("Name")); messages.info(r, text); models.CharField(_("title"))') == []


def sentences_in(script: str) -> list[str]:
    """Return a script's string literals that look user-facing: two words or more, the first capitalized."""
    code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", script, flags=re.S)
    literals = re.findall(r"""(["'`])((?:(?!\1)[^\\\n]|\\.)*)\1""", code)
    return [text for _quote, text in literals if re.match(r"[A-Z][a-z]+ \w+", text)]


@pytest.mark.parametrize("path", sorted((ROOT / "static" / "js").rglob("*.js")), ids=lambda path: path.name)
def test_no_script_says_anything_by_itself(path):
    assert sentences_in(path.read_text()) == [], "put the text into a data attribute of the page, translated"


def test_the_search_in_scripts_finds_what_it_looks_for():
    assert sentences_in('/* "Not this" */ a(\'use strict\'); b("Well done"); c(`Your clip is ready`)') == [
        "Well done",
        "Your clip is ready",
    ]


@pytest.mark.parametrize("model", [model for app in OURS for model in apps.get_app_config(app).get_models()])
def test_the_administration_has_a_translated_name_for_every_field(model):
    names = {"verbose_name": model._meta.verbose_name, "plural": model._meta.verbose_name_plural}
    names |= {field.name: field.verbose_name for field in model._meta.fields}
    assert [name for name, text in names.items() if not isinstance(text, Promise) and text != "ID"] == []


@pytest.mark.parametrize("app", OURS)
def test_every_app_has_a_translated_name(app):
    assert isinstance(apps.get_app_config(app).verbose_name, Promise)
