"""docs/schemas/ is the contract of `--json`: real answers of every command are held against it."""
import copy
import json
import os
import pathlib
import re

import jsonschema
import pytest

from conftest import ROOT, model, needs_rtx, run

SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text())
           for path in (ROOT / "docs" / "schemas").glob("*.schema.json")}
COMMANDS = ["actions", "audit", "backup", "build", "cache", "channel", "check", "deploy", "deployments", "device",
            "devices", "engine", "explain-log", "get", "inspect", "key", "login", "logout", "map", "name", "push",
            "releases", "token"]
FORMATS = ["outcome", "outcomes"]  # of files and of what devices send
CORPUS = pathlib.Path(os.environ.get("TENON_TEST_CORPUS", ROOT / ".." / "shared" / "plan-corpus"))
RUNTIME = "rtx1.7.1.116"
FLOATS = {"seconds"}  # every other number is an integer
TEXTS = {"attributes", "labels"}  # of a device: names and values are others', all of them texts
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")


class Float(float):
    """A number that was written with a point or an exponent."""


def sorted_object(pairs):
    names = [name for name, _ in pairs]
    assert names == sorted(set(names)), f"not sorted, or twice: {names}"
    return dict(pairs)


def check_numbers(value, path=()):
    """No float where an integer is due; sizes, durations and counts by their names."""
    if path and path[-1] in TEXTS:
        assert all(isinstance(member, str) for member in value.values()), path
    elif isinstance(value, dict):
        for name, member in value.items():
            check_numbers(member, (*path, name))
    elif isinstance(value, list):
        for member in value:
            check_numbers(member, path)
    elif isinstance(value, Float):
        assert path[-1].split("_")[-1] in FLOATS, f"{path} is a float"
    name = path[-1] if path else ""
    if name.endswith(("_bytes", "_ms", "_khz", "_bits")):
        numbers = value.values() if isinstance(value, dict) else [value]  # phases_ms: one each
        assert all(number is None or type(number) is int for number in numbers), f"{path}: {value!r}"


def validator(command):
    return jsonschema.Draft202012Validator(SCHEMAS[command])


def read(line):
    return json.loads(line, parse_float=Float, object_pairs_hook=sorted_object)


def told(command, *args, status=0, **kwargs):
    """Runs a command with --json; every line of its answer must be as the contract says."""
    done = run(command, *args, "--json", **kwargs)
    assert done.returncode == status, done.stderr + done.stdout
    assert done.stdout == "" or done.stdout.endswith("\n")
    return held(command, done.stdout)


def held(command, output):
    """The answers in a command's output, each held against the contract."""
    answers = [read(line) for line in output.splitlines()]
    assert not re.search(r":\d+\.\d{10}", output), "seconds with noise behind them"
    for answer in answers:
        assert isinstance(answer, dict)
        validator(command).validate(answer)
        check_numbers(answer)
        check_documented(SCHEMAS[command], SCHEMAS[command], answer, command)
    return answers


def resolved(root, schema):
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def properties(root, schema):
    """What a schema says of members: its own and those of its alternatives."""
    schema = resolved(root, schema)
    found = dict(schema.get("properties", {}))
    for kind in ("oneOf", "anyOf"):
        for alternative in schema.get(kind, []):
            found.update(properties(root, alternative))
    return found


def check_documented(root, schema, value, path):
    """A member that the schema does not name would be a promise that nobody wrote down."""
    known = properties(root, schema)
    if isinstance(value, dict) and known:
        for name, member in value.items():
            assert name in known, f"{path}.{name} is not in the schema"
            check_documented(root, known[name], member, f"{path}.{name}")
    elif isinstance(value, list):
        items = resolved(root, schema).get("items", {})
        for member in value:
            check_documented(root, items, member, path)


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """A real engine in a store that the tests of this file only read."""
    folder = tmp_path_factory.mktemp("schemas") / "store"
    done = run("get", model("light_squeezenet"), "--runtime", RUNTIME, "--store", folder)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


def store_of(engine):
    return engine.parents[4]


# ---- the schemas themselves ----


def test_schemas__are_there_for_every_command_and_are_schemas():
    assert sorted(SCHEMAS) == sorted(COMMANDS + FORMATS)
    for schema in SCHEMAS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def refuses_without(command, answer, names):
    for name in names:
        without = copy.deepcopy(answer)
        del without[name]
        assert not validator(command).is_valid(without), f"{command}: {name} is not required"
        wrong = {**answer, name: {"not": ["of", "this", "type"]}}
        assert not validator(command).is_valid(wrong), f"{command}: {name} may be anything"


