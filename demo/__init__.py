"""The demo: `manage.py demo`, a real authorization server, and seed data, for one machine.

Imported only by manage.py and, while KEYRACK_DEMO is set, by the site's URLs. `demo.provider` and `demo.browserless`
know nothing of `accounts` and `integrations`: they are the other side of the wire.
"""
