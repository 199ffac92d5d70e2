"""Task that shows that the worker runs."""

from celery import shared_task
from django.conf import settings

ANSWER = "demo.answer"


@shared_task(name="demo.answer")
def answer(mark: str) -> None:
    """Write the mark to the file where the sender expects it."""
    (settings.DATA_DIR / ANSWER).write_text(mark, encoding="ascii")
