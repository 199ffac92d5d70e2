"""The set-up as a file that people read, keep and compare: out as YAML by names, and in again, all of it or nothing.

Nothing secret goes out, and none stands in a file: a file says where a secret is to be taken from. Coming in never
leads a stored secret or a person's token to another server than an administrator would by the forms.

    kinds       which rows there are, and what they are known by     reading     a file, with its lines
    exporting   rows out                                             importing   rows in, with what changed
    guards      what must not happen by a file
"""

from integrations.provider_setup.configuration.exports import exported
from integrations.provider_setup.configuration.files import BadFile
from integrations.provider_setup.configuration.imports import Report, bring_in

__all__ = ["BadFile", "Report", "bring_in", "exported"]
