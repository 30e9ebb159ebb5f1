"""The doors of the site: signing up, following an invitation, waiting for approval."""

from allauth.account.adapter import get_adapter
from allauth.account.stages import LoginStageController
from allauth.account.views import SignupView
from allauth.core import ratelimit
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.forms import SigningUpForm
from accounts.joining import invitations, services
from accounts.joining.models import Invitation, JoiningRules, Policy
from accounts.login_stages import WaitingStage
from accounts.models import User
from accounts.sign_in import mails
from accounts.sign_in.attempts import SHARED_IPV6_PREFIX, Attempt

_FULL = gettext_lazy(
    "So many people are waiting for approval that nobody else can sign up for now. Try again in a few days."
)

_FULL_FOR = {
    services.TODAY: gettext_lazy("The site has reached its limit of new accounts for today. Try again tomorrow."),
    services.TODAY_HERE: gettext_lazy(
        "So many people from your network have signed up today that nobody else can sign up there for now. Try again "
        "tomorrow, or ask for an invitation."
    ),
    services.WAITING_HERE: gettext_lazy(
        "So many people from your network are waiting for approval that nobody else can sign up there for now. Try "
        "again in a few days."
    ),
}


class SigningUp(SignupView):
    """Signing up as the site's rules allow it, limited per address and per day.

    It has an answer for whoever loses a race for a username, or for the last use of an invitation.
    """

    @cached_property
    def admission(self) -> services.Admission | None:
        return services.admission_of(self.request)

    def is_open(self) -> bool:
        return self.admission is not None

    def form_valid(self, form: SigningUpForm) -> HttpResponse:
        email = form.cleaned_data["email"]
        if refused := ratelimit.consume_or_429(self.request, action="signup_address", key=email):
            return refused
        try:
            attempt = self._count()
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        try:
            return super().form_valid(form)
        except (IntegrityError, services.NotAdmitted) as error:
            if attempt is not None:
                attempt.forgive()
            return self._refused(form, error)

    def _count(self) -> Attempt | None:
        """Count somebody without an invitation. Raise ValidationError if there were too many."""
        admission = self.admission
        if admission is None or admission.invitation:
            return None
        if admission.waits and services.is_full():
            raise ValidationError(_FULL)
        network = get_adapter().client_network(self.request, SHARED_IPV6_PREFIX)
        attempt = services.count_newcomer(network, waits=admission.waits)
        if attempt.full:
            raise ValidationError(_FULL_FOR[attempt.full.name.partition("|")[0]])
        return attempt

    def _refused(self, form: SigningUpForm, error: Exception) -> HttpResponse:
        if isinstance(error, services.NotAdmitted):
            return self.closed()
        if not User.objects.looking_like(form.cleaned_data["username"]).exists():
            raise error
        form.add_error("username", get_adapter().validation_error("username_taken"))
        return self.form_invalid(form)

    def get_context_data(self, **kwargs: object) -> dict:
        return super().get_context_data(**kwargs) | {"waits": self.admission is not None and self.admission.waits}

    def closed(self) -> HttpResponse:
        """Say how people get an account here, if at all. Whoever came by a link reads what became of it."""
        number = self.request.session.get(invitations.SESSION_KEY)
        invitation = Invitation.objects.filter(pk=number).first() if number is not None else None
        is_closed = JoiningRules.current().effective == Policy.CLOSED
        return render(self.request, "account/signup_closed.html", {"is_closed": is_closed, "invitation": invitation})


@never_cache
@require_GET
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Follow an invitation: remember it and go on to signing up, or say why it no longer works."""
    if request.user.is_authenticated:
        messages.info(request, _("You already have an account, so you do not need this invitation."))
        return redirect("generation:create")
    invitation = invitations.find(token)
    if JoiningRules.current().effective == Policy.CLOSED:
        return render(request, "account/signup_closed.html", {"is_closed": True}, status=403)
    if invitation is None or invitation.state != Invitation.State.USABLE:
        context = {"invitation": invitation, "is_unknown": invitation is None}
        return render(request, "account/signup_closed.html", context, status=404 if invitation is None else 410)
    invitations.remember(request, invitation)
    return redirect("account_signup")


@never_cache
@require_GET
def waiting(request: HttpRequest) -> HttpResponse:
    """Tell newcomers, who have just proved that the account is theirs, to wait; let in who was approved meanwhile."""
    stage = LoginStageController.enter(request, WaitingStage.key)
    if request.user.is_authenticated or stage is None:
        return redirect("account_login")
    person = stage.login.user
    if not person.is_awaiting_approval:
        return stage.exit() if person.is_active else stage.abort()
    with translation.override(person.language or translation.get_language()):
        return render(request, "accounts/waiting.html", {"person": person, "mails": mails.are_sent()})
