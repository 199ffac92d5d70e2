"""Promises about Keyrack. Modules mirror those they are about; whatever runs beside the tests is in tests/servers/."""
