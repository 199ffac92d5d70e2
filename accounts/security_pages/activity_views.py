"""Activity page: all events of an account, the user's own or, for administrators, another user's."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.security_pages.views import Request, page_url, with_owner
from accounts.sign_in.middleware import client_address

PAGE_SIZE = 25


@require_GET
@with_owner
def activity(request: Request, owner: User) -> HttpResponse:
    """The page, or its content for htmx. An unknown kind or page number is ignored."""
    if owner != request.user:
        log.write(log.Kind.LOOKED_AT, whose=owner, who=request.user, address=client_address(request))
    counts = log.counts(owner)
    requested_kind = request.GET.get("kind", "")
    kind = requested_kind if requested_kind in counts else ""
    paginator: Paginator[Event] = Paginator(log.of(owner, kind), PAGE_SIZE)
    paginator.count = counts[kind] if kind else sum(counts.values())  # saves the COUNT query
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "owner": owner,
        "is_own": owner == request.user,
        "back": page_url(request, owner, "security"),
        "page": page,
        "previous": page.number - 1 if page.has_previous() else None,
        "next": page.number + 1 if page.has_next() else None,
        "kind": kind,
        "kinds": [(name, words, counts[name]) for name, words in log.all_kinds() if name in counts],
    }
    template = "accounts/activity.html"
    return render(request, f"{template}#security" if request.htmx else template, context)
