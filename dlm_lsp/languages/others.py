"""The rows of languages whose blocks end with words, and of formats for data, pages and style sheets."""

from dlm_lsp.languages.block_words import BlockWords
from dlm_lsp.languages.language import Language
from dlm_lsp.languages.own_parsers import parses_as_toml

_UNFINISHED = r"(?i:[^\"'\n]*(?:todo|fixme|not (?:yet )?implemented)[^\"'\n]*)"
_DOUBLE_QUOTED = r'"(?:\\.|[^"\\])*"'
_ONE_LINE = r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'"
_APOSTROPHE = r"(?<=\w)'(?=\w)"
"""Matches an apostrophe in the middle of a word, where it quotes nothing."""

_HASH_COMMENT = r"(?:(?<=\s)|(?<![^\n]))#[^\n]*"
_HEREDOC = r"(?P<quote>['\"]?)(?P<tag>{tag})(?P=quote)[^\n]*\n(?:.*?\n)??[ \t]*(?P=tag)(?=\n|\Z)"
_BASH_HEREDOC = r"(?<!<)<<-?[ \t]*" + _HEREDOC.format(tag=r"[A-Za-z_]\w*")
_RUBY_HEREDOC = r"<<[-~]?" + _HEREDOC.format(tag=r"[A-Z_]+")

_BASH_PATTERN = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s()|\"'`$;&<>=])+"
_BASH_LABEL = rf"(?<![^\n])[ \t]*(?![(#]){_BASH_PATTERN}(?:[ \t]*\|[ \t]*{_BASH_PATTERN})*[ \t]*\)(?=\s|\Z)"
"""Matches the label of a `case`, whose bracket closes nothing."""

BASH = Language(
    id="bash",
    lsp_ids=("shellscript", "sh", "bash"),
    suffixes=(".sh", ".bash"),
    file_names=(".bashrc", ".bash_profile", ".bash_aliases", ".bash_logout", ".profile", "PKGBUILD"),
    interpreters=("bash", "dash", "sh"),
    grammar_module="tree_sitter_bash",
    functions=frozenset({"function_definition"}),
    blocks=frozenset({"compound_statement", "do_group"}),
    lists=frozenset({"array", "case_item", "case_statement", "elif_clause", "else_clause", "if_statement"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"ansi_c_string", "heredoc_body", "raw_string", "string"}),
    placeholder_pattern=r":|true",
    literal_pattern=rf"{_BASH_HEREDOC}|{_HASH_COMMENT}|\\.|{_BASH_LABEL}|{_DOUBLE_QUOTED}|'[^']*'",
    comment_start_pattern=r"#",
    neutral_statement=":",
    line_comment="#",
    opening_pattern=r"(?:[({]|(?:^|[;\s])(?:then|do|else)|^\s*case\b.*\sin|^\s*_+)\s*\Z",
    words=BlockWords(
        closers={"if": "fi", "do": "done", "case": "esac"},
        clauses=frozenset({"elif", "else"}),
        keyword_pattern=(
            r"(?:(?<![^\n])[ \t]*|(?<=[;&|({!])|(?<=[;&|({!] )|(?<=\bdo )|(?<=\bthen )|(?<=\belse ))"
            r"(?P<word>if|fi|do|done|case|esac|elif|else)(?![\w=)./-])"
        ),
    ),
    claused=frozenset({"if"}),
    clauses=frozenset({"elif", "else"}),
    indent="  ",
)

