"""One example for each call of the API, by operation id. A test sends each and compares what comes back."""

from dataclasses import dataclass
from typing import Any

ALIAS, RUN = "northwind", "5f0c1d7e9a2b4c3d8e6f7a8b9c0d1e2f"
INITIATOR_URL = (
    "/oauth_initiator.do?oauth_requestor_context=oauth_2_0_credentials"
    "&oauth_requestor=6f1d0c2b9a384e57b0d4c3a2918f7e65&oauth_provider_profile=0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d"
    "&response_type=code&personal=true"
)
INTEGRATION = {
    "id": "1c7f0a52de9b4c60a1f3e5d7b9081726",
    "alias": ALIAS,
    "name": "Northwind CRM",
    "section": "my",
    "state": "connected",
    "account": "amira@northwind.example",
    "scopes": ["read"],
    "expires_at": "2026-11-22T15:30:00Z",
    "renews_itself": True,
    "sign_in_again_by": "2027-02-14T09:12:00Z",
    "last_used_at": None,
    "initiator_url": INITIATOR_URL,
}
TOKEN = {"access_token": "EXAMPLE-4f9c", "token_type": "Bearer", "expires_in": 3540, "scope": "read"}
SUCCEEDED = {"id": RUN, "status": "succeeded", "outputs": {"numbers": ["INC1", "INC2"]}, "error": None}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request, and the status and body of its response."""

    path: str  # below /api/v1/
    method: str = "GET"
    body: Any = None
    status: int = 200
    answer: Any = None


EXAMPLES: dict[str, Example] = {
    "integrations_list": Example(path="integrations/?page_size=50", answer=[INTEGRATION]),
    "integrations_retrieve": Example(path=f"integrations/{ALIAS}/", answer=INTEGRATION),
    "integrations_initiator_url": Example(
        path=f"integrations/{ALIAS}/initiator-url/", answer={"initiator_url": INITIATOR_URL}
    ),
    "integrations_token_valid": Example(path=f"integrations/{ALIAS}/token-valid/", answer={"token_valid": True}),
    "integrations_revoke": Example(
        method="POST",
        path=f"integrations/{ALIAS}/revoke/",
        answer={
            "response_status": "SUCCESS",
            "expiry_in_seconds": 0,
            "is_authenticated": False,
            "credential_id": "6f1d0c2b9a384e57b0d4c3a2918f7e65",
            "remote_revocation": "pending",
        },
    ),
    "integrations_token": Example(path=f"integrations/{ALIAS}/token/?minimum_seconds=300", answer=TOKEN),
    "integrations_token_refused": Example(
        method="POST",
        path=f"integrations/{ALIAS}/token-refused/",
        body={"access_token": "EXAMPLE-4f9b"},
        answer=TOKEN,
    ),
    "integrations_proxy": Example(path=f"integrations/{ALIAS}/proxy/contacts?limit=1", answer={"count": 2}),
    "remote_table_rows": Example(
        path="remote-tables/incidents/rows/?q=printer&sort=-priority",
        answer={
            "columns": [{"name": "number", "label": "Number", "type": "text"}],
            "rows": [{"number": "INC3"}],
            "count": 1,
            "next": None,
            "loaded_at": "2026-11-22T14:31:00Z",
            "limited": False,
        },
    ),
    "subflows_run": Example(
        method="POST",
        path="subflows/my_open_incidents/runs/",
        body={"inputs": {"limit": 2}},
        status=201,
        answer=SUCCEEDED,
    ),
    "subflow_runs_retrieve": Example(path=f"subflow-runs/{RUN}/", answer=SUCCEEDED),
    "leaked_tokens": Example(
        method="POST",
        path="leaked-tokens/",
        body={"token": "krk_pt_EXAMPLE"},
        status=202,
        answer={"status": "received"},
    ),
}
