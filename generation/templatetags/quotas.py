"""Whether pages mention quotas: a user without any reads nothing of them."""

from django import template

from accounts.models import User
from generation.quotas.selectors import allowance_of

register = template.Library()


@register.filter
def has_quotas(user: User) -> bool:
    """Return whether any quota holds for a user. Costs a query."""
    return allowance_of(user).is_limited