@needs_rtx
def test_schemas__require_every_field_of_the_contract_and_its_type(engine):
    inspected, = told("inspect", engine)
    refuses_without("inspect", inspected, "path size kind flavor version platform complete integrity wrapper gpu "
                    "compute_capabilities serialization_number sections flags io weight_precision".split())
    refuses_without("inspect", {**inspected, "gpu": None}, ["sections", "flags"])
    network, = told("inspect", model("light_squeezenet"))
    refuses_without("inspect", network, "inputs outputs opset precision external_data digest preflight".split())
    checked, = told("check", engine, "--device", "t4+trt8.4.1.5", status=1)
    refuses_without("check", checked, "path device gpu runtime verdict reasons by".split())
    for name in "code detail remedy ground".split():
        worse = copy.deepcopy(checked)
        del worse["reasons"][0][name]
        assert not validator("check").is_valid(worse), name
    device, = told("device")
    refuses_without("device", device, "schema os arch platform driver cuda jetson gpus runtimes toolchains".split())
    got, = told("get", model("light_squeezenet"), "--runtime", RUNTIME, "--store", store_of(engine))
    refuses_without("get", got, "path digest key name model precision ladder source level wanted_level runtime gpu "
                    "version seconds warnings".split())
    listed, = told("cache", "ls", "--store", store_of(engine))
    refuses_without("cache", listed, "digest key path name size_bytes level last_used".split())
    named, = told("name", got["name"])
    refuses_without("name", named, "name model shapes runtime version arch precision".split())


# ---- inspect ----


@needs_rtx
def test_inspect__engine_onnx_and_what_is_mistaken_for_engines(engine, tmp_path):
    truncated = tmp_path / "truncated.engine"
    truncated.write_bytes(engine.read_bytes()[:-100])
    (tmp_path / "empty.engine").write_bytes(b"")
    (tmp_path / "text.engine").write_text("hello\n" * 100)
    (tmp_path / "pointer.engine").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64
                                             + "\nsize 1730364\n")
    whole, = told("inspect", engine)
    assert whole["kind"] == "engine" and whole["flavor"] == "tensorrt-rtx" and whole["version"] == "1.7.1.116"
    assert whole["complete"] is True and whole["platform"] == "linux-x86_64"
    assert whole["compute_capabilities"][0] == "8.0" and whole["io"][0]["dtype"] == "float32"
    answers = told("inspect", *sorted(tmp_path.glob("*.engine")), status=1)
    kinds = {pathlib.Path(answer["path"]).stem: answer["kind"] for answer in answers}
    assert kinds == {"truncated": "engine", "empty": "empty", "text": "unknown", "pointer": "git-lfs-pointer"}
    assert [a["complete"] for a in answers if a["path"].endswith("truncated.engine")] == [False]


@needs_rtx
def test_inspect__verify_adds_the_digest(engine):
    assert told("inspect", "--verify", engine)[0]["digest"] == engine.parents[1].name + engine.parent.name


@needs_rtx
@pytest.mark.parametrize("name", ["light_squeezenet", "ocr_det", "magika", "silero_vad"])
def test_inspect__models(name):
    done = run("inspect", "--json", model(name))
    answer, = told("inspect", model(name), status=done.returncode)
    assert answer["kind"] == "onnx" and answer["inputs"] and answer["outputs"]
    stops = [trap["code"] for trap in answer["preflight"] if trap["severity"] == "stops"]
    assert done.returncode == (1 if stops else 0)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs TENON_TEST_CORPUS")
def test_inspect__heads_of_every_generation():
    heads = [*CORPUS.glob("*.head"), *CORPUS.glob("*.full"), *CORPUS.glob("rtx/*.head"), *CORPUS.glob("h200/*.head")]
    answers = told("inspect", *heads, status=1)
    assert len(answers) == len(heads)
    assert {answer["flavor"] for answer in answers} >= {"tensorrt", "tensorrt-rtx"}
    with_gpu = [answer for answer in answers if answer.get("gpu")]
    assert with_gpu and all(re.fullmatch(r"\d+\.\d", answer["gpu"]["compute_capability"]) for answer in with_gpu)


# ---- check ----


