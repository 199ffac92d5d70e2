"""What is said after a sign-in is what is true now, for each state of the integration and each way of ending."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import notices
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, OAuth2Credential, Token
from integrations.models.card import (
    DECISIONS,
    ENDINGS,
    STATES,
    Ending,
    State,
    compose_outcome,
    ending_of,
    integration_of,
)
from tests import cast, walks
from tests.conftest import undone
from tests.integrations.accounts import AMIRAS, BOBS, is_known_as
from tests.integrations.models.test_states import (
    both,
    down,
    misconfigured,
    moved,
    not_renewed,
    nothing,
    off,
    revocation,
    token,
)
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

SIGNED_IN = {"account_label": "amira@northwind.example"}
# How an integration gets into each state; of those with a token, the state that it keeps is "connected".
STATES_ARRANGED: dict[State, Callable[[User, Alias], object]] = {
    State.NOT_CONNECTED: nothing,
    State.CONNECTING: both(token(**SIGNED_IN), walks.under_way),
    State.CONNECTED: token(**SIGNED_IN),
    State.EXPIRING: token(**SIGNED_IN, expires_in=600, refresh_token=""),
    State.NEEDS_REAUTH: token(**SIGNED_IN, state="needs_reauth"),
    State.REVOKING: revocation(),
    State.REVOKE_FAILED: revocation(state="failed"),
    State.ADDRESS_CHANGED: moved(token(**SIGNED_IN)),
    State.PROVIDER_DOWN: down(token(**SIGNED_IN)),
    State.MISCONFIGURED: misconfigured(token(**SIGNED_IN)),
    State.NOT_RENEWED: not_renewed(token(**SIGNED_IN, expires_in=-60)),
    State.DISABLED: off(token(**SIGNED_IN)),
}
LONG_AGO = {"expires_at": Now() - timedelta(minutes=1)}  # by the time of the test, not of its import
ATTEMPTS: dict[Ending, dict[str, Any]] = {
    Ending.CONNECTED: {"status": "connected"},
    Ending.UNDER_WAY: {"status": "claimed"},
    Ending.TOO_LATE: {"status": "pending", **LONG_AGO},
    Ending.OTHER_ACCOUNT: {"status": "other_account"},
    Ending.CHOICE: {"status": "choice"},
    Ending.NOTHING_TO_CHOOSE: {"status": "failed", "failure_code": "nothing_to_choose"},
    Ending.ACCOUNT_KEPT: {"status": "cancelled", "failure_code": "other_account_declined"},
    Ending.ACCOUNT_REFUSED: {"status": "failed", "failure_code": "other_account_refused"},
    Ending.CANCELLED: {"status": "cancelled"},
    Ending.REPLACED: {"status": "cancelled", "failure_code": "replaced"},
    Ending.ENDED: {"status": "cancelled", "failure_code": "kill_switch"},
    Ending.DENIED: {"status": "failed", "failure_code": "access_denied"},
    Ending.UNFINISHED: {"status": "failed", "failure_code": "login_required"},
    Ending.PAGE_OVER: {
        "status": "failed",
        "failure_code": "login_required",
        "failure_meaning": "sign_in_page_over",
    },
    Ending.BY_POLICY: {"status": "failed", "failure_code": "org_internal", "failure_meaning": "refused_by_policy"},
    Ending.ADMINISTRATOR_FIRST: {
        "status": "failed",
        "failure_code": "access_denied",
        "failure_meaning": "administrator_must_consent",
    },
    Ending.SECOND_STEP: {"status": "failed", "failure_code": "second_step", "failure_meaning": "second_step"},
    Ending.EMPTY_ANSWER: {"status": "failed", "failure_code": "missing_code"},
    Ending.NO_LONGER_AVAILABLE: {"status": "failed", "failure_code": "no_longer_available"},
    Ending.MISCONFIGURED: {"status": "failed", "failure_code": "invalid_client"},
    Ending.CLOCKS_DIFFER: {"status": "failed", "failure_code": "provider_clock_ahead_12_minutes"},
    Ending.UNSAFE: {"status": "failed", "failure_code": "issuer_mismatch"},
    Ending.UNANSWERED: {"status": "failed", "failure_code": "http_503"},
    Ending.FAILED: {"status": "failed", "failure_code": "something_new"},
}
OPEN = {Ending.UNDER_WAY, *DECISIONS}  # nothing has come of these yet
OF_OTHERS = {Ending.ACCOUNT_KEPT, Ending.ACCOUNT_REFUSED, Ending.NO_LONGER_AVAILABLE, *OPEN}  # headings of their own


@pytest.fixture
def alias(db: None) -> Alias:
    return cast.integration_at(cast.registry_at("https://northwind.example"))


@pytest.mark.slow
@pytest.mark.parametrize("state", State)
def test_what_is_said_is_true_in_each_state_after_each_ending(
    state: State, amira: User, alias: Alias, subtests: pytest.Subtests
) -> None:
    assert state in STATES, "a row for it is missing"
    STATES_ARRANGED[state](amira, alias)
    for ending in Ending:
        with subtests.test(ending=ending), undone():
            assert ending in ENDINGS, "a row for it is missing"
            check_outcome(state, ending, amira, alias)


def check_outcome(state: State, ending: Ending, amira: User, alias: Alias) -> None:
    attempt = walks.under_way(amira, alias, account_label="bob@northwind.example", popup=True)
    AuthorizationAttempt.objects.filter(pk=attempt.pk).update(**ATTEMPTS[ending])
    attempt.refresh_from_db()
    if state != State.CONNECTING:
        AuthorizationAttempt.objects.exclude(pk=attempt.pk).delete()
    integration = integration_of(amira, alias.pk)
    assert integration
    outcome = compose_outcome(integration, attempt)
    assert ending_of(attempt) == outcome.ending == ending
    text = " ".join([outcome.badge, outcome.heading, *outcome.sentences])
    assert "%(" not in text + outcome.spoken
    works = integration.is_token_valid
    if ending == Ending.CONNECTED:
        assert ("is connected" in outcome.heading) == works
        is_kept = state in (State.ADDRESS_CHANGED, State.DISABLED)
        assert ("no longer connected" in outcome.heading) == (not works and not is_kept)
        assert ("ended since" in text) == (not works and not is_kept)
        return
    assert "is connected" not in text
    assert not re.search(r"\bconnected\.$", outcome.spoken) or not works
    assert outcome.is_unchanged == works
    if works and ending not in OPEN:
        assert "Not connected" not in text
        assert outcome.badge == "Nothing changed"
        assert outcome.tone in ("idle", "warn")
        assert outcome.spoken.startswith("Northwind CRM stays connected. Nothing was changed.")
        assert ending in OF_OTHERS or outcome.heading == "Northwind CRM stays connected"
        assert ending in OF_OTHERS - {Ending.ACCOUNT_KEPT} or "still signed in as <strong>amira@" in text
    if not works:
        assert "stays connected" not in text + outcome.spoken
        assert "still signed in" not in text
        assert outcome.spoken == integration.spoken or ending in OPEN
    assert ending in DECISIONS or outcome.buttons, "a dead end"


# Step by step, over every place ---------------------------------------------------------------------------------------


@pytest.fixture
def renewing(as_amira: Client, server: HostileServer) -> Alias:
    """Signed in as Amira; every sign-in from now on is a renewal."""
    server.on("POST /revoke").always(status=200)
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo")
    walks.grants(server, 1)
    is_known_as(server, AMIRAS)
    walks.sign_in(as_amira, alias)
    return alias


def deny(client: Client, alias: Alias, server: HostileServer) -> str:
    return walks.words(walks.sign_in(client, alias, code=None, error="access_denied"))


def cancel(client: Client, alias: Alias, server: HostileServer) -> str:
    state = walks.begin(client, alias)
    client.post(f"/integrations/{alias.hex}/cancel/")
    return walks.words(client.get(walks.come_back(client, alias, state)["Location"]))


def keep(client: Client, alias: Alias, server: HostileServer) -> str:
    walks.grants(server, 2)
    is_known_as(server, BOBS)
    walks.sign_in(client, alias)
    place = f"/integrations/done/{AuthorizationAttempt.objects.get(status='other_account').hex}/"
    return walks.words(client.get(client.post(place, {"choice": "keep"})["Location"]))


def refuse(client: Client, alias: Alias, server: HostileServer) -> str:
    OAuth2Credential.objects.update(other_account="refuse")
    walks.grants(server, 2)
    is_known_as(server, BOBS)
    return walks.words(walks.sign_in(client, alias))


def stop(client: Client, alias: Alias, server: HostileServer) -> str:
    ApplicationRegistry.objects.update(issuer="https://northwind.example")
    return walks.words(walks.sign_in(client, alias, iss="https://evil.example"))


def fail(client: Client, alias: Alias, server: HostileServer) -> str:
    server.on("POST /token").answer(status=503)
    return walks.words(walks.sign_in(client, alias))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (deny, "You didn’t allow access this time, so nothing was renewed."),
        (cancel, "You cancelled the renewal."),
        (keep, "You kept amira@northwind.example"),
        (refuse, "this integration stays with amira@northwind.example"),
        (stop, "The answer did not come from where it should."),
        (fail, "so nothing was renewed."),
    ],
)
def test_a_renewal_that_comes_to_nothing_leaves_all_as_it_was_and_every_place_says_so(
    end: Callable[[Client, Alias, HostileServer], str],
    sentence: str,
    as_amira: Client,
    renewing: Alias,
    server: HostileServer,
) -> None:
    before = Token.objects.get()
    window = html.unescape(end(as_amira, renewing, server))
    assert "Nothing changed" in window
    assert sentence in window
    assert "Not connected" not in window
    assert 'data-tone="bad"' not in window
    dashboard = html.unescape(walks.words(as_amira.get("/integrations/")))
    assert walks.state_on(dashboard) == "connected"
    assert re.findall(r'data-say-ended="([^"]*)"', dashboard) == ["Northwind CRM stays connected. Nothing was changed."]
    (one,) = as_amira.get("/api/v1/integrations/").json()
    assert (one["state"], one["section"], one["account"]) == ("connected", "my", "amira@northwind.example")
    assert list(notices.due_mails(timezone.now())) == []
    after = Token.objects.get()
    assert (after.access_token, after.version, after.state) == (before.access_token, before.version, "valid")


@pytest.mark.slow
def test_cancelling_a_renewal_says_in_a_toast_what_is_true(as_amira: Client, renewing: Alias) -> None:
    walks.begin(as_amira, renewing)
    part = as_amira.post(f"/integrations/{renewing.hex}/cancel/", headers={"HX-Request": "true"})
    assert "Northwind CRM stays connected. Nothing was changed." in walks.words(part).split('id="toasts"')[1]


@pytest.mark.slow
def test_cancelling_a_first_sign_in_says_that_nothing_is_connected(as_amira: Client, alias: Alias) -> None:
    walks.begin(as_amira, alias)
    part = as_amira.post(f"/integrations/{alias.hex}/cancel/", headers={"HX-Request": "true"})
    assert "Northwind CRM is not connected." in walks.words(part).split('id="toasts"')[1]


@pytest.mark.slow
def test_a_renewal_whose_time_ran_out_is_not_announced_as_a_connection(
    as_amira: Client, amira: User, renewing: Alias
) -> None:
    AuthorizationAttempt.objects.all().delete()
    attempt = walks.under_way(amira, renewing, **LONG_AGO)
    page = walks.words(as_amira.get("/integrations/"))
    assert 'data-say-ended="Northwind CRM stays connected. Nothing was changed."' in page
    window = walks.words(as_amira.get(f"/integrations/done/{attempt.hex}/"))
    assert 'data-kind="too_late"' in window, "and not for ever under way"


@pytest.mark.parametrize(
    ("ending", "code"),
    [(Ending.TOO_LATE, "too_late"), (Ending.CANCELLED, "cancelled"), (Ending.DENIED, "access_denied")],
)
def test_what_goes_to_an_administrator_has_a_code_and_a_time(
    as_amira: Client, amira: User, alias: Alias, ending: Ending, code: str
) -> None:
    attempt = walks.under_way(amira, alias)
    AuthorizationAttempt.objects.filter(pk=attempt.pk).update(**ATTEMPTS[ending])
    page = walks.words(as_amira.get(f"/integrations/done/{attempt.hex}/")).split("For your administrator")[1]
    text = " ".join(re.sub(r"<[^>]*>", "", page.split("</details>")[0]).split())
    assert re.fullmatch(
        rf"{code} · Provider: northwind\.example · Time: \d+ \w+ \d+, \d\d:\d\d UTC · Reference: \w{{4}}-\w{{4}}", text
    )


@pytest.mark.slow
def test_the_first_refusal_still_says_that_nothing_is_connected(as_amira: Client, alias: Alias) -> None:
    page = walks.words(walks.sign_in(as_amira, alias, code=None, error="access_denied"))
    assert "Not connected" in page
    assert "You didn’t allow access" in page
    assert "Nothing was stored." in page
    dashboard = walks.words(as_amira.get("/integrations/"))
    assert 'data-say-ended="Northwind CRM is not connected."' in dashboard


@pytest.mark.slow
def test_a_page_of_a_sign_in_that_was_revoked_since_does_not_claim_a_connection(
    as_amira: Client, renewing: Alias
) -> None:
    place = f"/integrations/done/{AuthorizationAttempt.objects.get().hex}/"
    assert "Northwind CRM is connected" in walks.words(as_amira.get(place))
    as_amira.post(f"/integrations/{renewing.hex}/revoke/")
    page = walks.words(as_amira.get(place))
    assert "Northwind CRM is no longer connected" in page
    assert "is connected" not in page
