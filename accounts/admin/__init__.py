"""The admin of users, groups, sign-in, OAuth applications, access tokens and the audit log."""

from accounts.admin import access_tokens, applications, audit_log, people, sign_in

__all__ = ["access_tokens", "applications", "audit_log", "people", "sign_in"]
