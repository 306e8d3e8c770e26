# The commands that matter: `make run`, `make fleet-demo` and `make test`. Everything they need they install.
BUILD := build
RTX := venv/rtx-1.7
RTX_OLD := venv/rtx-1.6
MODELS := venv/models
export TENON_RTX_PYTHON := $(CURDIR)/$(RTX)/bin/python
export TENON_RTX16_PYTHON := $(CURDIR)/$(RTX_OLD)/bin/python
export TENON_MODELS := $(CURDIR)/$(MODELS)

.PHONY: all run fleet-demo test bench install wheel clean packages rtx models check
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@tools/packages build
	@CC=gcc meson setup $(BUILD) $(MESON_FLAGS) > $(BUILD).setup.log 2>&1 || { cat $(BUILD).setup.log; exit 1; }
	@mv $(BUILD).setup.log $(BUILD)/setup.log

packages:
	@tools/packages build

rtx: packages
	@tools/environment venv $(RTX) tools/requirements/rtx-1.7.txt

models: packages
	@tools/environment models $(MODELS)/demo tools/requirements/models-demo.txt

$(BUILD)/toolchains.yaml: | $(BUILD)/build.ninja
	@tools/write-toolchains $@ rtx1.7.1.116=$(TENON_RTX_PYTHON)

run: packages all rtx models $(BUILD)/toolchains.yaml
	@tools/demo

fleet-demo: packages all rtx models $(BUILD)/toolchains.yaml
	@tools/packages demo
	@tools/fleet-demo

test: ; @tools/test
check: ; @tools/test quick
bench: ; @tools/bench
bench-server: ; @tools/bench server

install: all
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

# A Python wheel that works alone: build/wheel/tenon-*.whl
wheel: all
	@tools/packages wheel
	@/usr/bin/python3 tools/make-wheel $(BUILD) $(BUILD)/wheel

clean:
	rm -rf $(BUILD) build-asan build-tsan build-bench
