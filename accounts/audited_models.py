"""Which models of this app, and of Django's own, the audit log records."""

from django.contrib.auth.models import Group

from accounts import audit
from accounts.models import Application, User

PRIVILEGES = ("username", "email", "is_active", "is_staff", "is_superuser")

audit.watch(Application, ignored=["created", "updated"], secrets=["client_secret"])
audit.watch(Group, many=["permissions"])
audit.watch(User, fields=PRIVILEGES, many=["groups", "user_permissions"])
