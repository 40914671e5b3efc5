"""Models from the Hugging Face hub, or from whatever `HF_ENDPOINT` names: what a repository has, and its files.

`huggingface_hub` handles redirects, tokens, proxies and retries. It resumes half a file only within one call, so the
part that has arrived is kept as `NAME.part`. Only weights in safetensors and the JSON and text files beside them are
downloaded, never code or pickles.
"""

import errno
import json
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from dlm_lsp.errors import ModelUnavailableError
from dlm_lsp.models.inspection import check_checkpoint, check_descriptions
from dlm_lsp.models.store import StoredFile, describe
from dlm_model.network.checkpoint_files import pickles

DEFAULT_ENDPOINT = "https://huggingface.co"
LATEST = "main"
"""The revision of a repository that is wanted where none is named."""

WANTED = ("*.safetensors", "*.json", "merges.txt", "LICENSE*", "README.md")
_PART = ".part"
_OF_THE_NETWORK = (ConnectionError, TimeoutError, socket.gaierror, socket.herror, ssl.SSLError)


class RemoteFile(NamedTuple):
    """A file on the hub; `sha256` is None for small ones, which the hub keeps in git."""

    name: str
    size: int
    sha256: str | None


class RemoteModel(NamedTuple):
    """A repository at one commit.

    Attributes:
        repository: owner/name.
        revision: The commit that the wanted revision stands for today.
        licence: As its card says; None if it does not.
        files: Those that will be taken.
        others: The names of those that will not.
    """

    repository: str
    revision: str
    licence: str | None
    files: tuple[RemoteFile, ...]
    others: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def endpoint() -> str:
    """Address of the hub."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or DEFAULT_ENDPOINT


def look_up(repository: str, revision: str) -> RemoteModel:
    """Ask the hub what a repository has.

    Raises:
        ModelUnavailableError: it is not there, not reachable, or has its weights in pickles alone.
    """
    with _one_sentence(repository):
        from huggingface_hub import HfApi  # noqa: PLC0415 - only these commands need it

        info = HfApi(endpoint=endpoint()).model_info(repository, revision=revision, files_metadata=True)
    files, others = [], []
    for each in info.siblings or []:
        if "/" not in each.rfilename and any(fnmatch(each.rfilename, pattern) for pattern in WANTED):
            files.append(RemoteFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None))
        else:
            others.append(each.rfilename)
    if not any(_is_weights(file) for file in files):
        raise ModelUnavailableError(_no_weights(repository, others))
    # Licences that the hub has no word for are `other`, with a name of their own.
    card = info.card_data
    licence = card and (card.get("license_name") or card.get("license"))
    return RemoteModel(repository, info.sha or revision, str(licence) if licence else None, tuple(files), tuple(others))


def check_space(model: RemoteModel, folder: Path) -> None:
    """Check that the disk has room for what has not arrived yet.

    Raises:
        ModelUnavailableError: it has not, or cannot be asked.
    """
    with _one_sentence(model.repository):
        existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
        arrived = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        missing, free = model.size - arrived, shutil.disk_usage(existing).free
    if missing > free:
        raise ModelUnavailableError(
            f"{model.repository} needs {gib(missing)} more on the disk of {existing}, which has {gib(free)} free."
        )


def download(model: RemoteModel, folder: Path) -> tuple[StoredFile, ...]:
    """Fetch a model's files, small ones first, each with a progress bar; what arrived before is not fetched again.

    Returns:
        The files as they lie on disk.

    Raises:
        ModelUnavailableError: the connection broke, the disk is full, a file cannot be written or arrived corrupt.
        CheckpointError: this engine cannot load the model; as far as its config, tokenizer and index tell, this is
            found out before any weights are fetched.
    """
    with _one_sentence(model.repository):
        folder.mkdir(parents=True, exist_ok=True)
    in_order = sorted(model.files)
    weights = [file for file in in_order if _is_weights(file)]
    stored = [_complete(model, file, folder / file.name) for file in in_order if file not in weights]
    check_descriptions(folder, {file.name for file in model.files}, source=model.repository)
    stored += [_complete(model, file, folder / file.name) for file in weights]
    check_checkpoint(folder)
    return tuple(stored)


def gib(num_bytes: int) -> str:
    """A number of bytes for people."""
    return f"{num_bytes / (1 << 30):.1f} GiB" if num_bytes >= 1 << 28 else f"{num_bytes / (1 << 20):.1f} MiB"


def _is_weights(file: RemoteFile) -> bool:
    return file.name.endswith(".safetensors")


def _complete(model: RemoteModel, file: RemoteFile, target: Path) -> StoredFile:
    """A complete file, fetched unless it is here already."""
    with _one_sentence(model.repository):
        if not target.is_file() or file.sha256 is None or describe(target.parent, target.name).sha256 != file.sha256:
            _fetch(model, file, target)
        stored = describe(target.parent, target.name)
        is_whole = file.sha256 in (None, stored.sha256) and stored.size == file.size
        if not is_whole:
            target.unlink()
    if not is_whole:
        raise ModelUnavailableError(
            f"{file.name} of {model.repository} arrived corrupt ({stored.size} bytes, sha256 {stored.sha256}); "
            "it was deleted; run the same command again to download it."
        )
    return stored


def _fetch(model: RemoteModel, file: RemoteFile, target: Path) -> None:
    from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url  # noqa: PLC0415 - only these commands need it
    from huggingface_hub.file_download import http_get  # noqa: PLC0415

    url = hf_hub_url(model.repository, file.name, revision=model.revision, endpoint=endpoint())
    location = get_hf_file_metadata(url, endpoint=endpoint()).location
    # The token is for the hub, not for the storage that it redirects to.
    is_hub, token = urlsplit(location).netloc == urlsplit(url).netloc, get_token()
    headers = {"authorization": f"Bearer {token}"} if is_hub and token else {}
    part = target.with_name(target.name + _PART)
    # More than the whole file is the beginning of another one.
    if part.is_file() and part.stat().st_size > file.size:
        part.unlink()
    # Without a hash nobody could tell whether the other half belongs to the same file.
    with part.open("ab" if file.sha256 else "wb") as stream:
        http_get(
            location,
            stream,
            resume_size=stream.tell(),
            headers=headers,
            expected_size=file.size,
            displayed_filename=file.name,
        )
    part.replace(target)


@contextmanager
def _one_sentence(repository: str) -> Iterator[None]:
    from huggingface_hub import errors  # noqa: PLC0415 - only these commands need it

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise ModelUnavailableError("HF_HUB_OFFLINE is set; unset it to pull models.") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelUnavailableError(f"{endpoint()} has no model {repository}, or requires a login for it.") from error
    except errors.HfHubHTTPError as error:
        raise ModelUnavailableError(f"{endpoint()} refused {repository}: {error.response.status_code}.") from error
    except OSError as error:
        raise ModelUnavailableError(_io_sentence(repository, error)) from error
    except json.JSONDecodeError as error:  # such as the page of a network that wants a login first
        raise ModelUnavailableError(_unreachable(error)) from error
    except ValueError as error:  # of huggingface_hub: a name that is none, or a file that takes another package
        raise ModelUnavailableError(f"{repository} cannot be pulled: {_reason(error)}.") from error
    except Exception as error:
        raise ModelUnavailableError(_unreachable(error)) from error


def _io_sentence(repository: str, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full; what has arrived of {repository} is kept, and the same command resumes from there."
    if error.errno is not None and not isinstance(error, _OF_THE_NETWORK):
        where = f"{error.filename}: " if error.filename else ""
        return f"{repository} cannot be saved to this disk ({where}{error.strerror}); what has arrived stays."
    if type(error) is OSError:  # huggingface_hub's own, for a file that has another size than it was listed with
        return f"{endpoint()} did not send {repository} as it lists it ({_reason(error)}); run the same command again."
    return _unreachable(error)


def _unreachable(error: Exception) -> str:
    return (
        f"{endpoint()} cannot be reached ({_reason(error)}); what has arrived is kept, and without a network "
        "`dlm-lsp models add` takes a folder."
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _no_weights(repository: str, names: list[str]) -> str:
    if found := pickles(names):
        return f"{repository} has its weights only as pickles ({found[0]}), which can run any code when they are read."
    return f"{repository} has no safetensors file in its top folder, so no weights that could be loaded."
