"""All that happened to an account, a page at a time: one's own, and for administrators another's."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from accounts.security_pages.views import Request, address, of_somebody
from accounts.sign_in.lockout import client_address

ON_A_PAGE = 25


@require_GET
@of_somebody
def activity(request: Request, owner: User) -> HttpResponse:
    """The page, or for htmx what is on it. What cannot be found is left out of the question: all of it is shown."""
    if owner != request.user:
        log.write(log.Kind.LOOKED_AT, whose=owner, who=request.user, address=client_address(request))
    counts = log.counts(owner)
    wanted = request.GET.get("kind", "")
    kind = wanted if wanted in counts else ""
    paginator: Paginator[Event] = Paginator(log.of(owner, kind), ON_A_PAGE)
    paginator.count = counts[kind] if kind else sum(counts.values())  # known by now: not asked for again
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "owner": owner,
        "is_own": owner == request.user,
        "back": address(request, owner, "security"),
        "page": page,
        "previous": page.number - 1 if page.has_previous() else None,
        "next": page.number + 1 if page.has_next() else None,
        "kind": kind,
        "kinds": [(name, words, counts[name]) for name, words in log.all_kinds() if name in counts],
    }
    template = "accounts/activity.html"
    return render(request, f"{template}#security" if request.htmx else template, context)
