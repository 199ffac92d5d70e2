"""Views of the device grant (RFC 8628): the endpoint at which a device begins, and the page on which a person answers.

The page asks for the code also if the address had it, names the program and where the request came from, and needs a
recent sign-in: people can be talked into allowing a device of somebody else (RFC 8628 §5.4).
"""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from accounts import scopes
from accounts.models import User
from accounts.oauth_server import consent_page, device_codes
from accounts.oauth_server.error_answers import describe_error, json_headers
from accounts.oauth_server.models import DeviceAuthorization
from accounts.oauth_server.request_rules import (
    DEVICE_CODE,
    check_client_request,
    claimed_client_id,
    may_act,
    requested_resources,
)
from accounts.sign_in import lockout
from accounts.sign_in.lockout import Limit
from accounts.sign_in.middleware import LockedOut, client_address, counted_address
from accounts.sign_in.reauthentication import recently_authenticated

WRONG_CODES = 10
BEGUN = 60  # device authorizations from one address
WINDOW = timedelta(minutes=10)


class TooManyRequests(errors.OAuth2Error):
    """Too many requests from one address."""

    error = "slow_down"
    description = "Too many requests from this address. Wait and try again."
    status_code = HTTPStatus.TOO_MANY_REQUESTS

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(int(WINDOW.total_seconds()))}


# The device -----------------------------------------------------------------------------------------------------------


@csrf_exempt
@require_POST
@never_cache
@sensitive_post_parameters()
def authorize_device(request: HttpRequest) -> HttpResponse:
    """Device authorization endpoint (RFC 8628 §3.1)."""
    try:
        oauth_request = check_device_request(request)
        resources = requested_resources(oauth_request)
        limit = Limit(counter=f"devices of {counted_address(request)}", times=BEGUN, duration=WINDOW)
        if not lockout.count_use(limit):
            raise TooManyRequests
    except errors.OAuth2Error as error:
        headers = json_headers(error.headers, error.status_code)
        return HttpResponse(describe_error(error.json), status=error.status_code, headers=headers)
    codes = device_codes.issue_codes(
        oauth_request.client, scopes=oauth_request.scopes, resources=resources, address=client_address(request)
    )
    page = f"{settings.SITE_URL}{reverse('oauth2_provider:device')}"
    answer = {
        "device_code": codes.device_code,
        "user_code": codes.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={codes.user_code}",
        "expires_in": int(device_codes.LIFETIME.total_seconds()),
        "interval": device_codes.INTERVAL,
    }
    return JsonResponse(answer, headers={"Pragma": "no-cache"})


def check_device_request(request: HttpRequest) -> Any:
    """oauthlib's request, with the client and the scopes. Raises its errors."""
    check_client_request(request)
    fields = request.POST.copy()
    if client_id := claimed_client_id(request):
        fields["client_id"] = client_id  # oauthlib wants it in the body too (RFC 8628 §3.1)
    request.POST = fields  # type: ignore[assignment]  # read-only in the stubs
    core = get_oauthlib_core()
    oauth_request = Request(*core._extract_params(request))
    validator = core.server.request_validator
    if client_id and not validator.validate_client_id(client_id, oauth_request):
        raise errors.InvalidClientError
    core.server.device_code_grant.validate_device_authorization_request(oauth_request)
    if not validator.validate_grant_type(client_id, DEVICE_CODE, oauth_request.client, oauth_request):
        raise errors.UnauthorizedClientError
    return oauth_request


