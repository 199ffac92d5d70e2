"""Expressions of steps: templates (Jinja2) and paths into answers (JMESPath).

Expressions, not programs: no statements, loops, calls or Python attributes. The size and the evaluation time of every
result are bounded, whatever the template or the answer contains. Knows neither models nor the network.

    templates   sandbox and rendering: text, paths, typed values, JSON
    filters     filters, after "|"                 operations   comparisons and slices, charged by size
    jmespath    JMESPath with limits               budget       limits of an evaluation; values as JSON and text
    percent_encoding  repeated decoding, with a limit
"""

from integrations.expressions.budget import LARGEST, BadExpression, as_json, as_text, is_encodable, spending, until
from integrations.expressions.jmespath import check_path, extract_value, first_names
from integrations.expressions.templates import (
    check_template,
    evaluate_structure,
    evaluate_template,
    find_references,
    render_path,
    render_text,
)

__all__ = [
    "LARGEST",
    "BadExpression",
    "as_json",
    "as_text",
    "check_path",
    "check_template",
    "evaluate_structure",
    "evaluate_template",
    "extract_value",
    "find_references",
    "first_names",
    "is_encodable",
    "render_path",
    "render_text",
    "spending",
    "until",
]
