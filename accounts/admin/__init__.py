"""The admin of users, groups, sign-in, OAuth applications, access tokens and the audit log."""

from accounts.admin import applications, people, users

__all__ = ["applications", "people", "users"]
