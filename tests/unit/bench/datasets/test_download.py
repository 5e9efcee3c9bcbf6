"""`get` against a server on loopback: what arrives, and that nothing half-done is ever left."""

from __future__ import annotations

import gzip
import hashlib
import json
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bench.datasets.made import Served, tar_gz

from routenlp.bench.datasets import six_tasks
from routenlp.bench.datasets.checksums import format_sums
from routenlp.bench.datasets.download import Download, get
from routenlp.bench.datasets.pins import PINS, Archive, Files, Pin
from routenlp.errors import CorruptData, DataError, MissingData, RouteNlpError, SettingsError

COMMIT = "c" * 40
INTENTS = {
    "banking_data/train.csv": b"text,category\nWhere is my card?,card_arrival\nDouble  space,other\n",
    "banking_data/test.csv": b'text,category\n"Card, where?",card_arrival\nWHERE is my card?,card_arrival\n',
}
CALLS = {
    "data/final/train/ects/A_q1.txt": b"Sales rose.\nThank you.\n",
    "data/final/train/gt_summaries/A_q1.txt": b"sales rose.",
    "data/final/test/ects/B_q1.txt": b"Sales fell.",
    "data/final/test/gt_summaries/B_q1.txt": b"sales fell.",
}
ELSEWHERE = {"code/model.py": b"print()", "data/final.txt": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_pin(**changes: Any) -> Pin:
    content = Files({path: sha256(body) for path, body in INTENTS.items()}, **changes)
    return Pin("banking77", "owner/name", COMMIT, "CC BY 4.0", content)


def archive_pin(**changes: Any) -> Pin:
    digest = sha256(format_sums({path: sha256(body) for path, body in CALLS.items()}).encode())
    return Pin("ectsum", "owner/name", COMMIT, "GPL-3.0", Archive(("data/final/",), digest, **changes))


def serve_files(served: Served, **changes: bytes) -> None:
    served.bodies = {f"/owner/name/{COMMIT}/{path}": body for path, body in (INTENTS | changes).items()}


def serve_archive(served: Served, body: bytes) -> None:
    served.bodies = {f"/owner/name/tar.gz/{COMMIT}": body}


def fetch(served: Served, pin: Pin, into: Path, **options: Any) -> Download:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return get(pin.name, into=into, base_url=served.url, pins={pin.name: pin}, opener=direct, **options)


def left_in(into: Path) -> list[str]:
    return sorted(str(path.relative_to(into)) for path in into.rglob("*"))


def refused(served: Served, pin: Pin, into: Path) -> RouteNlpError:
    """The error; nothing may be left behind."""
    with pytest.raises(RouteNlpError) as caught:
        fetch(served, pin, into)
    assert left_in(into) == []
    return caught.value


def test_files_become_rows_that_load(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    download = fetch(served, files_pin(), tmp_path)
    assert download.fresh
    assert download.files == (tmp_path / "six-tasks/cs_intent.jsonl.gz",)
    supplied = six_tasks.load(tmp_path / "six-tasks", "cs_intent")
    assert [(e.query.id, e.query.text, e.reference) for e in supplied.train] == [
        ("banking77/train-0", "Where is my card?", "card_arrival"),
        ("banking77/train-1", "Double space", "other"),
    ]
    assert [e.query.text for e in supplied.test] == ["Card, where?"]  # the other is a training text in capitals


def test_archive_becomes_rows_that_load(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS | ELSEWHERE))
    fetch(served, archive_pin(), tmp_path)
    supplied = six_tasks.load(tmp_path / "six-tasks", "fin_summarisation")
    [call] = supplied.train
    assert (call.query.id, call.query.text) == ("ectsum/train/A_q1", "Sales rose.\nThank you.")
    assert [e.reference for e in supplied.test] == ["sales fell."]


def test_only_data_and_its_record_are_left(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    fetch(served, files_pin(), tmp_path)
    assert left_in(tmp_path) == ["SHA256SUMS", "downloads.json", "six-tasks", "six-tasks/cs_intent.jsonl.gz"]
    [entry] = json.loads((tmp_path / "downloads.json").read_text()).values()
    assert (entry["repository"], entry["commit"], entry["licence"]) == ("owner/name", COMMIT, "CC BY 4.0")


def test_same_source_gives_the_same_bytes(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    first, second = (fetch(served, files_pin(), tmp_path / name).files[0].read_bytes() for name in "ab")
    assert first == second


def test_second_call_fetches_nothing(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    fetch(served, files_pin(), tmp_path)
    served.asked.clear()
    again = fetch(served, files_pin(), tmp_path)
    assert (again.fresh, again.files, served.asked) == (False, (tmp_path / "six-tasks/cs_intent.jsonl.gz",), [])


@pytest.mark.parametrize("damage", ["altered", "removed"])
def test_damaged_download_is_fetched_again(served: Served, tmp_path: Path, damage: str) -> None:
    serve_files(served)
    [path] = fetch(served, files_pin(), tmp_path).files
    whole = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(whole[:-1])
    assert fetch(served, files_pin(), tmp_path).fresh
    assert path.read_bytes() == whole


def test_new_pin_replaces_the_old_download(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    fetch(served, files_pin(), tmp_path)
    newer = replace(files_pin(), commit="d" * 40)
    served.bodies = {path.replace(COMMIT, newer.commit): body for path, body in served.bodies.items()}
    assert fetch(served, newer, tmp_path).fresh


def test_two_sources_share_a_folder(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    fetch(served, files_pin(), tmp_path)
    serve_archive(served, tar_gz(CALLS))
    fetch(served, archive_pin(), tmp_path)
    assert not fetch(served, files_pin(), tmp_path).fresh
    for task in ("cs_intent", "fin_summarisation"):
        six_tasks.load(tmp_path / "six-tasks", task)


def test_data_of_another_origin_is_never_overwritten(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    supplied = tmp_path / "six-tasks/cs_intent.jsonl.gz"
    supplied.parent.mkdir()
    supplied.write_bytes(b"supplied by hand")
    with pytest.raises(DataError, match="no download of ours"):
        fetch(served, files_pin(), tmp_path)
    assert supplied.read_bytes() == b"supplied by hand"


def test_wrong_file_hash_is_refused(served: Served, tmp_path: Path) -> None:
    serve_files(served, **{"banking_data/test.csv": b"text,category\nforged,other\n"})
    error = refused(served, files_pin(), tmp_path)
    assert isinstance(error, CorruptData)
    assert error.subject.endswith("banking_data/test.csv")
    assert sha256(INTENTS["banking_data/test.csv"]) in error.problem


@pytest.mark.parametrize(
    "members",
    [
        CALLS | {"data/final/test/ects/B_q1.txt": b"forged"},
        CALLS | {"data/final/test/ects/added.txt": b""},
        {path: body for path, body in CALLS.items() if "B_q1" not in path},
    ],
    ids=["altered", "added", "missing"],
)
def test_archive_with_other_files_is_refused(served: Served, tmp_path: Path, members: dict[str, bytes]) -> None:
    serve_archive(served, tar_gz(members))
    assert isinstance(refused(served, archive_pin(), tmp_path), CorruptData)


def test_truncated_transfer_is_refused_then_run_again(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    served.cut_to = 20
    assert "the transfer ended after 20 of" in refused(served, files_pin(), tmp_path).problem
    served.cut_to = None
    assert fetch(served, files_pin(), tmp_path).fresh


def test_truncated_archive_is_refused(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS)[:-30])
    assert "is not a whole tar.gz archive" in refused(served, archive_pin(), tmp_path).problem


def test_absent_file_names_address_and_answer(served: Served, tmp_path: Path) -> None:
    error = refused(served, files_pin(), tmp_path)
    assert isinstance(error, MissingData)
    assert error.subject.startswith(served.url)
    assert "404" in error.problem


def test_server_that_is_not_there(served: Served, tmp_path: Path) -> None:
    served.url = "http://127.0.0.1:1"
    assert isinstance(refused(served, files_pin(), tmp_path), MissingData)


def test_larger_file_than_allowed_is_refused(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    assert "larger than the 10 bytes" in refused(served, files_pin(max_bytes=10), tmp_path).problem


def test_archive_that_unpacks_to_more_than_allowed_is_refused(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS | {"bomb": bytes(2**20)}))
    error = refused(served, archive_pin(max_unpacked_bytes=2**20), tmp_path)
    assert "unpacks to more than the 1,048,576 bytes" in error.problem


@pytest.mark.parametrize("name", ["../../outside.txt", "data/final/../../../outside.txt", "data\\final"])
def test_member_outside_its_folder_is_refused(served: Served, tmp_path: Path, name: str) -> None:
    serve_archive(served, tar_gz(CALLS | {name: b"escaped"}))
    into = tmp_path / "deep" / "data"
    assert "outside its folder" in refused(served, archive_pin(), into).problem
    assert not list(tmp_path.rglob("outside.txt"))


def test_member_with_an_absolute_name_is_refused(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS, top="/"))
    assert "outside its folder" in refused(served, archive_pin(), tmp_path).problem


def test_member_named_twice_is_refused(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz({**CALLS, "./data/final/train/ects/A_q1.txt": b"second"}))
    assert "two members" in refused(served, archive_pin(), tmp_path).problem


def test_links_are_passed_over(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS, link="data/final/train/ects/linked.txt"))
    fetch(served, archive_pin(), tmp_path)
    assert len(six_tasks.load(tmp_path / "six-tasks", "fin_summarisation").train) == 1


def test_interrupted_call_leaves_no_data_and_can_be_repeated(served: Served, tmp_path: Path) -> None:
    serve_files(served)

    def interrupt(received: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(served, files_pin(), tmp_path, progress=interrupt)
    assert left_in(tmp_path) == []
    assert fetch(served, files_pin(), tmp_path).fresh


def test_crash_between_record_and_file_is_repaired(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    [path] = fetch(served, files_pin(), tmp_path).files
    path.unlink()
    with pytest.raises(MissingData, match="routenlp data get banking77"):
        six_tasks.load(tmp_path / "six-tasks", "cs_intent")
    fetch(served, files_pin(), tmp_path)
    six_tasks.load(tmp_path / "six-tasks", "cs_intent")


def test_progress_ends_at_the_announced_size(served: Served, tmp_path: Path) -> None:
    serve_archive(served, tar_gz(CALLS))
    told: list[tuple[int, int | None]] = []
    fetch(served, archive_pin(), tmp_path, progress=lambda received, total: told.append((received, total)))
    size = len(next(iter(served.bodies.values())))
    assert told[-1] == (size, size)


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'imagenet'.*banking77, clinc150, unfair-tos, ectsum, routellm"):
        get("imagenet", into=tmp_path)


def test_address_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="base_url"):
        get("banking77", into=tmp_path, base_url="file:///etc")


def test_folder_that_cannot_be_made(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(served, files_pin(), tmp_path / "file" / "data")


@pytest.mark.parametrize("content", ["{", "[]", '{"banking77": 1}'])
def test_record_of_another_shape_is_refused(served: Served, tmp_path: Path, content: str) -> None:
    (tmp_path / "downloads.json").write_text(content)
    with pytest.raises(CorruptData, match=r"downloads.json: is not the record"):
        fetch(served, files_pin(), tmp_path)


def test_every_pin_is_a_full_commit_with_full_hashes() -> None:
    hexadecimal = set("0123456789abcdef")
    for pin in PINS.values():
        content = pin.content
        digests = [content.digest] if isinstance(content, Archive) else list(content.sha256.values())
        assert [len(digest) for digest in digests] == [64] * len(digests)
        assert len(pin.commit) == 40
        assert set(pin.commit).union(*digests) <= hexadecimal


def test_gzip_holds_no_time_of_writing(served: Served, tmp_path: Path) -> None:
    serve_files(served)
    content = fetch(served, files_pin(), tmp_path).files[0].read_bytes()
    assert content[4:8] == bytes(4)
    assert gzip.decompress(content).count(b"\n") == 3
