"""The integrations of the demo. Each is a client of the demo provider, with its own behaviour.

Data only: knows neither models nor the provider's tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass

DAY = 24 * 60 * 60
OPENID = {"openid": "Know who you are"}
EMAIL = OPENID | {"email": "See your email address"}
PROFILE = OPENID | {"profile": "See your name"}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One integration: its texts, its scopes, and how the provider treats this client."""

    name: str
    label: str
    description: str
    scopes: Mapping[str, str]  # requested scopes, with labels
    account: str = "/email"  # path of the account's label in the userinfo response
    path: str = "/api/"
    grant_type: str = "authorization_code"
    is_revocable: bool = True
    access_token_seconds: int | None = None
    issues_refresh_token: bool = True
    revocations_fail: bool = False
    off_because: str = ""
    agent_calls: str = "none"  # which calls agents may make

    @property
    def client_id(self) -> str:
        return f"keyrack-{self.name}"


CATALOGUE = (
    Offer(
        name="northwind",
        label="Northwind CRM",
        description="Look up contacts and keep notes with your own Northwind account.",
        agent_calls="read",
        scopes={"contacts:read": "Read contacts", "notes:read": "Read notes", "notes:write": "Write notes"} | EMAIL,
    ),
    Offer(
        name="harbor_files",
        label="Harbor Files",
        description="Read and write the files that you may see.",
        scopes={"notes:read": "Read files", "notes:write": "Write files"} | PROFILE,
        account="/preferred_username",
        access_token_seconds=3 * DAY,
        issues_refresh_token=False,
    ),
    Offer(
        name="beacon_chat",
        label="Beacon Chat",
        description="Post messages under your own name.",
        scopes={"notes:write": "Post messages"} | PROFILE,
        account="/preferred_username",
        revocations_fail=True,
    ),
    Offer(
        name="quill_docs",
        label="Quill Docs",
        description="Read documents that are shared with you.",
        scopes={"notes:read": "Read documents"} | PROFILE,
        account="/name",
    ),
    Offer(
        name="records_service",
        label="Records Service",
        description="Look up case records. You sign in with your username and password; only the token is stored.",
        scopes={"contacts:read": "Read cases", "profile": "See your name"},
        account="/username",
        grant_type="password",
    ),
    Offer(
        name="tidepool_analytics",
        label="Tidepool Analytics",
        description="Run reports and read dashboards with your own Tidepool permissions.",
        scopes={"contacts:read": "Read reports"} | EMAIL,
    ),
    Offer(
        name="copper_tickets",
        label="Copper Tickets",
        description="Read and update the tickets that you work on.",
        scopes={"notes:read": "Read tickets", "notes:write": "Update tickets"} | PROFILE,
        account="/name",
    ),
    Offer(
        name="meridian_ledger",
        label="Meridian Ledger",
        description="Read your department's invoices.",
        scopes={"contacts:read": "Read invoices"} | PROFILE,
        account="/preferred_username",
        access_token_seconds=30 * DAY,
        issues_refresh_token=False,
        off_because="Moving to the new ledger.",
    ),
    Offer(
        name="orchard_calendar",
        label="Orchard Calendar",
        description="Read your calendar and add appointments.",
        scopes={"notes:read": "Read appointments", "notes:write": "Add appointments"} | PROFILE,
        account="/name",
        is_revocable=False,
        agent_calls="read",
    ),
)
