"""Keeps a typed secret while a form has errors: sealed in a hidden field, for an hour.

It opens only for the same user and the same record.
"""

import base64
import binascii

from django.core import signing
from django.http import HttpRequest, QueryDict
from django.views.decorators.debug import sensitive_variables

from foundation import secrets_at_rest

FIELD, SECRET = "kept_secret", "client_secret"
SECONDS = 3600
PURPOSE = SALT = "secret typed into a form"


@sensitive_variables()
def keep_secret(request: HttpRequest, object_id: str | None) -> QueryDict:
    """Return the form's data: a typed secret is sealed, and a sealed one fills an empty field."""
    data = request.POST.copy()
    context = f"{request.user.pk} {object_id or 'new'}"
    secret = str(data.get(SECRET) or unseal(str(data.get(FIELD, "")), context))
    data[SECRET], data[FIELD] = secret, seal(secret, context) if secret else ""
    return data


@sensitive_variables()
def seal(secret: str, context: str) -> str:
    """Return "" if no keys are set. The form then names what is missing."""
    try:
        value = secrets_at_rest.seal(secret, purpose=PURPOSE, context=context)
    except secrets_at_rest.NoKeys:
        return ""
    return signing.dumps(base64.b64encode(value).decode(), salt=SALT)


@sensitive_variables()
def unseal(sealed: str, context: str) -> str:
    """Return "" if the sealed value is too old, or is of another user or record."""
    try:
        value = signing.loads(sealed, salt=SALT, max_age=SECONDS)
        return secrets_at_rest.unseal(base64.b64decode(value), purpose=PURPOSE, context=context)
    except (signing.BadSignature, binascii.Error, secrets_at_rest.Unreadable, secrets_at_rest.NoKeys):
        return ""
