"""A language as the hole finder knows it: its grammar, the names of its node kinds, and a few conventions."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import tree_sitter

from dlm_lsp.languages.block_words import BlockWords
from dlm_lsp.languages.brackets import CLOSERS

_NOTHING: frozenset[str] = frozenset()

_CHUNK_BYTES = 16384

_MOST_STEPS = 150
"""Steps of the parser after which a brief parse is given up: they take some milliseconds. Over what an edit leaves
alone it walks in 1 step for 3 KiB of Python, which take 15 to read.
"""

_STEPS_PER_ERROR_STEP = 8
"""Usual steps that take as long as one while the parser is looking for the least error."""

NAME_CHARACTER = r"[\w\x80-\U0010ffff]"
"""Matches a character of a name; where `re.ASCII` is set, each byte of its UTF-8 as well."""

_ASSIGNMENT = (
    rf"(?=[(\[*]|{NAME_CHARACTER})(?:[^\r\n#='\"]|'[^'\r\n]*'|\"[^\"\r\n]*\")*(?:[\])]|(?<={NAME_CHARACTER}))"
    r"[ \t]*=[ \t]*"
)
"""Matches the targets of an assignment and its `=`."""

_NOT_LINE_BREAK = re.compile(r"[^\r\n]")
_NOT_LINE_FEED = re.compile(r"[^\n]")


class _Compiled(cached_property[re.Pattern[str]]):
    """One of a language's patterns, by the name of its field."""

    def __init__(self, pattern: str) -> None:
        super().__init__(lambda language: re.compile(getattr(language, pattern), re.DOTALL))


