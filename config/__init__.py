"""The project: settings, addresses, processes. Empty on purpose: manage.py imports from here before any install."""
