"""Made-up expressions, in a process that may take little memory and little processor time. Run it as a program.

What is too large or takes too long must be refused before the system refuses it: a MemoryError, or the end of the
process, fails the test that runs this.
"""

import resource

import django
from hypothesis import given, settings
from hypothesis import strategies as st

ROOM = 400 << 20  # bytes, above what the process has before the first expression
PROCESSOR_SECONDS = 300  # for all of them together, so that a loaded machine changes nothing
EXAMPLES = 60  # of each kind
STEPS = 200_000  # instead of three million, so that it takes seconds

TEXT = "ab" * 400_000
NAMES = {
    "text": TEXT,
    "short": "a b",
    "ones": [1] * 150_000,
    "rows": [{"id": number, "name": f"row {number}", "tags": ["x", "y"]} for number in range(3_000)],
    "number": 10**4000,
    "digits": "9" * 100_000,
    "encoded": "%" + "25" * 60_000,
    "none": None,
}


def fewer(made: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """An expression made of smaller ones, in every way that can multiply what they stand for."""
    pairs = st.tuples(made, made)
    two = (
        "[{0}, {1}]", "{{a: {0}, b: {1}}}", "{0} | {1}", "{0} == {1}", "{0}.{1}", "join({0}, [{1}, {1}, {1}])",
        "join({0}, {1})", "contains([{0}, {0}], {1})", "merge({{a: {0}}}, {{b: {1}}})", "map(&{0}, {1})",
        "sort_by({1}, &{0})", "max_by({1}, &{0})", "not_null({0}, {1})", "{0}[?{1}]", "starts_with({0}, {1})",
    )  # fmt: skip
    one = (
        "{0}[]", "{0}[*]", "{0}.*", "{0}[::-1]", "{0}[:5]", "to_string({0})", "reverse({0})", "sort({0})", "keys({0})",
        "values({0})", "to_number({0})", "to_array({0})", "length({0})", "type({0})", "sum({0})", "&{0}", "!{0}",
    )  # fmt: skip
    return st.one_of(
        st.builds(str.format, st.sampled_from(one), made),
        st.builds(lambda form, pair: form.format(*pair), st.sampled_from(two), pairs),
        st.builds(lambda step, times: " | ".join([step] * times), made, st.integers(2, 50)),
        st.builds(lambda item, times: f"[{', '.join([item] * times)}]", made, st.integers(2, 300)),
    )


PATHS = st.recursive(
    st.sampled_from(["@", *NAMES, "`1`", "'x'", "`[1, 2]`", "[@, @]", "[@, @][]"]), fewer, max_leaves=6
)


def more(made: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(made, made)
    two = (
        "[{0}, {1}]", "{0} * {1}", "{0} + {1}", "{0} % {1}", "{0} // {1}", "{0} == {1}", "{0} in [{1}]", "{0} < {1}",
        "{0} | join({1})", "[{0}, {0}] | join({1})", "{0} | default({1})", "{0} | trim({1})", "{0}[{1}]",
        "{0} if {1} else 0", "{{'a': {0}, 'b': {1}}}", "{0} is eq {1}", "{0} | int({1})",
    )  # fmt: skip
    one = (
        "{0} | upper", "{0} | tojson", "{0} | string", "{0} | length", "{0} | int", "{0} | float", "{0} | abs",
        "{0}[1:]", "{0}[::-1]", "-{0}", "{0} | first", "{0} | last", "{0} | tojson(limit=999999999)",
    )  # fmt: skip
    return st.one_of(
        st.builds(lambda form, part: f"({form.format(part)})", st.sampled_from(one), made),
        st.builds(lambda form, pair: f"({form.format(*pair)})", st.sampled_from(two), pairs),
        st.builds(lambda item, times: f"[{', '.join([item] * times)}]", made, st.integers(2, 300)),
        st.builds(lambda item, times: f"({' * '.join([item] * times)})", made, st.integers(2, 200)),
    )


TEMPLATES = st.recursive(
    st.sampled_from([f"inputs.{name}" for name in NAMES] + ["inputs", "7", "0xff", "9" * 5000, "1e308", "'x'"]),
    more,
    max_leaves=6,
)


def main() -> None:
    django.setup()
    from integrations import expressions
    from integrations.expressions import BadExpression, budget

    budget.MOST_STEPS = STEPS

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
    @given(PATHS)
    def paths(source: str) -> None:
        try:
            expressions.check_path(source)
            expressions.as_json(expressions.extract_value(source, NAMES))
        except BadExpression:
            pass

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)
    @given(TEMPLATES)
    def templates(source: str) -> None:
        names = {"inputs": NAMES}
        for render, written in (
            (expressions.evaluate_template, f"{{{{ {source} }}}}"),
            (expressions.render_text, f"a{{{{ {source} }}}}" * 5),
            (expressions.render_path, f"{{{{ {source} }}}}/b"),
        ):
            try:
                expressions.check_template(written)
                render(written, names)
            except BadExpression:
                pass

    expressions.evaluate_template("{{ inputs.short }}", {"inputs": NAMES})
    with open("/proc/self/statm") as file:
        used_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes + ROOM, used_bytes + ROOM))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    paths()
    templates()


if __name__ == "__main__":
    main()
