"""tenon build: exactly this recipe, built here, its log kept."""
import pathlib

from conftest import answer, model, needs_rtx, run

import fakes

RTX17 = ("--runtime", "rtx1.7.1.116")


@needs_rtx
def test_build__builds_once_and_shows_its_log(store):
    net = model("light_squeezenet")
    built, = answer("build", net, *RTX17)
    assert built["source"] == "built" and pathlib.Path(built["path"]).exists()
    log = pathlib.Path(built["log"])
    assert log.parent == store / "logs" and log.stem == built["key"] and log.stat().st_size > 0
    again, = answer("build", net, *RTX17)
    assert (again["source"], again["digest"], again["log"]) == ("store", built["digest"], None)
    assert answer("get", net, *RTX17)[0]["digest"] == built["digest"]


@needs_rtx
def test_build__by_force_builds_on_a_hit_and_tells_where_its_log_is(store):
    net = model("light_squeezenet")
    assert run("build", net, *RTX17).returncode == 0
    forced = run("build", net, "--force", *RTX17)
    assert forced.returncode == 0 and str(store / "logs") in forced.stderr, forced.stderr
    assert answer("build", net, "--force", *RTX17)[0]["source"] == "built"
    assert {engine["key"] for engine in answer("cache", "ls")} == {answer("get", net, *RTX17)[0]["key"]}


@needs_rtx
def test_build__takes_no_engine_of_another_recipe(store):
    net = model("light_squeezenet")
    built, = answer("build", net, *RTX17)
    record = answer("cache", "show", built["digest"])[0]["record"]
    other = store.parent / "other"
    other.mkdir(mode=0o700)
    plan = pathlib.Path(built["path"]).read_bytes()
    fakes.engine(other, plan, {**record["recipe"], "ccs": "80,86,89,90,100,120,121"}, record["model"])
    got, = answer("get", net, *RTX17, "--store", other, "--for", "rtx4090+rtx1.7.1.116", "--no-build")
    assert got["source"] == "store", "get takes an engine that loads"
    assert answer("build", net, *RTX17, "--store", other)[0]["source"] == "built"


@needs_rtx
def test_build__follows_the_ladder_and_keeps_the_log_of_what_failed(store):
    done, = answer("build", model("light_squeezenet"), *RTX17, "--precision", "int8,fp32")
    assert [rung["result"] for rung in done["ladder"]] == ["skipped", "built"]
    failed, = answer("build", model("light_densenet121"), *RTX17, "--time-limit", "1s", status=1)
    assert failed["source"] is None and pathlib.Path(failed["log"]).exists()


def test_build__of_a_name_is_a_mistake(store):
    assert run("build", "squeezenet", "--runtime", "rtx1.7.1.116", "--for", "rtx4090").returncode == 2
    assert run("build").returncode == 2
