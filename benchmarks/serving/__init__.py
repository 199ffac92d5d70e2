"""What `http` and `proxy` serve: Keyrack, and what a Django project would write first.

settings, urls     a site without middleware on Keyrack's database: a plain view, and one of django-rest-framework
filled             people with tokens and programs, and a process that makes them
nginx              nginx as a proxy, and in front of a fast third party
third_party        a third party with slow and large responses
"""

INTEGRATIONS = 20  # on a dashboard
