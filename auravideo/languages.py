"""The site's languages, defined once for the settings, `make messages`, the pages and the tests.

To add one, see 'A language' in docs/developing.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """A language users can choose.

    Attributes:
        code: language code as in browsers and HTML, such as `pl` or `pt-br`.
        name: in the language itself.
        plural: the plural rule, as in a .po file's Plural-Forms header. Copy it from Django's own catalogue for the
            language (django/conf/locale/*/LC_MESSAGES/django.po).
        code_page: the one of Windows in which Excel saves text in this language.
        is_required: `make messages` and the tests require every translation. Otherwise untranslated texts stay English.
    """

    code: str
    name: str
    plural: str
    is_required: bool
    code_page: str = "cp1252"


ENGLISH = Language("en", "English", "nplurals=2; plural=(n != 1);", is_required=True)  # the source language
TRANSLATED = (
    Language(
        "pl",
        "Polski",
        # One, few, many, and fractions.
        "nplurals=4; plural=(n==1 ? 0 : (n%10>=2 && n%10<=4) && (n%100<12 || n%100>14) ? 1 : "
        "n!=1 && (n%10>=0 && n%10<=1) || (n%10>=5 && n%10<=9) || (n%100>=12 && n%100<=14) ? 2 : 3);",
        is_required=True,
        code_page="cp1250",
    ),
)
LANGUAGES = (ENGLISH, *TRANSLATED)
