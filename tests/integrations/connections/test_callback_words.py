"""Callbacks without a code, in the words of providers that have no profile: what each means, and who reads it."""

import pytest
from django.test import Client

from integrations.connections.authorization.callback_errors import read_error
from integrations.models import Alias, ApplicationRegistry, Token
from tests import walks
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


SET_UP, FIRST, POLICY, ACT = "registration_wrong", "administrator_must_consent", "refused_by_policy", "person_must_act"
MEANINGS: list[tuple[dict[str, str], str]] = [
    # Auth0: the audience or the application, with the code of a person who says no
    ({"error": "access_denied", "error_description": "Service not found: https://api.example"}, SET_UP),
    ({"error": "access_denied", "error_description": "Service not enabled within domain: https://api.example"}, SET_UP),
    (
        {
            "error": "access_denied",
            "error_description": 'Client "c" is not authorized to access resource server "https://api.example"',
        },
        SET_UP,
    ),
    ({"error": "unauthorized", "error_description": "Please verify your email before logging in."}, ACT),
    ({"error": "unauthorized", "error_description": "user is blocked"}, POLICY),
    # Facebook
    ({"error_code": "100", "error_message": "Invalid Scopes: manage_pages. Read the documentation."}, SET_UP),
    ({"error_code": "1349126", "error_message": "App not active: This app is not accessible right now"}, SET_UP),
    # Twitch, Slack, and spellings of RFC 6749's codes
    ({"error": "redirect_mismatch", "error_description": "Parameter redirect_uri does not match"}, SET_UP),
    ({"error": "invalid_team_for_non_distributed_app"}, SET_UP),
    ({"error": "Invalid request"}, SET_UP),
    ({"error": "InvalidRequest"}, SET_UP),
    ({"error": "unsupported-response-type"}, SET_UP),
    # GitHub Apps: a member may only ask the owner of the organization
    ({"setup_action": "request", "installation_id": "7"}, FIRST),
    ({"setup_action": "request"}, FIRST),
    ({"error": "invalid_client", "error_description": "app must be installed into org"}, FIRST),  # Salesforce
    # Azure AD B2C
    ({"error": "access_denied", "error_description": "AADB2C90118: The user has forgotten their password."}, ACT),
    ({"error": "access_denied", "error_description": "AADB2C90091: The user has cancelled entering information."},
     "declined"),
    ({"error": "access_denied", "error_description": "User is not assigned to the client application."}, POLICY),
    ({"error": "access_denied", "error_description": "The application is not allowed by your organization."}, POLICY),
    ({"error": "access_denied", "error_description": "This app is not available for your account"}, POLICY),
    ({"error": "Invalid request", "reason": "Email already in use"}, POLICY),  # Sage
    ({"error": "invalid_request", "error_description": "User is not enabled"}, POLICY),  # Cognito
    ({"error": "invalid_request", "error_description": "PreSignUp failed with error not here. "}, POLICY),
    ({"error": "access_denied", "error_description": "The user denied access to your application"}, "declined"),
    # In other places, spellings and languages
    ({"error[code]": "access_denied"}, ""),
    ({"errors": "access_denied"}, ""),
    ({"errCode": "user_denied"}, "declined"),
    ({"err": "user_closed"}, "declined"),
    ({"authorized": "false"}, "declined"),
    ({"authorized": "false", "code": "", "error": ""}, "declined"),
    ({"granted": "0"}, "declined"),
    ({"access": "denied"}, "declined"),
    ({"error": "10000", "error_description": "用户取消授权"}, "declined"),
    ({"error": "cancelled_by", "error_description": "ユーザーがキャンセルしました"}, "declined"),
    ({"error": "x1", "error_description": "Der Benutzer hat den Vorgang abgebrochen"}, "declined"),
    ({"error": "x1", "error_description": "El usuario canceló la autorización"}, "declined"),
    ({"error": "unauthorised_user"}, POLICY),
    ({"error": "inactive_user"}, POLICY),
    ({"error": "app_not_installed"}, FIRST),
    ({"error": "installation_required"}, FIRST),
    ({"error": "access_denied", "error_description": "You need to be an account owner to install this app"}, FIRST),
    ({"error": "access_denied", "error_description": "Only admins can install apps"}, FIRST),
    ({"error": "access_denied", "error_description": "This app is not approved for your workspace"}, FIRST),
    ({"error": "access_denied", "error_description": "The app is in development mode"}, SET_UP),
    ({"error": "authorize_error", "message": "redirect_uri is not in whitelist"}, SET_UP),
    ({"error": "10003", "error_description": "redirect_uri域名与后台配置不一致"}, SET_UP),
    ({"error_code": "1349048", "error_message": "Can't Load URL: The domain of this URL isn't included in the app's."},
     SET_UP),
    # Entra ID
    ({"error": "unauthorized_client", "error_description": "AADSTS50020: User account does not exist in tenant"},
     POLICY),
    ({"error": "access_denied", "error_description": "AADSTS530003: Your device is required to be managed."}, POLICY),
    ({"error": "access_denied", "error_description": "AADSTS650052: The app needs access to a service that your "
      "organization has not subscribed to. Contact your IT Admin to review the configuration."}, FIRST),
    ({"error": "access_denied", "error_description": "AADSTS500121: Authentication failed during strong "
      "authentication request."}, ACT),
    ({"error": "access_denied", "error_description": "Your account is locked. Contact your administrator."}, POLICY),
    ({"error": "access_denied", "error_description": "Contact your administrator."}, FIRST),
    ({"error": "unauthorized", "error_description": "Your administrator has disabled third-party apps"}, POLICY),
    ({"error": "access_denied", "error_description": "You need permission from a workspace owner"}, FIRST),
    ({"error": "request_forbidden", "error_description": "The CSRF value from the token does not match"},
     "sign_in_page_over"),  # Ory Hydra
    ({"error": "invalid_session"}, "sign_in_page_over"),
    ({"error": "app_pending_review"}, SET_UP),
    ({"error": "pkce_required"}, SET_UP),
    ({"error": "scope_not_permitted"}, SET_UP),
    ({"usercancel": "1"}, "declined"),  # QQ
    ({"error": "access_denied", "error_description": "Access not permitted."}, ""),  # Amazon
    # Trouble that passes, also with the code of a person who says no
    ({"error": "access_denied", "error_description": "The service is temporarily unavailable."}, "temporary"),
    ({"error": "access_denied", "error_description": "Internal server error"}, "temporary"),
    ({"error": "access_denied", "error_reason": "temporarily_unavailable"}, "temporary"),
    ({"error": "access_denied", "error_code": "503"}, "temporary"),
    # but not what is said to that person
    ({"error": "access_denied", "error_description": "Authorization cancelled. You can try again later."}, ""),
    ({"error": "access_denied", "error_description": "You chose not to connect your account. You can try again later."},
     ""),
    ({"error": "access_denied", "error_description": "You did not grant access. Try again in a new window."}, ""),
    ({"error": "access_denied", "error_description": "Something went wrong. Please try again later."}, ""),
    ({"error": "consent_required", "error_description": "Please try again in a moment."}, ""),
    ({"oauth_problem": "access_denied", "message": "Try again later"}, ""),
    ({"error": "access_denied", "error_reason": "too_many_attempts"}, ""),
    ({"error": "server_error", "error_description": "Please try again in a new window."}, ""),
    ({"error": "server_error", "error_description": "Please try again in a few minutes."}, "temporary"),
    ({"error": "server_error", "error_reason": "too_many_attempts"}, "temporary"),
    # https://learn.microsoft.com/azure/active-directory-b2c/error-codes
    ({"error": "server_error", "error_description": "AADB2C90289: We encountered an error connecting to the identity "
      "provider. Please try again later."}, "temporary"),
    ({"error": "internal_server_error"}, "temporary"),
    ({"error": "bad_gateway"}, "temporary"),
    ({"error": "502"}, "temporary"),
    ({"error_code": "2", "error_message": "Temporary error"}, "temporary"),
    # OpenID Connect Core §3.1.2.6: of parameters that an administrator added
    ({"error": "request_not_supported"}, SET_UP),
    ({"error": "registration_not_supported"}, SET_UP),
    ({"error": "access_denied"}, ""),
    ({"setup_action": "install", "installation_id": "7"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "meaning"), MEANINGS, ids=str)
def test_a_callback_means_what_it_says(parameters: dict[str, str], meaning: str, alias: Alias) -> None:
    assert read_error(walks.registry_of(alias), parameters).meaning == meaning


def test_a_code_beside_an_installation_is_redeemed(alias: Alias) -> None:
    assert read_error(walks.registry_of(alias), {"code": "c", "setup_action": "request"}).meaning == ""


@pytest.mark.parametrize("error", ["null", "0", "undefined", ""])
def test_a_code_beside_an_error_that_names_none_is_redeemed(
    error: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    walks.grants(server)
    walks.sign_in(as_amira, alias, error=error)
    assert Token.objects.count() == 1


@pytest.mark.slow
def test_a_set_up_fault_with_the_code_of_a_denial_is_told_to_the_administrators(as_amira: Client, alias: Alias) -> None:
    said = {"error": "access_denied", "error_description": "Service not found: https://api.example"}
    page = walks.words(walks.sign_in(as_amira, alias, code=None, **said))
    assert "isn’t set up correctly" in page
    assert "You didn’t allow access" not in page
    assert ApplicationRegistry.objects.get().misconfigured_reason == "Service not found: https://api.example"


@pytest.mark.slow
def test_who_may_only_ask_for_an_installation_reads_whom_it_waits_for(as_amira: Client, alias: Alias) -> None:
    page = walks.words(walks.sign_in(as_amira, alias, code=None, setup_action="request"))
    assert "waits for an administrator" in page
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


@pytest.mark.parametrize(
    ("parameters", "heading"),
    [
        # https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
        ({"admin_consent": "True", "tenant": "7", "scope": "x"}, "Start this sign-in here"),
        ({"setup_action": "install", "installation_id": "7"}, "Start this sign-in here"),  # a GitHub App
        ({"shop": "northwind.example", "hmac": "x", "timestamp": "1"}, "Start this sign-in here"),
        ({"iss": "https://northwind.example", "login_hint": "amira"}, "Start this sign-in here"),
        ({"error_code": "1349126", "error_message": "App not active"}, "The provider reported an error"),  # Facebook
        ({"errcode": "10003"}, "The provider reported an error"),
        ({"denied": "abc"}, "The provider reported an error"),
        ({"usercancel": "1"}, "The provider reported an error"),
        ({"error_description": "The user denied"}, "The provider reported an error"),
        ({"oauth_problem": "user_refused"}, "The provider reported an error"),
        ({"error_type": "access_denied"}, "The provider reported an error"),
        ({"errorCode": "1"}, "The provider reported an error"),
        ({"error": "access_denied", "admin_consent": "True"}, "The provider reported an error"),
        ({"code": "c"}, "Start this sign-in here"),
        ({"code": "c", "error": "0"}, "Start this sign-in here"),
        ({"installationId": "7", "message": "Installed"}, "Start this sign-in here"),
        ({"admin_consent": "True", "error": ""}, "Start this sign-in here"),
        # These say nothing of who began it
        ({"utm_source": "x"}, "This sign-in took too long"),
        ({"error": "null"}, "This sign-in took too long"),
        ({}, "This sign-in took too long"),
    ],
    ids=str,
)
def test_what_comes_without_a_state_is_told_as_what_it_says(
    parameters: dict[str, str], heading: str, as_amira: Client, alias: Alias
) -> None:
    page = as_amira.get(walks.callback_url(walks.registry_of(alias), parameters))
    assert page.status_code == 400
    assert heading in walks.words(page)


@pytest.mark.slow
def test_trouble_at_the_provider_is_no_refusal_of_the_person(as_amira: Client, alias: Alias) -> None:
    said = {"error": "access_denied", "error_description": "The service is temporarily unavailable."}
    page = walks.words(walks.sign_in(as_amira, alias, code=None, **said))
    assert "You didn’t allow access" not in page
    assert "You did nothing wrong" in page
    assert "Try again" in page
