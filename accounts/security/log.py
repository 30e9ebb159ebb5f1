"""The sign-in log: one line for each attempt, which fail2ban reads (deploy/fail2ban).

The address comes first and nothing before it is the client's, so that no name can pose as an address. What was typed is
last, in JSON: in one line, of visible ASCII characters, with its quotation marks escaped.
"""

import json
import logging
from enum import StrEnum

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

logger = logging.getLogger(__name__)

MAX_LOGIN = 150  # characters of what was typed


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    FAILED = "failed"
    LIMITED = "limited"  # not checked, because there were too many before


def write(outcome: Outcome, request: HttpRequest, means: str, login: str) -> None:
    """Write a line. `means`: how the attempt was made, in words of our own; `login`: who it was meant to be."""
    address = get_adapter().get_client_ip(request)
    logger.info("sign-in %s from %s by %s as %s", outcome, address, means, json.dumps(login[:MAX_LOGIN]))
