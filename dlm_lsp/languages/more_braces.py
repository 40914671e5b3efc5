"""Further rows of the language table whose blocks stand in braces: C#, PHP, Kotlin, Scala, Swift."""

from dlm_lsp.languages.block_words import BlockWords
from dlm_lsp.languages.braces import CHARACTER, COMMENT
from dlm_lsp.languages.language import Language

_UNFINISHED = r"(?i:[^\"']*(?:todo|fixme|unimplemented|not (?:yet )?implemented)[^\"']*)"
_QUOTED = r'"(?:\\.|[^"\\\n])*+"'
_COMMENT_START = r"//|/\*|\*|@"

_CONDITION = r"\s*\((?:[^()]++|\((?:[^()]++|\((?:[^()]++|\([^()]*+\))*+\))*+\))*+\)"
_INTERPOLATED = rf'"(?:\$\{{(?:{_QUOTED}|\{{[^"{{}}\n]*\}}|[^"{{}}\n])*+\}}|\\.|[^"\\\n])*+"'
"""Matches a string of Kotlin or Scala: what `${…}` holds in it may be in quotes as well."""

CSHARP = Language(
    id="csharp",
    lsp_ids=("csharp", "cs"),
    suffixes=(".cs", ".csx"),
    grammar_module="tree_sitter_c_sharp",
    functions=frozenset(
        {
            *("accessor_declaration", "anonymous_method_expression", "constructor_declaration"),
            *("conversion_operator_declaration", "destructor_declaration", "lambda_expression"),
            *("local_function_statement", "method_declaration", "operator_declaration"),
            "property_declaration",  # has no body of its own, and gives its accessors their name
        }
    ),
    blocks=frozenset({"block"}),
    bodies=frozenset({"block"}),
    lists=frozenset(
        {
            *("accessor_list", "anonymous_object_creation_expression", "argument_list", "attribute_argument_list"),
            *("bracketed_argument_list", "collection_expression", "enum_member_declaration_list"),
            *("initializer_expression", "parameter_list", "switch_body", "switch_expression", "switch_section"),
        }
    ),
    containers=frozenset(
        {
            *("class_declaration", "interface_declaration", "namespace_declaration", "preproc_if"),
            *("record_declaration", "struct_declaration"),
        }
    ),
    attributes=frozenset({"attribute_list"}),
    comments=frozenset({"comment"}),
    strings=frozenset(
        {"interpolated_string_expression", "raw_string_literal", "string_literal", "verbatim_string_literal"}
    ),
    imports=frozenset({"using_directive", "extern_alias_directive", "file_scoped_namespace_declaration"}),
    placeholder_pattern=(
        rf"throw\s+new\s+(?:(?:System\.)?NotImplementedException\(.*\)"
        rf"|[\w.]+Exception\(\s*\"{_UNFINISHED}\"\s*\))\s*;"
    ),
    literal_pattern=(
        rf'{COMMENT}|\$*"""+.*?"""+|(?:\$@|@\$|@)"(?:""|[^"])*+"'
        rf'|\$"(?:\{{\{{|\{{(?:{_QUOTED}|[^"{{}}\n])*+\}}|\\.|[^"\\\n])*+"|{_QUOTED}|{CHARACTER}'
    ),
    comment_start_pattern=r"//|/\*|\*|\[(?:\w+:\s*)?[A-Z][\w.]*\s*[\](,]",
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "finally"}),
    neutral_statement=";",
)

PHP = Language(
    id="php",
    lsp_ids=("php",),
    suffixes=(".php", ".phtml"),
    grammar_module="tree_sitter_php",
    grammar_function="language_php",
    functions=frozenset(
        {"anonymous_function", "arrow_function", "function_definition", "method_declaration", "property_hook"}
    ),
    blocks=frozenset({"colon_block", "compound_statement"}),
    lists=frozenset(
        {
            *("arguments", "array_creation_expression", "case_statement", "default_statement", "formal_parameters"),
            *("list_literal", "match_block", "namespace_use_group", "switch_block"),
        }
    ),
    containers=frozenset(
        {
            *("class_declaration", "enum_declaration", "interface_declaration", "namespace_definition"),
            "trait_declaration",
        }
    ),
    attributes=frozenset({"attribute_list"}),
    comments=frozenset({"comment"}),
    strings=frozenset({"encapsed_string", "heredoc", "nowdoc", "string", "text"}),
    imports=frozenset({"declare_statement", "namespace_definition", "namespace_use_declaration", "php_tag"}),
    placeholder_pattern=rf"throw\s+new\s+\\?\w*(?:Exception|Error)\(\s*([\"']){_UNFINISHED}\1\s*\)\s*;",
    literal_pattern=(
        r"/\*.*?\*/|(?://|#(?!\[))(?:(?!\?>)[^\n])*|\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'"
        r"|<<<[ \t]*([\"']?)(\w+)\1\n(?:.*?\n)??[ \t]*\2\b"
    ),
    comment_start_pattern=r"//|/\*|\*|#",
    spare_words=BlockWords(
        closers={word: f"end{word}" for word in ("declare", "for", "foreach", "if", "switch", "while")},
        clauses=frozenset({"else", "elseif"}),
        keyword_pattern=(
            rf"(?<![\w$>:\\])(?:(?P<header>(?:declare|for|foreach|if|switch|while)(?={_CONDITION}\s*:))"
            rf"|(?P<clause>else(?=\s*:)|elseif(?={_CONDITION}\s*:))"
            r"|(?P<end>end(?:declare|for|foreach|if|switch|while))\b)"
        ),
    ),
    code_tag="<?php",
    outside_code=frozenset({"php_tag", "text", "text_interpolation"}),
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "elseif", "finally"}),
    neutral_statement=";",
)

