"""What administrators write into steps: templates (Jinja2) and paths into answers (JMESPath).

Expressions, not programs: no statement, no loop, no call, no attribute of Python; every result is bounded in size and
time, whatever stands in the template or in the answer that it is applied to. Knows neither models nor the network.

    sandbox     which expressions are allowed      templates    rendering: text, paths, typed values, JSON
    filters     what stands behind "|"             operations   comparisons and slices, paid for by their size
    extracting  JMESPath within bounds             budget       steps, characters and seconds of an evaluation
    bounds      values as JSON and as text         errors       what is wrong, in a sentence
    percent_encoding  taken off a path, within bounds
"""

from integrations.expressions.bounds import as_json, as_text, is_encodable
from integrations.expressions.budget import spending, until
from integrations.expressions.errors import LARGEST, BadExpression
from integrations.expressions.jmespath import beginning, check_path, extracted
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
    "spending",
    "structure",
    "text",
    "until",
    "value",
]
