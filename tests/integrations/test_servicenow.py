"""The seeds' scripts, translated line by line: for the current user of a request or a run, and for nobody else."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models.signals import post_save
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access_tokens import operations
from accounts.current_user import acting_for
from accounts.models import User
from config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - Django looks for them here
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import flows
from integrations.api.views import ApiView
from integrations.flows.runs import perform_later
from integrations.models import Alias, StepRun, Subflow, SubflowRun, Token
from integrations.servicenow import sn_auth, sn_cc, sn_fd
from integrations.servicenow.session_user import NoSessionUser
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer
from tests.urls import urlpatterns as site

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}, {"number": "INC2"}]})
    return walks.northwind(server)


@pytest.fixture
def subflow(northwind: Alias, amira: User) -> Subflow:
    cast.signed_in(amira, northwind)
    return subflow_of(open_incidents(northwind), name="getpersonalincidentssubflow")


@pytest.fixture
def infos() -> list[Any]:
    return []


@pytest.fixture
def gs(infos: list[Any]) -> SimpleNamespace:
    """ServiceNow's log."""
    return SimpleNamespace(info=infos.append, error=infos.append)


# sn_cc ----------------------------------------------------------------------------------------------------------------


def test_the_scripts_of_personal_auth_api_print_what_is_documented(
    northwind: Alias, amira: User, gs: SimpleNamespace, infos: list[Any]
) -> None:
    cast.signed_in(amira, northwind)
    aliasId = northwind.hex  # noqa: N806
    with acting_for(lambda: amira):
        personalAuthAPI = sn_cc.PersonalAuthAPI()  # noqa: N806
        result: Any = personalAuthAPI.getInitiatorURL(aliasId)
        gs.info(result)
        result = personalAuthAPI.isTokenValid(aliasId)
        gs.info(result)
        personalAuthResponse = personalAuthAPI.revokeToken(aliasId)  # noqa: N806
        gs.info(personalAuthResponse.getResponseStatus())
        gs.info(personalAuthResponse.getExpiryInSeconds())
        gs.info(personalAuthResponse.isAuthenticated())
        gs.info(personalAuthResponse.getCredentialId())
        gs.info(personalAuthAPI.isTokenValid(aliasId))
    credential = walks.credential_of(northwind)
    assert infos == [
        f"/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials&oauth_requestor={credential.hex}"
        f"&oauth_provider_profile={credential.profile.hex}&response_type=code&personal=true",
        True, "SUCCESS", 0, False, credential.hex, False,
    ]  # fmt: skip
    assert not Token.objects.exists()


@pytest.mark.slow
def test_a_missing_and_a_forbidden_alias_look_alike(northwind: Alias, amira: User) -> None:
    northwind.groups.add(Group.objects.create(name="Finance"))
    cast.signed_in(amira, northwind)
    for alias_id in (northwind.hex, "0" * 32, "", "\0"):
        api = sn_cc.PersonalAuthAPI(user=amira)
        response = api.revokeToken(alias_id)
        assert (api.getInitiatorURL(alias_id), api.isTokenValid(alias_id)) == ("", False)
        assert (response.getResponseStatus(), response.getCredentialId()) == ("FAIL", "")
        assert sn_auth.GlideOAuthClient(user=amira).setPersonal(True).getToken(alias_id) is None
    assert Token.objects.exists()


# For whom -------------------------------------------------------------------------------------------------------------


def valid_here(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"valid": sn_cc.PersonalAuthAPI().isTokenValid("northwind")})


class ValidHere(ApiView):
    scopes = {"GET": ["integrations:read"]}

    def get(self, request: Request) -> Response:
        return Response({"valid": sn_cc.PersonalAuthAPI().isTokenValid("northwind")})


urlpatterns = [path("valid/", valid_here), path("api/valid/", ValidHere.as_view()), *site]


@pytest.mark.slow
@pytest.mark.urls(__name__)
def test_in_a_request_it_is_for_the_person_who_asks(
    northwind: Alias, amira: User, bob: User, settings: Settings
) -> None:
    cast.signed_in(amira, northwind)
    assert [client_of(user).get("/valid/").json()["valid"] for user in (amira, bob, amira)] == [True, False, True]
    for user in (amira, bob):
        _row, secret = operations.make_token(
            user, name="script", scopes=["integrations:read"], expires_at=None, by=user
        )
        answer = Client().get("/api/valid/", headers={"Authorization": f"Bearer {secret}"})
        assert answer.json() == {"valid": user == amira}
    with pytest.raises(NoSessionUser, match="No user is signed in here"):
        Client().get("/valid/")


