"""Machines with several GPUs, several TensorRTs, MIG slices and drivers that change, as real processes see them."""
import json
import pathlib

import pytest

from machines import SHAPES, Machine, board, uuid_of
from test_schemas import held

H200, L4 = uuid_of(0x11111111), uuid_of(0x22222222)
SLICE, OTHER_SLICE = uuid_of(0x33333333, "MIG"), uuid_of(0x44444444, "MIG")


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    machine.has(board("h200", H200))
    return machine


@pytest.fixture
def two(machine):
    """An H200 and an L4, one TensorRT."""
    machine.has(board("h200", H200), board("l4", L4))
    machine.tensorrt("10.6.0.26")
    return machine


def class_of(found):
    return json.loads((pathlib.Path(found["path"]).parent / "record.json").read_text())["recipe"]["class"]


def shown(trt):
    """The GPU that the last child was shown."""
    return next(line.split("=")[1] for line in trt.asked() if line.startswith("CUDA_VISIBLE_DEVICES="))


# ---- two TensorRTs -------------------------------------------------------------------------------


def test_two_tensorrts__that_disagree_are_listed_with_the_option_that_chooses(machine):
    new, old = machine.tensorrt("10.6.0.26"), machine.tensorrt("8.6.1.6")
    done = machine.run("get", machine.model, "--shapes", SHAPES)
    assert done.returncode == 2 and done.stdout == ""
    for word in ("trt10.6.0.26", "trt8.6.1.6", "--runtime", "TENON_RUNTIME"):
        assert word in done.stderr, done.stderr
    checked = machine.run("check", machine.model)
    assert checked.returncode == 2 and "--runtime" in checked.stderr
    assert new.runs() == old.runs() == []


def test_two_tensorrts__the_option_chooses_before_the_environment(machine):
    new, old = machine.tensorrt("10.6.0.26"), machine.tensorrt("8.6.1.6")
    assert machine.get("--runtime", "trt8.6.1.6")["version"] == "8.6.1.6"
    assert (old.runs(), new.runs()) == (["build", "load"], [])
    by_environment = machine.get(env={"TENON_RUNTIME": "trt10.6.0.26"})
    assert by_environment["runtime"] == "trt10.6.0.26" and new.runs() == ["build", "load"]
    both = machine.get("--runtime", "trt8.6", env={"TENON_RUNTIME": "trt10.6.0.26"})
    assert (both["runtime"], both["source"]) == ("trt8.6.1.6", "store")
    assert (len(old.runs()), len(new.runs())) == (2, 2)


def test_two_tensorrts__an_environment_that_names_none_is_named(machine):
    machine.tensorrt("10.6.0.26")
    machine.tensorrt("8.6.1.6")
    done = machine.run("get", machine.model, "--shapes", SHAPES, env={"TENON_RUNTIME": "trt9"})
    assert done.returncode == 66 and "TENON_RUNTIME" in done.stderr and "trt8.6.1.6" in done.stderr


def test_two_tensorrts__of_one_release_do_not_disagree(machine):
    machine.tensorrt("10.6.0.26")
    twin = machine.folder / "twin"
    twin.mkdir()
    for part in ("bin", "lib"):
        (twin / part).symlink_to(machine.releases[0].home / part)
    assert machine.get()["version"] == "10.6.0.26"


# ---- two GPUs ------------------------------------------------------------------------------------


def test_two_gpus__the_first_is_taken_and_the_output_says_so(two):
    found = two.get()
    assert found["gpu"] == "NVIDIA H200" and class_of(found).startswith("sm90-132sm")
    assert any("different GPUs" in warning and "--gpu" in warning for warning in found["warnings"]), found["warnings"]
    assert shown(two.releases[0]) == H200
    checked = two.run("check", found["path"])
    assert checked.returncode == 0 and "different GPUs" in checked.stderr


def test_two_gpus__that_are_equal_need_no_word(machine):
    machine.has(board("h200", H200), board("h200", L4))
    machine.tensorrt("10.6.0.26")
    assert machine.get()["warnings"] == []


