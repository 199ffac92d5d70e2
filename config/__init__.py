"""The project: settings, URLs, processes. Stays empty: manage.py imports from here before anything is installed."""
