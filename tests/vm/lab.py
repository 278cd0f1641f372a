# SPDX-License-Identifier: GPL-2.0
"""The lab: virtual machines for test cases.

A case is a file in tests/vm/cases/ whose docstring's first line says what it proves:

    '''A killed primary's acknowledged writes are on the survivor.'''
    TIMEOUT = 120                      # seconds, 180 if not given
    SERIES = ["6.1", "7.2"]            # only with these kernels; all if not given
    TIMED = True                       # alone; not with the debug kernel, unless named

    def run(lab):
        pair = lab.pair(disks={"data": "256M"})          # /dev/lab/data in both; booted
        a, b = pair                                       # 10.77.0.1 and 10.77.0.2
        a.sh("lockstep up r0")                            # CheckError if it fails
        job = a.start("fio ...")                          # job.wait(), .kill(), .out, .alive
        b.kill(); b.boot()                                # power lost, power back
        lab.pair(..., powerloss=True)                     # ... and with it what was not flushed
        pair.cut("ab"); pair.restore()                    # silent loss of one direction
        a.link(False); a.link(True)                       # carrier lost and back
        a.pause(); a.resume()                             # the whole machine stops
        a.acks()                                          # bytes a guest wrote to lab.ACKS
        lab.wait(lambda: a.sh("...").out == "x", 30, "the peer connects")
        lab.same(a.disk("data"), b.disk("data"), 1 << 20) # CheckError names the first difference

All else is in the classes below. Everything waits with a deadline: a late answer raises. When a
case returns, the lab checks the kernel logs of its machines (check_log) and removes the files;
after a failure they stay, and the runner says where. Machines die with the process that made them.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from build import accel, host_program, kernel, prepare, unpacked_kernel
from checks import check_log_text, compare_disks, leaks_of_ours
from disks import Disk, PowerlossDisk, parse_size
from procs import (BUILD, TOP, CheckError, LabError, MachineDied, Timeout, _children,
                   _die_with_parent, _libc, _lock, _read, _reap, _reap_all, _run, _spawn, _tail,
                   _tmpdirs, _unlink, on_signals)

# What programs beside the cases take from here, too.
__all__ = ["ACKS", "BUILD", "TOP", "CheckError", "Job", "Lab", "LabError", "Machine",
           "MachineDied", "Pair", "Result", "Timeout", "accel", "check_log", "check_log_text",
           "compare_disks", "kernel", "on_signals", "parse_size", "prepare", "_children",
           "_die_with_parent", "_libc", "_lock", "_reap", "_reap_all", "_run"]

ACKS = "/dev/virtio-ports/acks"        # in the guest: what is written here outlives it
FRAME = struct.Struct("<IIB3x")
BOOT_LIMIT = 120


class Result:
    """A command's end: rc (128 + signal if killed), out (stdout), err, text (both, as they came).
    Unpacks as rc, out."""

    def __init__(self, rc, out, err, text):
        self.rc, self.out, self.err, self.text = rc, out, err, text

    def __iter__(self):
        return iter((self.rc, self.out))

    def __repr__(self):
        return f"Result(rc={self.rc}, out={self.out!r}, err={self.err!r})"

# The last line: tasks that sleep and cannot be woken, with where they are in the kernel.
WAITS = """cd /sys/kernel/debug/lockstep 2>/dev/null && tail -n 40 */*
grep . /sys/block/vd*/inflight /sys/block/dm-*/inflight 2>/dev/null
n=$(dmesg | wc -l); echo w >/proc/sysrq-trigger; dmesg | tail -n +$((n + 1))"""


class Job:
    """A command running in a guest."""

    def __init__(self, machine, ident, cmd):
        self.machine, self.id, self.cmd = machine, ident, cmd
        self.rc = None
        self.lost = False              # its machine died first
        self._out, self._err, self._all = bytearray(), bytearray(), bytearray()
        self._ended = threading.Event()

    def _data(self, kind, data):
        (self._out if kind == "O" else self._err).extend(data)
        self._all.extend(data)

    @property
    def raw(self):
        return bytes(self._out)

    @property
    def out(self):
        return self._out.decode(errors="replace")

    @property
    def err(self):
        return self._err.decode(errors="replace")

    @property
    def text(self):
        return self._all.decode(errors="replace")

    @property
    def alive(self):
        return not self._ended.is_set()

    def poll(self):
        """Its exit status, or None while it runs."""
        return self.rc

    def ended(self, timeout):
        """Wait; say whether it ended, or its machine died, in time."""
        return self._ended.wait(timeout)

    def wait(self, timeout=60, check=True):
        timeout *= patience(self.machine.series)
        if not self._ended.wait(timeout):
            raise Timeout(f"{self.machine.name}: still running after {timeout} s: {self.cmd}"
                          f"{_tail(self.text)}")
        if self.lost:
            raise MachineDied(f"{self.machine.name} died during: {self.cmd}{_tail(self.text)}")
        if check and self.rc:
            raise CheckError(f"{self.machine.name}: exit {self.rc}: {self.cmd}"
                             f"{_tail(self.text)}")
        return Result(self.rc, self.out, self.err, self.text)

    def kill(self, sig=signal.SIGKILL):
        """Signal the command's whole process group. Does not wait."""
        self.machine._send(self.id, "K", struct.pack("<I", sig))

    def feed(self, data=b""):
        """Bytes for its stdin, if started with stdin=True; none: end of file."""
        for i in range(0, len(data), 32768):
            self.machine._send(self.id, "I", data[i:i + 32768])
        if not data:
            self.machine._send(self.id, "I", b"")


