"""Requests as they were sent, kept apart from the responses, which may go on to callers who must not see the token."""

from weakref import WeakKeyDictionary

import requests

_requests_sent: WeakKeyDictionary[requests.Response, requests.PreparedRequest] = WeakKeyDictionary()


def record_request(response: requests.Response, request: requests.PreparedRequest) -> requests.Response:
    _requests_sent[response] = request.copy()
    return response


def request_sent(response: requests.Response) -> requests.PreparedRequest | None:
    """The request of this response as it was sent, with all its secrets. None if it is not known.

    `response.request` may lack headers that were taken out for the caller. For masking only.
    """
    return _requests_sent.get(response) or response.request