@needs_rtx
def test_check__each_verdict_and_each_kind_of_file(engine, tmp_path):
    (tmp_path / "empty.engine").write_bytes(b"")
    truncated = tmp_path / "truncated.engine"
    truncated.write_bytes(engine.read_bytes()[:-100])
    yes, = told("check", engine, "--device", "rtx4090+rtx1.7.1.116")
    assert (yes["verdict"], yes["reasons"], yes["by"]) == ("loads", [], "rule")
    answers = told("check", engine, truncated, tmp_path / "empty.engine", "--device", "rtx4090+rtx1.7.1.116",
                   "--device", "t4+trt8.4.1.5", "--device", "h200+rtx1.7.1.116", "--device", "rtx3090", status=1)
    assert len(answers) == 12, "one object per engine and device"
    codes = {reason["code"] for answer in answers for reason in answer["reasons"]}
    assert codes >= {"flavor", "compute-capability", "truncated", "not-an-engine"}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs TENON_TEST_CORPUS")
def test_check__heads_against_many_boards():
    heads = sorted(CORPUS.glob("*.head"))
    boards = ["t4+trt8.4.1.5", "jetson-nano+trt8.2.1.8", "orin-nano+dispatch10.3.0.30", "h200+lean10.15.1.29",
              "rtx4090+rtx1.7.1.116", "thor"]
    devices = [word for board in boards for word in ("--device", board)]
    assert len(told("check", *heads, *devices, status=1)) == len(heads) * len(boards)


@needs_rtx
def test_check__without_a_gpu_and_without_a_device_is_unknown(engine):
    if told("device")[0]["gpus"]:
        pytest.skip("this machine has a GPU")
    answer, = told("check", engine, status=3)
    assert answer["verdict"] == "unknown" and answer["gpu"] is None
    assert [reason["code"] for reason in answer["reasons"]] == ["cuda-unavailable"]
    assert "--device" in answer["reasons"][0]["remedy"]


# ---- device ----


def test_device__this_machine_every_board_and_a_file(tmp_path):
    here, = told("device")
    assert here["arch"] == os.uname().machine
    boards = told("device", "--boards")
    assert len(boards) >= 19 and all(len(board["gpus"]) == 1 for board in boards)
    named, = told("device", "--device", "orin-nano+dispatch10.3.0.30")
    assert [(r["kind"], r["version"]) for r in named["runtimes"]] == [("dispatch", "10.3.0.30")]
    file = tmp_path / "line7.json"
    assert told("device", "--device", "h200+lean10.15.1.29", "--output", file, status=0)
    answer = read(file.read_text())
    validator("device").validate(answer)
    again, = told("device", "--device", file)
    assert {**again, "label": None} == {**answer, "label": None}, "a fingerprint file says what was written"


@needs_rtx
def test_device__lists_toolchains_with_exact_versions():
    here, = told("device")
    assert ("python", "1.7.1.116") in [(t["kind"], t["version"]) for t in here["toolchains"]]


def test_device__require():
    assert told("device", "--device", "t4+trt8.4.1.5", "--require", "trt>=8.4 and cc=7.5")[0] == {
        "satisfied": True, "unmet": []}
    unmet, = told("device", "--device", "t4+trt8.4.1.5", "--require", "trt>=8.5", status=1)
    assert unmet["satisfied"] is False and len(unmet["unmet"]) == 1


# ---- get, cache, name ----


@needs_rtx
def test_get__built_hit_fallen_failed_and_refused(store, tmp_path):
    net = model("light_squeezenet")
    built, = told("get", net, "--runtime", RUNTIME)
    assert built["source"] == "built" and [rung["result"] for rung in built["ladder"]] == ["built"]
    hit, = told("get", net, "--runtime", RUNTIME)
    assert hit["source"] == "store" and hit["digest"] == built["digest"]
    fell, = told("get", model("magika"), "--precision", "fp16,fp32", "--shapes", "bytes=1x2048:8x2048:64x2048",
                 "--runtime", RUNTIME)
    assert fell["precision"] == "fp32" and fell["ladder"][0]["reason"]
    remembered, = told("get", model("magika"), "--precision", "fp16,fp32", "--shapes", "bytes=1x2048:8x2048:64x2048",
                       "--runtime", RUNTIME)
    assert remembered["ladder"][0]["result"] == "refused" and remembered["ladder"][0]["class"] == "mixed-types"
    short = ["get", model("light_densenet121"), "--time-limit", "1ms", "--runtime", RUNTIME]
    told(*short, status=1)
    paused, = told(*short, status=1)
    assert paused["ladder"][0]["result"] == "backoff" and paused["ladder"][0]["retry_in_ms"] > 0
    missed, = told("get", net, "--precision", "fp16", "--no-build", "--runtime", RUNTIME, status=1)
    assert missed["path"] is None and missed["ladder"][0]["result"] == "missing" and missed["error"]
    refused, = told("get", model("ocr_det"), "--runtime", RUNTIME, status=2)
    assert "--shapes" in refused["error"] and refused["path"] is None
    board, = told("get", net, "--for", "rtx4090+rtx1.7.1.116")
    assert board["gpu"] and board["runtime"] == RUNTIME
    for listed in told("cache", "ls"):
        assert TIME.fullmatch(listed["last_used"])
        shown, = told("cache", "show", listed["digest"])
        assert shown["record"]["key"] == listed["key"]
    assert all(row["whole"] for row in told("cache", "verify"))


