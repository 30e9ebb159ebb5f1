"""The sign-in log: one line for each attempt, which fail2ban reads (deploy/fail2ban).

The address comes first, and nothing before it is the client's, so that no name can pose as one. The username is last,
in JSON: one line of ASCII characters, with its quotation marks escaped. What was typed is not written unless it is a
username: people type passwords there by mistake.
"""

import json
import logging
from enum import StrEnum

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from accounts.models import User
from auravideo.core.logs import lines

logger = logging.getLogger(lines.SIGN_INS)


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    FAILED = "failed"
    LIMITED = "limited"  # not checked, because there were too many before


def write(outcome: Outcome, request: HttpRequest, means: str, user: User | None) -> None:
    """Write a line. `means`: how the attempt was made, in words of our own; `user`: who it was meant to be."""
    address = get_adapter().get_client_ip(request)
    logger.info("sign-in %s from %s by %s as %s", outcome, address, means, json.dumps(user.username if user else ""))
