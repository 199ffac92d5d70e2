"""What a visitor needs to try Keyrack on one machine: `manage.py demo`, a real authorization server, and seed data.

Nobody imports it but manage.py and, while KEYRACK_DEMO is set, the addresses of the site. `demo.provider` and
`demo.browserless` know nothing of `accounts` and `integrations`: they are the other side of the wire.
"""
