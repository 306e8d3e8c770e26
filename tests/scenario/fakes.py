"""Stores full of engines that nobody built: valid records and indexes beside a few bytes of plan.

usage: fakes.py FOLDER COUNT      (for the benchmark)
"""
import hashlib
import json
import os
import pathlib
import sys

FIELDS = ("model.digest model.precision derived.by flavor trt.version platform class precision shapes tf32 flags "
          "hw-compat ccs dla workspace opt-level plugins calibration.digest timing-cache.digest").split()
DAY = 86_400_000_000_000


def host():
    """This machine as stores call it."""
    try:
        return pathlib.Path("/etc/machine-id").read_text().strip()[:32] or None
    except OSError:
        return None


def host_name():
    text = host()
    if text and len(text) == 32 and not set(text) - set("0123456789abcdef"):
        return text
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:32]


def recipe_of(model="m", **fields):
    recipe = dict.fromkeys(FIELDS, "-")
    recipe.update({"model.digest": hashlib.sha256(model.encode()).hexdigest(), "model.precision": "fp32",
                   "flavor": "tensorrt-rtx", "trt.version": "1.7.1.116", "platform": "linux-x86_64",
                   "precision": "fp16", "tf32": "on", "hw-compat": "none", "ccs": "default",
                   "workspace": "default", "opt-level": "default"})
    recipe.update({name.replace("_", "."): value for name, value in fields.items()})
    return recipe


def key_of(recipe):
    text = "tenon-recipe/1\n" + "".join(f"{name}={recipe[name]}\n" for name in FIELDS)
    return hashlib.sha256(text.encode()).hexdigest()


def engine(store, plan, recipe=None, model="m", sequence=1, used=None):
    """One engine in a store; `used` is ns since 1970. Returns its digest."""
    store = pathlib.Path(store)
    recipe = recipe or recipe_of(model)
    digest, key = hashlib.sha256(plan).hexdigest(), key_of(recipe)
    name = f"{model}_1x3_rtx{recipe['trt.version']}_sm80-121_{recipe['precision']}.{key[:8]}.engine"
    folder = store / "objects/sha256" / digest[:2] / digest[2:]
    folder.mkdir(parents=True)
    (folder / "plan").write_bytes(plan)
    (folder / "record.json").write_text(json.dumps({
        "schema": "tenon-record/1", "digest": digest, "plan_bytes": len(plan), "key": key, "recipe": recipe,
        "model": model, "name": name, "sequence": sequence, "facts": {"kind": "engine"}, "built": {"build_ms": 1}}))
    for file in folder.iterdir():
        file.chmod(0o444)
    index = store / "records" / f"{key}.json"
    index.parent.mkdir(exist_ok=True)
    digests = json.loads(index.read_text())["digests"] if index.exists() else []
    index.write_text(json.dumps({"key": key, "digests": [*digests, digest]}))
    (store / "engines").mkdir(exist_ok=True)
    link = store / "engines" / name
    link.unlink(missing_ok=True)
    link.symlink_to(f"../objects/sha256/{digest[:2]}/{digest[2:]}/plan")
    if used is not None:
        note_use(store, digest, used)
    return digest


def note_use(store, digest, when):
    note(store, digest, last_used=when)


def note(store, digest, **members):
    """What this host knows of an engine."""
    note = pathlib.Path(store) / "hosts" / host_name() / "plans" / f"{digest}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(members))


def fill(store, count, used=1_700_000_000_000_000_000):
    pathlib.Path(store).mkdir(mode=0o700, parents=True, exist_ok=True)
    return [engine(store, b"plan %d" % i, model=f"m{i}", sequence=i + 1, used=used + i * DAY // 100) for i in range(count)]


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