class Machine:
    """One guest. Made by Lab.machine() or Lab.pair(), not by hand."""

    def __init__(self, lab, name, disks=None, memory=512, cpus=1, series=None, nets=(),
                 cmdline="", modules=(), initrd=None, vmlinuz=None, powerloss=False, plugin=None):
        self.lab, self.name, self.cpus = lab, name, cpus
        self.series = series or lab.series
        # The shadow of the debug kernel, and what it keeps from reuse, need as much again.
        self.debug = is_debug(self.series)
        self.memory = memory * 2 if self.debug else memory
        self.dir = os.path.join(lab.dir, name)
        os.makedirs(self.dir, exist_ok=True)
        self.nets = list(nets)         # (local socket, remote socket, mac, address)
        self.cmdline, self.modules = cmdline, list(modules)
        self.initrd, self.vmlinuz, self.plugin = initrd, vmlinuz, plugin
        self.boots = 0
        self.boot_seconds = None
        self.release = None            # the guest's kernel
        self.paused = False
        self._p = self._chan = self._qmp = None
        self._on = False               # started, and its end not yet seen to
        self._jobs, self._next = {}, 1
        self._hello = threading.Event()
        self._send_lock = threading.Lock()
        self._console = os.path.join(self.dir, "console.log")
        self._acks = os.path.join(self.dir, "acks")
        self.disks = {}
        for n, spec in (disks or {}).items():
            spec = dict(spec) if isinstance(spec, dict) else {"size": spec}
            size = parse_size(spec.pop("size"))
            path = os.path.join(self.dir, n + ".raw")
            if spec.pop("powerloss", powerloss):
                d = PowerlossDisk(n, path, size, server=host_program("powerloss"),
                                  socket=os.path.join(lab.sockets, f"{name}.{n}.nbd"),
                                  seed=lab.random.randrange(1, 1 << 32), **spec)
            else:
                d = Disk(n, path, size, **spec)
            d.create()
            self.disks[n] = d

    def __repr__(self):
        return f"<Machine {self.name}>"

    # Power

    @property
    def alive(self):
        return self._p is not None and self._p.poll() is None

    plugin_socket = property(lambda self: self._sock("plugin"))

    def _sock(self, what):
        return os.path.join(self.lab.sockets, f"{self.name}.{what}")

    def _args(self):
        image = self.vmlinuz or unpacked_kernel(kernel(self.series))
        initrd = self.initrd or self.lab.initrd(self.series)
        kvm = accel() == "kvm"
        # Nehalem starts two seconds sooner under TCG than max, with its five-level page tables;
        # it has what crc32c wants, and AES is added for TLS.
        cpu = "host" if kvm else "Nehalem,+aes,+pclmulqdq,+rdrand"
        line = ("console=ttyS0 ignore_loglevel printk.devkmsg=on printk.time=1 panic=-1 "
                "oops=panic log_buf_len=4M no_timer_check cryptomgr.notests "
                "random.trust_cpu=on mitigations=off "
                f"net.ifnames=0 rdinit=/init lab.name={self.name}")
        for i, net in enumerate(self.nets):
            line += f" lab.ip{'' if i == 0 else i + 1}={net[3]}/24"
        if self.debug:
            # Under KASAN ACPI's interpreter gives up on its table of interrupts, after minutes.
            # And 6.1 tests RCU-tasks as it boots: if that is preempted, by might_sleep(), after it
            # has seen that their thread does not run yet, the thread goes to sleep with the mutex
            # it is about to take, for ever: three of four boots on a busy host. Mended later.
            line += " acpi=noirq no_debug_objects preempt=none"
        if self.modules:
            line += " lab.modules=" + ",".join(self.modules)
        args = ["qemu-system-x86_64", "-name", self.name, "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-M", "pc,smm=off,vmport=off,usb=off",
                "-cpu", cpu,
                "-m", str(self.memory), "-smp", self._processors(kvm),
                "-kernel", image, "-initrd", initrd, "-append", f"{line} {self.cmdline}",
                "-chardev", f"file,id=con,path={self._console},append=on",
                "-serial", "chardev:con",
                "-qmp", f"unix:{self._sock('qmp')},server=on,wait=off",
                "-device", "virtio-serial-pci,max_ports=4",
                "-chardev", f"socket,id=lab,path={self._sock('lab')},server=on,wait=off",
                "-device", "virtserialport,chardev=lab,name=lab,nr=1",
                "-chardev", f"file,id=acks,path={self._acks},append=on",
                "-device", "virtserialport,chardev=acks,name=acks,nr=2",
                "-device", "virtio-rng-pci"]
        if self.plugin:
            # A clock of its own instructions: what the host does beside them makes no ticks more.
            args += ["-plugin", f"{self.plugin},control={self.plugin_socket}",
                     "-accel", "tcg,thread=single", "-icount", "shift=3,sleep=on"]
        else:
            args += ["-accel", "kvm" if kvm else "tcg,thread=multi"]
        for d in self.disks.values():
            args += d.args()
        for i, (local, remote, mac, _ip) in enumerate(self.nets):
            args += ["-netdev", f"dgram,id=n{i},local.type=unix,local.path={local}"
                     f",remote.type=unix,remote.path={remote}",
                     "-device", f"virtio-net-pci,netdev=n{i},id=nic{i},mac={mac},romfile="]
        return args

    def power_on(self):
        """Start it without waiting; boot() is this and wait_boot()."""
        if self.alive:
            raise LabError(f"{self.name} is running")
        args = self._args()
        for what in ("qmp", "lab"):
            _unlink(self._sock(what))
        for local, _remote, _mac, _ip in self.nets:
            _unlink(local)
            _unlink(local + ".cut")
        self.boots += 1
        self._on = True
        with open(self._console, "a") as f:
            f.write(f"---- boot {self.boots}\n")
        self._hello.clear()
        self.paused = False
        self._since = time.monotonic()
        with open(os.path.join(self.dir, "qemu.log"), "a") as log:
            log.write(" ".join(args) + "\n")
            log.flush()
            self._p = _spawn(args, log)
        return self

    def wait_boot(self, timeout=BOOT_LIMIT):
        return self._wait_hello(timeout * patience(self.series))

    def _wait_hello(self, timeout):
        deadline = self._since + timeout
        if not self._chan:
            self._chan = self._connect("lab", deadline)
            threading.Thread(target=self._reader, args=(self._chan, self._p), daemon=True).start()
        while not self._hello.wait(0.1):
            if not self.alive:
                raise MachineDied(f"{self.name} died while booting{self._last_words()}")
            if time.monotonic() > deadline:
                raise Timeout(f"{self.name} did not boot in {timeout} s{self._last_words()}")
        self.boot_seconds = time.monotonic() - self._since
        return self

    def boot(self, timeout=BOOT_LIMIT):
        return self.power_on().wait_boot(timeout)

    def kill_at_once(self):
        """As kill(), which has to follow, but without waiting for anything: for several."""
        self._p.kill()

    def kill(self):
        """Power lost, now. Returns what its disks with a volatile cache say of it."""
        if self._p:
            _reap(self._p)
        self._gone()
        was_on, self._on = self._on, False
        return [d.power_lost() for d in self.disks.values()] if was_on else []

    def poweroff(self, timeout=30):
        """sync and power off; a clean end, though nothing is unmounted."""
        self._send(0, "P")
        self.wait_off(timeout)

    def wait_off(self, timeout=60):
        """Wait until it is off: powered off, or panicked."""
        timeout *= patience(self.series)
        try:
            self._p.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} still runs after {timeout} s") from None
        self.kill()

    def pause(self):
        """Stop the whole machine, its clocks too, but its sockets stay."""
        self._p.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self._p.send_signal(signal.SIGCONT)
        self.paused = False

    def _gone(self):
        chan, self._chan = self._chan, None
        for s in (chan, self._qmp):
            if s:
                try:
                    s.close() if s is not chan else s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._qmp = None
        for j in list(self._jobs.values()):
            if j.alive:
                j.lost = True
                j._ended.set()
        self._jobs.clear()

    def waits(self):
        """What hangs there, as the module and the kernel see it, for a failure's report."""
        if not self.alive or self.paused:
            return ""
        try:
            return self.sh(WAITS, timeout=20, check=False).text
        except LabError as e:
            return str(e)

    def _processors(self, kvm):
        """A machine that can only ever have one processor is emulated without memory barriers
        before QEMU 8.0, though its devices are other threads: now and then one of them does not see
        that the guest has something for it, and a disk stands still for ever."""
        return str(self.cpus) if kvm or self.cpus > 1 else "1,maxcpus=2"

    def _last_words(self):
        text = self.console()
        text += "\n".join(x for x in _read(os.path.join(self.dir, "qemu.log")).splitlines()
                          if x.startswith("qemu-system-x86_64: "))
        return _tail(text, 20)

    # The command channel

    def _connect(self, what, deadline):
        path = self._sock(what)
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                return s
            except OSError:
                s.close()
            if not self.alive:
                raise MachineDied(f"{self.name} did not start{self._last_words()}")
            if time.monotonic() > deadline:
                raise Timeout(f"{self.name}: no socket {what}")
            time.sleep(0.02)

    def _reader(self, chan, proc):
        data = bytearray()
        while True:
            try:
                got = chan.recv(262144)
            except OSError:
                got = b""
            if not got:
                break
            data += got
            off = 0
            while len(data) - off >= FRAME.size:
                size, ident, kind = FRAME.unpack_from(data, off)
                end = off + FRAME.size + size
                if len(data) < end:
                    break
                self._frame(ident, chr(kind), bytes(data[off + FRAME.size:end]))
                off = end
            del data[:off]
        chan.close()
        # A panic ends here, too: nobody else would tell those who wait.
        if self._chan is chan:
            try:
                proc.wait(10)
            except subprocess.TimeoutExpired:
                pass
            if self._chan is chan:
                self._gone()

    def _frame(self, ident, kind, data):
        if kind == "H":
            self.release = data.decode()
            self._hello.set()
            return
        j = self._jobs.get(ident)
        if not j:
            return
        if kind in "OE":
            j._data(kind, data)
        elif kind == "X":
            j.rc = struct.unpack("<I", data)[0]
            j._ended.set()

    def _send(self, ident, kind, data=b""):
        chan = self._chan
        if not chan:
            raise MachineDied(f"{self.name} is off")
        with self._send_lock:
            try:
                chan.sendall(FRAME.pack(len(data), ident, ord(kind)) + data)
            except OSError:
                raise MachineDied(f"{self.name} died{self._last_words()}") from None

    def start(self, cmd, stdin=False):
        """Run a command in the guest's bash; returns a Job at once."""
        with self._send_lock:
            ident, self._next = self._next, self._next + 1
        j = self._jobs[ident] = Job(self, ident, cmd)
        self._send(ident, "S" if stdin else "R", cmd.encode())
        if self.lab.verbose:
            self.lab.say(f"{self.name}# {cmd}")
        return j

    def sh(self, cmd, timeout=60, check=True, input=None):
        """Run a command and wait. At the timeout it is killed, and Timeout raised."""
        j = self.start(cmd, stdin=input is not None)
        if input is not None:
            if input:
                j.feed(input.encode() if isinstance(input, str) else input)
            j.feed()
        try:
            return j.wait(timeout, check)
        except Timeout:
            if self.alive and not self.paused:
                try:
                    j.kill()
                except LabError:
                    pass
            raise
        finally:
            if not j.alive:
                self._jobs.pop(j.id, None)

    def put(self, src, dst, mode=0o644, timeout=60):
        """A file of the host (a path), or bytes, into the guest."""
        if not isinstance(src, (bytes, bytearray)):
            mode = os.stat(src).st_mode & 0o777
            with open(src, "rb") as f:
                src = f.read()
        self.sh(f"mkdir -p \"$(dirname '{dst}')\" && cat > '{dst}' && chmod {mode:o} '{dst}'",
                timeout, input=bytes(src))

    def get(self, src, dst=None, timeout=60):
        """A file of the guest as bytes, and into a file of the host if dst is given."""
        j = self.start(f"cat '{src}'")
        j.wait(timeout)
        if dst:
            with open(dst, "wb") as f:
                f.write(j.raw)
        return j.raw

    # What else there is

    def disk(self, name):
        """The host's file behind a disk; what a volatile cache held until now is in it."""
        self.disks[name].settle()
        return self.disks[name].path

    def console(self):
        """All that its kernels said, since the first boot."""
        return _read(self._console).replace("\r", "")

    def acks(self):
        """What the guest wrote to ACKS, over all boots, to the last byte before it was killed."""
        try:
            with open(self._acks, "rb") as f:
                return f.read()
        except OSError:
            return b""

    def link(self, up, nic=0):
        """Cable in or out: the guest sees its carrier go. For a loss it cannot see: Pair.cut."""
        self.qmp("set_link", name=f"nic{nic}", up=bool(up))

    def qmp(self, command, timeout=10, **arguments):
        """One QMP command; returns its answer."""
        if not self._qmp:
            s = self._connect("qmp", time.monotonic() + timeout)
            self._qmp = s
            self._qmp_file = s.makefile("r")
            s.settimeout(timeout)
            self._qmp_file.readline()
            self._qmp_send("qmp_capabilities", {})
        self._qmp.settimeout(timeout)
        return self._qmp_send(command, arguments)

    def _qmp_send(self, command, arguments):
        try:
            self._qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while True:
                line = self._qmp_file.readline()
                if not line:
                    raise MachineDied(f"{self.name} died during {command}")
                answer = json.loads(line)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise LabError(f"{self.name}: {command}: {answer['error']['desc']}")
        except socket.timeout:
            self._qmp = None
            raise Timeout(f"{self.name}: {command} is not answered") from None


