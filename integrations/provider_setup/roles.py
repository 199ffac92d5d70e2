"""Groups that exist after migrating: the role of the dashboard, and narrow roles of administrators.

Members of the administrators' groups need staff status too. A group that exists is left as it is, so that changes by
administrators last.
"""

from collections.abc import Iterable

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions

ALL = ("view", "add", "change", "delete")
VIEW = ("view",)

# By group: the actions on each model.
ROLES: dict[str, dict[tuple[str, ...], Iterable[str]]] = {
    "Connection Admin": {
        ALL: ["integrations.alias", "integrations.httpconnection"],
        VIEW: ["integrations.oauth2credential"],
    },
    "Credential Admin": {
        ALL: ["integrations.oauth2credential"],
        VIEW: ["integrations.applicationregistry", "integrations.oauthentityprofile", "integrations.oauthentityscope"],
    },
    "OAuth Admin": {
        ALL: [
            "integrations.applicationregistry", "integrations.oauthentityprofile", "integrations.oauthentityscope",
            "integrations.configurationtemplate", "accounts.application",
        ],
        ("view", "delete"): ["integrations.token"],
        ("view", "change"): ["integrations.revocation"],
    },
    "Flow Designer": {
        ALL: [
            "integrations.action", "integrations.reststep", "integrations.subflow", "integrations.subflowaction",
            "integrations.remotetable", "integrations.remotetablecolumn", "integrations.toolset",
        ],
        VIEW: ["integrations.alias", "integrations.subflowrun", "integrations.steprun"],
    },
    "Auditor": {
        VIEW: [
            "integrations.applicationregistry", "integrations.oauthentityprofile", "integrations.oauthentityscope",
            "integrations.configurationtemplate", "integrations.oauth2credential", "integrations.alias",
            "integrations.httpconnection", "integrations.token", "integrations.revocation", "integrations.connectlink",
            "integrations.action", "integrations.reststep", "integrations.subflow", "integrations.subflowaction",
            "integrations.subflowrun", "integrations.steprun", "integrations.remotetable",
            "integrations.remotetablecolumn", "integrations.toolset", "accounts.application", "accounts.approval",
            "accounts.user", "accounts.permanenttoken", "accounts.applicationpassword", "accounts.twosteprequirement",
            "accounts.event", "auth.group",
        ],
    },
}  # fmt: skip
DASHBOARD = "Personal Auth User"


def create_groups(sender: AppConfig, using: str, **_options: object) -> None:
    """Create the groups that are missing, with their permissions. Runs after each migration."""
    for label in ("auth", "accounts", sender.label):
        create_permissions(apps.get_app_config(label), using=using, verbosity=0)
    create_group(DASHBOARD, [("integrations", "personal_auth_user")], using)
    for name, rights in ROLES.items():
        permissions = [
            (model.partition(".")[0], f"{action}_{model.partition('.')[2]}")
            for actions, models in rights.items()
            for action in actions
            for model in models
        ]
        create_group(name, permissions, using)


def create_group(name: str, permissions: Iterable[tuple[str, str]], using: str) -> None:
    """Create a group with these permissions (app label and codename), unless there is one of this name."""
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    group, is_new = group_model.objects.using(using).get_or_create(name=name)
    if is_new:
        rows = permission_model.objects.using(using)
        group.permissions.set(
            rows.get(content_type__app_label=app_label, codename=codename) for app_label, codename in permissions
        )
