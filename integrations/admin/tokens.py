"""Admin of OAuth Tokens ("Manage Tokens"). Never shows a token; deleting one revokes it."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, pgettext

from accounts.audit.details import register_detail
from accounts.models import User
from foundation.name_lists import join_names
from integrations.admin.base import NOTHING, ReadOnly, day, hour, moment, with_note
from integrations.admin.many_rows import CHOICES_AT_MOST, COUNTED_AT_MOST, CappedPaginator, NameFilter, has_more
from integrations.connections import authorization
from integrations.models.registry import ApplicationRegistry, OAuth2Credential
from integrations.models.tokens import Token, TokenQuerySet

BY = register_detail(gettext_noop("by the administrator %(username)s"))
LOOKED_AT = "Looked at."
SCOPES = ["granted_scopes", "asked_scopes", "missing_scopes"]


class RegistryFilter(NameFilter):
    title, parameter_name = gettext_lazy("Application Registry"), "registry"
    model, lookup = ApplicationRegistry, "credential__profile__registry__name"


class CredentialFilter(NameFilter):
    title, parameter_name = gettext_lazy("OAuth 2.0 Credential"), "credential_name"
    model, lookup = OAuth2Credential, "credential__name"


@admin.register(Token)
class TokenAdmin(ReadOnly):
    list_display = ["who_as_whom", "what_for", "kind", "granted_scopes", "expires", "used", "state"]
    list_display_links = ["who_as_whom"]
    list_filter = ["state", "integration_type", RegistryFilter, CredentialFilter]
    list_select_related = ["user", "credential"]
    search_fields = ["user__username", "user__email", "account_label", "credential__name"]
    search_help_text = gettext_lazy("Search by username, email address, account or credential.")
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["who", "account_label", "account_id", "credential", "integration_type", "aliases"]}),
        (
            gettext_lazy("What was granted"),
            {
                "fields": ["kind", "token_type", *SCOPES, "expires_at", "refresh_expires_at"],
                "description": gettext_lazy("The token itself is never shown."),
            },
        ),
        (
            gettext_lazy("State"),
            {"fields": ["state", "failure_code", "failed_at", "signed_in_at", "refreshed_at", "last_used"]},
        ),
    ]
    tokens_below = "pk"
    deletion_note = gettext_lazy("The tokens are revoked at the provider. Each person can authenticate again.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        return super().get_queryset(request).prefetch_related("credential__aliases", "credential__connections__alias")

    def get_ordering(self, request: HttpRequest) -> Any:
        """By name; among many tokens by an index: each person's together, the first people first."""
        return ["user_id"] if has_more(Token, COUNTED_AT_MOST) else ["user__username"]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        return [] if has_more(Token, COUNTED_AT_MOST) else super().get_sortable_by(request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Token], search_term: str) -> Any:
        """Search people and credentials first, so that an index leads from them to their tokens.

        Among many tokens, all words have to be in one of them, the first two hundred are taken, and the name of an
        account at the provider is not searched: no index leads to a part of it.
        """
        if not search_term.strip() or not has_more(Token, COUNTED_AT_MOST):
            return super().get_search_results(request, queryset, search_term)
        people, credentials = User.objects.order_by("pk"), OAuth2Credential.objects.order_by("pk")
        for word in search_term.split():
            people = people.filter(Q(username__icontains=word) | Q(email__icontains=word))
            credentials = credentials.filter(name__icontains=word)
        person_ids = list(people.values_list("pk", flat=True)[:CHOICES_AT_MOST])
        credential_ids = list(credentials.values_list("pk", flat=True)[:CHOICES_AT_MOST])
        queryset = queryset.filter(Q(user__in=person_ids) | Q(credential__in=credential_ids))
        return queryset, False

    @admin.display(description=gettext_lazy("User"), ordering="user__username")
    def who_as_whom(self, token: Token) -> SafeString:
        return with_note(self.who(token), token.account_label)

    @admin.display(description=gettext_lazy("Alias"), ordering="credential__name")
    def what_for(self, token: Token) -> SafeString:
        return with_note(self.aliases(token) or NOTHING, token.credential.name)

    @admin.display(description=gettext_lazy("User"))
    def who(self, token: Token) -> str:
        return token.user.get_username() if token.user else _("System")

    @admin.display(description=gettext_lazy("Aliases"), empty_value=NOTHING)
    def aliases(self, token: Token) -> str:
        return join_names(aliases_of(token.credential))

    @admin.display(description=gettext_lazy("Kind"))
    def kind(self, token: Token) -> str:
        return _("Access + refresh") if token.has_refresh_token else pgettext("kind of token", "Access")

    @admin.display(description=gettext_lazy("Granted scopes"), empty_value=NOTHING)
    def granted_scopes(self, token: Token) -> str:
        return ", ".join(token.scopes)

    @admin.display(description=gettext_lazy("Requested scopes"), empty_value=NOTHING)
    def asked_scopes(self, token: Token) -> str:
        return ", ".join(token.requested_scopes)

    @admin.display(description=gettext_lazy("Missing scopes"), empty_value=NOTHING)
    def missing_scopes(self, token: Token) -> str:
        return ", ".join(token.missing_scopes())

    @admin.display(description=gettext_lazy("Expires"), ordering="expires_at")
    def expires(self, token: Token) -> SafeString:
        if token.expires_at is None:
            return with_note(_("No expiry given"), "")
        return with_note(
            day(token.expires_at), _("Renews by itself") if token.renews_itself else hour(token.expires_at)
        )

    @admin.display(description=gettext_lazy("Last used"), ordering="last_used_at")
    def used(self, token: Token) -> SafeString:
        return with_note(day(token.last_used_at) if token.last_used_at else _("Never"), token.last_used_by)

    @admin.display(description=gettext_lazy("Last used"))
    def last_used(self, token: Token) -> str:
        by = f" ({token.last_used_by})" if token.last_used_by else ""
        return f"{moment(token.last_used_at)}{by}" if token.last_used_at else _("Never")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list without the side bar, so that its columns have the whole width."""
        return super().changelist_view(request, {"is_nav_sidebar_enabled": False, **(extra_context or {})})

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Rename the action to delete rows: it revokes tokens."""
        actions: dict[str, Any] = super().get_actions(request)
        if action := actions.get("delete_selected"):
            actions["delete_selected"] = (*action[:2], _("Revoke selected OAuth Tokens"))
        return actions

    def change_view(self, request: HttpRequest, object_id: str, *arguments: Any, **options: Any) -> HttpResponse:
        """Record in the history when an administrator views another user's sign-in."""
        token = self.get_object(request, object_id)
        if token and token.user != request.user and self.has_view_permission(request, token):
            self.log_change(request, token, LOOKED_AT)
        return super().change_view(request, object_id, *arguments, **options)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().delete_view(request, object_id, {"title": _("Revoke this token?"), **(extra_context or {})})

    def delete_model(self, request: HttpRequest, obj: Token) -> None:
        self.revoke(request, Token.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        self.revoke(request, Token.objects.filter(pk__in=queryset.values("pk")))

    def revoke(self, request: HttpRequest, tokens: TokenQuerySet) -> None:
        detail = BY % {"username": request.user.get_username()}
        authorization.end_all(tokens, reason="revoked_by_administrator", detail=detail)


def aliases_of(credential: OAuth2Credential) -> list[str]:
    """Return the titles of all aliases that use a credential. No query if they were prefetched."""
    by_connection = [connection.alias for connection in credential.connections.all()]
    return sorted({alias.title for alias in [*credential.aliases.all(), *by_connection]})