class Pair:
    """Two machines, a and b, on one wire (two with links=2). Each end is a unix datagram socket, so
    that either machine may die and come back, and a direction is cut by moving a socket away."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        a.peer, b.peer = b, a

    def __iter__(self):
        return iter((self.a, self.b))

    def boot(self, timeout=BOOT_LIMIT):
        for m in self:
            m.power_on()
        for m in self:
            m.wait_boot(timeout)
        return self

    def cut(self, which="both", nic=0):
        """Packets are lost without either side's knowing: "ab" those from a to b, "ba", "both".
        A machine that boots again has its incoming direction restored."""
        for m in self._to(which):
            path = m.nets[nic][0]
            if os.path.exists(path):
                os.rename(path, path + ".cut")

    def restore(self, which="both", nic=0):
        for m in self._to(which):
            path = m.nets[nic][0]
            if os.path.exists(path + ".cut"):
                os.rename(path + ".cut", path)

    def _to(self, which):
        return {"ab": [self.b], "ba": [self.a], "both": [self.a, self.b]}[which]

    def link(self, up, nic=0):
        """Cables of both, with carrier."""
        for m in self:
            m.link(up, nic)


class Lab:
    """What a case gets: makes machines, and clears up after them."""

    def __init__(self, name, series="6.1", initrds=None, verbose=False, directory=None,
                 settings=None):
        self.name, self.series, self.verbose = name, series, verbose
        self._initrds = initrds or {}
        self.dir = directory or os.path.join(BUILD, "run", f"{name}.{os.getpid()}")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        # Paths of unix sockets end after 107 characters.
        self.sockets = tempfile.mkdtemp(prefix="ls-", dir="/tmp")
        _tmpdirs.append(self.sockets)
        self.machines = []
        self.allow = []                # patterns of log lines this case brings about
        self.settings = settings or {}  # what tests/vm/run --set said
        self.seed = int(self.settings.get("SEED", random.randrange(1 << 32)))
        self.random = random.Random(self.seed)
        self._wires = 0
        self._t0 = time.monotonic()

    debug = property(lambda self: is_debug(self.series))

    def setting(self, name, default):
        """What tests/vm/run --set NAME=VALUE said, as the default's type."""
        return type(default)(self.settings.get(name, default))

    def say(self, text):
        print(f"[{time.monotonic() - self._t0:7.2f}] {text}", flush=True)

    def initrd(self, series):
        if series not in self._initrds:
            self._initrds[series] = prepare(series)
        return self._initrds[series]

    def machine(self, name="a", **kw):
        """A machine, not booted. disks={name: size, or dict(size=, cache=, file=, block=,
        physical=, discard=, readonly=, powerloss=)}, memory (MiB), cpus, series, cmdline, modules
        (loaded at boot), vmlinuz and initrd (a kernel of one's own), powerloss (of all disks),
        plugin (a file for an emulating QEMU, which answers at plugin_socket)."""
        m = Machine(self, name, **kw)
        self.machines.append(m)
        return m

    def pair(self, boot=True, links=1, names=("a", "b"), a=None, b=None, **kw):
        """Two joined machines; a= and b= are dicts of what only one of them gets. powerloss=True:
        all their disks have a volatile cache, and kill() loses a random part of it."""
        self._wires += 1
        made = []
        for i, (name, own) in enumerate(zip(names, (a, b))):
            nets = []
            for n in range(links):
                here, there = (os.path.join(self.sockets, f"w{self._wires}.{n}{x}")
                               for x in (i, 1 - i))
                nets.append((here, there, f"52:54:00:77:{n:02x}:{i + 1:02x}",
                             f"10.{77 + n}.0.{i + 1}"))
            made.append(self.machine(name, nets=nets, **{**kw, **(own or {})}))
        pair = Pair(*made)
        return pair.boot() if boot else pair

    def wait(self, what, timeout=30, why="", every=0.2, left=None):
        """Until what() is true; returns what it returned. Deadline passed: Timeout names why.

        left, if given, returns how much there is still to do: whenever that is less than ever
        before the deadline begins anew. So work that only takes long does not fail, and work that
        stands still, or again and again begins at its beginning, does.
        """
        timeout *= patience(self.series)
        deadline, least = time.monotonic() + timeout, left and left()
        while True:
            got = what()
            if got:
                return got
            if left and (now := left()) < least:
                deadline, least = time.monotonic() + timeout, now
            if time.monotonic() > deadline:
                raise Timeout(f"not in {timeout} s: {why or what}")
            time.sleep(every)

    def check(self, true, why):
        if not true:
            raise CheckError(why)

    def same(self, one, two, size=None):
        """Two disk files are equal over size bytes."""
        first, ranges = compare_disks(one, two, size)
        if first is not None:
            raise CheckError(f"disks differ, first at {first}, in {len(ranges)} or more ranges: "
                             + ", ".join(f"{a}+{n}" for a, n in ranges[:8]))

    def check_logs(self):
        for m in self.machines:
            check_log(m, self.allow)
        for m in self.machines:
            if m.debug and m.alive and not m.paused:
                check_leaks(m)

    def close(self, keep=False):
        for m in self.machines:
            m.kill()
            for d in m.disks.values():
                d.close()
        shutil.rmtree(self.sockets, ignore_errors=True)
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def is_debug(series):
    """The kernel with KASAN, lockdep, kmemleak and fault injection; see scripts/kernels."""
    return series.endswith("debug")


def patience(series):
    """So many times longer everything may take: limits are there to end what hangs."""
    return 4 if is_debug(series) else 1


def check_leaks(machine):
    """Raise if memory that the module took can be reached from nowhere. What was just freed or
    handed over may look so for a moment: it has to be there in two scans."""
    found = ""
    for _ in range(2):
        machine.sh("echo scan >/sys/kernel/debug/kmemleak; sleep 1", timeout=120)
        found = machine.sh("cat /sys/kernel/debug/kmemleak", timeout=60).out
    ours = leaks_of_ours(found)
    if ours:
        raise CheckError(f"{machine.name}: {len(ours)} leaks of the module, first:\n{ours[0]}")


def check_log(machine, allow=()):
    """Raise if the machine's kernel said what no kernel may say."""
    bad = check_log_text(machine.console(), allow)
    if bad:
        raise CheckError(f"{machine.name}'s kernel said:\n" + "\n".join(bad[:10]))
