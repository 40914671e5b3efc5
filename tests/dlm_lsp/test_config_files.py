"""TOML files of users and projects, and the file and line of each mistake in them."""

from pathlib import Path

import pytest

from dlm_lsp.config_files import read_project_config, read_user_config, user_config_path
from dlm_lsp.options import ParsedOptions


@pytest.fixture
def config(user_config_folder: Path) -> Path:
    user_config_folder.mkdir(parents=True)
    return user_config_folder / "config.toml"


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_user_config() == ParsedOptions({}, ())
    assert read_project_config(tmp_path) == ParsedOptions({}, ())


def test_the_users_file_may_set_anything(config: Path) -> None:
    config.write_text('model = "/models/mine"\nnum_steps = 4\nexclude = ["*.gen.py"]\n')
    assert user_config_path() == config
    assert read_user_config().options == {"model": "/models/mine", "num_steps": 4, "exclude": ("*.gen.py",)}


def test_a_wrong_option_is_named_with_file_and_line(config: Path) -> None:
    config.write_text("# mine\nseed = 3\nnum-steps = 0\n'threshold'=2\n")
    options, problems, _ = read_user_config()
    assert options == {"seed": 3}
    assert problems == (
        f"{config}:3: num-steps must be from 1 to 4096, got 0",
        f"{config}:4: threshold must be in (0, 1], got 2",
    )


@pytest.mark.parametrize(
    "line",
    [
        "[foo]",
        " [ foo ]",
        "[[foo]]",
        "[foo.bar]",
        "['foo'.bar]",
        "foo.bar = 1",
        '"foo" = 1',
        "foo=1",
    ],
)
def test_a_table_is_named_with_its_line(config: Path, line: str) -> None:
    config.write_text(f'num_steps = "foo"\ntemprature = 0.2\nexclude = [\n  "foo",\n]\n{line}\n')
    assert read_user_config().problems == (
        f"{config}:1: num_steps must be a whole number, got 'foo'",
        f"{config}:2: temprature is not an option; did you mean temperature?",
        f"{config}:6: foo is not an option",
    )


