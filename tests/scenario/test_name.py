"""tenon name, and the document of model.yaml's keys."""
import os
import pathlib
import shutil

import pytest

from conftest import ROOT, answer, run

CORPUS = pathlib.Path(os.environ.get("TENON_TEST_CORPUS", ROOT.parent / "shared" / "plan-corpus"))
needs_corpus = pytest.mark.skipif(not (CORPUS / "rtx").is_dir(), reason="needs TENON_TEST_CORPUS")
EXAMPLE = "yolov5s_1x3x640x640_trt8.4.1.5_t4_fp16.engine"
PARTS = ["--model", "yolov5s", "--shapes", "1x3x640x640", "--runtime", "trt8.4.1.5", "--arch", "t4",
         "--precision", "fp16"]


def rtx_plan(pattern):
    found = sorted((CORPUS / "rtx").glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in the corpus")
    return found[0]


def test_a_name_is_explained():
    [parts] = answer("name", EXAMPLE)
    assert parts == {"name": EXAMPLE, "model": "yolov5s", "shapes": "1x3x640x640", "runtime": "trt8.4.1.5",
                     "flavor": "tensorrt", "version": "8.4.1.5", "arch": "t4", "precision": "fp16", "key8": None,
                     "path": None, "header": None, "agrees": None}
    done = run("name", EXAMPLE)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [EXAMPLE, "  model      yolov5s", "  shapes     1x3x640x640",
                                        "  runtime    trt8.4.1.5", "  arch       t4", "  precision  fp16"]


def test_a_name_is_made():
    done = run("name", *PARTS)
    assert (done.returncode, done.stdout) == (0, EXAMPLE + "\n")
    [parts] = answer("name", *PARTS)
    assert parts["name"] == EXAMPLE
    done = run("name", *PARTS[:3], "a=1x3:4x3:8x3,b=s", *PARTS[4:])
    assert done.stdout == "yolov5s_1-4-8x3+s_trt8.4.1.5_t4_fp16.engine\n"


def test_a_bad_name_is_no_and_the_others_are_still_explained():
    done = run("name", "a_b.engine", EXAMPLE)
    assert done.returncode == 1
    assert "'b' is not a precision" in done.stderr
    assert done.stdout.startswith(EXAMPLE)


@pytest.mark.parametrize("args", [[], ["--model", "x"], [EXAMPLE, "--model", "x"], ["--precision", "fp15"]])
def test_what_makes_no_sense_is_usage(args):
    assert run("name", *args).returncode == 2


@needs_corpus
def test_a_header_counts_more_than_a_name(tmp_path):
    plan = rtx_plan("*rtx1.7.1-mm-fp16-cc86.full")
    right = run("name", "--of", plan, "--model", "my_mm", cwd=tmp_path)
    assert (right.returncode, right.stdout) == (0, "my-mm_4x16_rtx1.7.1.116_sm86_fp16.engine\n")
    good = tmp_path / right.stdout.strip()
    shutil.copy(plan, good)
    [parts] = answer("name", good)
    assert parts["agrees"] is True and parts["path"] == str(good)
    wrong = tmp_path / "mm_4x16_rtx1.6.1.120_sm89_fp16.engine"
    shutil.copy(plan, wrong)
    [parts] = answer("name", wrong, status=1)
    assert parts["agrees"] is False
    assert parts["header"] == {"kind": "engine", "flavor": "tensorrt-rtx", "version": "1.7.1.116", "arch": "sm86",
                               "shapes": "4x16"}
    assert "DISAGREES: it says runtime rtx1.7.1.116, arch sm86" in run("name", wrong).stdout
    other = tmp_path / "mm_4x16_rtx1.7_sm86_fp16.engine"  # a short version agrees
    shutil.copy(plan, other)
    [parts] = answer("name", other)
    assert parts["agrees"] is True
    fake = tmp_path / "fake_4x16_rtx1.7_sm86_fp16.engine"
    fake.write_text("no engine")
    assert "DISAGREES: it says kind unknown" in run("name", fake).stdout
    assert run("name", fake).returncode == 1


@needs_corpus
def test_what_contradicts_the_header_is_not_made_into_a_name():
    plan = rtx_plan("*rtx1.7.1-mm-fp16-cc86.full")
    for wrong in (["--runtime", "trt8.4"], ["--runtime", "rtx1.7.1.117"], ["--arch", "sm89"]):
        done = run("name", "--of", plan, "--model", "m", *wrong)
        assert done.returncode == 2 and "says" in done.stderr, done.stderr


def test_the_page_of_model_yaml_is_in_step():
    done = run("--document", "model-yaml")
    assert done.returncode == 0
    assert done.stdout == (ROOT / "docs" / "model-yaml.md").read_text()
