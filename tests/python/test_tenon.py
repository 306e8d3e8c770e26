"""The package as an application uses it: run by tests/scenario/test_python.py in the environment that the wheel was
installed into, with nothing else to help. TENON_TEST_MODEL: an ONNX file; TENON_TEST_RUNTIME: the runtime that this
environment can build for; TENON_TEST_SOURCES: the source tree."""
import contextlib
import gc
import logging
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import types
import unittest
from unittest import mock

import tenon
import tenon._tensorrt

MODEL = os.environ["TENON_TEST_MODEL"]
RUNTIME = os.environ["TENON_TEST_RUNTIME"]
SOURCES = pathlib.Path(os.environ["TENON_TEST_SOURCES"])
MAGIC = b"vtrt"
ready = None  # a store with the model's engine in it, built once


def setUpModule():
    global ready
    ready = pathlib.Path(tempfile.mkdtemp(prefix="tenon-python-"))
    engine = tenon.Loader(ready).get(MODEL, runtime=RUNTIME)
    assert engine.report["source"] == "built", engine.report


def tearDownModule():
    shutil.rmtree(ready)


class WithStore(unittest.TestCase):
    """A copy of the store for each test, which may break it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tenon-python-")
        self.addCleanup(folder.cleanup)
        self.store = pathlib.Path(folder.name) / "store"
        shutil.copytree(ready, self.store, symlinks=True)
        self.loader = tenon.Loader(self.store)

    def get(self, **wish):
        return self.loader.get(MODEL, runtime=RUNTIME, **wish)

    def load(self, deserialize, **wish):
        return self.loader.load(MODEL, deserialize, **{"runtime": RUNTIME, **wish})

    def empty(self):
        """A loader whose first get has to build."""
        return tenon.Loader(self.store.parent / "empty")

    def engines(self):
        return [one["path"] for one in self.loader.list()]


class Errors(unittest.TestCase):
    def test_there_is_a_class_for_each_row_of_the_table_and_no_other(self):
        header = (SOURCES / "include/tenon/tenon.h").read_text()
        rows = re.findall(r"X\((\w+), (-\d+), (\d+),", header)
        told = {(cls.name, str(cls.code), str(cls.exit_status)) for cls in tenon.Error.__subclasses__()}
        self.assertEqual(told, set(rows))

    def test_an_error_has_the_text_of_the_library_and_its_errno(self):
        with self.assertRaises(tenon.NotFound) as caught:
            tenon.inspect("/no/such/file")
        self.assertIn("/no/such/file", str(caught.exception))
        self.assertIsInstance(caught.exception, tenon.Error)

    def test_a_wrong_option_is_a_type_error_and_a_wrong_value_a_usage(self):
        with self.assertRaises(TypeError):
            tenon.get(MODEL, precission="fp16")
        with self.assertRaises(tenon.Usage):
            tenon.get(MODEL, level="best")
        with self.assertRaises(tenon.Usage):
            tenon.load(MODEL, "tensorrt")


class Questions(WithStore):
    def test_inspect_check_and_device_answer_with_the_objects_of_the_commands(self):
        path = self.engines()[0]
        self.assertEqual(tenon.inspect(path)["flavor"], "tensorrt-rtx")
        loads, = tenon.check(path, device=f"rtx4090+{RUNTIME}")
        self.assertEqual((loads["verdict"], loads["path"]), ("loads", path))
        wont, = tenon.check(pathlib.Path(path), device="t4+trt8.4.1.5")
        self.assertEqual(wont["verdict"], "wont-load")
        self.assertEqual(tenon.device()["label"], "this machine")

    def test_a_trial_goes_without_a_device(self):
        with self.assertRaises(tenon.Usage):
            tenon.check(self.engines()[0], device="t4+trt8.4.1.5", trial=True)

    def test_the_version_is_the_libraries(self):
        self.assertRegex(tenon.__version__, r"^\d+\.\d+\.\d+$")


class Get(WithStore):
    def test_an_engine_has_path_bytes_and_report(self):
        engine = self.get()
        self.assertEqual(engine.path, self.engines()[0])
        self.assertEqual(engine.memory.tobytes(), pathlib.Path(engine.path).read_bytes())
        self.assertTrue(engine.memory.readonly)
        self.assertEqual((engine.report["source"], engine.report["precision"]), ("store", "fp32"))
        self.assertIsNone(engine.object)

    def test_the_bytes_outlive_the_engine_and_the_file(self):
        engine = self.get()
        memory = engine.memory[:4]
        os.unlink(engine.path)
        del engine
        gc.collect()
        self.assertEqual(memory.tobytes(), MAGIC)

    def test_without_a_build_nothing_is_built(self):
        with self.assertRaises(tenon.NoEngine) as caught:
            self.empty().get(MODEL, runtime=RUNTIME, no_build=True, precision=["fp32"])
        self.assertIn("fp32", str(caught.exception))

    def test_lists_and_mappings_are_taken_as_on_the_command_line(self):
        with self.assertRaises(tenon.Error) as caught:
            self.empty().get(MODEL, runtime=RUNTIME, no_build=True, shapes={"no_such_input": "1x3"})
        self.assertIn("no_such_input", str(caught.exception))

    def test_threads_share_a_loader(self):
        paths, problems = [], []

        def work():
            try:
                for _ in range(20):
                    paths.append(self.get().path)
            except tenon.Error as problem:
                problems.append(problem)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((problems, len(paths), set(paths)), ([], 160, set(self.engines())))

    def test_the_default_stores_are_those_of_the_environment_at_the_time_of_the_call(self):
        with mock.patch.dict(os.environ, TENON_STORE=str(self.store)):
            self.assertEqual(tenon.get(MODEL, runtime=RUNTIME).path, self.engines()[0])
        with mock.patch.dict(os.environ, TENON_STORE=str(self.store.parent / "other")):
            with self.assertRaises(tenon.NoEngine):
                tenon.get(MODEL, runtime=RUNTIME, no_build=True)


class Store(WithStore):
    def test_engines_are_listed_marked_and_collected(self):
        digest = self.loader.list()[0]["digest"]
        self.loader.mark(digest, "pin")
        self.assertTrue(self.loader.list()[0]["pinned"])
        self.loader.mark(digest[:8], "verify")
        self.assertTrue(self.loader.collect(dry_run=True)["dry_run"])
        with self.assertRaises(tenon.Usage):
            self.loader.mark(digest, "keep")

    def test_a_list_of_stores_is_a_list(self):
        both = tenon.Loader([self.store.parent / "first", self.store])
        self.assertEqual(both.get(MODEL, runtime=RUNTIME).path, self.engines()[0])


class Load(WithStore):
    def test_what_the_callback_returns_is_the_object(self):
        engine = self.load(lambda plan, log: {"magic": bytes(plan[:4])})
        self.assertEqual(engine.object, {"magic": MAGIC})
        self.assertEqual(engine.report["level"], "loaded")

    def test_the_callback_may_not_keep_the_plan(self):
        kept = []
        self.load(lambda plan, log: kept.append(plan) or "fine")
        with self.assertRaises(ValueError):
            bytes(kept[0][:4])

    def test_an_engine_that_fails_for_a_reason_of_its_own_is_set_aside_and_another_is_built(self):
        lines = iter(["Serialization assertion safeVersionRead == safeSerializationVersion failed.Version tag does "
                      "not match"])

        def deserialize(plan, log):
            for line in lines:
                log(tenon.Severity.ERROR, line)
                return None
            return "an engine"

        with self.assertRaises(tenon.NoEngine) as caught:
            self.load(deserialize)
        self.assertIn("trt-version", str(caught.exception))
        self.assertEqual(self.engines(), [])

    def test_trouble_of_the_device_keeps_the_engine_and_names_it(self):
        def deserialize(plan, log):
            log(tenon.Severity.ERROR, "Cuda Error in allocate: 2 (out of memory)")

        with self.assertRaises(tenon.DeviceTrouble) as caught:
            self.load(deserialize)
        self.assertEqual([caught.exception.path], self.engines())
        self.assertEqual(caught.exception.exit_status, 75)

    def test_an_exception_comes_out_as_it_is_and_blames_no_engine(self):
        before = self.engines()
        with self.assertRaises(ZeroDivisionError):
            self.load(lambda plan, log: 1 // 0)
        self.assertEqual(self.engines(), before)
        self.assertEqual(self.load(lambda plan, log: "an engine").object, "an engine")

    def test_a_log_that_is_kept_takes_no_more_lines(self):
        kept = []
        self.load(lambda plan, log: kept.append(log) or "an engine")
        kept[0](tenon.Severity.ERROR, "too late")


def fake_module(**behaviour):
    """What a TensorRT module looks like. `line`: (severity, text) that a thread of it logs before it fails."""
    module = types.ModuleType("tensorrt_fake")
    module.__version__ = "10.15.1.29"
    module.runtimes = []

    class ILogger:
        pass

    class Runtime:
        def __init__(self, logger):
            self.logger = logger
            module.runtimes.append(self)

        def deserialize_cuda_engine(self, plan):
            if "line" not in behaviour:
                return f"engine of {len(plan)} bytes"
            thread = threading.Thread(target=self.logger.log, args=behaviour["line"])
            thread.start()
            thread.join()
            return None

    module.ILogger, module.Runtime = ILogger, Runtime
    module.init_libnvinfer_plugins = lambda logger, namespace: True
    return module


class Modules(WithStore):
    """A module of TensorRT in place of a callback."""

    def setUp(self):
        super().setUp()
        tenon._tensorrt._logger.clear()
        self.enterContext = contextlib.ExitStack()
        self.addCleanup(self.enterContext.close)

    def with_driver(self):
        self.enterContext.enter_context(mock.patch.object(tenon._tensorrt, "driver_trouble", lambda: None))

    def test_a_module_deserializes(self):
        self.with_driver()
        engine = self.load(fake_module())
        self.assertEqual(engine.object, f"engine of {len(engine.memory)} bytes")

    def test_host_code_is_allowed_in_the_runtime_too(self):
        self.with_driver()
        module = fake_module()
        self.load(module, allow_host_code=True)
        self.assertTrue(module.runtimes[0].engine_host_code_allowed)

    def test_lines_of_its_threads_explain_the_failure_and_reach_logging_and_the_own_logger(self):
        self.with_driver()
        own = mock.Mock()
        with self.assertLogs("tenon.tensorrt", logging.ERROR) as logged, \
                self.assertRaises(tenon.DeviceTrouble) as caught:
            self.load(fake_module(line=(1, "Cuda Error in allocate: 2 (out of memory)")), logger=own)
        self.assertIn("no-memory", str(caught.exception))
        self.assertIn("out of memory", logged.output[0])
        own.log.assert_called_once_with(1, "Cuda Error in allocate: 2 (out of memory)")

    def test_the_logger_of_a_module_is_made_once(self):
        self.with_driver()
        module = fake_module()
        self.load(module)
        self.load(module)
        self.assertIs(module.runtimes[0].logger, module.runtimes[1].logger)

    def test_without_a_driver_the_module_is_not_touched(self):
        self.enterContext.enter_context(mock.patch.object(
            tenon._tensorrt, "driver_trouble", lambda: "CUDA initialization failure with error: 35: none"))
        module = fake_module()
        with self.assertRaises(tenon.DeviceTrouble) as caught:
            self.load(module)
        self.assertEqual(([caught.exception.path], module.runtimes), (self.engines(), []))

    def test_the_runtime_is_the_modules_own_version(self):
        module = fake_module()
        self.assertEqual(tenon._tensorrt.runtime_of(module), "trt10.15.1.29")
        module.__version__ = "1.7.1.116"
        module.__name__ = "tensorrt_rtx"
        self.assertEqual(tenon._tensorrt.runtime_of(module), "rtx1.7.1.116")
        module.__name__, module.__version__ = "tensorrt_fake", "nightly"
        self.assertIsNone(tenon._tensorrt.runtime_of(module))

    @unittest.skipIf(os.path.exists("/dev/nvidiactl"), "this machine has a driver")
    def test_the_real_module_is_refused_without_a_driver_and_its_engine_kept(self):
        import tensorrt_rtx_bindings
        self.assertEqual(tenon._tensorrt.runtime_of(tensorrt_rtx_bindings), RUNTIME)
        with self.assertRaises(tenon.DeviceTrouble) as caught:
            self.loader.load(MODEL, tensorrt_rtx_bindings)
        self.assertEqual([caught.exception.path], self.engines())
        self.assertIn("no NVIDIA driver answers", str(caught.exception))


class Events(WithStore):
    def test_events_tell_what_is_going_on_and_false_stops(self):
        seen = []

        def event(now):
            seen.append(now)
            gc.collect()  # the callbacks are the call's own
            return False

        with self.assertRaises(tenon.Cancelled):
            self.empty().get(MODEL, runtime=RUNTIME, event=event)
        self.assertEqual(len(seen), 1)
        self.assertEqual((seen[0].rung, type(seen[0].doing), seen[0].elapsed_ms >= 0), ("fp32", str, True))

    def test_an_exception_of_an_event_comes_out(self):
        with self.assertRaises(ZeroDivisionError):
            self.empty().get(MODEL, runtime=RUNTIME, event=lambda now: 1 // 0)

    def test_none_goes_on(self):
        self.assertEqual(self.get(event=lambda now: None).path, self.engines()[0])


def wait_until_in_c(thread_id):
    """Until a thread waits in a system call other than for Python's own lock."""
    futex = {"202", "98"}  # x86-64, aarch64
    while True:
        call = pathlib.Path(f"/proc/self/task/{thread_id}/syscall").read_text().split()[0]
        if call != "running" and call not in futex:
            return