@pytest.mark.parametrize(
    "content",
    [
        "[tool.ruff]\nspeed = 1\n[tool.dlm-lsp]\nexclude = []\nspeed = 1\n",
        "[tool.ruff]\nspeed = 1\n[ tool . 'dlm-lsp' ]\nexclude = []\nspeed = 1\n",
        "[tool.ruff]\nspeed = 1\n\n[tool.dlm-lsp]\n[tool.dlm-lsp.speed]\n",
        "[tool.ruff]\nspeed = 1\n[tool]\ndlm-lsp.exclude = []\ndlm-lsp.speed = 1\n",
        "[tool.ruff]\nspeed = 1\n[tool]\n\ndlm-lsp = { exclude = [], speed = 1 }\n",
    ],
)
def test_a_line_of_a_pyproject_is_one_of_our_own_table(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(content)
    assert read_project_config(tmp_path).problems == (f"{path}:5: speed is not an option",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("steps = = 3\n", ":1: this is not TOML: Invalid value (at line 1, column 9)"),
        ("seed = 1\nexclude = [\n", ": this is not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_syntax_error_says_what_is_wrong(config: Path, content: str, problem: str) -> None:
    config.write_text(content)
    assert read_user_config().problems == (f"{config}{problem}",)


@pytest.mark.parametrize(
    ("content", "place"),
    [("seed = 3\nnum_steps = = 4\n", ":2"), ("seed = 3\nexclude = [\n", "")],
    ids=["middle", "end"],
)
def test_a_file_with_a_syntax_error_sets_nothing(config: Path, content: str, place: str) -> None:
    config.write_text(content)
    options, problems, _ = read_user_config()
    assert options == {}
    assert [problem.partition(": ")[0] for problem in problems] == [f"{config}{place}"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"#" * 1_000_001])
def test_a_file_that_cannot_be_read_is_one_problem(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    options, problems, _ = read_user_config()
    assert options == {}
    assert len(problems) == 1
    assert problems[0].startswith(f"{config}: ")


def test_a_folder_in_place_of_the_file_is_one_problem(config: Path) -> None:
    config.mkdir()
    assert len(read_user_config().problems) == 1


@pytest.mark.parametrize(
    ("file_name", "header"), [(".dlm-lsp.toml", ""), ("pyproject.toml", "[project]\nname = 'x'\n\n[tool.dlm-lsp]\n")]
)
def test_a_project_may_only_say_what_is_left_alone(tmp_path: Path, file_name: str, header: str) -> None:
    path = tmp_path / file_name
    path.write_text(f'{header}exclude = ["gen/*"]\nmodel = "/tmp/evil"\nnum_steps = 500\n')
    options, problems, _ = read_project_config(tmp_path)
    assert options == {"exclude": ("gen/*",)}
    line = header.count("\n") + 1
    assert problems == (
        f"{path}:{line + 1}: model cannot be set here",
        f"{path}:{line + 2}: num_steps cannot be set here",
    )


def test_a_project_may_switch_off_but_not_on(tmp_path: Path) -> None:
    path = tmp_path / ".dlm-lsp.toml"
    path.write_text("enabled = false\n")
    assert read_project_config(tmp_path).options == {"enabled": False}
    path.write_text("enabled = true\n")
    assert read_project_config(tmp_path).options == {}


@pytest.mark.parametrize(
    ("file_name", "content", "options"),
    [
        (".dlm-lsp.toml", b"enabled = \n", {"enabled": False}),
        (".dlm-lsp.toml", b"exclude = ['\xff']\n", {"enabled": False}),
        ("pyproject.toml", b"[tool.dlm-lsp]\nexclude = ['a'\n", {"enabled": False}),
        ("pyproject.toml", b"[tool.dlm-lsp]\nexclude = ['\xff']\n", {"enabled": False}),
        ("pyproject.toml", b"[ tool . 'dlm-lsp' ]\nexclude = ['a'\n", {"enabled": False}),
        ("pyproject.toml", b"[tool]\ndlm-lsp.exclude = ['a'\n", {"enabled": False}),
        (".dlm-lsp.toml", b"exclude = 'gen/*'\n", {"enabled": False}),
        (".dlm-lsp.toml", b"exclude = [3]\nenabled = true\n", {"enabled": False}),
        (".dlm-lsp.toml", b"exclude = ['a']\nenabled = 'no'\n", {"exclude": ("a",), "enabled": False}),
        (
            ".dlm-lsp.toml",
            b"disabledLanguages = ['go']\ndisabled_languages = ['c']\n",
            {"disabled_languages": ("go",), "enabled": False},
        ),
        ("pyproject.toml", b"[tool.dlm-lsp]\ndisabled-languages = 'go'\n", {"enabled": False}),
        ("pyproject.toml", b"[tool]\ndlm-lsp = false\n", {"enabled": False}),
        (".dlm-lsp.toml", b"exclude = ['a']\nmodel = 3\n", {"exclude": ("a",)}),
        (".dlm-lsp.toml", b"exclude = ['a']\nlater = 3\n", {"exclude": ("a",)}),
        ("pyproject.toml", b"[project]\nname = \n", {}),
        ("pyproject.toml", b"[dependency-groups]\ndev = ['dlm-lsp'\n", {}),
        ("pyproject.toml", b"[project]\nname = '\xff'\n", {}),
    ],
)
def test_a_project_whose_options_cannot_be_read_is_left_alone(
    tmp_path: Path, file_name: str, content: bytes, options: dict[str, object]
) -> None:
    (tmp_path / file_name).write_bytes(content)
    parsed = read_project_config(tmp_path)
    assert parsed.options == options
    assert len(parsed.problems) == 1


def test_a_pyproject_of_another_kind_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 3\n")
    assert read_project_config(tmp_path) == ParsedOptions({}, ())
