"""Keep a secret that was typed into a form which comes back, without showing it: sealed in a hidden field, for an hour.

It opens for the same person and the same record only.
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
    """The form's data: a typed secret is kept for the next time, a kept one takes the place of an empty field."""
    data = request.POST.copy()
    context = f"{request.user.pk} {object_id or 'new'}"
    secret = str(data.get(SECRET) or opened(str(data.get(FIELD, "")), context))
    data[SECRET], data[FIELD] = secret, sealed(secret, context) if secret else ""
    return data


@sensitive_variables()
def sealed(secret: str, context: str) -> str:
    """ "" without keys: the form says what is missing."""
    try:
        value = secrets_at_rest.seal(secret, purpose=PURPOSE, context=context)
    except secrets_at_rest.NoKeys:
        return ""
    return signing.dumps(base64.b64encode(value).decode(), salt=SALT)


@sensitive_variables()
def opened(kept: str, context: str) -> str:
    """ "" for one that is too old, somebody else's or of another record."""
    try:
        value = signing.loads(kept, salt=SALT, max_age=SECONDS)
        return secrets_at_rest.unseal(base64.b64decode(value), purpose=PURPOSE, context=context)
    except (signing.BadSignature, binascii.Error, secrets_at_rest.Unreadable, secrets_at_rest.NoKeys):
        return ""