# The person -----------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@never_cache
@recently_authenticated
@sensitive_post_parameters("user_code")
def enter_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code. It may come with the address, but is shown to be compared, and never taken as it is."""
    if request.method == "GET":
        return ask_for_code(request, device_codes.normalize_user_code(request.GET.get("user_code", "")))
    device = take_code(request)
    if device is None:
        return refuse_code(request)
    return ask_to_allow(request, device)


@require_http_methods(["GET", "POST"])
@never_cache
@recently_authenticated
@sensitive_post_parameters("user_code")
def answer_device(request: HttpRequest) -> HttpResponse:
    """Store what the person answers. The hidden fields come from the browser, so they are checked again."""
    if request.method == "GET":  # after reauthentication
        return ask_for_code(request, "")
    device = take_code(request)
    if device is None:
        return refuse_code(request)
    user, application = cast(User, request.user), device.application
    if "allow" not in request.POST:
        device_codes.store_answer(device, user, [])
        return render(request, "accounts/device.html", {"step": "denied", "application": application})
    if not request.POST.get("compared"):
        error = _("Compare the code first, and confirm that it is the same.")
        return ask_to_allow(request, device, error=error)
    reach, ticked = request.POST.get("reach", ""), request.POST.getlist("scopes")
    granted = scopes.granted_scopes(user, device.scopes, reach, ticked=ticked)
    version = request.POST.get("shown_version", "")
    if not granted:
        return ask_to_allow(request, device, grants_nothing=True)
    if not may_act(user) or not device_codes.store_answer(device, user, granted, version=version):
        error = _("This has just been changed or answered. Start again on the device.")
        return ask_for_code(request, "", error=error, status=HTTPStatus.CONFLICT)
    # No `Approval` is stored: the next device asks again, and so does the consent page.
    consent_page.log_approval(user, application, granted, address=client_address(request))
    return render(request, "accounts/device.html", {"step": "allowed", "application": application})


def take_code(request: HttpRequest) -> DeviceAuthorization | None:
    """The waiting device of the code in the form. A wrong code counts against the account and the address.

    Raises `LockedOut` if there were too many, before the code is looked at.
    """
    limits = [
        Limit(counter=f"device codes from {counted_address(request)}", times=WRONG_CODES * 5, duration=WINDOW),
        Limit(counter=f"device codes of {cast(User, request.user).pk}", times=WRONG_CODES, duration=WINDOW),
    ]
    if lockout.reserve_places(limits):
        raise LockedOut
    device = device_codes.find_pending(request.POST.get("user_code", ""))
    if device is None:
        lockout.count_failure(limits)
    else:
        lockout.give_back(limits)
    return device


def refuse_code(request: HttpRequest) -> HttpResponse:
    error = _("No device is waiting with this code. Codes work once, and for ten minutes.")
    return ask_for_code(request, "", error=error, status=HTTPStatus.BAD_REQUEST)


def ask_for_code(request: HttpRequest, user_code: str, *, error: str = "", status: int = HTTPStatus.OK) -> HttpResponse:
    context = {"step": "code", "user_code": user_code, "error": error}
    return render(request, "accounts/device.html", context, status=status)


def ask_to_allow(
    request: HttpRequest, device: DeviceAuthorization, *, error: str = "", grants_nothing: bool = False
) -> HttpResponse:
    """Ask whether the device is allowed; after an error with what was chosen, which may be less than all."""
    address = client_address(request)
    scopes_context = consent_page.scopes_context(cast(User, request.user), list(device.scopes))
    reach_errors = []
    if grants_nothing and scopes_context["services"]:
        reach_errors = [_("Select at least one integration, or don’t allow it.")]
    elif grants_nothing:
        error = _("It asks for nothing that you may give it.")
    context: dict[str, Any] = {
        "step": "confirm",
        "device": device,
        "user_code": device_codes.normalize_user_code(request.POST["user_code"]),
        "is_elsewhere": device.address != address,
        "address": address,
        "error": error,
        "reach_errors": reach_errors,
        **consent_page.application_context(device.application),
        **scopes_context,
    }
    if request.POST.get("reach") in scopes.Reach.values:
        context |= {"reach": request.POST["reach"], "ticked": request.POST.getlist("scopes")}
    status = HTTPStatus.BAD_REQUEST if error or reach_errors else HTTPStatus.OK
    return render(request, "accounts/device.html", context, status=status)