LUA = Language(
    id="lua",
    lsp_ids=("lua",),
    suffixes=(".lua",),
    interpreters=("lua", "luajit"),
    grammar_module="tree_sitter_lua",
    functions=frozenset({"function_declaration", "function_definition"}),
    blocks=frozenset({"block"}),
    statement_lists=frozenset({"block"}),
    lists=frozenset({"arguments", "parameters", "table_constructor"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string"}),
    placeholder_pattern=rf"error\s*\(?\s*([\"']){_UNFINISHED}\1\s*\)?\s*;?",
    literal_pattern=rf"--\[(?P<level>=*)\[.*?\](?P=level)\]|--[^\n]*|\[(?P<own>=*)\[.*?\](?P=own)\]|{_ONE_LINE}",
    comment_start_pattern=r"--",
    neutral_statement=";",
    line_comment="--",
    opening_pattern=r"(?:[({\[]|\b(?:then|do|else|repeat)|\bfunction\b[^()]*\([^()]*\))\s*\Z",
    words=BlockWords(
        closers={"function": "end", "do": "end", "if": "end", "repeat": ""},
        clauses=frozenset({"else", "elseif"}),
        keyword_pattern=r"(?<![\w.:])(?P<word>function|do|if|repeat|end|until|else|elseif)\b",
    ),
    claused=frozenset({"if"}),
    clauses=frozenset({"else", "elseif"}),
    indent="  ",
)

_RUBY_HEADERS = "begin|class|def|else|elsif|ensure|for|if|in|module|rescue|unless|until|when|while"
_ENDLESS = r"(?:self\.)?\w+[?!]?(?:\([^()\n]*\))?[ \t]+=[ \t]"

RUBY = Language(
    id="ruby",
    lsp_ids=("ruby",),
    suffixes=(".rb", ".rake", ".gemspec", ".ru"),
    file_names=("Gemfile", "Rakefile", "Vagrantfile", "Brewfile", "Podfile", "Fastfile"),
    interpreters=("ruby",),
    grammar_module="tree_sitter_ruby",
    functions=frozenset({"method", "singleton_method"}),
    blocks=frozenset({"block_body", "body_statement", "do", "else", "ensure", "then"}),
    statement_lists=frozenset({"body_statement"}),
    lists=frozenset({"argument_list", "array", "case", "hash", "method_parameters"}),
    containers=frozenset({"class", "module", "singleton_class"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"heredoc_body", "string", "string_array", "symbol_array"}),
    placeholder_pattern=r"raise\s*\(?\s*NotImplementedError\b[^\n]*",
    literal_pattern=(
        rf"(?<![^\n])=begin\b.*?\n=end\b[^\n]*|{_RUBY_HEREDOC}|{_HASH_COMMENT}|{_DOUBLE_QUOTED}|'(?:\\.|[^'\\])*'"
        r"|(?:(?<=[(,=!&|{;\[])|(?<=[(,=!&|{;\[~] )|(?<=\bwhen ))/(?![ /])(?:\\.|[^/\\\n])+/[a-z]*"
    ),
    comment_start_pattern=r"#|=begin",
    neutral_statement="nil",
    line_comment="#",
    opening_pattern=(
        rf"(?:[({{\[]|\bdo(?:\s*\|[^|\n]*\|)?|\{{\s*\|[^|\n]*\|"
        rf"|(?:^\s*|=\s*)(?:(?:private|protected|public)\s+)?(?:{_RUBY_HEADERS})\b(?!\s+{_ENDLESS})(?!.*\b(?:then|end)\b).*)\s*\Z"
    ),
    words=BlockWords(
        closers=dict.fromkeys(
            ("begin", "case", "class", "def", "do", "for", "if", "module", "unless", "until", "while"), "end"
        ),
        clauses=frozenset({"else", "elsif", "ensure", "rescue"}),
        containers=frozenset({"class", "module"}),
        keyword_pattern=(
            r"(?:(?<![^\n])[ \t]*|(?<=[=(\[,|&{;])[ \t]*|(?<=\breturn )|(?<=\bthen )|(?<=\belse ))"
            r"(?:(?P<loop>while|until|for)\b[^\n;]*?(?:\bdo\b(?=\s)|(?=[\n;]|\Z))"
            r"|(?P<other>if|unless|case|begin|else|elsif)\b(?![:?!]))"
            rf"|(?<![\w.:@$])(?P<always>def(?!\s+{_ENDLESS})|class|module|do|end)\b(?![:?!])"
        ),
    ),
    claused=frozenset({"begin", "case", "def", "if", "unless"}),
    clauses=frozenset({"else", "elsif", "ensure", "rescue", "when"}),
    indent="  ",
)

JSON = Language(
    id="json",
    lsp_ids=("json", "jsonc"),
    suffixes=(".json", ".jsonc", ".webmanifest"),
    grammar_module="tree_sitter_json",
    lists=frozenset({"array", "object"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string"}),
    literal_pattern=r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"',
    comment_start_pattern=r"//|/\*",
    neutral_statement="/**/",
    is_data=True,
    indent="  ",
)

YAML = Language(
    id="yaml",
    lsp_ids=("yaml", "dockercompose", "github-actions-workflow"),
    suffixes=(".yaml", ".yml"),
    grammar_module="tree_sitter_yaml",
    statement_lists=frozenset({"block_mapping", "block_node", "block_sequence"}),
    lists=frozenset({"flow_mapping", "flow_sequence"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"block_scalar", "double_quote_scalar", "single_quote_scalar"}),
    literal_pattern=rf"{_HASH_COMMENT}|{_APOSTROPHE}|{_ONE_LINE}",
    comment_start_pattern=r"#",
    neutral_statement="#",
    line_comment="#",
    opening_pattern=r"(?:[({\[]|:|[:-][ \t]+[|>][+-]?)\s*\Z",
    is_indented=True,
    nests_freely=True,
    is_data=True,
    indent="  ",
)

TOML = Language(
    id="toml",
    lsp_ids=("toml",),
    suffixes=(".toml",),
    file_names=("Pipfile",),
    grammar_module="tree_sitter_toml",
    lists=frozenset({"array", "inline_table", "table", "table_array_element"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string"}),
    literal_pattern=rf'{_HASH_COMMENT}|"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    comment_start_pattern=r"#",
    neutral_statement="#",
    line_comment="#",
    opening_pattern=r"[\[{]\s*\Z",
    is_data=True,
    own_parser=parses_as_toml,
)

HTML = Language(
    id="html",
    lsp_ids=("html",),
    suffixes=(".html", ".htm", ".xhtml"),
    grammar_module="tree_sitter_html",
    lists=frozenset({"element"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"quoted_attribute_value"}),
    literal_pattern=rf"<!--.*?-->|(?<==)\"[^\"]*\"|(?<==)'[^']*'|{_APOSTROPHE}",
    comment_start_pattern=r"<!--",
    neutral_statement="<!---->",
    line_comment="<!--",
    opening_pattern=r"<(?!(?i:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)[a-zA-Z][^<>]*(?<!/)>\s*\Z|[({\[]\s*\Z",
    indent="  ",
)

CSS = Language(
    id="css",
    lsp_ids=("css",),
    suffixes=(".css",),
    grammar_module="tree_sitter_css",
    blocks=frozenset({"block"}),
    lists=frozenset({"arguments"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string_value"}),
    imports=frozenset({"charset_statement", "import_statement"}),
    literal_pattern=rf"/\*.*?\*/|{_ONE_LINE}",
    comment_start_pattern=r"/\*",
    neutral_statement="/**/",
    line_comment="/*",
    opening_pattern=r"[({\[]\s*\Z",
    indent="  ",
)

OTHERS = (BASH, LUA, RUBY, JSON, YAML, TOML, HTML, CSS)
