"""Signals while the library works.

Python runs signal handlers between two of its instructions, in the main thread: while C code works
none runs, and the first moment after is the entry of a callback, where an exception such as
KeyboardInterrupt has nobody to catch it and is lost. So handlers are held: for the time of the call
they only note that the signal came, and the callbacks run them where an exception can be taken.
"""
import signal
import threading
from types import FrameType
from typing import Any, Dict, List, Optional, Tuple

HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class Held:
    """Holds the handlers while it is entered; does nothing outside of the main thread."""

    def __init__(self) -> None:
        self._handler: Dict[int, Any] = {}
        self._came: List[Tuple[int, Optional[FrameType]]] = []

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        self._came.append((number, frame))

    def __enter__(self) -> "Held":
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in HELD:
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, self._note)
                self._handler[number] = handler
        return self

    def run(self) -> None:
        """Runs the handlers of what came meanwhile; whatever they raise comes out here."""
        while self._came:
            number, frame = self._came.pop(0)
            self._handler[number](number, frame)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handler.items():
            signal.signal(number, handler)
        self.run()
