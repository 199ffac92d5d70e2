"""Northwind, the demo authorization server: a Django project of its own, in a process of its own.

It must not know Keyrack. All that it hears of the hub comes in over HTTP or as a list of clients to seed.
"""
