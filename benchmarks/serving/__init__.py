"""What is served in `http`: Keyrack as it is, and beside it what a Django project would write first.

settings, urls     a site without middleware on Keyrack's database: a plain view, and one of django-rest-framework
filled             people with tokens and programs, and a process that makes them
nginx              the proxy that everybody knows, and a third party that is faster than any of us
third_party        one that is slow, or large
"""
