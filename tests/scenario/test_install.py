"""`meson install` as a packager runs it: what lies where, and that it works from there."""
import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

from conftest import ROOT, RTX, TENON, model, needs_rtx

pytestmark = pytest.mark.skipif(bool(os.environ.get("TENON_SANITIZED")), reason="builds a release of its own")
RUNTIME = "rtx1.7.1.116"
VERSION = "0.1.0"


def command(*words, **kwargs):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """DESTDIR of an installation to /usr, made by somebody whose umask is careless."""
    folder = tmp_path_factory.mktemp("install")
    command("meson", "setup", folder / "build", ROOT, "--prefix", "/usr", env={**os.environ, "CC": "gcc"})
    command("ninja", "-C", folder / "build", "-j2")
    command("meson", "install", "-C", folder / "build", "--no-rebuild", umask=0,
            env={**os.environ, "DESTDIR": str(folder / "stage")})
    return folder / "stage"


def installed(stage):
    return {path.relative_to(stage).as_posix(): path for path in stage.rglob("*") if not path.is_dir()}


def library_folder(stage):
    return next(stage.glob("usr/lib*/**/libtenon.so")).parent


def test_install__puts_everything_where_it_belongs_and_nothing_else(stage):
    libraries = library_folder(stage).relative_to(stage).as_posix()
    assert set(installed(stage)) == {
        "usr/bin/tenon",
        "usr/bin/tenond",
        "usr/include/tenon/tenon.h",
        "usr/include/tenon/tenon.hpp",
        f"{libraries}/libtenon.so",
        f"{libraries}/libtenon.so.0",
        f"{libraries}/libtenon.so.{VERSION}",
        f"{libraries}/pkgconfig/tenon.pc",
        "usr/lib/systemd/system/tenond.service",
        "usr/libexec/tenon/tenon-gpu",
        "usr/libexec/tenon/tenon-net",
        "usr/libexec/tenon/tenon-probe",
        "usr/libexec/tenon/tenon-start",
        "usr/libexec/tenon/tenon_worker.py",
        "usr/share/bash-completion/completions/tenon",
        "usr/share/bash-completion/completions/tenond",
        "usr/share/man/man1/tenon.1",
        "usr/share/man/man8/tenond.8",
        "usr/share/tenon/alerts.test.yaml",
        "usr/share/tenon/alerts.yaml",
        "usr/share/tenon/dashboards/tenon-fleet.json",
        "usr/share/tenon/dashboards/tenon-loads.json",
    }


def test_install__nothing_is_writable_by_others(stage):
    for path in stage.rglob("*"):
        if not path.is_symlink():
            assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path
    assert os.access(stage / "usr/bin/tenon", os.X_OK)


def test_install__holds_no_path_of_the_machine_that_built_it(stage):
    folders = {str(ROOT), str(stage.parent), os.path.realpath(ROOT), str(pathlib.Path.home()) + "/"}
    # a relative way from the build folder to the sources names the same folders
    folders.add(os.path.relpath(ROOT, stage.parent / "build").lstrip("./"))
    for name, path in installed(stage).items():
        data = path.read_bytes()
        for folder in folders:
            assert folder.encode() not in data, f"{name} names {folder}"


def test_install__programs_carry_no_library_path(stage):
    for name in ("usr/bin/tenon", f"{library_folder(stage).relative_to(stage)}/libtenon.so"):
        assert not re.search("RPATH|RUNPATH", command("readelf", "-d", stage / name)), name


def test_install__library_exports_its_interface_and_nothing_else(stage):
    listed = command("nm", "-D", "--defined-only", library_folder(stage) / "libtenon.so")
    exported = {line.split()[2].split("@")[0] for line in listed.splitlines() if " A " not in line}
    header = (ROOT / "include/tenon/tenon.h").read_text()
    declared = set(re.findall(r"^TN_API[^;(]*?(\w+)\(", header, re.M))
    assert declared and exported == declared


def test_install__program_runs_and_says_its_version(stage):
    assert command(stage / "usr/bin/tenon", "--version", cwd="/") == f"tenon {VERSION}\n"