class Signals(WithStore):
    """Signals that come while the library works."""

    def interrupt_while(self, doing, number=signal.SIGINT):
        sent = []

        def event(now):
            if now.doing == doing and not sent:
                sent.append(now)
                os.kill(os.getpid(), number)

        return event, sent

    def test_an_interrupt_stops_a_build_and_leaves_no_child(self):
        handler = signal.getsignal(signal.SIGINT)
        event, sent = self.interrupt_while("building")
        with self.assertRaises(KeyboardInterrupt):
            self.empty().get(MODEL, runtime=RUNTIME, event=event)
        self.assertEqual(len(sent), 1, "it came while the build ran")
        self.assertIs(signal.getsignal(signal.SIGINT), handler)
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        self.assertEqual(self.empty().list(), [])

    def test_an_interrupt_between_two_callbacks_is_not_lost(self):
        main, begun = threading.get_native_id(), threading.Event()

        def interrupt():
            begun.wait()
            wait_until_in_c(main)
            os.kill(os.getpid(), signal.SIGINT)

        def event(now):
            if now.doing == "building":
                begun.set()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with self.assertRaises(KeyboardInterrupt):
            self.empty().get(MODEL, runtime=RUNTIME, event=event)
        thread.join()

    def test_an_interrupt_during_deserialization_is_not_lost(self):
        with self.assertRaises(KeyboardInterrupt):
            self.load(lambda plan, log: os.kill(os.getpid(), signal.SIGINT) or "an engine")
        self.assertEqual(len(self.engines()), 1)

    def test_a_handler_of_the_application_runs_and_may_raise(self):
        def stop(number, frame):
            raise SystemExit(number)

        before = signal.signal(signal.SIGTERM, stop)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        event, _ = self.interrupt_while("building", signal.SIGTERM)
        with self.assertRaises(SystemExit):
            self.empty().get(MODEL, runtime=RUNTIME, event=event)
        self.assertIs(signal.getsignal(signal.SIGTERM), stop)

    def test_a_handler_that_only_notes_lets_the_call_go_on(self):
        noted = []
        before = signal.signal(signal.SIGUSR1, lambda number, frame: noted.append(number))
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        engine = self.load(lambda plan, log: os.kill(os.getpid(), signal.SIGUSR1) or "an engine")
        self.assertEqual((engine.object, noted), ("an engine", [signal.SIGUSR1]))

    def test_other_threads_leave_handlers_alone(self):
        seen = []
        before = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=lambda: seen.append(
            self.load(lambda plan, log: signal.getsignal(signal.SIGINT) is before or None).object))
        thread.start()
        thread.join()
        self.assertEqual(seen, [True])


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
