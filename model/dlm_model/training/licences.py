"""Which licences a corpus takes: permissive ones, read from a package's metadata or from the licence file of a folder.

The licence of every source goes into the corpus' report, and from there into a model card.
"""

import re
from email.message import Message
from importlib.metadata import PackageMetadata
from pathlib import Path

OWN = "own"
"""What a manifest says of a folder whose rights belong to whoever trains."""

_PERMISSIVE_IDS = frozenset(
    {"0BSD", "APACHE-2.0", "BSD", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "BSL-1.0", "CC0-1.0", "CNRI-PYTHON", "HPND", "ISC"}
    | {"APACHE-2.0 WITH LLVM-EXCEPTION", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "PYTHON-2.0", "UNLICENSE", "ZLIB"}
)
_PERMISSIVE_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
_SPELLINGS = {
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "mit license": "MIT",
    "bsd license": "BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
}
_RESTRICTED_CLASSIFIER = re.compile("GNU|GPL|Mozilla|Proprietary|Eclipse|European Union|CeCILL")
_LICENCE_FILE = re.compile(r"(LICEN[CS]E|COPYING)([.-].*)?", re.IGNORECASE)

_SENTENCES = {
    "MIT": "permission is hereby granted, free of charge, to any person obtaining a copy",
    "Apache-2.0": "apache license version 2.0",
    "BSD": "redistribution and use in source and binary forms, with or without modification",
    "ISC": "permission to use, copy, modify, and/or distribute this software for any purpose",
}
"""For each licence a sentence that no other of the list has."""

_RESTRICTIONS = (
    "gnu general public license",
    "gnu lesser general public license",
    "gnu affero",
    "mozilla public license",
)


class LicenceError(ValueError):
    """A source whose licence is not known to be permissive."""


def check_expression(expression: str, source: str) -> str:
    """A licence as declared, as an SPDX expression where it has a known spelling.

    Raises:
        LicenceError: empty, or not known to be permissive.
    """
    expression = _SPELLINGS.get(expression.strip().lower(), expression.strip())
    ids = re.split(r"\s+(?:AND|OR)\s+", expression.replace("(", "").replace(")", ""))
    if not expression or not all(licence_id.upper() in _PERMISSIVE_IDS for licence_id in ids):
        named = expression.splitlines()[0] if expression else "unknown"
        raise LicenceError(f"{source}: licence {named!r} is not known to be permissive")
    return expression


def licence_of_metadata(metadata: Message | PackageMetadata, source: str) -> str:
    """The licence in a Python package's core metadata.

    Raises:
        LicenceError: it declares none, or one that is not known to be permissive.
    """
    expression, declared = (next(iter(metadata.get_all(key) or ()), "") for key in ("License-Expression", "License"))
    classifiers = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    named = [_PERMISSIVE_CLASSIFIERS.get(classifier) for classifier in classifiers]
    if restricted := [classifier for classifier in classifiers if _RESTRICTED_CLASSIFIER.search(classifier)]:
        raise LicenceError(f"{source}: {restricted[0]!r} is not known to be permissive, whatever else it declares")
    if not expression.strip() and named and all(named):
        expression = " AND ".join(sorted(name for name in named if name))
    return check_expression(expression.strip() or declared, source)


def licence_of_folder(folder: Path) -> str:
    """The licence in the licence files at the top of a folder.

    Raises:
        LicenceError: there is no such file, or one that is not known to be permissive.
    """
    files = sorted(path for path in folder.iterdir() if _LICENCE_FILE.fullmatch(path.name) and path.is_file())
    if not files:
        raise LicenceError(f"{folder} has no licence file; if the code is yours, say licence = {OWN!r} in the manifest")
    return " AND ".join(sorted({_licence_of_text(path) for path in files}))


def _licence_of_text(path: Path) -> str:
    text = " ".join(path.read_text(encoding="utf-8", errors="replace").lower().split())
    found = [name for name, sentence in _SENTENCES.items() if sentence in text]
    if len(found) != 1 or any(restriction in text[:2000] for restriction in _RESTRICTIONS):
        raise LicenceError(f"{path} is not known to be permissive")
    return found[0]
