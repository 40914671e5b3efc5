"""What tables on standard output say."""


def assert_one_line_each(table: str, told: dict[str, str]) -> None:
    """Every name begins a line of the table, which holds these words too."""
    lines = {line.partition(" ")[0]: line for line in table.splitlines()}
    assert all(words in lines[name] for name, words in told.items())