@pytest.mark.parametrize("name", ["1", L4, L4[:12], L4.lower(), "l4", "NVIDIA L4"])
def test_two_gpus__one_is_chosen(two, name):
    found = two.get("--gpu", name)
    assert found["gpu"] == "NVIDIA L4" and found["level"] == "loaded" and class_of(found).startswith("sm89-58sm")
    assert found["warnings"] == [] and shown(two.releases[0]) == L4
    verdict = two.answer("check", "--trial", found["path"], "--gpu", name)
    assert (verdict["gpu"], verdict["verdict"], verdict["by"]) == ("NVIDIA L4", "loads", "trial")
    assert shown(two.releases[0]) == L4


@pytest.mark.parametrize("name", ["2", "GPU-9", "t4"])
def test_two_gpus__one_that_is_not_there_is_answered_with_those_that_are(two, name):
    done = two.run("get", two.model, "--shapes", SHAPES, "--gpu", name)
    assert done.returncode == 66 and "0 NVIDIA H200" in done.stderr and "1 NVIDIA L4" in done.stderr
    assert two.releases[0].runs() == []


@pytest.mark.parametrize("visible, gpu", [("1", L4), (L4, L4), (L4[:10], L4), ("1,0", L4), ("0,1", H200), ("0", H200),
                                          ("1,7,0", L4), ("0,-1,1", H200)])
def test_two_gpus__cuda_visible_devices_counts_and_the_cache_follows(two, visible, gpu):
    plain = two.get()
    seen = two.get(env={"CUDA_VISIBLE_DEVICES": visible})
    assert seen["gpu"] == {H200: "NVIDIA H200", L4: "NVIDIA L4"}[gpu]
    assert shown(two.releases[0]) == gpu
    again = two.get(env={"CUDA_VISIBLE_DEVICES": visible})
    assert (again["digest"], again["source"]) == (seen["digest"], "store")
    assert two.get()["digest"] == plain["digest"]
    runs = ["build", "load"] * (1 if gpu == H200 else 2)
    assert two.releases[0].runs() == runs


@pytest.mark.parametrize("visible", ["", "-1", "9", "GPU-99"])
def test_two_gpus__hidden_ones_are_none(two, visible):
    two.get()
    runs = two.releases[0].runs()
    done = two.run("get", two.model, "--shapes", SHAPES, env={"CUDA_VISIBLE_DEVICES": visible})
    assert done.returncode == 66 and "has none that answers" in done.stderr
    assert two.releases[0].runs() == runs
    device = two.answer("device", env={"CUDA_VISIBLE_DEVICES": visible})
    assert device["gpus"] == [] and any("hides every GPU" in note for note in device["notes"])
    assert two.get()["source"] == "store", "the fingerprint of the hidden machine is not taken for this one"


def test_two_gpus__each_class_has_its_engine_and_both_stay(two):
    first, second = two.get(), two.get("--gpu", "1")
    assert first["key"] != second["key"] and first["digest"] != second["digest"]
    assert {engine["digest"] for engine in two.answer("cache", "ls")} == {first["digest"], second["digest"]}
    assert two.get()["digest"] == first["digest"] and two.get("--gpu", "1")["digest"] == second["digest"]
    assert two.releases[0].runs() == ["build", "load"] * 2


def test_two_gpus__of_one_class_share_an_engine_and_each_proves_it(machine):
    machine.has(board("h200", H200), board("h200", L4))
    trt = machine.tensorrt("10.6.0.26")
    first = machine.get()
    second = machine.get("--gpu", "1")
    assert second["digest"] == first["digest"] and trt.runs() == ["build", "load", "load"] and shown(trt) == L4
    assert machine.get("--gpu", "1")["level"] == machine.get()["level"] == "loaded"
    assert trt.runs() == ["build", "load", "load"], "the proof on one GPU does not replace that on the other"


