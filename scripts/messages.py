"""Collects the site's texts and compiles their translations: `make messages`.

Uses Babel with Django's own template reader, so GNU gettext is not required. The compiled catalogues are committed, and
tests/auravideo/test_translations.py checks that they are complete and up to date.
"""

import io
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation import to_locale

from auravideo.languages import TRANSLATED, Language

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("accounts", "auravideo", "gallery", "generation", "workers")
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# Header lines with dates and names, which would change the files even if no text changed.
DATE = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = tuple(b'"' + name for name in (b"POT-Cr", b"PO-Rev", b"Last-Trans", b"Language-Team", b"Report-", b"Project-"))


def po_path(language: Language, locale: Path = ROOT / "locale") -> Path:
    return locale / to_locale(language.code) / "LC_MESSAGES" / "django.po"


def texts() -> Catalog:
    """Return every text marked for translation in the site's code, templates and model catalogue."""
    catalog = Catalog(project="AuraVideo", charset="utf-8")
    for path, source in (*_python(), *_templates()):
        for _line, text, comments, context in extract("python", io.BytesIO(source), KEYWORDS, ("Translators:",)):
            catalog.add(text, locations=[(path, 0)], auto_comments=comments, context=context)
    for path, text in _model_texts():
        catalog.add(text, locations=[(path, 0)])
    return catalog


def _python() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_bytes()


def _templates() -> Iterator[tuple[str, bytes]]:
    """Yield every template as Django's makemessages sees it: gettext calls as Python, everything else replaced by X."""
    from django.utils.translation.template import templatize

    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix in (".html", ".txt"):
            code = templatize(path.read_text(), origin=str(path))
            yield str(path.relative_to(ROOT)), _calls_alone(code).encode()


def _calls_alone(code: str) -> str:
    """Keep only the gettext calls of `templatize`'s output: Babel parses Python, where indentation matters."""
    return "\n".join(line.strip() for line in code.splitlines() if "gettext(" in line or "_(" in line)


def _model_texts() -> Iterator[tuple[str, str]]:
    """Yield the labels, purposes and notices of our catalogue, which generation/catalogue/entries.py translates.

    A large model's label is its name, the same in every language. A variant has only what differs from its model.
    """
    path = ROOT / "generation" / "catalogue" / "catalogue.toml"
    for kind, entries in tomllib.loads(path.read_text()).items():
        for entry in entries.values():
            has_words = kind in ("loras", "styles") or entry.get("builtin")
            for field in ("label", "purpose", "notice") if has_words else ("purpose", "notice"):
                if field in entry:
                    yield str(path.relative_to(ROOT)), entry[field]


def read(language: Language) -> Catalog:
    """Return a language's catalogue from the repository; an empty one if there is none yet."""
    path = po_path(language)
    if path.exists():
        content = path.read_bytes()
    else:
        content = f'msgid ""\nmsgstr ""\n"Plural-Forms: {language.plural}\\n"\n'.encode()
    return read_po(io.BytesIO(content), locale=to_locale(language.code), charset="utf-8")


def update(language: Language, found: Catalog) -> Catalog:
    """Return a language's catalogue with exactly the texts found; new ones are untranslated."""
    catalog = read(language)
    catalog.update(found, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    return catalog


def untranslated(catalog: Catalog) -> list[Message]:
    """Return the texts that are shown in English."""
    return [message for message in catalog if message.id and not is_translated(message)]


def compiled(catalog: Catalog) -> bytes:
    """Return the catalogue as a .mo file."""
    catalog.creation_date = catalog.revision_date = DATE
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def written(catalog: Catalog) -> bytes:
    """Return the catalogue as a .po file, without line numbers, which would change with every edit."""
    stream = io.BytesIO()
    write_po(stream, catalog, width=120, include_lineno=False, sort_by_file=True)
    return b"".join(line for line in stream.getvalue().splitlines(keepends=True) if not line.startswith(NOISE)).lstrip()


def is_translated(message: Message) -> bool:
    """Return whether every form of a message is translated and not marked fuzzy."""
    forms = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return not message.fuzzy and all(forms)


def main() -> int:
    """Update and compile every language. Return 1 if a required one is incomplete."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
    django.setup()
    found, is_complete = texts(), True
    for language in TRANSLATED:
        catalog = update(language, found)
        path = po_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written(catalog))
        path.with_suffix(".mo").write_bytes(compiled(read(language)))
        missing = len(untranslated(catalog))
        is_complete &= not (language.is_required and missing)
        kind = "" if language.is_required else ", which are English"
        print(f"{path.relative_to(ROOT)}: {len(catalog)} texts, {missing} without a translation{kind}")
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
