"""Provider profiles: how one provider departs from the RFCs, as data; and the rules that read its responses."""

from foundation.oauth_client.provider_profile.format import STANDARD, ProviderProfile
from foundation.oauth_client.provider_profile.parsing import BadProfile, parse_profile
from foundation.oauth_client.provider_profile.rule_format import Meaning, Request, Rule, texts
from foundation.oauth_client.provider_profile.rules import Reply, find_rule, reply_of, seconds_to_wait, value_at

__all__ = [
    "STANDARD",
    "BadProfile",
    "Meaning",
    "ProviderProfile",
    "Reply",
    "Request",
    "Rule",
    "find_rule",
    "parse_profile",
    "reply_of",
    "seconds_to_wait",
    "texts",
    "value_at",
]