@needs_rtx
def test_get__of_classic_tensorrt_needs_a_gpu_to_tune_for(store):
    if told("device")[0]["gpus"]:
        pytest.skip("this machine has a GPU")
    net = model("light_squeezenet")
    nowhere, = told("get", net, "--runtime", "trt10.6.0.26", status=66)
    assert "with --for, such as h200+trt10.6.0.26" in nowhere["error"]
    part_known, = told("get", net, "--for", "thor+trt10.13.3.9", status=66)
    assert "tenon device --output" in part_known["error"]
    no_toolchain, = told("get", net, "--for", "h200+trt10.6.0.26", status=1)
    assert [rung["result"] for rung in no_toolchain["ladder"]] == ["missing"] and no_toolchain["gpu"]


@needs_rtx
def test_cache__verify_names_what_is_broken(store, tmp_path):
    plan = pathlib.Path(told("get", model("light_squeezenet"), "--runtime", RUNTIME)[0]["path"])
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.chmod(0o644)
    plan.write_bytes(data)
    row, = told("cache", "verify", status=1)
    assert row["whole"] is False and row["reason"]
    set_aside, = told("cache", "aside")
    assert "changed" in set_aside["reason"]


@needs_rtx
def test_name__of_an_engine_that_get_named(engine, tmp_path):
    listed, = told("cache", "ls", "--store", store_of(engine))
    named, = told("name", listed["name"])
    assert named["runtime"] == RUNTIME and named["precision"] == listed["precision"]
    copied = tmp_path / listed["name"]
    copied.write_bytes(engine.read_bytes())
    assert told("name", copied)[0]["agrees"] is True
    lying = tmp_path / listed["name"].replace("rtx1.7", "rtx1.6")
    lying.write_bytes(engine.read_bytes())
    assert told("name", lying, status=1)[0]["agrees"] is False


def test_name__of_a_classic_engine():
    named, = told("name", "yolov5s_1x3x640x640_trt8.4.1.5_t4_fp16.engine")
    assert (named["model"], named["shapes"], named["runtime"], named["arch"], named["precision"]) == (
        "yolov5s", "1x3x640x640", "trt8.4.1.5", "t4", "fp16")


def test_explain_log__a_line_that_tells_and_none(tmp_path):
    log = tmp_path / "log"
    log.write_text("[TRT] ERROR: OutOfMemory\n")
    found, = told("explain-log", log)
    assert found["class"] == "no-memory" and found["lasting"] is False
    log.write_text("all is well\n")
    nothing, = told("explain-log", log, status=1)
    assert set(nothing.values()) == {None}


@needs_rtx
def test_cache__marks(store):
    digest = told("get", model("light_squeezenet"), "--runtime", RUNTIME)[0]["digest"]
    for verb in ("pin", "bless", "unpin"):
        assert told("cache", verb, digest)[0]["digest"] == digest
    items = told("cache", "gc", "--dry-run", "--max-bytes", "0")
    assert [item["kind"] for item in items[:-1]] == ["engine", "log"] and items[-1]["dry_run"] is True
    assert told("cache", "stats")[0]["engines"] == 1
    none, wanted = told("cache", "explain", model("light_squeezenet"), "--runtime", RUNTIME, "--precision", "int8,fp32")
    assert none["wanted"] is None and wanted["engines"][0]["first"] is None


@needs_rtx
def test_key__a_key_and_a_signature(store, tmp_path):
    made = told("get", model("light_squeezenet"), "--runtime", RUNTIME)[0]
    told("key", "new", tmp_path / "key", "--comment", "é")
    told("key", "show", tmp_path / "key")
    key = told("key", "show", tmp_path / "key.pub")[0]
    signed = told("key", "sign", made["digest"], "--key", tmp_path / "key")[0]
    assert signed["keyid"] == key["keyid"]
    assert told("key", "verify", made["digest"], "--trusted-keys", tmp_path)[0]["trust"] == "trusted"


@needs_rtx
def test_build__a_hit_and_a_forced_build(store):
    assert [told("build", model("light_squeezenet"), "--runtime", RUNTIME, *force)[0]["source"]
            for force in ([], [], ["--force"])] == ["built", "store", "built"]
