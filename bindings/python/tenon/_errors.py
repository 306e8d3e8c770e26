"""One class for each row of the error table (`TN_ERRORS` in tenon.h; docs/errors.md)."""
from typing import Dict, Optional, Type


class Error(Exception):
    """A call failed. `code` and `name` are the table's, `os_error` is an errno or 0, `exit_status`
    is what the command would exit with."""

    code = 0
    name = "UNKNOWN"
    exit_status = 70

    def __init__(self, text: str, os_error: int = 0) -> None:
        super().__init__(text)
        self.os_error = os_error


class NoMemory(Error):
    """Memory could not be allocated."""
    code, name, exit_status = -1, "NOMEM", 71


class FileTrouble(Error):
    """A file operation failed."""
    code, name, exit_status = -2, "IO", 74


class NotFound(Error):
    """A file or object that was named does not exist."""
    code, name, exit_status = -3, "NOTFOUND", 66


class Corrupt(Error):
    """Content does not match its digest or cannot be decoded."""
    code, name, exit_status = -4, "CORRUPT", 65


class TooBig(Error):
    """Larger than the limit in force."""
    code, name, exit_status = -6, "TOOBIG", 65


class Invalid(Error):
    """Input that breaks the rules of its format."""
    code, name, exit_status = -7, "INVALID", 65


class Usage(Error):
    """A request that makes no sense."""
    code, name, exit_status = -8, "USAGE", 2


class Untrusted(Error):
    """Another user could change this file or folder, so it is not used."""
    code, name, exit_status = -9, "UNTRUSTED", 77


class AccessDenied(Error):
    """Permission denied."""
    code, name, exit_status = -10, "ACCESS", 77


class NoSpace(Error):
    """No space left on the device."""
    code, name, exit_status = -11, "NOSPACE", 73


class DeviceTrouble(Error):
    """The device or a resource is not ready; the same call may work later. `path` is the engine
    that was found and kept, or None."""
    code, name, exit_status = -12, "AGAIN", 75
    path: Optional[str] = None


class Unsupported(Error):
    """This build or this machine cannot do it."""
    code, name, exit_status = -13, "UNSUPPORTED", 69


class NoEngine(Error):
    """No rung of the ladder gave an engine; the text says why, rung by rung."""
    code, name, exit_status = -16, "NOENGINE", 1


class Cancelled(Error):
    """The event callback asked to stop."""
    code, name, exit_status = -18, "CANCELLED", 75


CLASSES: Dict[int, Type[Error]] = {cls.code: cls for cls in Error.__subclasses__()}
