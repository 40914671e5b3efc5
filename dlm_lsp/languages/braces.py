"""The rows of the language table whose blocks stand in braces."""

from dataclasses import replace

from dlm_lsp.languages.language import Language

_UNFINISHED = r"(?i:[^\"'`]*(?:todo|fixme|unimplemented|not (?:yet )?implemented)[^\"'`]*)"
COMMENT = r"//[^\n]*|/\*.*?\*/"
_DOUBLE_QUOTED = r'"(?:\\.|[^"\\\n])*"'
CHARACTER = r"'(?:\\[^\n']+|\\'|[^'\\\n])'"
_COMMENT_START = r"//|/\*|\*|@|#\["

_REGULAR_EXPRESSION = (
    r"(?:(?<=[(,=:!&|?{};\[]) ?|(?<=\breturn) )/(?![*/ ])"
    r"(?:\\.|\[(?:\\.|[^\]\\\n])*(?:\]|\Z)|[^/\\\n\[])+(?:/[a-z]*|\Z)"
)
"""Matches a regular expression where an operand may begin: elsewhere a slash divides. One that is still being written
ends with the text.
"""

JAVASCRIPT = Language(
    id="javascript",
    lsp_ids=("javascript", "javascriptreact"),
    suffixes=(".js", ".jsx", ".mjs", ".cjs"),
    interpreters=("node",),
    grammar_module="tree_sitter_javascript",
    functions=frozenset(
        {
            "arrow_function",
            "function_declaration",
            "function_expression",
            "generator_function",
            "generator_function_declaration",
            "method_definition",
        }
    ),
    blocks=frozenset({"statement_block"}),
    lists=frozenset(
        {
            *("arguments", "array", "array_pattern", "export_clause", "formal_parameters", "named_imports", "object"),
            *("object_pattern", "switch_body", "switch_case", "switch_default"),
        }
    ),
    containers=frozenset({"class_declaration", "class"}),
    wrappers=frozenset({"export_statement"}),
    attributes=frozenset({"decorator"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string", "template_string"}),
    imports=frozenset({"import_statement"}),
    placeholder_pattern=rf"throw\s+new\s+\w*Error\(\s*([\"'`]){_UNFINISHED}\1\s*\)\s*;?",
    literal_pattern=rf"{COMMENT}|{_DOUBLE_QUOTED}|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|{_REGULAR_EXPRESSION}",
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "finally"}),
    neutral_statement=";",
    has_optional_semicolons=True,
    indent="  ",
)

TYPESCRIPT = replace(
    JAVASCRIPT,
    id="typescript",
    lsp_ids=("typescript",),
    suffixes=(".ts", ".mts", ".cts"),
    interpreters=("deno",),
    grammar_module="tree_sitter_typescript",
    grammar_function="language_typescript",
    lists=JAVASCRIPT.lists | {"enum_body", "interface_body", "object_type"},
    containers=JAVASCRIPT.containers | {"abstract_class_declaration", "internal_module", "module"},
)

TSX = replace(
    TYPESCRIPT,
    id="tsx",
    lsp_ids=("typescriptreact", "tsx"),
    suffixes=(".tsx",),
    interpreters=(),
    grammar_function="language_tsx",
)

GO = Language(
    id="go",
    lsp_ids=("go",),
    suffixes=(".go",),
    grammar_module="tree_sitter_go",
    functions=frozenset({"function_declaration", "method_declaration", "func_literal"}),
    blocks=frozenset({"block"}),
    statement_lists=frozenset({"statement_list"}),
    lists=frozenset(
        {
            *("argument_list", "const_declaration", "expression_switch_statement", "field_declaration_list"),
            *("import_spec_list", "interface_type", "literal_value", "parameter_list", "select_statement"),
            *("type_declaration", "type_switch_statement", "var_spec_list"),
        }
    ),
    containers=frozenset(),
    comments=frozenset({"comment"}),
    strings=frozenset({"interpreted_string_literal", "raw_string_literal"}),
    imports=frozenset({"package_clause", "import_declaration"}),
    placeholder_pattern=rf"panic\(\s*([\"`]){_UNFINISHED}\1\s*\)\s*;?",
    literal_pattern=rf"{COMMENT}|{_DOUBLE_QUOTED}|`[^`]*`|{CHARACTER}",
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"if"}),
    clauses=frozenset({"else"}),
    neutral_statement=";",
    indent="\t",
)

_RUST_ARGUMENTS = r'(?:"(?:\\.|[^"\\])*"|\([^()]*\)|[^"()\[\]{}])*'
"""Matches the arguments of a macro. They may be calls, but not calls of calls."""

