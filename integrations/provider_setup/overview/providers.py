"""One provider as administrators think of it: a registry with what uses it, or an alias without a registry."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from foundation.reader_time import day_words
from integrations.models.card.moved_addresses import name_of
from integrations.models.events import Event
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import Alias, ApplicationRegistry, Use, validation
from integrations.models.tokens.consent import Change
from integrations.models.tokens.token import SignInCounts
from integrations.provider_setup.overview import states
from integrations.provider_setup.overview.states import ProviderState

REASONS = {
    Use.TOKENS: gettext_lazy("Sign-ins and renewals fail"),
    Use.SIGN_IN: gettext_lazy("Nobody can sign in"),
    Use.REVOCATION: gettext_lazy("Revocations fail"),
    Use.REFUSALS: gettext_lazy("Several people were refused"),
}


@dataclass(frozen=True, kw_only=True)
class Moved:
    """People who have not agreed to changed addresses, one of the changes, and its event."""

    unconfirmed: int = 0
    change: Change | None = None
    event: Event | None = None


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A registry and the aliases that use it; or an alias without a complete connection; or a draft."""

    registry: ApplicationRegistry | None
    aliases: tuple[Alias, ...] = ()
    people: SignInCounts = field(default_factory=SignInCounts)
    moved: Moved = field(default_factory=Moved)
    added: Event | None = None  # to the set-up
    shows_aliases: bool = True  # to this administrator
    draft: ProviderDraft | None = None

    @property
    def key(self) -> str:
        return self.record.hex

    @property
    def record(self) -> ApplicationRegistry | ProviderDraft | Alias:
        return self.registry or self.draft or self.aliases[0]

    @property
    def name(self) -> str:
        if self.draft:
            return self.draft.shown_name
        return self.aliases[0].title if isinstance(self.record, Alias) else self.record.name

    @property
    def tile_name(self) -> str:
        """What its monogram is made of: the name of the alias, so that it looks as on people's cards."""
        return self.aliases[0].name if self.aliases else self.name

    @property
    def more_aliases(self) -> int:
        """How many aliases there are beyond the two that the list names."""
        return max(0, len(self.aliases) - 2)

    @property
    def host(self) -> str:
        return self.registry.host if self.registry else ""

    @property
    def set_up_by(self) -> str:
        return self.draft.begun_by_name if self.draft else name_of(self.added)

    @property
    def set_up_at(self) -> datetime | None:
        if self.draft:
            return self.draft.begun_at
        return self.added.at if self.added else None

    @property
    def search_text(self) -> str:
        aliases = self.aliases if self.shows_aliases else ()
        names = [text for alias in aliases for text in (alias.name, alias.label)]
        return " ".join([self.name, self.host, self.set_up_by, str(self.state.badge), *names])

    @cached_property
    def state(self) -> ProviderState:
        """The first state that applies."""
        if self.draft:
            return states.DRAFT
        if self.is_off:
            return states.OFF
        if self.registry and (self.registry.misconfigured_code or self.faults):
            return states.MISCONFIGURED
        if self.moved.unconfirmed:
            return states.NEW_ADDRESS
        if self.missing:
            return states.HALF
        if self.registry and self.registry.down_since:
            return states.DOWN
        return states.UNTRIED if self.awaits_trial else states.READY

    @property
    def awaits_trial(self) -> bool:
        """Whether people see none of its aliases, because it has not worked yet."""
        return bool(self.aliases) and all(alias.awaits_trial for alias in self.aliases)

    @property
    def is_off(self) -> bool:
        """Whether an administrator has turned off the registry, or all that uses it."""
        if self.registry and not self.registry.active:
            return True
        return bool(self.aliases) and not any(alias.active and self.is_switched_on(alias) for alias in self.aliases)

    @staticmethod
    def is_switched_on(alias: Alias) -> bool:
        """Whether nothing below the alias is turned off. What is missing is not turned off."""
        return alias.is_on or alias.effective_credential is None

    @cached_property
    def faults(self) -> list[tuple[str, str]]:
        """Field and sentence of each value that cannot work."""
        return list(validation.find_faults(self.registry)) if self.registry else []

    @cached_property
    def missing(self) -> str:
        """A sentence on what is missing before anybody can use it; "" if nothing is."""
        if self.registry is None:
            return _("It has no active connection with a credential, so nobody can use it.")
        for sentence, code in validation.find_shortcomings(self.registry):
            if code in validation.INCOMPLETE:
                return sentence
        return "" if self.aliases else _("No alias uses it, so nobody can use it.")

    @property
    def reason(self) -> str:
        """The state in a few words, beside its badge."""
        if self.state is states.OFF and self.shows_aliases:
            return next((alias.inactive_reason for alias in self.aliases if alias.inactive_reason), "")
        if self.state is states.MISCONFIGURED:
            return str(REASONS[Use(self.use)]) if self.use else self.faults[0][1]
        if self.state is states.NEW_ADDRESS:
            text = _("%(count)d of %(total)d still to confirm")
            return text % {"count": self.moved.unconfirmed, "total": self.people.connected}
        if self.draft and not self.draft.is_described:
            return _("Its addresses are still being entered.")
        if self.draft:
            return _("Step %(step)d of 3") % {"step": self.draft.step}
        return self.missing if self.state is states.HALF else self.secret_end

    @property
    def secret_days(self) -> int | None:
        """Days until the end of the client secret, if somebody should replace it now."""
        if self.registry is None or self.state in (states.OFF, states.MISCONFIGURED):
            return None
        return validation.days_until_secret_ends(self.registry)

    @property
    def secret_end(self) -> str:
        """The end of the client secret in a few words; "" if it is far away or not known."""
        if self.registry is None or self.secret_days is None:
            return ""
        text = _("Client Secret expired on %(day)s") if self.secret_days < 0 else _("Client Secret expires on %(day)s")
        return text % {"day": day_words(self.registry.client_secret_expires_on)}

    @property
    def waiting(self) -> int:
        """How many people have to do something before their sign-ins work again."""
        return self.people.must_sign_in + self.moved.unconfirmed

    @property
    def can_remind(self) -> bool:
        """Whether there are such people, and what they are asked to do would work."""
        return bool(self.waiting) and self.state in (states.READY, states.NEW_ADDRESS)

    @property
    def use(self) -> str:
        """What the provider refuses because of the set-up; "" if it refuses nothing."""
        if self.registry is None or not self.registry.misconfigured_code:
            return ""
        return self.registry.misconfigured_use or Use.TOKENS

    @property
    def words_of_provider(self) -> str:
        """The provider's code and its own words about the set-up."""
        if self.registry is None or not self.registry.misconfigured_code:
            return ""
        return ": ".join(filter(None, (self.registry.misconfigured_code, self.registry.misconfigured_reason)))
