"""Daemon and command line with models of each family: context by whole lines, and a suffix that is not seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.commands.checks import check_model_files
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.named_holes import find_function
from dlm_lsp.infilling import infill
from dlm_lsp.languages import language_for
from dlm_model.decode_options import DecodeOptions
from dlm_model.engine import Engine, load_engine
from dlm_model.request import CancelToken, Draft, InfillRequest
from tests.model.families.checkpoint_parts import edit_json
from tests.model.families.published_checkpoints import PUBLISHED

ABOVE = "".join(f"value_{index} = {index} * other_value_{index}\n" for index in range(40))
BELOW = "".join(f"result_{index} = size({index})\n" for index in range(40))
DOCUMENT = f"{ABOVE}\n\ndef size(values):\n    pass\n\n\n{BELOW}"


class Remembering:
    """An engine that keeps the last request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.device, self.context_length = engine.device, engine.context_length
        self.count_tokens = engine.count_tokens

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        self.request = request
        return self._engine.infill(request, options, cancel)


@pytest.mark.parametrize("context_length", [120, 200, 333, 500])
@pytest.mark.parametrize("family", ["dreamon", "dream", "open-dcoder"])
def test_a_long_document_fits_by_whole_lines(tmp_path: Path, family: str, context_length: int) -> None:
    PUBLISHED[family](tmp_path)
    edit_json(tmp_path / "config.json", max_position_embeddings=context_length)
    engine = Remembering(load_engine(str(tmp_path), "cpu"))
    snapshot = Snapshot.parse("untitled:size.py", language_for("size.py", None), DOCUMENT)
    options = DecodeOptions(num_steps=4, max_middle_tokens=20)
    drafts = list(infill(engine, HoleRequest(find_function(snapshot, "size"), options), CancelToken()))
    assert drafts[-1].finish_reason in ("stop", "length")
    lines = set(DOCUMENT.splitlines())
    seen = engine.request.prefix.rstrip(" ").splitlines() + engine.request.suffix.splitlines()
    assert "def size(values):" in seen
    assert len(seen) < len(DOCUMENT.splitlines())
    assert [line for line in seen if line not in lines] == []


@pytest.mark.parametrize(("family", "sees_suffix"), [("sdar", False), ("llada2", False), ("dream", True)])
def test_a_model_that_sees_no_suffix_says_so_where_people_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str, sees_suffix: bool
) -> None:
    folder, source = tmp_path / family, tmp_path / "size.py"
    folder.mkdir()
    PUBLISHED[family](folder)
    source.write_text("def size(values):\n    pass\n")
    run(["infill", f"{source}:2:5", "--model", str(folder), "--device", "cpu", "--steps", "2"])
    assert ("sees no suffix" in capsys.readouterr().err) != sees_suffix
    found = {check.name: check for check in check_model_files(str(folder))}
    assert found["family"].status == ("ok" if sees_suffix else "warning")
    assert ("sees no suffix" in found["family"].detail) != sees_suffix