RUST = Language(
    id="rust",
    lsp_ids=("rust",),
    suffixes=(".rs",),
    grammar_module="tree_sitter_rust",
    functions=frozenset({"function_item", "closure_expression"}),
    blocks=frozenset({"block"}),
    lists=frozenset(
        {
            *("arguments", "array_expression", "enum_variant_list", "field_declaration_list", "field_initializer_list"),
            *("match_block", "parameters", "use_list"),
        }
    ),
    containers=frozenset({"impl_item", "trait_item", "mod_item", "foreign_mod_item"}),
    attributes=frozenset({"attribute_item"}),
    comments=frozenset({"line_comment", "block_comment"}),
    strings=frozenset({"string_literal", "raw_string_literal"}),
    imports=frozenset({"use_declaration", "extern_crate_declaration"}),
    placeholder_pattern=rf"(?:todo|unimplemented)!\s*[(\[{{]{_RUST_ARGUMENTS}[)\]}}]\s*;?",
    literal_pattern=rf'{COMMENT}|r"[^"]*"|r#+".*?"#+|"(?:\\.|[^"\\])*"|{CHARACTER}',
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"if"}),
    clauses=frozenset({"else"}),
    neutral_statement=";",
)

JAVA = Language(
    id="java",
    lsp_ids=("java",),
    suffixes=(".java",),
    grammar_module="tree_sitter_java",
    functions=frozenset(
        {
            "compact_constructor_declaration",
            "constructor_declaration",
            "lambda_expression",
            "method_declaration",
        }
    ),
    blocks=frozenset({"block", "constructor_body"}),
    lists=frozenset(
        {
            *("annotation_type_body", "argument_list", "array_initializer", "element_value_array_initializer"),
            *("enum_body", "enum_body_declarations", "formal_parameters", "switch_block"),
            "switch_block_statement_group",
        }
    ),
    containers=frozenset({"class_declaration", "interface_declaration", "record_declaration"}),
    attributes=frozenset({"annotation", "marker_annotation"}),
    comments=frozenset({"line_comment", "block_comment"}),
    strings=frozenset({"string_literal"}),
    imports=frozenset({"package_declaration", "import_declaration"}),
    placeholder_pattern=(
        rf"throw\s+new\s+(?:UnsupportedOperationException\(.*\)|\w+(?:Exception|Error)\(\s*\"{_UNFINISHED}\"\s*\))\s*;"
    ),
    literal_pattern=rf'{COMMENT}|"""(?:\\.|[^\\])*?"""|{_DOUBLE_QUOTED}|{CHARACTER}',
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "finally"}),
    neutral_statement=";",
)

_C_PREPROCESSOR = frozenset({"preproc_if", "preproc_ifdef"})
_C_LISTS = frozenset(
    {
        *("argument_list", "case_statement", "enumerator_list", "field_declaration_list", "initializer_list"),
        "parameter_list",
    }
)
_C_PLACEHOLDER = r"(?:(?:std::)?abort|__builtin_unreachable|std::unreachable)\(\s*\)\s*;"
_C_LITERAL = rf"{COMMENT}|{_DOUBLE_QUOTED}|{CHARACTER}"

C = Language(
    id="c",
    lsp_ids=("c",),
    suffixes=(".c", ".h"),
    grammar_module="tree_sitter_c",
    functions=frozenset({"function_definition"}),
    blocks=frozenset({"compound_statement"}),
    lists=_C_LISTS,
    containers=_C_PREPROCESSOR,
    attributes=frozenset({"attribute_declaration", "attribute_specifier"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string_literal"}),
    imports=frozenset({"preproc_include"}),
    placeholder_pattern=_C_PLACEHOLDER,
    literal_pattern=_C_LITERAL,
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if"}),
    clauses=frozenset({"else"}),
    neutral_statement=";",
)

CPP = Language(
    id="cpp",
    lsp_ids=("cpp", "c++"),
    suffixes=(".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h++", ".c++"),
    grammar_module="tree_sitter_cpp",
    functions=frozenset({"function_definition", "lambda_expression"}),
    blocks=frozenset({"compound_statement"}),
    lists=_C_LISTS,
    containers=_C_PREPROCESSOR
    | {"class_specifier", "namespace_definition", "struct_specifier", "linkage_specification"},
    wrappers=frozenset({"template_declaration"}),
    attributes=frozenset({"attribute_declaration", "attribute_specifier", "template_parameter_list"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"string_literal", "raw_string_literal"}),
    imports=frozenset({"preproc_include", "using_declaration"}),
    placeholder_pattern=rf"{_C_PLACEHOLDER}|throw\s+[\w:]+[({{]\s*\"{_UNFINISHED}\"\s*[)}}]\s*;",
    literal_pattern=_C_LITERAL,
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else"}),
    neutral_statement=";",
)