# ---- MIG -----------------------------------------------------------------------------------------


@pytest.fixture
def sliced(machine):
    """An H200 in slices: CUDA shows the first where nothing is named."""
    one = dict(name="NVIDIA H200 MIG 1g.18gb", sm_count=16, memory_bytes=17716740096, l2_bytes=8388608)
    machine.has(board("h200", SLICE, **one), board("h200", OTHER_SLICE, **one, **{"by-uuid": 1}))
    machine.tensorrt("10.6.0.26")
    return machine


def test_mig__a_slice_is_a_device_of_its_own_class(sliced):
    device = sliced.answer("device")
    assert [(gpu["uuid"], gpu["mig"], gpu["memory_bytes"]) for gpu in device["gpus"]] == [(SLICE, "1g.18gb", 17716740096)]
    found = sliced.get()
    assert class_of(found) == "sm90-16sm-6016bit-l2.8388608-17GiB-discrete-mig.1g.18gb"
    assert found["level"] == "loaded" and shown(sliced.releases[0]) == SLICE
    assert "_h200_" in found["name"]


def test_mig__another_slice_is_named_by_its_uuid_and_shares_the_engine(sliced):
    first = sliced.get()
    second = sliced.get(env={"CUDA_VISIBLE_DEVICES": OTHER_SLICE})
    assert second["digest"] == first["digest"] and shown(sliced.releases[0]) == OTHER_SLICE
    assert sliced.releases[0].runs() == ["build", "load", "load"]


def test_mig__the_whole_board_is_another_class(sliced):
    first = sliced.get()
    sliced.has(board("h200", H200))
    sliced.install_driver(sliced.version)
    second = sliced.get()
    assert second["key"] != first["key"] and "mig" not in class_of(second)


# ---- drivers -------------------------------------------------------------------------------------


def test_driver__an_upgrade_asks_for_one_new_trial_and_no_build(machine):
    trt = machine.tensorrt("10.6.0.26")
    first = machine.get()
    assert (first["level"], trt.runs()) == ("loaded", ["build", "load"])
    machine.install_driver("590.48.01")
    lower = machine.get("--level", "header")
    assert (lower["level"], lower["key"], trt.runs()) == ("header", first["key"], ["build", "load"])
    proven = machine.get()
    assert (proven["level"], proven["key"], proven["digest"], proven["source"]) == \
        ("loaded", first["key"], first["digest"], "store")
    assert trt.runs() == ["build", "load", "load"]
    assert machine.get()["level"] == "loaded" and trt.runs() == ["build", "load", "load"]


def test_driver__that_refuses_the_engine_now_gets_another_one(machine):
    trt = machine.tensorrt("10.6.0.26")
    first = machine.get()
    machine.install_driver("590.48.01")
    trt.does(load="unknown")
    refused = machine.answer("get", machine.model, "--shapes", SHAPES, status=1)
    assert refused["ladder"][0]["result"] == "failed" and len(list((machine.folder / "store/aside").iterdir())) == 1
    trt.does()
    again = machine.get("--retry")
    assert again["source"] == "built" and again["level"] == "loaded" and again["key"] == first["key"]


# ---- trouble of the device -----------------------------------------------------------------------


@pytest.mark.parametrize("trouble, words", [(dict(free=1 << 20), "bytes of GPU memory are free"),
                                            (dict(context=2), "CUDA_ERROR_OUT_OF_MEMORY"),
                                            (dict(context=999), "CUDA_ERROR_UNKNOWN")])
def test_trouble__keeps_the_engine_and_says_so(machine, trouble, words):
    trt = machine.tensorrt("10.6.0.26")
    machine.has(board("h200", H200, **trouble))
    found = machine.get()
    assert (found["source"], found["level"], found["wanted_level"]) == ("built", "header", "loaded")
    assert any(words in warning for warning in found["warnings"]), found["warnings"]
    assert trt.runs() == ["build"], "trtexec is not started where the driver says no"
    asked = machine.run("get", machine.model, "--shapes", SHAPES, "--level", "loaded", "--json")
    assert asked.returncode == 75 and trt.runs() == ["build"]
    assert json.loads(asked.stdout)["path"] == found["path"]
    assert list(machine.folder.glob("store/aside/*")) == []
    machine.has(board("h200", H200))
    assert machine.get("--level", "loaded")["level"] == "loaded" and trt.runs() == ["build", "load"]