@pytest.mark.parametrize(
    "call", [sn_cc.PersonalAuthAPI, sn_fd.FlowAPI.getRunner, sn_auth.GlideOAuthClient], ids=["cc", "fd", "auth"]
)
def test_outside_of_requests_and_runs_a_user_must_be_named(call: Callable[[], object]) -> None:
    with pytest.raises(NoSessionUser) as caught:
        call()
    assert "user=" in caught.value.getMessage()


@pytest.mark.slow
def test_in_a_run_it_is_for_the_person_whose_run_it_is(
    subflow: Subflow, northwind: Alias, amira: User, bob: User
) -> None:
    seen: list[bool | str] = []

    def ask(**_details: Any) -> None:
        try:
            seen.append(sn_cc.PersonalAuthAPI().isTokenValid(northwind.hex))
        except NoSessionUser:
            seen.append("nobody")

    post_save.connect(ask, sender=StepRun)
    try:
        with acting_for(lambda: bob):
            flows.run_subflow(subflow.name, user=amira)
            perform_later(flows.start_subflow(subflow.name, user=amira).hex)
            assert not sn_cc.PersonalAuthAPI().isTokenValid(northwind.hex)
        Subflow.objects.update(run_as="system")
        flows.run_subflow(subflow.name, user=amira)
    finally:
        post_save.disconnect(ask, sender=StepRun)
    assert seen == [True, True, "nobody"]


# sn_fd ----------------------------------------------------------------------------------------------------------------


def get_personal_incidents(gs: SimpleNamespace) -> Any:
    """The script of the seed, with its try and catch."""
    outputs = None
    try:
        # Execute synchronously in the foreground. Allows access to subflow outputs.
        result = (
            sn_fd.FlowAPI.getRunner()
            .subflow('global.getpersonalincidentssubflow')
            .inForeground()
            .run()
        )  # fmt: skip
        outputs = result.getOutputs()
    except Exception as ex:
        message = ex.getMessage()  # type: ignore[attr-defined]
        gs.error(message)
    return outputs


@pytest.mark.slow
def test_the_script_that_runs_a_subflow_gets_its_outputs_or_a_message(
    subflow: Subflow, amira: User, gs: SimpleNamespace, infos: list[str]
) -> None:
    with acting_for(lambda: amira):
        assert get_personal_incidents(gs) == {"numbers": ["INC1", "INC2"]}
        Token.objects.all().delete()
        assert get_personal_incidents(gs) is None
        subflow.actions.all()[0].action.steps.update(path="other")
        Subflow.objects.update(active=False)
        assert get_personal_incidents(gs) is None
    assert get_personal_incidents(gs) is None
    no_token, not_active, no_user = infos
    assert "“open_incidents.list” (HTTP 401): " in no_token
    assert not_active == str(flows.NotAvailable())
    assert "No user is signed in here" in no_user


def test_dots_of_a_name_are_not_taken_for_an_application_scope(subflow: Subflow, amira: User) -> None:
    dotted = subflow_of(subflow.actions.get().action, name=f"team.{subflow.name}")
    names = [subflow.name, f"global.{subflow.name}", dotted.name, f"global.{dotted.name}"]
    runs = [sn_fd.FlowAPI.getRunner(user=amira).subflow(name).run() for name in names]
    assert [run.getFlowObjectName() for run in runs] == [subflow.name, subflow.name, dotted.name, dotted.name]
    for name in (f"global.team.x.{subflow.name}", "global.", "."):
        with pytest.raises(sn_fd.NotAvailable):
            sn_fd.FlowAPI.getRunner(user=amira).subflow(name).run()


def test_inputs_are_given_by_name_and_checked(subflow: Subflow, amira: User, server: HostileServer) -> None:
    runner = sn_fd.FlowAPI.getRunner(user=amira).subflow(subflow.name)
    assert runner.withInputs({"limit": 2}).run().getOutputs() == {"numbers": ["INC1", "INC2"]}
    assert server.calls[0].query == "limit=2"
    with pytest.raises(flows.BadInputs) as caught:
        runner.withInputs({"limit": "many"}).run()
    assert "limit" in caught.value.getMessage()  # type: ignore[attr-defined]


def test_what_a_script_leaves_undefined_has_an_answer(subflow: Subflow, amira: User, northwind: Alias) -> None:
    runner = sn_fd.FlowAPI.getRunner(user=amira)
    assert runner.subflow(subflow.name).withInputs(None).run().getOutputs()["numbers"]
    with pytest.raises(sn_fd.NotAvailable) as missing:
        runner.subflow(None).run()  # type: ignore[arg-type]
    with pytest.raises(sn_fd.BadInputs) as refused:
        runner.withInputs("limit")  # type: ignore[arg-type]
    assert missing.value.getMessage()
    assert refused.value.getMessage() == "The inputs must be a mapping of names to values."
    assert sn_auth.GlideOAuthClient(user=amira).setPersonal(True).getToken(None) is None  # type: ignore[arg-type]


