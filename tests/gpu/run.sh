#!/bin/bash
# Acceptance on a real GPU; see README.md.
set -u
folder=$1 python=$2 libraries=$3 model=$4
shift 4
work=$(mktemp -d "${TMPDIR:-/tmp}/tenon-gpu-XXXXXX")
export TENON_STORE=$work/store TENON_TOOLCHAINS=$work/toolchains.yaml LD_LIBRARY_PATH=$folder/lib:$libraries
printf 'toolchains:\n  - { kind: python, python: %s, library: %s }\n' "$python" "$libraries" > "$TENON_TOOLCHAINS"
passed=0 failed=0

# expect STATUS WORD WHAT COMMAND…: the exit status, and a word in what it prints
expect() {
    local status=$1 word=$2 what=$3
    shift 3
    local output rc
    output=$("$@" 2>&1); rc=$?
    if [ "$rc" -eq "$status" ] && grep -q -e "$word" <<<"$output"; then
        passed=$((passed + 1)); echo "ok      $what"
    else
        failed=$((failed + 1)); echo "FAILED  $what: exit $rc (wanted $status), no '$word' in:"; sed 's/^/    /' <<<"$output"
    fi
}
# A plan that no runtime loads, under its right digest: a service would find out in production.
spoil() {
python3 - "$1" <<'PY'
import glob, hashlib, json, os, sys
plan = sys.argv[1]
folder = os.path.dirname(plan)
data = bytearray(open(plan, "rb").read())
data[len(data) // 4:len(data) // 4 + 4096] = b"\xff" * 4096
digest = hashlib.sha256(data).hexdigest()
record = json.load(open(folder + "/record.json"))
old = record["digest"]
record["digest"] = digest
root = folder.split("/objects/")[0]
new = "%s/objects/sha256/%s/%s" % (root, digest[:2], digest[2:])
os.makedirs(os.path.dirname(new), 0o755, exist_ok=True)
os.chmod(plan, 0o644); open(plan, "wb").write(data); os.chmod(plan, 0o444)
os.chmod(folder + "/record.json", 0o644); json.dump(record, open(folder + "/record.json", "w")); os.chmod(folder + "/record.json", 0o444)
os.rename(folder, new)
for index in glob.glob(root + "/records/*.json"):
    text = open(index).read()
    open(index, "w").write(text.replace(old, digest))
PY
}
tenon=$folder/bin/tenon

expect 0 "compute capability" "device: a GPU answers" "$tenon" device
expect 0 "" "device --require" "$tenon" device --require 'gpu.sm_count > 0 and runtime.trt > 1'
printf 'name: gpu\nvariants: { fp32: %s }\noptions: { optimization-level: 0 }\npolicy: { precision: [fp16, fp32] }\n' \
    "$model" > "$work/model.yaml"
expect 0 '"level":"loaded".*"source":"built"' "get builds fp16 and proves it" "$tenon" get --json "$work/model.yaml"
expect 0 '"level":"loaded".*"source":"store"' "get finds it again, proved" "$tenon" get --json "$work/model.yaml"
command -v strace > /dev/null && expect 0 "" "a proved engine starts no child" bash -c "! strace -f -e trace=execve '$tenon' get -q '$work/model.yaml' 2>&1 | grep -q python"
engine=$("$tenon" get -q "$work/model.yaml" 2>/dev/null)
expect 0 "^loads" "check by rule" "$tenon" check "$engine"
expect 0 "deserialize" "check --trial shows its phases" "$tenon" check --trial -v "$engine"
expect 0 '"by":"trial"' "check --trial is a proof" "$tenon" check --trial --json "$engine"

head -c -100 "$engine" > "$work/short.engine"
expect 1 "truncated" "a truncated engine is refused" "$tenon" check --trial "$work/short.engine"
printf 'name: stripped\nvariants: { fp32: %s }\noptions: { optimization-level: 0, flags: [STRIP_PLAN] }\n' "$model" > "$work/strip.yaml"
expect 1 "stripped" "get hands out no stripped engine" "$tenon" get "$work/strip.yaml"
expect 1 "needs-refit" "a stripped engine is caught though it loads" "$tenon" check --trial "$TENON_STORE"/engines/stripped_*
cp "$engine" "$work/flipped.engine" && chmod u+w "$work/flipped.engine"
printf '\377' | dd of="$work/flipped.engine" bs=1 seek=$(($(stat -c %s "$engine") / 2)) conv=notrunc status=none
expect 1 "changed" "one flipped byte is caught by the digest" \
    bash -c "chmod u+w '$engine'; cp '$work/flipped.engine' '$engine'; '$tenon' cache verify; rc=\$?; exit \$rc"
# A plan that does not load, though its record and digest are right: a service would find out in production.
expect 0 "built" "get for the broken one" "$tenon" get --level header --retry "$work/model.yaml"
plan=$("$tenon" get -q --level header "$work/model.yaml" 2>/dev/null)
spoil "$plan"
expect 0 "set aside" "an engine that does not load is set aside; the next rung is got" "$tenon" get "$work/model.yaml"
expect 0 "fp32" "the fallen rung is remembered" "$tenon" get "$work/model.yaml"
# A service, in C: examples/load_engine beside the command, or nothing of it.
service=$folder/bin/load_engine library=$(ls "$libraries"/libnvinfer.so.* 2>/dev/null | head -1)
if [ -x "$service" ]; then
    export TENON_STORE=$work/service
    spec=$work/model.yaml
    expect 0 '"level":"loaded".*"source":"built"' "service: first start builds and loads" "$service" "$spec" "$library"
    expect 0 '"level":"loaded".*"source":"store"' "service: next start finds it" "$service" "$spec" "$library"
    expect 0 '"by":"application".*"result":"ok"' "service: its loads are told" "$tenon" cache stats --json
    plan=$("$tenon" get -q "$spec" 2>/dev/null)
    spoil "$plan"
    expect 0 '"rung":"fp16"},.*"source":"built"' "service: an engine that does not load is set aside, the next rung loads" \
        "$service" "$spec" "$library"
    expect 0 '"result":"refused".*"source":"store"' "service: and is not tried again" "$service" "$spec" "$library"
    expect 75 "kept: '/" "service: without a GPU it says so and keeps the engine" \
        env CUDA_VISIBLE_DEVICES= "$service" "$spec" "$library"
    expect 0 '"source":"store"' "service: and starts when the GPU is back" "$service" "$spec" "$library"
    export TENON_STORE=$work/store
fi
# The Python package of the source tree, with the library of the installation.
here=$(cd "$(dirname "$0")/../.." && pwd)
expect 0 "level loaded.*ready" "Python: three lines load it" \
    env "PYTHONPATH=$here/bindings/python${PYTHONPATH:+:$PYTHONPATH}" "TENON_LIBRARY=$(find "$folder" -name libtenon.so.0 | head -n 1)" \
    "$python" "$here/examples/load_engine.py" "$work/model.yaml"
for other in "$@"; do
    expect 1 "wont-load" "refused: $(basename "$other")" "$tenon" check --trial "$other"
done
expect 3 "no GPU\|hides every GPU" "no GPU is shown" env CUDA_VISIBLE_DEVICES= "$tenon" check --trial "$work/flipped.engine"

expect 0 '"ok":true,"stage":"context","free_bytes":[1-9]' "the driver is asked in a child, tied and without network" \
    bash -c '"$0/tenon-start" $$ "$0/tenon-gpu"; exit $?' "$folder/libexec/tenon"
if [ -n "${TENON_TRTEXEC:-}" ]; then
    printf 'toolchains:\n  - { kind: trtexec, trtexec: %s, library: %s }\n' "$TENON_TRTEXEC" "$libraries" > "$work/trtexec.yaml"
    through=(env TENON_TOOLCHAINS="$work/trtexec.yaml" TENON_STORE="$work/trtexec" "$tenon")
    expect 0 '"level":"loaded".*"source":"built"' "trtexec builds and proves" "${through[@]}" get --json "$work/model.yaml"
    engine=$("${through[@]}" get -q "$work/model.yaml" 2>/dev/null)
    expect 0 "exec-context" "trtexec: check --trial shows its phases" "${through[@]}" check --trial -v "$engine"
    for other in "$@"; do
        expect 1 "wont-load" "trtexec: refused: $(basename "$other")" "${through[@]}" check --trial "$other"
    done
fi

engine=$("$tenon" get -q "$work/model.yaml" 2>/dev/null)
cat > "$work/bare.py" <<'PY'
import sys
try:
    import tensorrt as trt
except ImportError:
    import tensorrt_bindings as trt
assert trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(open(sys.argv[1], "rb").read())
PY
time_of() { local t0 t1; t0=$(date +%s%N); "$@" > /dev/null 2>&1; t1=$(date +%s%N); echo $(((t1 - t0) / 1000000)); }
for _ in $(seq 11); do
    time_of env LD_LIBRARY_PATH="$libraries" "$python" "$work/bare.py" "$engine" >> "$work/bare.ms"
    time_of "$tenon" check --trial "$engine" >> "$work/trial.ms"
done
bare=$(sort -n "$work/bare.ms" | sed -n 6p) trial=$(sort -n "$work/trial.ms" | sed -n 6p)
echo "check --trial: $trial ms; bare child: $bare ms (medians of 11)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
