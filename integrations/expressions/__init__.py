"""What administrators write into steps: templates (Jinja2) and paths into answers (JMESPath).

Expressions, not programs: no statement, no loop, no call, no attribute of Python; every result is bounded in size and
time, whatever stands in the template or in the answer that it is applied to. Knows neither models nor the network.

    sandbox     which expressions are allowed      templates    rendering: text, paths, typed values, JSON
    extracting  JMESPath within bounds             bounds       how large anything may become
"""

from integrations.expressions.bounds import LARGEST, BadExpression, as_json, as_text, is_encodable
from integrations.expressions.extracting import beginning, check_path, extracted
from integrations.expressions.templates import check, path, references, structure, text, value

__all__ = [
    "LARGEST",
    "BadExpression",
    "as_json",
    "as_text",
    "beginning",
    "check",
    "check_path",
    "extracted",
    "is_encodable",
    "path",
    "references",
    "structure",
    "text",
    "value",
]