@pytest.mark.parametrize("load", ["no-memory", "SEGV", "silent", "passed-1"])
def test_trouble__of_the_child_keeps_the_engine_and_is_not_met_again_at_once(machine, load):
    trt = machine.tensorrt("10.6.0.26")
    trt.does(load=load)
    found = machine.get()
    assert (found["level"], len(found["warnings"]), trt.runs()) == ("header", 1, ["build", "load"])
    again = machine.get()
    assert (again["level"], again["source"], trt.runs()) == ("header", "store", ["build", "load"])
    assert "next try in" in again["warnings"][0] and "--retry" in again["warnings"][0]
    assert machine.run("get", machine.model, "--shapes", SHAPES, "--level", "loaded").returncode == 75
    machine.get("--retry")
    assert trt.runs() == ["build", "load", "load"]
    trt.does()
    assert machine.get("--retry")["level"] == "loaded" and trt.runs().count("build") == 1
    assert machine.get()["warnings"] == [] and trt.runs() == ["build", "load", "load", "load"]


def test_trouble__under_one_driver_forbids_no_trial_under_the_next(machine):
    trt = machine.tensorrt("10.6.0.26")
    trt.does(load="SEGV")
    machine.get()
    trt.does()
    machine.install_driver("590.48.01")
    assert machine.get()["level"] == "loaded" and trt.runs() == ["build", "load", "load"]


def test_trouble__of_the_driver_spoils_no_warm_hit(machine):
    trt = machine.tensorrt("10.6.0.26")
    first = machine.get()
    machine.init = 999
    machine.write()
    starts = machine.cuda_starts()
    warm = machine.get()
    assert (warm["digest"], warm["level"], warm["warnings"]) == (first["digest"], "loaded", [])
    assert machine.cuda_starts() == starts and trt.runs() == ["build", "load"]


def test_trouble__check_exits_75(machine):
    machine.tensorrt("10.6.0.26")
    path = machine.get()["path"]
    machine.has(board("h200", H200, free=1 << 20))
    verdict = machine.answer("check", "--trial", path, status=75)
    assert verdict["verdict"] == "unknown" and verdict["trial"]["outcome"] == "trouble"
    assert set(verdict["trial"]["phases_ms"]) == {"driver", "context"}


# ---- answers -------------------------------------------------------------------------------------


def test_answers__of_a_machine_with_gpus_keep_to_their_schemas(two):
    trt = two.releases[0]
    two.tensorrt("8.6.1.6")

    def told(command, *args, status=0):
        done = two.run(command, *args, "--json")
        assert done.returncode == status, done.stderr
        return held(command, done.stdout)
    device, = told("device")
    assert [gpu["index"] for gpu in device["gpus"]] == [0, 1]
    assert {runtime["found_by"] for runtime in device["runtimes"]} == {"toolchains.yaml"}
    runtime = ("--runtime", "trt10.6.0.26")
    found, = told("get", two.model, "--shapes", SHAPES, *runtime)
    assert told("build", two.model, "--shapes", SHAPES, *runtime)[0]["source"] == "store"
    assert told("check", "--trial", found["path"], *runtime)[0]["trial"]["outcome"] == "loaded"
    trt.does(load="SEGV")
    assert told("check", "--trial", found["path"], *runtime, status=75)[0]["trial"]["outcome"] == "trouble"
    told("check", "--trial", found["path"], "--runtime", "trt8.6.1.6", status=1)
    told("cache", "ls")
    told("cache", "show", found["digest"])
    told("cache", "stats")