KOTLIN = Language(
    id="kotlin",
    lsp_ids=("kotlin",),
    suffixes=(".kt", ".kts"),
    grammar_module="tree_sitter_kotlin",
    functions=frozenset(
        {
            *("anonymous_function", "anonymous_initializer", "function_declaration", "getter"),
            *("secondary_constructor", "setter"),
        }
    ),
    blocks=frozenset({"block", "lambda_literal"}),
    bodies=frozenset({"block", "class_body", "enum_class_body", "function_body"}),
    lists=frozenset(
        {
            *("class_parameters", "collection_literal", "enum_class_body", "function_value_parameters"),
            *("value_arguments", "when_expression"),
        }
    ),
    containers=frozenset({"class_declaration", "companion_object", "object_declaration"}),
    called_by_keyword=frozenset({"anonymous_initializer", "secondary_constructor"}),
    attributes=frozenset({"annotation"}),
    comments=frozenset({"block_comment", "line_comment"}),
    strings=frozenset({"multiline_string_literal", "string_literal"}),
    imports=frozenset({"import", "package_header"}),
    placeholder_pattern=(
        rf"TODO\((?:\s*{_QUOTED}\s*)?\)|throw\s+(?:\w+(?:Exception|Error)\(\s*\"{_UNFINISHED}\"\s*\)"
        r"|NotImplementedError\(\))"
    ),
    literal_pattern=rf'{COMMENT}|"""+.*?"""+|{_INTERPOLATED}|{CHARACTER}',
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "finally"}),
    neutral_statement="Unit",
    has_optional_semicolons=True,
)

SCALA = Language(
    id="scala",
    lsp_ids=("scala",),
    suffixes=(".scala", ".sc"),
    grammar_module="tree_sitter_scala",
    functions=frozenset({"function_definition"}),
    blocks=frozenset({"block"}),
    lists=frozenset(
        {
            *("arguments", "case_block", "case_clause", "class_parameters", "enumerators", "namespace_selectors"),
            *("parameters", "tuple_expression"),
        }
    ),
    containers=frozenset(
        {
            *("class_definition", "enum_definition", "object_definition", "package_clause", "package_object"),
            "trait_definition",
        }
    ),
    attributes=frozenset({"annotation"}),
    comments=frozenset({"block_comment", "comment"}),
    strings=frozenset({"interpolated_string_expression", "string"}),
    imports=frozenset({"import_declaration", "package_clause"}),
    placeholder_pattern=(
        rf"\?\?\?|throw\s+new\s+(?:NotImplementedError(?:\(.*\))?|\w+(?:Exception|Error)\(\s*\"{_UNFINISHED}\"\s*\))"
    ),
    literal_pattern=rf'{COMMENT}|"""+.*?"""+|{_INTERPOLATED}|{CHARACTER}',
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if", "try"}),
    clauses=frozenset({"catch", "else", "finally"}),
    neutral_statement="Unit",
    has_optional_semicolons=True,
    indent="  ",
)

SWIFT = Language(
    id="swift",
    lsp_ids=("swift",),
    suffixes=(".swift",),
    grammar_module="tree_sitter_swift",
    functions=frozenset(
        {
            *("computed_getter", "computed_property", "computed_setter", "deinit_declaration", "didset_clause"),
            *("function_declaration", "init_declaration", "willset_clause"),
        }
    ),
    blocks=frozenset(
        {
            *(
                "catch_block",
                "computed_getter",
                "computed_property",
                "computed_setter",
                "didset_clause",
                "do_statement",
            ),
            *("for_statement", "function_body", "guard_statement", "if_statement", "lambda_literal"),
            *("repeat_while_statement", "while_statement", "willset_clause"),
        }
    ),
    statement_lists=frozenset({"statements"}),
    lists=frozenset(
        {
            *("array_literal", "computed_property", "dictionary_literal", "enum_class_body", "switch_entry"),
            *("switch_statement", "tuple_expression", "value_arguments"),
        }
    ),
    containers=frozenset({"class_declaration", "protocol_declaration"}),
    called_by_keyword=frozenset({"computed_getter", "computed_setter", "deinit_declaration"}),
    attributes=frozenset({"attribute"}),
    comments=frozenset({"comment", "multiline_comment"}),
    strings=frozenset({"line_string_literal", "multi_line_string_literal", "raw_string_literal"}),
    imports=frozenset({"import_declaration"}),
    placeholder_pattern=rf"(?:fatalError|preconditionFailure)\(\s*(?:\"{_UNFINISHED}\")?\s*\)",
    literal_pattern=(
        rf'{COMMENT}|#+""".*?"""#+|#+".*?"#+|"""(?:\\.|[^\\])*?"""'
        rf'|"(?:\\\((?:{_QUOTED}|\([^()\n]*\)|[^"()\n])*+\)|\\.|[^"\\\n])*+"'
    ),
    comment_start_pattern=_COMMENT_START,
    claused=frozenset({"do", "if"}),
    clauses=frozenset({"catch", "else"}),
    neutral_statement="nil",
    has_optional_semicolons=True,
)
