"""The labels of shapes and qualities."""

from django.utils.translation import gettext_lazy as _

from generation.requests.qualities import BEST, DRAFT, STANDARD
from generation.requests.sizes import CUSTOM

ASPECT_LABELS = {
    "16:9": _("Wide, 16:9"),
    "3:2": _("Photo, 3:2"),
    "1:1": _("Square, 1:1"),
    "2:3": _("Portrait, 2:3"),
    "9:16": _("Phone, 9:16"),
    CUSTOM: _("Custom"),
}
QUALITY_LABELS = {
    DRAFT: _("Draft"),
    STANDARD: _("Standard"),
    BEST: _("Best"),
    CUSTOM: _("As set under Advanced"),
}
