"""The site with the door of the conformance suite's reference server instead of Keyrack's."""

from config.settings import *  # noqa: F403 - all of them

ROOT_URLCONF = "tests.integrations.mcp.reference.urls"
