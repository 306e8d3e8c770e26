"""docs/abi/ is the record of the library's ABI: what stands in it stays (tools/abi)."""
import os
import pathlib
import re
import subprocess

import pytest

from conftest import ROOT, TENON

BUILD = pathlib.Path(TENON).parent
RECORD = ROOT / "docs/abi/libtenon.0.abi"
pytestmark = pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="the ABI of the ordinary build counts")


def check(record):
    return subprocess.run([ROOT / "tools/abi", "check", BUILD, record], capture_output=True, text=True)


def test_abi__holds_what_was_recorded():
    done = check(RECORD)
    assert done.returncode == 0, f"meant? then tools/abi write BUILD\n{done.stdout}{done.stderr}"


def test_abi__record_names_no_place_and_no_inner_type():
    text = RECORD.read_text()
    assert str(ROOT) not in text and "/home/" not in text and "comp-dir" not in text
    header = (ROOT / "include/tenon/tenon.h").read_text()
    described = set(re.findall(r"<class-decl name='(\w+)' size", text))
    ours = {name for name in described if name.startswith("tn_")}
    assert ours and ours <= set(re.findall(r"^struct (\w+) \{", header, re.M))


# What a careless change would do, as a record that the library of today does not hold to.
def rename(text):
    return text.replace("tn_free", "tn_release")


def retype(text):
    """int64_t bound_bytes as int."""
    collect = re.search(r"<function-decl name='tn_store_collect'.*?</function-decl>", text, re.S).group(0)
    int64, narrow = (re.search(rf"<{kind} name='{name}' [^>]*id='(\w+)'", text).group(1)
                     for kind, name in (("typedef-decl", "int64_t"), ("type-decl", "int")))
    return text.replace(collect, collect.replace(int64, narrow))


def move(text):
    """A member of an options struct where another one lies now."""
    found = re.search(r"layout-offset-in-bits='(\d+)'>\s*<var-decl name='precision'", text)
    return text[:found.start(1)] + "704" + text[found.end(1):]


BREAKS = {"a function is gone": rename, "a parameter has another type": retype, "a member moved": move}


@pytest.mark.parametrize("what", BREAKS)
def test_abi__notices_when(what, tmp_path):
    record = tmp_path / "broken.abi"
    text = RECORD.read_text()
    record.write_text(BREAKS[what](text))
    assert record.read_text() != text
    done = check(record)
    assert done.returncode != 0 and done.returncode & 3 == 0, done.stdout + done.stderr


def test_abi__functions_that_come_are_no_break(tmp_path):
    text = RECORD.read_text()
    symbol = re.search(r" *<elf-symbol name='tn_log_line'.*\n", text).group(0)
    function = re.search(r" *<function-decl name='tn_log_line'.*?</function-decl>\n", text, re.S).group(0)
    record = tmp_path / "older.abi"
    record.write_text(text.replace(symbol, "").replace(function, ""))
    assert len(record.read_text()) < len(text)
    done = check(record)
    assert done.returncode == 0, done.stdout + done.stderr
