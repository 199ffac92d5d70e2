"""Whether a page of the admin offers Explain access to whoever looks at it."""

from django import template

from integrations.provider_setup.explain_access import may_explain

register = template.Library()
register.filter("may_explain_access", may_explain)
