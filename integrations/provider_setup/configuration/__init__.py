"""Export and import of the set-up as YAML, with natural keys. An import is all or nothing.

A file holds no secrets: it names where a secret comes from. An import never sends a stored secret or a user's token to
another server in a case where the admin's forms would refuse or ask.

    kinds       the kinds of rows and their natural keys     files       parsing, with line numbers
    exports     rows to YAML                                 imports     YAML to rows, with a report
    values      a value for a column                         guards      what a file must not change
"""

from integrations.provider_setup.configuration.exports import export_configuration
from integrations.provider_setup.configuration.files import BadFile
from integrations.provider_setup.configuration.imports import Report, import_configuration

__all__ = ["BadFile", "Report", "export_configuration", "import_configuration"]
