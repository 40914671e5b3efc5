"""The language table: every node kind exists in its grammar, every placeholder is distinguished from real code."""

import pytest

from dlm_lsp.errors import UnsupportedLanguageError
from dlm_lsp.languages import LANGUAGES, Language, language_for

BY_ID = {language.id: language for language in LANGUAGES}
NODE_KIND_GROUPS = (
    *("functions", "blocks", "statement_lists", "lists", "containers", "wrappers"),
    *("attributes", "comments", "strings", "imports"),
)

each_language = pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.id)


@each_language
def test_node_kinds_exist_in_the_grammar(language: Language) -> None:
    kinds = {kind for group in NODE_KIND_GROUPS for kind in getattr(language, group)}
    assert not {kind for kind in kinds if language.grammar.id_for_node_kind(kind, True) is None}
    assert not language.functions or language.functions_query.capture_count == 1


@each_language
def test_the_neutral_statement_parses(language: Language) -> None:
    host = {"go": "package p\nfunc f() {{ {} }}", "php": "<?php {}"}.get(language.id, "{}")
    root = language.parse(host.format(language.neutral_statement).encode()).root_node
    assert not root.has_error


def test_what_is_only_code_keeps_every_offset() -> None:
    text = 'a = "{" # }\n"""\n}"""'
    assert language_for(None, "python").code_only(text) == "a = ___    \n___\n____"


@pytest.mark.parametrize(
    ("path", "language_id", "expected"),
    [
        ("a.py", None, "python"),
        ("dir.d/STUB.PYI", None, "python"),
        ("App.tsx", None, "tsx"),
        (None, "typescriptreact", "tsx"),
        (None, "javascriptreact", "javascript"),
        ("untitled", "rust", "rust"),
        ("bin/deploy", "shellscript", "bash"),
        ("/home/a/.bashrc", None, "bash"),
        ("Gemfile", None, "ruby"),
        ("tsconfig.json", "jsonc", "json"),
        ("a.h", None, "c"),
        ("a.h", "cpp", "cpp"),
        ("a.py", "an-id-nobody-knows", "python"),
        ("a.cs", None, "csharp"),
        (None, "cs", "csharp"),
        ("build.gradle.kts", None, "kotlin"),
        ("A.PHP", None, "php"),
        ("a.sc", None, "scala"),
        ("Package.swift", None, "swift"),
    ],
)
def test_language_for(path: str | None, language_id: str | None, expected: str) -> None:
    assert language_for(path, language_id).id == expected


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        ("bin/deploy", "#!/bin/sh -e", "bash"),
        ("bin/deploy", "#! /usr/bin/env bash", "bash"),
        ("bin/deploy", "#!/usr/bin/env node", "javascript"),
        ("bin/deploy", "#!/usr/bin/env -S python3.11 -u", "python"),
        ("bin/deploy", "#!/opt/lua-5.4/bin/lua5.4", "lua"),
        ("deploy.rb", "#!/bin/sh", "ruby"),
    ],
)
def test_a_script_names_its_interpreter(path: str, line: str, expected: str) -> None:
    assert language_for(path, None, f"{line}\nx\n").id == expected


@pytest.mark.parametrize("line", ["#!/usr/bin/perl", "#!/usr/bin/env fish", "# bash", ""])
def test_other_scripts_have_no_language(line: str) -> None:
    with pytest.raises(UnsupportedLanguageError, match="No grammar for deploy"):
        language_for("bin/deploy", None, f"{line}\n")


@pytest.mark.parametrize(
    ("path", "language_id", "named"), [("a.zig", None, ".zig"), (None, "zig", "zig"), (None, None, "this kind")]
)
def test_an_unknown_language_is_named(path: str | None, language_id: str | None, named: str) -> None:
    with pytest.raises(UnsupportedLanguageError, match=named):
        language_for(path, language_id)


