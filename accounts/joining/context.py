"""What pages for visitors say about joining, in every template and looked up only where it is used."""

from typing import Any

from django.db import Error
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
        try:
            return services.admission_of(self._request) is not None
        except Error:  # of the database: pages that say so must not fail themselves
            return True

    @cached_property
    def is_by_invitation(self) -> bool:
        try:
            return JoiningRules.current().effective == Policy.INVITATION
        except Error:
            return False


def joining(request: HttpRequest) -> dict[str, Any]:
    return {"joining": Door(request)}
