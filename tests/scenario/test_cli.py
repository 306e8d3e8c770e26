"""The frame of the program: help, usage, output that fails, man page, completion, documents, README."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import ROOT, TENON, model, needs_rtx, run

NAME = "yolov5s_1x3x640x640_trt8.4.1.5_t4_fp16.engine"
DOCUMENTS = {"docs/cli.md": "markdown", "docs/errors.md": "errors", "docs/model-yaml.md": "model-yaml",
             "docs/toolchains.md": "toolchains", "docs/config.md": "config"}
COMMANDS = [name.replace("_", "-")
            for name in re.findall(r"^TN_(?:NET_)?COMMAND\((\w+)\)", (ROOT / "src/cli/commands.def").read_text(), re.M)]


def printed(*args, **kwargs):
    done = run(*args, **kwargs)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def options_of(command):
    """{"--level": "what help says of it", …} as `tenon COMMAND --help` prints them."""
    text = printed(command, "--help").split("\nOptions:\n")[1].split("\n\n")[0]
    rows = re.split(r"^  (?=-|    --)", text, flags=re.M)[1:]
    found = {}
    for row in rows:
        head, _, meaning = row.strip().replace("\n", "  ", 1).partition("  ")
        found[re.search(r"--[\w-]+", head).group()] = (head, re.sub(r"\s+", " ", meaning).strip())
    return found


# ---- help ----


def test_help__lists_every_command_with_what_it_does():
    text = printed("--help")
    assert len(COMMANDS) >= 6
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*\.$", text, re.M), command
    assert printed("help") == text == printed("-h")


@pytest.mark.parametrize("command", COMMANDS)
def test_help__of_a_command_says_what_each_option_means(command):
    text = printed(command, "--help")
    assert text == printed("help", command) == printed(command, "-h")
    assert text.startswith(f"Usage: tenon {command} [OPTION…]")
    assert "\nExamples:\n" in text and "\nExit status: 0" in text
    options = options_of(command)
    assert {"--help", "--json", "--quiet", "--verbose"} <= set(options)
    for name, (_, meaning) in options.items():
        assert re.fullmatch(r"[A-Z'].{4,}\.", meaning), f"{name}: {meaning!r}"
    # prose is filled; a word, an example's command and a synopsis stay whole
    wide = [line for line in text.splitlines() if len(line) > 80 and not line.startswith(("  tenon ", "Usage: "))]
    assert [line for line in wide if len(line.split()) > 2 and not re.match(r"  \S+=?\$?\(?", line)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help__examples_use_options_that_exist(command):
    text = printed(command, "--help").split("\nExamples:\n")[1].split("\nExit status:")[0]
    for line in re.findall(r"^  (?! )(.*)$", text, re.M):
        used = re.search(r"tenon ([\w-]+)((?:\s+[^|)]+)*)", line)
        assert used and used.group(1) in COMMANDS, line
        for option in re.findall(r"(?<=\s)--[\w-]+", used.group(2)):
            assert option in options_of(used.group(1)), f"{line}: {option}"


def test_version__is_the_project_s():
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text()).group(1)
    assert printed("--version") == f"tenon {version}\n"


# ---- usage ----


@pytest.mark.parametrize("args, words", [
    ([], "Usage: tenon COMMAND"),
    (["gte"], "command 'gte' is not known; did you mean 'get'?"),
    (["help", "inspcet"], "did you mean 'inspect'?"),
    (["help", "get", "more"], "'more' is one argument too many"),
    (["frobnicate"], "command 'frobnicate' is not known\n"),
    (["--frobnicate"], "option '--frobnicate' is not known"),
    (["get", "--precison", "fp16", "x.onnx"], "did you mean '--precision'?"),
    (["get", "--frobnicate", "x.onnx"], "option '--frobnicate' is not known"),
    (["inspect", "-Z"], "option '-Z' is not known"),
    (["get"], "MODEL is missing"),
    (["get", "a.onnx", "b.onnx"], "'b.onnx' is one argument too many"),
    (["get", "a.onnx", "--level", "perfect"], "--level takes header|loaded, not 'perfect'"),
    (["get", "a.onnx", "--store", "/a", "--store", "/b"], "--store is given twice"),
    (["get", "a.onnx", "--time-limit", "soon"], "--time-limit takes a time"),
    (["cache", "frob"], "'frob' is not one of ls|show|verify"),
    (["cache", "show"], "show needs an engine"),
    (["device", "--require", "trt >"], "--require"),
    (["check", "x.engine", "--device", "t4", "--runtime", "zzz"], "'zzz' is not a runtime such as trt10.6.0.26"),
])
def test_usage__mistake_exits_2_and_says_what_is_wrong(args, words):
    done = run(*args)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr
    assert any(hint in done.stderr for hint in ("Usage:", "Try 'tenon", "--require", "such as")), "what would be right"


@pytest.mark.parametrize("command", COMMANDS)
def test_usage__every_option_that_needs_a_value_says_so(command):
    tried = 0
    for name, (head, _) in options_of(command).items():
        if head.endswith(name):
            continue
        done = run(command, name)
        assert done.returncode == 2 and f"option '{name}' needs a value" in done.stderr, done.stderr
        tried += 1
    assert tried >= 1 or command == "explain-log", "the one command without options of its own"


@pytest.mark.parametrize("command", COMMANDS)
def test_usage__option_that_takes_no_value_refuses_one(command):
    done = run(command, "--json=yes")
    assert done.returncode == 2 and "--json" in done.stderr, done.stderr


# ---- output that fails ----

ANSWERS = [["--help"], ["help"], ["help", "get"], ["get", "--help"], ["--version"], ["--document", "man"],
           ["device"], ["device", "--json"], ["device", "--boards"], ["name", NAME], ["name", "--json", NAME],
           ["inspect", "README.md"], ["inspect", "--json", "README.md"], ["inspect", "README.md", "LICENSE"],
           ["check", "README.md", "--device", "t4+trt8.4.1.5"], ["check", "--json", "README.md", "--device", "t4"]]


@pytest.mark.parametrize("args", ANSWERS, ids=" ".join)
def test_output__full_disk_exits_74_and_says_so(args):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TENON, *args], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 74, done.stderr
    assert "write to standard output: No space left on device" in done.stderr


@needs_rtx
@pytest.mark.parametrize("args", [["get", "MODEL"], ["get", "--json", "MODEL"], ["cache", "ls"], ["cache", "ls", "--json"],
                                  ["cache", "verify"], ["cache", "show", "--json", "ENGINE"]], ids=" ".join)
def test_output__full_disk_of_an_engine_s_path_is_no_success(store, args):
    net = model("light_squeezenet")
    built = printed("get", "-q", net, "--runtime", "rtx1.7.1.116").strip()
    digest = pathlib.Path(built).parents[1].name + pathlib.Path(built).parent.name
    words = {"MODEL": str(net), "ENGINE": digest}
    with open("/dev/full", "w") as full:
        done = subprocess.run([TENON, *[words.get(word, word) for word in args]], stdout=full, stderr=subprocess.PIPE,
                              text=True)
    assert done.returncode == 74 and "No space left on device" in done.stderr, done.stderr


def test_output__reader_that_leaves_ends_the_program_quietly():
    done = subprocess.run(["bash", "-c", '"$0" inspect $(yes README.md | head -20000) | head -1; echo "${PIPESTATUS[0]}"',
                           TENON], capture_output=True, text=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[1] == "141" and done.stderr == "", done.stdout + done.stderr


# ---- man page, completion, documents ----


def test_man__renders_without_a_warning(tmp_path):
    page = tmp_path / "tenon.1"
    page.write_text(printed("--document", "man"))
    done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", page], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    text = subprocess.run(["groff", "-man", "-Tascii", "-P-c", page], capture_output=True, text=True)
    assert text.returncode == 0 and text.stderr == ""
    for command in COMMANDS:
        assert re.search(rf"^ *tenon {command} \[OPTION\.\.\.\]", re.sub(".\b", "", text.stdout), re.M), command


@pytest.fixture(scope="module")
def completion(tmp_path_factory):
    """What bash offers for a line that ends where the cursor is."""
    script = tmp_path_factory.mktemp("completion") / "tenon"
    script.write_text(printed("--document", "bash"))

    def complete(*words, cwd=ROOT):
        line = " ".join(shlex.quote(word) for word in (TENON, *words))
        shell = f'source "$0"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _tenon; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-euc", shell, script], capture_output=True, text=True, cwd=cwd)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return set(done.stdout.split("\n")) - {""}

    return complete


def test_completion__of_commands(completion):
    assert completion("") == {*COMMANDS, "help", "--help", "--version"}
    assert completion("in") == {"inspect"}
    assert completion("help", "che") == {"check"}


@pytest.mark.parametrize("command", COMMANDS)
def test_completion__of_options_are_those_of_help(completion, command):
    options = options_of(command)
    short = {letter for head, _ in options.values() for letter in re.findall(r"^-\w", head)}
    assert completion(command, "-") == {*options, *short}
    assert completion(command, "--he") == {"--help"}


def test_completion__of_choices_boards_verbs_and_files(completion, tmp_path):
    boards = set(printed("device", "--boards").split())
    assert completion("get", "--level", "") == {"header", "loaded"}
    assert completion("get", "--level", "l") == {"loaded"}
    assert completion("get", "--level", "=") == {"header", "loaded"}
    assert completion("get", "--level", "=", "h") == {"header"}
    assert completion("check", "x.engine", "--device", "orin-na") == {"orin-nano"}
    assert completion("check", "x.engine", "-d", "", cwd=tmp_path) == boards
    assert completion("get", "x.onnx", "--for", "rtx4") == {"rtx4090"}
    assert completion("cache", "") == set(re.search(r"one of (\S+)", run("cache", "frob").stderr).group(1).split("|"))
    assert completion("cache", "sho") == {"show"}
    (tmp_path / "a model.onnx").write_text("")
    (tmp_path / "folder").mkdir()
    assert completion("get", "a", cwd=tmp_path) == {"a model.onnx"}
    assert completion("get", "--store", "", cwd=tmp_path) == {"folder"}
    assert completion("get", "--shapes", "", cwd=tmp_path) == set()


@pytest.mark.parametrize("path, kind", DOCUMENTS.items())
def test_documents__are_what_the_program_prints(path, kind):
    assert (ROOT / path).read_text() == printed("--document", kind), f"build/tenon --document {kind} > {path}"


def test_documents__name_every_command_option_and_error():
    text = (ROOT / "docs/cli.md").read_text()
    for command in COMMANDS:
        section = text.split(f"\n## tenon {command}\n")[1].split("\n## ")[0]
        for option in set(options_of(command)) - {"--help", "--json", "--quiet", "--verbose"}:
            assert f"{option}" in section, f"{command} {option}"
    errors = (ROOT / "docs/errors.md").read_text()
    rows = re.findall(r"X\((\w+), (-\d+), (\d+), ", (ROOT / "include/tenon/tenon.h").read_text())
    assert len(rows) > 10
    for name, code, status in rows:
        assert re.search(rf"^\| `{name}` \| {code} \| {status} \|", errors, re.M), name


def test_documents__that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"`(docs/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


# ---- README ----


def readme_commands():
    """Those of the section "Fleet" are run with a server, by test_operating.py."""
    text = (ROOT / "README.md").read_text()
    return re.findall(r"^    (.*build/tenon .*)$", text, re.M)


def without_a_server():
    fleet = re.search(r"^## Fleet$.*?^## ", (ROOT / "README.md").read_text() + "\n## ", re.M | re.S)[0]
    return [line for line in readme_commands() if line not in fleet]


def test_readme__names_commands_and_options_that_exist():
    lines = readme_commands()
    assert len(lines) >= 8
    for line in lines:
        command = re.search(r"build/tenon (\w+)", line).group(1)
        assert command in COMMANDS, line
        for option in re.findall(r"(?<=\s)--[\w-]+", line):
            assert option in options_of(command), f"{line}: {option}"


@needs_rtx
def test_readme__commands_run_as_they_stand(store, tmp_path):
    """In a folder with the files that they name; `device --require` answers for this machine."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "tenon").symlink_to(TENON)
    (tmp_path / "models").mkdir()
    net = model("light_squeezenet")
    shutil.copy(net, tmp_path / "model.onnx")
    shutil.copy(model("ocr_det"), tmp_path / "detector.onnx")
    engine = printed("get", "-q", net, "--runtime", "rtx1.7.1.116").strip()
    shutil.copy(engine, tmp_path / "model.engine")
    shutil.copy(engine, tmp_path / "models")
    env = {**os.environ, "TENON_RUNTIME": "rtx1.7.1.116"}
    no = ("device --require", "check model.engine")  # a plain no is the right answer here
    for line in without_a_server():
        done = subprocess.run(["bash", "-euc", line], cwd=tmp_path, env=env, capture_output=True, text=True)
        wanted = {0, 1} if any(word in line for word in no) else {0}
        if "--trial" in line and not os.path.exists("/proc/driver/nvidia"):
            wanted = {3}  # there is no GPU to try it on
        assert done.returncode in wanted, f"{line}\n{done.stdout}{done.stderr}"
        assert "Try 'tenon" not in done.stderr, line
