"""The languages of the site: the one list, read by settings, `make messages`, the pages and the tests.

How to add one: docs/developing.md, 'A language'.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """A language that people can choose.

    Attributes:
        code: as browsers and HTML spell it, such as `pl` or `pt-br`.
        name: in the language itself.
        plural: the rule that picks a form of a text for the number n, as the header of a .po file states it. Take
            that of Django's own catalogue for the language (django/conf/locale/*/LC_MESSAGES/django.po).
        is_required: `make messages` and the tests insist on every text. Otherwise what has no translation is English.
    """

    code: str
    name: str
    plural: str
    is_required: bool


ENGLISH = Language("en", "English", "nplurals=2; plural=(n != 1);", is_required=True)  # what code and templates say
TRANSLATED = (
    Language(
        "pl",
        "Polski",
        # One, a few, many, and what fractions take.
        "nplurals=4; plural=(n==1 ? 0 : (n%10>=2 && n%10<=4) && (n%100<12 || n%100>14) ? 1 : "
        "n!=1 && (n%10>=0 && n%10<=1) || (n%10>=5 && n%10<=9) || (n%100>=12 && n%100<=14) ? 2 : 3);",
        is_required=True,
    ),
)
LANGUAGES = (ENGLISH, *TRANSLATED)
