"""Template filter: may this administrator explain access?"""

from django import template

from integrations.provider_setup.explain_access import may_explain

register = template.Library()
register.filter("may_explain_access", may_explain)
