"""tenon cache: marks, what was set aside, collection, figures; on stores whose engines nobody built."""
import pytest

import fakes
from conftest import answer, run


@pytest.fixture
def three(store):
    """Digests of three engines: two of one recipe, one of another."""
    store.mkdir(mode=0o700)
    same = fakes.recipe_of("same")
    return [fakes.engine(store, b"one", same, "same", 1), fakes.engine(store, b"two", same, "same", 2),
            fakes.engine(store, b"three", model="other", sequence=3)]


def row(digest):
    return answer("cache", "show", digest)[0]


# ---- pin, unpin, bless ----


def test_pin__is_shown_and_taken_back(three):
    marked, = answer("cache", "pin", three[0][:12])
    assert marked["digest"] == three[0] and marked["pinned"] is True
    assert row(three[0])["pinned"] and not row(three[1])["pinned"]
    assert [m["pinned"] for m in answer("cache", "unpin", three[0], three[1])] == [False, False]
    assert not row(three[0])["pinned"]
    assert "pinned" in run("cache", "pin", three[2]).stdout


def test_bless__hands_out_this_one_of_a_recipe(three):
    assert row(three[1])["blessed"] and not row(three[0])["blessed"], "the newest, without a mark"
    answer("cache", "bless", three[0])
    assert row(three[0])["blessed"] and not row(three[1])["blessed"]
    answer("cache", "bless", three[1])
    assert row(three[1])["blessed"] and not row(three[0])["blessed"]
    assert row(three[2])["blessed"], "the only one of its recipe"


def test_marks__of_what_is_not_there_or_not_ours_are_refused(three, store, tmp_path):
    assert run("cache", "pin", "abcdef123456").returncode == 66
    assert run("cache", "bless").returncode == 2
    (tmp_path / "own").mkdir(mode=0o700)
    other = run("cache", "pin", three[0], "--store", f"{tmp_path / 'own'}:{store}")
    assert other.returncode != 0 and "only read" in other.stderr


# ---- aside ----


def change(store, digest):
    plan = store / "objects/sha256" / digest[:2] / digest[2:] / "plan"
    data = plan.read_bytes()
    plan.chmod(0o644)
    plan.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def test_aside__tells_what_why_and_when_newest_first(three, store):
    assert answer("cache", "aside") == []
    for digest in (three[0], three[2]):
        change(store, digest)
        assert run("cache", "verify", digest).returncode == 1
    newest, oldest = answer("cache", "aside")
    assert (newest["digest"], oldest["digest"]) == (three[2], three[0])
    assert newest["model"] == "other" and "changed" in newest["reason"] and newest["size_bytes"] > len(b"three")
    text = run("cache", "aside").stdout
    assert text.index(three[2][:12]) < text.index(three[0][:12]) and "changed" in text
    assert answer("cache", "ls") and row(three[1])


def test_aside__of_which_nothing_is_known_is_listed_too(three, store):
    folder = store / "aside" / (three[0][2:] + "-17f")
    folder.mkdir(parents=True)
    (folder / "plan").write_bytes(b"12345")
    (folder / "record.json").write_text("{")
    (store / "aside" / "stray file").write_text("")
    only, = answer("cache", "aside")
    assert (only["reason"], only["name"], only["size_bytes"]) == (None, None, 6)
    assert "no reason" in run("cache", "aside").stdout
    assert run("cache", "aside", "more").returncode == 2
