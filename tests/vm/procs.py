# SPDX-License-Identifier: GPL-2.0
"""What the lab is made of: its errors, its places, and processes that end when it does."""

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import threading

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.join(TOP, ".build", "vm")
CACHE = os.environ.get("LOCKSTEP_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lockstep")


class LabError(Exception):
    """The lab, or a machine in it, does not do as told."""


class Timeout(LabError):
    """Something did not come in its time."""


class MachineDied(LabError):
    """A machine went away under a command."""


class CheckError(AssertionError):
    """What a case wanted to be so is not."""


# Processes: each is killed when this one ends, however it ends.

_children = {}
_tmpdirs = []
_lock = threading.Lock()
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)


def _spawn(args, log, stdin=subprocess.DEVNULL, stdout=None):
    # The death signal comes when the *thread* that forked ends, so only the main one may ask for
    # it; for the others atexit has to do.
    main = threading.current_thread() is threading.main_thread()
    p = subprocess.Popen(args, stdin=stdin, stdout=stdout or log, stderr=log,
                         start_new_session=True, preexec_fn=_die_with_parent if main else None)
    with _lock:
        _children[p.pid] = p
    return p


def _reap(p):
    """SIGKILL by pid, and wait until it is gone."""
    if p.poll() is None:
        p.kill()
    p.wait()
    with _lock:
        _children.pop(p.pid, None)


def _reap_all():
    for p in list(_children.values()):
        _reap(p)
    for d in _tmpdirs:
        shutil.rmtree(d, ignore_errors=True)


atexit.register(_reap_all)


def on_signals():
    """Make signals, and the end of the parent, end this process and its machines, too. For a
    program's main thread."""
    def end(num, _frame):
        # Takes no lock and waits for nobody: what it interrupts may be just waiting for a machine,
        # and then holds the lock of that.
        for pid in list(_children):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for d in _tmpdirs:
            shutil.rmtree(d, ignore_errors=True)
        os._exit(128 + num)
    for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(s, end)
    _libc.prctl(1, signal.SIGTERM)


def _tail(text, lines=15):
    text = "\n".join(text.splitlines()[-lines:])
    return "\n" + text if text else ""


def _read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _run(cmd, what):
    p = subprocess.run(cmd, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace")
    if p.returncode:
        raise LabError(f"{what} failed{_tail(p.stdout, 60)}")