def test_install__unit_is_whole_and_gives_the_server_little(stage, tmp_path):
    """systemd's own word: every key is known, the program is there, and the sandbox is a tight one."""
    unit = tmp_path / "tenond.service"
    text = (stage / "usr/lib/systemd/system/tenond.service").read_text()
    assert "ExecStart=/usr/bin/tenond --data /var/lib/tenond " in text
    unit.write_text(text.replace("/usr/bin/tenond", f"{stage}/usr/bin/tenond").replace("Documentation=", "#"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", unit],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout  # 1.5 of 10: what serves the network cannot go much lower


def test_install__man_pages_render_and_name_every_option(stage):
    for page, program in (("man1/tenon.1", "tenon"), ("man8/tenond.8", "tenond")):
        path = stage / "usr/share/man" / page
        done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", path], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        options = re.findall(r"^ +(?:-\w, )?--([a-z-]+)", command(stage / "usr/bin" / program, "--help"), re.M)
        text = path.read_text().replace("\\-", "-")
        assert all(f"--{option}" in text for option in options), page


def test_install__completion_of_the_server_offers_its_options(stage, tmp_path):
    def complete(*words):
        line = " ".join(("tenond", *words))
        shell = f'source "$0"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _tenond; printf "%s\\n" "${{COMPREPLY[@]}}"'
        script = stage / "usr/share/bash-completion/completions/tenond"
        return set(command("bash", "-euc", shell, script, cwd=tmp_path).split())
    (tmp_path / "data").mkdir()
    options = set(re.findall(r"^ +(--[a-z-]+)", command(stage / "usr/bin/tenond", "--help"), re.M))
    assert complete("''") == options | {"--help", "--version", "serve", "backup"}
    assert complete("--data", "da") == {"data"}
    assert complete("--poll", "''") == set() and complete("--verbose", "--dr") == {"--drain"}


@needs_rtx
def test_install__gets_an_engine_with_the_worker_beside_it(stage, tmp_path):
    toolchains = tmp_path / "toolchains.yaml"
    toolchains.write_text(f"toolchains:\n  - {{ id: mine, kind: python, python: {RTX} }}\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("TENON_")}
    env.update(TENON_TOOLCHAINS=str(toolchains), TENON_STORE=str(tmp_path / "store"))
    trace = tmp_path / "trace"
    tenon = ["strace", "-f", "-e", "trace=execve", "-s", "512", "-o", trace, stage / "usr/bin/tenon"]
    got = json.loads(command(*tenon, "get", "--json", model("light_squeezenet"), "--runtime", RUNTIME, env=env, cwd="/"))
    assert got["source"] == "built" and pathlib.Path(got["path"]).is_file()
    workers = set(re.findall(r'"([^"]*tenon_worker\.py)"', trace.read_text()))
    assert workers == {str(stage / "usr/libexec/tenon/tenon_worker.py")}
    record = json.loads((pathlib.Path(got["path"]).parent / "record.json").read_text())
    assert "mine" in json.dumps(record["built"]), "the toolchain of the list that was named"


PROGRAM = """
#include <tenon/tenon.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct tn_error err = { 0, 0, "" };
    char *json = NULL;
    int rc = tn_plan_inspect(argc > 1 ? argv[1] : "", &json, &err);

    if (rc < 0) {
        printf("%s %d %s: %s\\n", tn_error_name(rc), rc == err.code, tn_error_meaning(rc), err.text);
        return 1;
    }
    printf("%s\\n", json);
    tn_free(json);
    return 0;
}
"""
COMPILERS = [("gcc", "c", "c11"), ("g++", "cc", "c++11")]


@pytest.fixture(scope="module", params=COMPILERS, ids=["C", "C++"])
def application(stage, tmp_path_factory, request):
    """A program of somebody else, built with what pkg-config says, as a function of its arguments."""
    compiler, suffix, standard = request.param
    folder = tmp_path_factory.mktemp("application")
    (folder / f"main.{suffix}").write_text(PROGRAM)
    libraries = library_folder(stage)
    env = {**os.environ, "PKG_CONFIG_LIBDIR": str(libraries / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(stage)}
    flags = command("pkg-config", "--cflags", "--libs", "tenon", env=env).split()
    assert f"-I{stage}/usr/include" in flags and "-ltenon" in flags
    assert command("pkg-config", "--modversion", "tenon", env=env).strip() == VERSION
    command(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", folder / "main",
            folder / f"main.{suffix}", *flags)
    return lambda *args: subprocess.run([folder / "main", *args], capture_output=True, text=True,
                                        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})


def test_install__application_inspects_files(application, tmp_path):
    (tmp_path / "empty.engine").write_bytes(b"")
    done = application(tmp_path / "empty.engine")
    assert done.returncode == 0 and json.loads(done.stdout)["kind"] == "empty", done.stderr
    done = application(tmp_path / "missing.engine")
    assert done.returncode == 1 and done.stdout.startswith("NOTFOUND 1 ") and "missing.engine" in done.stdout
    assert done.stderr == "", "a library prints nothing"


@needs_rtx
def test_install__application_sees_what_the_command_prints(application, store, stage):
    path = command(TENON, "get", "-q", model("light_squeezenet"), "--runtime", RUNTIME).strip()
    library = json.loads(application(path).stdout)
    printed = json.loads(command(stage / "usr/bin/tenon", "inspect", "--json", path))
    assert library.items() <= printed.items()
    assert set(printed) - set(library) <= {"path", "weight_precision"}
