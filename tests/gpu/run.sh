#!/bin/bash
# Acceptance on a real GPU; see README.md.
set -u
folder=$1 python=$2 libraries=$3 model=$4
shift 4
work=$(mktemp -d "${TMPDIR:-/tmp}/tenon-gpu-XXXXXX")
export TENON_STORE=$work/store TENON_TOOLCHAINS=$work/toolchains.yaml LD_LIBRARY_PATH=$folder/lib:$libraries
printf 'toolchains:\n  - { kind: python, python: %s, library: %s }\n' "$python" "$libraries" > "$TENON_TOOLCHAINS"
. "$(dirname "$0")/expect.sh"
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
damage_engine "$plan"
expect 0 "set aside" "an engine that does not load is set aside; the next rung is got" "$tenon" get "$work/model.yaml"
expect 0 "fp32" "the fallen rung is remembered" "$tenon" get "$work/model.yaml"
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
