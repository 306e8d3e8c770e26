"""tenon cache: marks, what was set aside, collection, figures; on stores whose engines nobody built."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import fakes
from conftest import ROOT, answer, model, needs_rtx, run


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


def test_aside__restore_puts_back_what_is_whole(three, store):
    plan, = store.glob(f"objects/sha256/*/{three[1][2:]}/plan")
    (store / "aside").mkdir(exist_ok=True)
    folder = store / "aside" / f"{three[1]}-17f"
    plan.parent.rename(folder)
    assert len(answer("cache", "ls")) == 2
    assert run("cache", "ls", "--restore", three[1]).returncode == 2, "only aside takes it"
    assert run("cache", "aside", "--restore", "no-such-engine").returncode == 66
    back, = answer("cache", "aside", "--restore", three[1][:8])
    assert back["digest"] == three[1] and back["path"] == str(plan) and plan.is_file()
    assert len(answer("cache", "ls")) == 3 and answer("cache", "aside") == []
    assert run("cache", "verify").returncode == 0


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


# ---- gc ----


def gc(*args):
    """{name: (goes, reason)} and the sums."""
    *items, sums = answer("cache", "gc", *args)
    return {item["digest"] or item["name"]: (item["goes"], item["reason"]) for item in items}, sums


@pytest.fixture
def hundred(store):
    """Digests of a hundred engines of six bytes and more, from the oldest use to the newest."""
    return fakes.fill(store, 100, used=1_000 * fakes.DAY)


def test_gc__keeps_within_the_bound_oldest_use_first(hundred, store):
    for n, digest in enumerate(hundred):
        fakes.note_use(store, digest, (1_000 + n) * fakes.DAY)
    answer("cache", "pin", hundred[0])
    would, sums = gc("--dry-run", "--max-bytes", "400")
    assert sums["dry_run"] and sums["used_bytes"] == sum(len(b"plan %d" % i) for i in range(100))
    assert would[hundred[0]] == (False, "pinned") and would[hundred[1]][0] and not would[hundred[99]][0]
    assert len(answer("cache", "ls")) == 100, "a dry run removes nothing"
    did, after = gc("--max-bytes", "400")
    assert did == would and after["gone"] == sums["gone"] > 30
    left = {engine["digest"] for engine in answer("cache", "ls")}
    assert left == {digest for digest, (goes, _) in would.items() if not goes}
    assert sum(p.stat().st_size for p in store.glob("objects/*/*/*/plan")) <= 400
    assert len(list(store.glob("records/*"))) == len(list(store.glob("engines/*"))) == len(left)
    assert all(link.exists() for link in store.glob("engines/*")) and not list(store.glob("tmp/*"))
    assert gc("--max-bytes", "400")[1]["gone"] == 0


def test_gc__by_age_takes_aside_and_logs_too_and_spares_the_last_day(three, store):
    for digest, day in zip(three, (100, 200, 201)):
        fakes.note_use(store, digest, day * fakes.DAY)
    (store / "logs").mkdir()
    log = store / "logs" / "old.log"
    log.write_text("x")
    os.utime(log, (86400, 86400))
    folder = store / "aside" / f"{three[0]}-1"
    folder.mkdir(parents=True)
    (folder / "plan").write_bytes(b"1234")
    found, sums = gc("--older-than", "30d")
    assert [found[digest][0] for digest in three] == [True, False, False]
    assert found[three[1]][1] == "within the bound" or "day" in found[three[1]][1]
    assert sums["gone"] == 3 and not log.exists() and not folder.exists()
    assert gc("--max-bytes", "0")[1]["gone"] == 0, "the rest was used within a day, or built last"


def test_gc__what_a_killed_removal_left_is_finished(hundred, store):
    gone = store / "tmp" / "gone-x-1"
    gone.parent.mkdir()
    (store / "objects/sha256" / hundred[5][:2] / hundred[5][2:]).rename(gone)
    assert len(answer("cache", "ls")) == 99
    fakes.note_use(store, hundred[99], 2_000 * fakes.DAY)
    gc("--max-bytes", "500")
    assert not gone.exists() and all(link.exists() for link in store.glob("engines/*"))


def test_gc__usage_and_a_store_that_is_not_there(store, tmp_path):
    assert "such as 8GiB" in run("cache", "gc", "--max-bytes", "much").stderr
    assert run("cache", "gc", "--older-than", "0").returncode == 2
    assert run("cache", "ls", "--dry-run").returncode == 2
    assert gc("--dry-run")[1]["used_bytes"] == 0 and not store.exists()


@needs_rtx
def test_build__collects_afterwards(store):
    (store / "logs").mkdir(parents=True)
    store.chmod(0o700)
    with open(store / "logs" / "old.log", "wb") as log:
        log.truncate(101 << 20)
    os.utime(store / "logs" / "old.log", (86400, 86400))
    done = run("get", model("light_squeezenet"), "--runtime", "rtx1.7.1.116")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in store.glob("logs/*")] != [] and not (store / "logs" / "old.log").exists()
    assert pathlib.Path(done.stdout.strip()).exists()


# ---- explain ----


@needs_rtx
def test_explain__names_the_field_that_differs_nearest_first(store):
    net = model("light_squeezenet")
    assert run("get", net, "--runtime", "rtx1.7.1.116").returncode == 0
    built, = answer("cache", "ls")
    same, = answer("cache", "explain", net, "--runtime", "rtx1.7.1.116")
    assert same["wanted_key"] == built["key"] and same["reason"] is None
    assert [(e["digest"], e["first"], e["differences"]) for e in same["engines"]] == [(built["digest"], None, [])]
    record = row(built["digest"])["record"]
    near = {**record["recipe"], "trt.version": "1.6.1.120"}
    far = {**near, "precision": "fp16", "tf32": "off"}
    fakes.engine(store, b"far", far, record["model"], 9)
    fakes.engine(store, b"near", near, "another name", 8)
    fakes.engine(store, b"other", model="other model", sequence=10)
    told, = answer("cache", "explain", net, "--runtime", "rtx1.7.1.116")
    assert [e["first"] for e in told["engines"]] == [None, "trt.version", "trt.version"]
    assert told["engines"][1]["differences"] == [{"field": "trt.version", "wanted": "1.7.1.116", "there": "1.6.1.120"}]
    assert [d["field"] for d in told["engines"][2]["differences"]] == ["trt.version", "precision", "tf32"]
    text = run("cache", "explain", net, "--runtime", "rtx1.7.1.116").stdout
    assert "the wanted one" in text and "differs first in trt.version" in text
    assert len(list(store.glob("objects/*/*/*"))) == 4, "explain builds nothing"


@needs_rtx
def test_explain__rung_that_cannot_exist_and_model_that_is_a_name(store):
    told = answer("cache", "explain", model("light_squeezenet"), "--runtime", "rtx1.7.1.116", "--precision", "int8,fp32")
    assert [(t["rung"], t["wanted_key"] is None, bool(t["reason"])) for t in told] == [
        ("int8", True, True), ("fp32", False, False)]
    assert told[1]["engines"] == []
    assert run("cache", "explain", "squeezenet", "--runtime", "rtx1.7.1.116").returncode == 2
    assert run("cache", "explain").returncode == 2


# ---- stats ----

LABEL = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf'([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?)')


def metrics(text):
    """Strict reading of the text format: {name: {labels: value}}; one HELP and TYPE before a metric's samples."""
    assert text.endswith("\n") and "\n\n" not in text
    found, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in found and len(line.split()) > 4, line
            found[current] = None
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge" and found[current] is None
            found[current] = {}
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == current and labels not in found[name], line
            found[name][labels] = float(value) if "." in value else int(value)
    return found