@dataclass(frozen=True, kw_only=True)
class Language:
    """A row of the language table; the grammar loads, and patterns are compiled, when they are first used.

    `literal` is `literal_pattern`, compiled, and so on. In patterns, a dot also matches a line break.

    Attributes:
        id: Our name for it.
        lsp_ids: What editors send as `languageId`.
        suffixes: File suffixes, lower case.
        file_names: Names of files that have no such suffix.
        interpreters: Programs that run scripts in it, without their versions.
        grammar_module: Package of the tree-sitter grammar.
        grammar_function: Its function that returns the grammar.
        functions: Node kinds that have a `body` field to fill, or a closing word; none where nothing is called.
        blocks: Node kinds of function bodies that hold statements; of the whole definition or statement, where that has
            the braces among its own children.
        bodies: Node kinds of what is a body, where the grammar has no field of that name; one may wrap another.
        statement_lists: Node kinds between a block and its statements.
        lists: Node kinds whose children stand side by side and are no statements of a body: cases and what is in one,
            fields, members of an enum, items of a literal, imported names, parameters, arguments.
        containers: Node kinds whose members stand side by side: classes, namespaces, conditional compilation.
        called_by_keyword: Node kinds of definitions that have a keyword in place of a name: `init`, `get`.
        wrappers: Node kinds around a definition that belong to it: decorators, exports, templates.
        attributes: Node kinds of decorators, annotations and the like, which say something of the definition below.
        comments: Node kinds of comments.
        strings: Node kinds of literals that may span lines.
        imports: Node kinds at the top of a file that say where names come from.
        placeholder_pattern: Matches a whole statement that only stands in for missing code.
        literal_pattern: Matches one comment or string; what is between is code.
        command_pattern: Matches what is no code at the start of a line, or behind an assignment's `=`, but a command to
            whatever runs the code; empty where there are none. Must take the bytes of UTF-8 as it takes characters.
        comment_start_pattern: Matches the beginning of a comment, or of the attribute lines above a definition.
        line_comment: Begins a comment that ends with its line, if the language has any of that kind.
        code_tag: What begins code in a document that may hold text as well; a part of the code means nothing without.
        outside_code: Node kinds of the text beside such code, and of the tags behind which code begins.
        opening_pattern: Matches where a line of code ends after which the next one should be deeper.
        words: The words that open and close blocks where braces do not.
        spare_words: The words that open and close blocks where braces may do so as well: what a text does not open by
            them it does not close.
        headers: Words that begin a statement with a block, if indentation makes blocks.
        function_headers: Those of the `headers` that begin a function.
        definition_start_pattern: Matches the beginning of a definition, of its decorator, or of what a script runs, if
            indentation makes blocks.
        member_start_pattern: Matches the beginning of what may stand beside the methods of a class, if indentation
            makes blocks.
        block_end_pattern: Matches the beginning of a statement after which nothing in its block is run, as `return`, if
            indentation makes blocks.
        claused: Words that begin a statement which may go on with a clause.
        clauses: Words that begin a clause with a block, after another block of the same statement.
        neutral_statement: Parses wherever a statement may stand, and means nothing.
        has_optional_semicolons: A statement may end with its line, without the semicolon that it may have.
        is_indented: Indentation makes the blocks, not braces.
        nests_freely: A line may be deeper than the one above although that opens no block: only the parser can tell.
        is_data: Holds values rather than code.
        own_parser: Says whether a whole document is valid, where the grammar is more lenient than the language.
        indent: What one level of indentation is when the document does not tell.
    """

    id: str
    lsp_ids: tuple[str, ...]
    suffixes: tuple[str, ...]
    file_names: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    grammar_module: str
    grammar_function: str = "language"
    functions: frozenset[str] = _NOTHING
    blocks: frozenset[str] = _NOTHING
    bodies: frozenset[str] = _NOTHING
    statement_lists: frozenset[str] = _NOTHING
    lists: frozenset[str] = _NOTHING
    containers: frozenset[str] = _NOTHING
    called_by_keyword: frozenset[str] = _NOTHING
    wrappers: frozenset[str] = _NOTHING
    attributes: frozenset[str] = _NOTHING
    comments: frozenset[str]
    strings: frozenset[str] = _NOTHING
    imports: frozenset[str] = _NOTHING
    placeholder_pattern: str = r"(?!)"
    literal_pattern: str
    command_pattern: str = ""
    comment_start_pattern: str
    neutral_statement: str
    line_comment: str = "//"
    code_tag: str = ""
    outside_code: frozenset[str] = _NOTHING
    opening_pattern: str = r"(?:[:(\[{]|=>)\s*\Z"
    words: BlockWords | None = None
    spare_words: BlockWords | None = None
    headers: frozenset[str] = _NOTHING
    function_headers: frozenset[str] = _NOTHING
    definition_start_pattern: str = r"(?!)"
    member_start_pattern: str = r"(?!)"
    block_end_pattern: str = r"(?!)"
    claused: frozenset[str] = _NOTHING
    clauses: frozenset[str] = _NOTHING
    has_optional_semicolons: bool = False
    is_indented: bool = False
    nests_freely: bool = False
    is_data: bool = False
    own_parser: Callable[[str], bool] | None = None
    indent: str = "    "

    placeholder = _Compiled("placeholder_pattern")
    literal = _Compiled("literal_pattern")
    comment_start = _Compiled("comment_start_pattern")
    opening = _Compiled("opening_pattern")
    definition_start = _Compiled("definition_start_pattern")
    member_start = _Compiled("member_start_pattern")
    block_end = _Compiled("block_end_pattern")

    @cached_property
    def _literal_or_command(self) -> re.Pattern[str]:
        command = rf"(?m:^)(?P<before>(?P<indent>[ \t]*)(?:{_ASSIGNMENT})?)(?P<command>{self.command_pattern})"
        return re.compile(f"{self.literal_pattern}|{command}", re.DOTALL | re.ASCII)

    @cached_property
    def grammar(self) -> tree_sitter.Language:
        """The compiled grammar."""
        module = importlib.import_module(self.grammar_module)
        return tree_sitter.Language(getattr(module, self.grammar_function)())

    def closes(self, line: str) -> bool:
        """Whether a line begins with what closes a block, or a part of one, that lines above it opened."""
        text = line.lstrip()
        if self.spare_words is not None and self.spare_words.num_closing(text):
            return True
        return text.startswith(CLOSERS) or (self.words is not None and self.words.closes(text))

    @cached_property
    def functions_query(self) -> tree_sitter.Query:
        """Captures every function as `function`."""
        kinds = " ".join(f"({kind})" for kind in sorted(self.functions))
        return tree_sitter.Query(self.grammar, f"[{kinds}] @function")

    def body_of(self, definition: tree_sitter.Node) -> tree_sitter.Node | None:
        """The body of a definition: its field of that name, itself if it has the braces, or the last of `bodies`."""
        body = definition.child_by_field_name("body")
        if body is None and definition.type in self.blocks:
            return definition
        if body is None and self.bodies:
            body = next((child for child in reversed(definition.children) if child.type in self.bodies), None)
            if body is not None and body.type not in self.blocks:
                body = self.body_of(body) or body
        return body

    def without_commands(self, text: str) -> str:
        """The text with every command as a name of the same length, which parses wherever a command may stand.

        Each line of a command is a name of its own, as deep as the first.
        """

        def named(match: re.Match[str]) -> str:
            if not match["command"]:
                return match.group()
            first, *others = _NOT_LINE_BREAK.sub("_", match["command"]).split("\n")
            return match["before"] + "\n".join([first, *(_indented(name, match["indent"]) for name in others)])

        return self._literal_or_command.sub(named, text) if self.command_pattern else text

    def code_only(self, text: str) -> str:
        """The text with comments as spaces, strings and commands as underscores; every offset and line break stays."""

        def blank(match: re.Match[str]) -> str:
            is_comment = self.comment_start.match(match.group()) is not None
            return _NOT_LINE_FEED.sub(" " if is_comment else "_", match.group())

        return self.literal.sub(blank, self.without_commands(text))

    def parse(self, source: bytes, old_tree: tree_sitter.Tree | None = None) -> tree_sitter.Tree:
        """Parse UTF-8; only what changed since an old tree that knows the edits, if there is one.

        A parser keeps state between calls, so each call has its own: documents are parsed on two threads.
        """
        if self.command_pattern:  # as Latin-1, so that a character is a byte, and the others stay where they are
            source = self.without_commands(source.decode("latin-1")).encode("latin-1")
        known = () if old_tree is None else (old_tree,)  # the binding takes no None
        return tree_sitter.Parser(self.grammar).parse(source, *known)

    def parse_briefly(self, source: bytes, old_tree: tree_sitter.Tree) -> tree_sitter.Tree | None:
        """Parse what changed since an old tree that knows the edits; None if that would take too long.

        An edit costs little unless it opens a bracket or a string: then the parser reads on to the end of the text in
        search of the least error. With 10,000 lines that takes 90 ms, at every key until the bracket is closed. Such a
        parse is given up, after a number of the parser's own steps, so that the same edits lead to the same trees.
        """
        num_steps = 0

        def gives_up(_offset: int, is_in_error: bool) -> bool:
            nonlocal num_steps
            num_steps += _STEPS_PER_ERROR_STEP if is_in_error else 1
            return num_steps > _MOST_STEPS

        def read(start: int, _point: object) -> bytes:
            return source[start : start + _CHUNK_BYTES]

        try:
            return tree_sitter.Parser(self.grammar).parse(read, old_tree, progress_callback=gives_up)
        except ValueError:  # what the binding makes of a parse that was given up
            return None


def _indented(name: str, indent: str) -> str:
    """A name that is a whole line, as deep as some indentation at the cost of its own characters."""
    depth = min(len(indent), name.count("_"))
    return name.replace("_" * depth, indent[:depth], 1)
