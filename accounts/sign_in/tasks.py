"""Celery tasks of signing in. Arguments are ids, never secrets."""

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from celery import shared_task

from accounts.models import User


@shared_task(name="accounts.send_password_link")
def send_password_link(user_id: int, address_id: int) -> None:
    """Create the link and mail it, so that the link never is in a message of the queue."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    address = EmailAddress.objects.filter(pk=address_id, user_id=user_id).first()
    if user:
        get_adapter().send_password_link(user, address.email if address else user.email)