def test_stats__figures_agree_with_the_store(three, store, tmp_path):
    fakes.note_use(store, three[1], 1_700_000_000_000_000_000)
    fakes.engine(store, b"odd", model='odd "name" \\', sequence=4)
    told, = answer("cache", "stats")
    assert told["engines"] == 4 and told["engines_bytes"] == len(b"onetwothreeodd")
    assert told["last_used"] == "2023-11-14T22:13:20Z" and told["broken"] == 0
    assert [(g["model"], g["engines"]) for g in told["groups"]] == [('odd "name" \\', 1), ("other", 1), ("same", 2)]
    assert "same, fp16, tensorrt-rtx 1.7.1.116, header" in run("cache", "stats").stdout
    file = tmp_path / "tenon.prom"
    done = run("cache", "stats", "--prom", file)
    assert done.returncode == 0 and done.stdout == "" and [p.name for p in tmp_path.glob("*.prom*")] == ["tenon.prom"]
    found = metrics(file.read_text())
    assert sum(found["tenon_engines"].values()) == len(found["tenon_engine_info"]) == 4
    assert found["tenon_store_bytes"]['kind="engine"'] == told["engines_bytes"]
    assert found["tenon_engine_last_use_seconds"] == {f'digest="{three[1]}"': 1_700_000_000}
    assert any('model="odd \\"name\\" \\\\"' in labels for labels in found["tenon_engine_info"])
    documented = set(re.findall(r"^\| `(tenon_\w+)`", (ROOT / "docs/store.md").read_text(), re.M))
    assert documented == set(found)
    subprocess.run(["promtool", "check", "metrics"], stdin=file.open(), check=True)


def test_stats__of_an_empty_store_and_of_a_file_that_cannot_be_written(store, tmp_path):
    assert answer("cache", "stats")[0]["engines"] == 0 and not store.exists()
    file = tmp_path / "tenon.prom"
    assert run("cache", "stats", "--prom", file).returncode == 0
    assert metrics(file.read_text())["tenon_aside"] == {None: 0}
    assert run("cache", "stats", "--prom", tmp_path / "none" / "tenon.prom").returncode != 0
