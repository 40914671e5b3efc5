"""Python's row of the language table: the one programming language here in which indentation makes the blocks."""

from dlm_lsp.languages.language import Language
from dlm_lsp.languages.own_parsers import parses_as_python

PYTHON = Language(
    id="python",
    lsp_ids=("python",),
    suffixes=(".py", ".pyi", ".pyw"),
    interpreters=("python", "pypy"),
    grammar_module="tree_sitter_python",
    functions=frozenset({"function_definition"}),
    blocks=frozenset({"block"}),
    lists=frozenset(
        {"argument_list", "dictionary", "import_from_statement", "list", "parameters", "set", "tuple"},
    ),
    containers=frozenset({"class_definition"}),
    wrappers=frozenset({"decorated_definition"}),
    attributes=frozenset({"decorator"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string"}),
    imports=frozenset({"import_statement", "import_from_statement", "future_import_statement"}),
    placeholder_pattern=r"pass|\.\.\.|raise\s+NotImplementedError(\s*\(.*\))?",
    literal_pattern=(
        r'''#[^\n]*|"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*\''''
    ),
    comment_start_pattern=r"[#@]",
    headers=frozenset({"async", "class", "def", "for", "if", "while", "with"}),
    function_headers=frozenset({"async", "def"}),
    definition_start_pattern=r"@\w|(?:(?:async\s+)?def|class)\s+\w|if __name__\b",
    member_start_pattern=r"[@#]|(?:async|class|def)\b|(?:pass|\.\.\.)\s*$|[\"']|\w+\s*(?::|=(?!=))",
    block_end_pattern=r"(?:return|raise|break|continue)\b",
    claused=frozenset({"for", "if", "try", "while"}),
    clauses=frozenset({"elif", "else", "except", "finally"}),
    neutral_statement="pass",
    line_comment="#",
    is_indented=True,
    own_parser=parses_as_python,
)
