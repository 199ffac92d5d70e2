"""Northwind, the demo authorization server: a separate Django project in its own process.

It must not know Keyrack. It learns of it only over HTTP, and from the list of clients to seed.
"""