@pytest.mark.parametrize(
    ("language_id", "statement"),
    [
        ("python", "pass"),
        ("python", "..."),
        ("python", "raise NotImplementedError"),
        ("python", 'raise NotImplementedError("later")'),
        ("javascript", "throw new Error('TODO');"),
        ("typescript", 'throw new Error("Method not implemented.")'),
        ("tsx", "throw new TypeError(`todo: render`);"),
        ("go", 'panic("TODO")'),
        ("go", 'panic("not implemented")'),
        ("rust", "todo!()"),
        ("rust", 'unimplemented!("later");'),
        ("rust", 'todo!("after {}: \\")", name(x))'),
        ("java", "throw new UnsupportedOperationException();"),
        ("java", 'throw new RuntimeException("Not implemented yet");'),
        ("c", "abort();"),
        ("cpp", 'throw std::logic_error("TODO");'),
        ("csharp", "throw new System.NotImplementedException();"),
        ("csharp", 'throw new InvalidOperationException("todo: later");'),
        ("php", "throw new \\LogicException('Not implemented');"),
        ("kotlin", "TODO()"),
        ("kotlin", 'TODO("later")'),
        ("kotlin", 'throw IllegalStateException("Not yet implemented")'),
        ("scala", "???"),
        ("scala", "throw new NotImplementedError"),
        ("swift", 'fatalError("not implemented")'),
        ("bash", ":"),
        ("lua", 'error("not implemented")'),
        ("ruby", 'raise NotImplementedError, "later"'),
    ],
)
def test_placeholders(language_id: str, statement: str) -> None:
    assert BY_ID[language_id].placeholder.fullmatch(statement)


@pytest.mark.parametrize(
    ("language_id", "statement"),
    [
        ("python", "return None"),
        ("python", "raise ValueError('TODO')"),
        ("javascript", "throw new Error('bad input');"),
        ("go", 'panic("out of range")'),
        ("rust", "Ok(())"),
        ("rust", 'todo!("a").b(c)'),
        ("rust", 'todo!("a") + f(b)'),
        ("java", 'throw new RuntimeException("bad input");'),
        ("cpp", 'throw std::logic_error("bad input");'),
        ("csharp", 'throw new ArgumentException("bad input");'),
        ("php", "throw new LogicException('bad input');"),
        ("kotlin", 'TODO("a").b("c")'),
        ("scala", "??? : Int"),
        ("swift", 'fatalError("init(coder:) has not been implemented")'),
        ("lua", 'error("bad input")'),
        ("json", "null"),
    ],
)
def test_real_code_is_no_placeholder(language_id: str, statement: str) -> None:
    assert not BY_ID[language_id].placeholder.fullmatch(statement)


@pytest.mark.parametrize(
    ("language_id", "text", "literals"),
    [
        ("python", "a('#') # b\n'''c\n'''", ["'#'", "# b", "'''c\n'''"]),
        ("rust", "fn f<'a>(x: &'a str) { '\\'' ; \"{\" }", ["'\\''", '"{"']),
        ("javascript", "`a\n{`; // }", ["`a\n{`", "// }"]),
        ("go", "'{' `}` /* { */", ["'{'", "`}`", "/* { */"]),
        ("csharp", """@"\\" $"{f("a")} {{" '"' """, ['@"\\"', '$"{f("a")} {{"', "'\"'"]),
        ("csharp", '"""a "b" c""" // }', ['"""a "b" c"""', "// }"]),
        ("php", "# a\n#[B('c')] // d ?>'", ["# a", "'c'", "// d "]),
        ("php", "<<<'EOT'\nit's {\n  EOT; 'a\nb'", ["<<<'EOT'\nit's {\n  EOT", "'a\nb'"]),
        ("kotlin", '"${f("}")} $a" + """b"c"""', ['"${f("}")} $a"', '"""b"c"""']),
        ("scala", """s"${f("a")}" + '"' + 'b""", ['"${f("a")}"', "'\"'"]),
        ("swift", '"\\(f("a")) b" #"c"d"#', ['"\\(f("a")) b"', '#"c"d"#']),
        ("bash", "a ${b#c} # d\ncat <<-E\n  '\n  E\n", ["# d", "<<-E\n  '\n  E"]),
        ("bash", '  -h|--help) f "a\nb" ;;\n  *) g ;;', ["  -h|--help)", '"a\nb"', "  *)"]),
        ("lua", "a = [==[ ]] ]==] -- b", ["[==[ ]] ]==]", "-- b"]),
        ("ruby", "a =~ /(/ # b\n=begin\nend\n=end\n", ["/(/", "# b", "=begin\nend\n=end"]),
        ("ruby", "a << b\nb\nc <<~E\n  d\n  E\n", ["<<~E\n  d\n  E"]),
        ("yaml", "a: don't # b's", ["'", "# b's"]),
        ("html", "<a b='{'> it's 'so", ["'{'", "'"]),
    ],
)
def test_literals(language_id: str, text: str, literals: list[str]) -> None:
    assert [match.group() for match in BY_ID[language_id].literal.finditer(text)] == literals