def test_a_background_run_gives_its_outputs_once_it_has_ended(subflow: Subflow, amira: User) -> None:
    result = sn_fd.FlowAPI.getRunner(user=amira).subflow(subflow.name).inBackground().withInputs({}).run()
    with pytest.raises(sn_fd.NotFinished, match="has not ended yet"):
        result.getOutputs()
    perform_later(result.getContextId())
    assert result.getOutputs() == {"numbers": ["INC1", "INC2"]}
    run = SubflowRun.objects.get()
    assert (result.getContextId(), result.getFlowObjectName(), result.getFlowObjectType()) == (
        run.hex, subflow.name, "subflow",
    )  # fmt: skip
    Token.objects.all().delete()
    failing = sn_fd.FlowAPI.getRunner(user=amira).subflow(subflow.name).inBackground().run()
    perform_later(failing.getContextId())
    with pytest.raises(flows.RunFailed):
        failing.getOutputs()


@pytest.mark.slow
def test_a_failed_run_raises_its_step_status_and_sentence(
    subflow: Subflow, amira: User, bob: User, server: HostileServer
) -> None:
    flows.run_subflow(subflow.name, user=amira).raise_for_status()
    flows.start_subflow(subflow.name, user=amira).raise_for_status()
    run = flows.run_subflow(subflow.name, user=bob)
    with pytest.raises(flows.RunFailed) as caught:
        run.raise_for_status()
    failed = caught.value
    assert (failed.step, failed.status, failed.http_status) == ("open_incidents.list", "failed", 401)
    assert (failed.sentence, failed.code, failed.initiator_url) == (run.error, run.error_code, run.initiator_url)
    assert run.error
    assert str(failed) == f"Subflow “{run.name}”, step “open_incidents.list” (HTTP 401): {run.error}"
    Subflow.objects.update(outputs=[{"name": "n", "path": "actions.open_incidents.numbers | sum(@)"}])
    with pytest.raises(flows.RunFailed) as caught:
        flows.run_subflow(subflow.name, user=amira).raise_for_status()
    assert (caught.value.step, caught.value.http_status) == ("", None)


# sn_auth --------------------------------------------------------------------------------------------------------------


def dump_token(gs: SimpleNamespace, token: sn_auth.GlideOAuthToken | None) -> None:
    """The function of *Get Personal OAuth Token*."""
    if token:
        gs.info("Access token: " + token.getAccessToken())
        gs.info("Expires in: " + str(token.getExpiresIn()))
        gs.info("Refresh token: " + token.getRefreshToken())


def test_the_script_that_gets_a_personal_token_gets_that_of_the_user(
    northwind: Alias, amira: User, bob: User, gs: SimpleNamespace, infos: list[str]
) -> None:
    cast.signed_in(amira, northwind)
    credential = walks.credential_of(northwind)
    for user in (bob, amira):
        with acting_for(partial(User.objects.get, pk=user.pk)):
            oAuthClient = sn_auth.GlideOAuthClient()  # noqa: N806
            oAuthClient.setPersonal(True)
            token = oAuthClient.getToken(credential.hex, credential.profile.hex)
            dump_token(gs, token)
    assert infos[0] == "Access token: CANARY-access-1"
    assert (int(infos[1].removeprefix("Expires in: ")) > 3500, infos[2:]) == (True, ["Refresh token: "])
    assert token is not None
    assert token.getScope() == "read"
    assert "CANARY" not in repr([token, vars(token)])
    client = sn_auth.GlideOAuthClient(user=amira).setPersonal(True)
    assert client.getToken("northwind") is not None
    assert client.getToken(credential.hex, "0" * 32) is None


def test_tokens_of_the_system_are_not_read(northwind: Alias, amira: User) -> None:
    cast.signed_in(amira, northwind)
    with pytest.raises(sn_auth.OnlyPersonal) as caught:
        sn_auth.GlideOAuthClient(user=amira).getToken(walks.credential_of(northwind).hex)
    assert "setPersonal(True)" in caught.value.getMessage()


def test_a_provider_that_fails_is_told_in_a_message_like_everything_else(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind, expires_in=-5)
    server.on("POST /token").always(status=503)
    with pytest.raises(OAuthError) as caught:
        sn_auth.GlideOAuthClient(user=amira).setPersonal(True).getToken("northwind")
    assert "http_503" in caught.value.getMessage()  # type: ignore[attr-defined]
    assert isinstance(caught.value.__cause__, Unreachable)
