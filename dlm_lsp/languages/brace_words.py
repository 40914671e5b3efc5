"""Words of labels and headers that mean much the same in every language whose blocks stand in braces."""

import re

_CONDITIONED = "if|elseif|for|foreach|while|guard|switch|match|when|catch|using|lock"
_UNCONDITIONED = "else|do|loop|try|finally|unsafe"
_CALLED = "function|fn|func|fun|def|init"
_CONTAINERS = "class|interface|struct|union|enum|record|trait|impl|mod|namespace|extern|object|protocol|extension|actor"
_MODIFIERS = (
    r"pub(?:\(\w+\))?|export|default|public|private|protected|internal|open|override|static|final|abstract|async|"
    r"suspend|const|data|case"
)

CASE_LABEL = re.compile(r"\s*(?:case\b(?!\s+(?:class|object)\b)|default\s*(?::|->))")
"""Matches the label of a `case` at the beginning of a line; Scala's `case class` is none."""

LABEL = re.compile(rf"{CASE_LABEL.pattern}|\s*\w+\s*:\s*$")
"""Matches the label of a `case` at the beginning of a line, or a line that is another label and nothing else."""

CONDITION = re.compile(rf"[\s}}]*(?:else\s+)?(?:{_CONDITIONED})\b")
"""Matches the beginning of a header that says more than its word, as `if` and `for` do."""

CONTAINER = re.compile(rf"\b(?:{_CONTAINERS})(?=\s+[\w\"]|\s*(?:[:<]|\Z))")
"""Matches the word in a header that says that members stand in its block. The words are names, too, where a value
stands: `for object in objects {`, `record.forEach((each) => {`.
"""

HEADER = re.compile(rf"[\s}}]*(?:(?:{_MODIFIERS})\s+)*(?:{_CONDITIONED}|{_UNCONDITIONED}|{_CALLED}|{_CONTAINERS})\b")
"""Matches the beginning of a header of any kind."""
