"""Which place wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.bench.datasets.made import MadeData

from routenlp.bench.datasets.locate import locate
from routenlp.errors import MissingData


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    roots = {name: tmp_path / name for name in ("setting", "environment", "shared/data", "downloads")}
    for root in roots.values():
        MadeData(root).write("fin_ner", b"")
    return roots


def test_order_is_setting_environment_beside_downloads(places: dict[str, Path], tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    asked = {
        "setting": places["setting"],
        "environment": str(places["environment"]),
        "beside": [checkout],
        "downloads": places["downloads"],
    }
    nothing = {"setting": None, "environment": None, "beside": [], "downloads": None}
    found = []
    for key in ("setting", "environment", "beside", "downloads"):
        located = locate(**asked)  # type: ignore[arg-type]
        assert located is not None
        found.append((located.root, located.found_by))
        asked[key] = nothing[key]
    assert [root for root, _ in found] == list(places.values())
    assert [by for _, by in found] == [
        "the setting data_dir",
        "ROUTENLP_DATA",
        f"shared/data beside {checkout}",
        "routenlp data get",
    ]


def test_nothing_anywhere_is_none(tmp_path: Path) -> None:
    assert locate(setting=None, environment="", beside=[tmp_path], downloads=tmp_path / "none") is None


def test_place_says_which_tasks_it_has(places: dict[str, Path]) -> None:
    located = locate(setting=places["setting"], environment=None, beside=[], downloads=None)
    assert located is not None
    assert located.tasks == ("fin_ner",)
    assert located.six_tasks == places["setting"] / "six-tasks"


def test_empty_folder_beside_is_passed_over(places: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "other/shared/data/six-tasks").mkdir(parents=True)
    beside = [tmp_path / "other/checkout"]
    located = locate(setting=None, environment=None, beside=beside, downloads=places["downloads"])
    assert located is not None
    assert located.root == places["downloads"]


def test_setting_without_data_is_an_error(places: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"data_dir: .*/nowhere' holds no six-tasks/"):
        locate(setting=tmp_path / "nowhere", environment=None, beside=[], downloads=places["downloads"])


def test_environment_without_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"^ROUTENLP_DATA"):
        locate(setting=None, environment=str(tmp_path), beside=[], downloads=None)
