"""What pages say about the retention rules."""

from django import template

from gallery.models import RetentionRule

register = template.Library()


@register.inclusion_tag("gallery/partials/retention.html")
def retention_notice(kind: str) -> dict[str, object]:
    """Announce the rule of a kind: from when it applies, or that it does."""
    return {"rule": rule_of(kind)}


def rule_of(kind: str) -> RetentionRule | None:
    """Return the rule of a kind that is switched on."""
    return RetentionRule.objects.filter(kind=kind, is_active=True).first()
