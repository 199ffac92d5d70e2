"""Django's backend for PostgreSQL, with two changes. `ENGINE` of every process of a site that has PostgreSQL.

Its errors show no values. And its pool does not check a connection for a statement that can repeat itself: Django's
asks the server before each request whether its connection is alive, one more round trip, for a program's read of a
token as long as the read itself.
"""
