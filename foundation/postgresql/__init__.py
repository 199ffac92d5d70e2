"""Django's backend for PostgreSQL, with a pool that does not check connections for a statement that can repeat itself.

Django's pool asks the server before each request whether its connection is alive: one more round trip, for a program's
read of a token as long as the read itself. `ENGINE` of web processes that have a pool.
"""
