"""What pages for visitors say about joining, in every template and looked up only where it is used."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property

from accounts.joining import services
from accounts.joining.models import JoiningRules, Policy


class Door:
    """Whether this visitor may sign up, and by which policy."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def is_open(self) -> bool:
        return services.admission_of(self._request) is not None

    @cached_property
    def is_by_invitation(self) -> bool:
        return JoiningRules.current().effective == Policy.INVITATION


def joining(request: HttpRequest) -> dict[str, Any]:
    return {"joining": Door(request)}
