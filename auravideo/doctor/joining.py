"""Who may join, for the doctor and for the start of a site that others reach."""

from django.conf import settings
from django.db import DatabaseError

from accounts.joining.models import JoiningRules, Policy
from accounts.models import User
from auravideo.commands import manage
from auravideo.doctor.findings import Check, NotApplicable, Problem, State

CHANGE = "the admin changes it (Who may join)"
_WORDS = {
    Policy.OPEN: "anybody",
    Policy.INVITATION: "people with an invitation",
    Policy.APPROVAL: "anybody whom a moderator approves",
    Policy.CLOSED: "nobody",
}


def who() -> str:
    """Return in a few words who may sign up."""
    rules = JoiningRules.current()
    if rules.policy != Policy.AUTOMATIC:
        return _WORDS[rules.effective]
    reason = "only this machine reaches the site" if settings.IS_PRIVATE else "others reach the site"
    return f"{_WORDS[rules.effective]}, because {reason}; {CHANGE}"


def at_start() -> str:
    """Return the line for the start of a site that others reach: who may join, and how the first account is made."""
    if not User.objects.exists():
        return f"Who may join: {who()}. Create your own account: {manage('createsuperuser')}"
    invite = f". Invite somebody: {manage('invite')}" if JoiningRules.current().effective == Policy.INVITATION else ""
    return f"Who may join: {who()}{invite}"


def joining() -> str:
    """Check that somebody has decided to leave a site open that others reach."""
    try:
        rules = JoiningRules.current()
        if rules.is_inherited and not settings.IS_PRIVATE:
            fix = "Decide in the admin (Who may join): it was open before it could be closed, so the update left it so."
            raise Problem("anybody may sign up, and nobody has decided so", fix, State.WARNING)
        return who()
    except DatabaseError as error:
        raise NotApplicable("the database does not answer, or lacks migrations") from error


CHECKS: list[Check] = [("who may join", joining)]
