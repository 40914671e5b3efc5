"""What a shell offers after Tab: the names that flags and arguments take.

Modules are imported late: every command imports this one, and only Tab needs them.
"""

from collections.abc import Iterable, Iterator

Offers = list[tuple[str, str]]
"""Words, each with a line of help where the shell shows one."""

_PACKAGED, _OWN_GUIDE = "the packaged model", "the model's own guide"


def complete_method(incomplete: str) -> Offers:
    """The methods that `--method` switches on, each as one word."""
    from dlm_model.methods import METHODS  # noqa: PLC0415

    return _beginning(
        incomplete, ((method.name.replace(" ", "-"), method.line) for method in METHODS if method.options)
    )


def complete_assignment(incomplete: str) -> Offers:
    """The options that `--set` takes; their values are up to the user."""
    from dlm_lsp.options import DECODE_OPTION_NAMES, OPTIONS  # noqa: PLC0415

    names = sorted(DECODE_OPTION_NAMES)
    return _beginning(incomplete, ((f"{name}=", OPTIONS[name].meaning.replace("`", "")) for name in names))


def complete_model(incomplete: str) -> Offers:
    """The models on disk; the shell itself completes the path of a folder."""
    from dlm_lsp.models.store import PACKAGED  # noqa: PLC0415

    return _beginning(incomplete, [(PACKAGED, _PACKAGED), *_stored("model")])


def complete_guide(incomplete: str) -> Offers:
    """The guides on disk, and the words that stand for others."""
    from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE  # noqa: PLC0415

    words = [(SELF_GUIDE, _OWN_GUIDE), (NO_GUIDE, "no guide")]
    return _beginning(incomplete, [*words, *_stored("guide")])


def complete_opponent(incomplete: str) -> Offers:
    """What a model can race against: the guides on disk, and its own."""
    from dlm_model.decode_options import SELF_GUIDE  # noqa: PLC0415

    return _beginning(incomplete, [(SELF_GUIDE, _OWN_GUIDE), *_stored("guide")])


def complete_verifiable_model(incomplete: str) -> Offers:
    """All whose files are recorded: the packaged model, and all that was pulled or added."""
    from dlm_lsp.models.store import PACKAGED  # noqa: PLC0415

    return _beginning(incomplete, [(PACKAGED, _PACKAGED), *_stored("model", "guide")])


def complete_stored_model(incomplete: str) -> Offers:
    """All that was pulled or added."""
    return _beginning(incomplete, _stored("model", "guide"))


def complete_published_model(incomplete: str) -> Offers:
    """The models and guides that can be pulled by a short name."""
    from dlm_lsp.models.catalogue import CATALOGUE  # noqa: PLC0415

    return _beginning(incomplete, ((entry.name, entry.note) for entry in CATALOGUE.values()))


def _stored(*roles: str) -> Iterator[tuple[str, str]]:
    from dlm_lsp.models.store import ModelStore  # noqa: PLC0415

    for record in ModelStore().records():
        if set(roles) & set(record.roles):
            yield record.name, record.repository or record.folder


def _beginning(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    return [offer for offer in offers if offer[0].startswith(incomplete)]
