"""Models of this app and of Django whose changes the audit log records."""

from django.contrib.auth.models import Group

from accounts.audit import model_changes
from accounts.models import User
from accounts.oauth_server.models import Application

PRIVILEGES = ("username", "email", "is_active", "is_staff", "is_superuser")

model_changes.watch(Application, ignored=["created", "updated"], secrets=["client_secret"])
model_changes.watch(Group, many=["permissions"])
model_changes.watch(User, fields=PRIVILEGES, many=["groups", "user_permissions"])
