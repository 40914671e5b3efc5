"""Words that mean much the same in every language whose blocks stand in braces: of labels, and of headers."""

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
"""Begins a line with the label of a `case`; Scala's `case class` is none."""

LABEL = re.compile(rf"{CASE_LABEL.pattern}|\s*\w+\s*:\s*$")
"""Begins a line with that of a `case`, or is a line with another label alone."""

CONDITION = re.compile(rf"[\s}}]*(?:else\s+)?(?:{_CONDITIONED})\b")
"""Begins a header that says more than its word."""

CONTAINER = re.compile(rf"\b(?:{_CONTAINERS})(?=\s+[\w\"]|\s*(?:[:<]|\Z))")
"""In the header of a block of members. The words are names, too, where a value stands: `for object in objects {`,
`record.forEach((each) => {`.
"""

HEADER = re.compile(rf"[\s}}]*(?:(?:{_MODIFIERS})\s+)*(?:{_CONDITIONED}|{_UNCONDITIONED}|{_CALLED}|{_CONTAINERS})\b")
"""Begins a header of any kind."""
