# SPDX-License-Identifier: GPL-2.0
"""Two nodes of a mirror on one host, for `scripts/demo --here`: what lab.py's machines are to
mirror.py, but namespaces.

A node is a network namespace with a name (the module keeps resources by it, and what a dead node
left in the kernel must be reached to be removed), and in it a process that holds a mount and a pid
namespace: /run and /etc/lockstep are the node's own, and all its processes die with that one. Its
disks are device-mapper devices over loop devices, so that they can be taken away at once.
"""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import threading
import time

import lab as lab_module
from lab import CheckError, Lab, LabError, Result, Timeout, parse_size
from mirror import Mirror

ETC = "/etc/lockstep"
EXT4_SHUTDOWN, NOLOGFLUSH = 0x8004587d, 2


def host(*cmd, check=True, timeout=60):
    try:
        p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Timeout(f"not in {timeout} s: {' '.join(cmd)}") from None
    if check and p.returncode:
        raise LabError(f"{' '.join(cmd)}: {p.stdout.strip()}")
    return p.stdout.strip()


class Job:
    """As lab.Job."""

    def __init__(self, node, cmd, args, env, stdin):
        self.machine, self.cmd = node, cmd
        self._out, self._err = bytearray(), bytearray()
        self._p = subprocess.Popen(args, env=env, start_new_session=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE,
                                   stdin=subprocess.PIPE if stdin else subprocess.DEVNULL)
        self._readers = [threading.Thread(target=self._read, args=x, daemon=True)
                         for x in ((self._p.stdout, self._out), (self._p.stderr, self._err))]
        for t in self._readers:
            t.start()

    def _read(self, f, to):
        for data in iter(lambda: f.read1(65536), b""):
            to.extend(data)

    out = property(lambda self: self._out.decode(errors="replace"))
    err = property(lambda self: self._err.decode(errors="replace"))
    text = property(lambda self: self.out + self.err)
    raw = property(lambda self: bytes(self._out))
    alive = property(lambda self: self._p.poll() is None)

    def ended(self, timeout):
        try:
            self._p.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        # What it left in the background may keep the pipes open: that is not waited for.
        for t in self._readers:
            t.join(0.2)
        return True

    def wait(self, timeout=60, check=True):
        if not self.ended(timeout):
            raise Timeout(f"{self.machine.name}: still running after {timeout} s: {self.cmd}")
        rc = self._p.returncode
        rc = 128 - rc if rc < 0 else rc
        if check and rc:
            raise CheckError(f"{self.machine.name}: exit {rc}: {self.cmd}\n{self.text[-2000:]}")
        return Result(rc, self.out, self.err, self.text)

    def kill(self, sig=signal.SIGKILL):
        try:
            os.killpg(self._p.pid, sig)
        except ProcessLookupError:
            pass


class Node:
    """As lab.Machine, of what mirror.py and demo.py use of it."""

    def __init__(self, lab, name, number, disks):
        self.lab, self.name = lab, name
        self.net = f"lockstep-demo-{name}"
        self.veth = f"lsdemo-{name}"
        self.address = f"10.77.0.{number}"
        self.minors = number * 100
        self.dir = os.path.join(lab.dir, name)
        self.etc = os.path.join(self.dir, "etc")
        os.makedirs(self.etc)
        self.sizes = {n: parse_size(s) for n, s in disks.items()}
        self.loops = {}
        self._p = None

    # Disks

    def disk(self, name):
        return os.path.join(self.dir, name + ".raw")

    def mapped(self, name):
        return f"{self.net}-{name}"

    def _table(self, name, loop):
        sectors = self.sizes[name] // 512
        return f"0 {sectors} " + (f"linear {loop} 0" if loop else "error")

    def make_disks(self):
        for name, size in self.sizes.items():
            with open(self.disk(name), "wb") as f:
                f.truncate(size)
            self.loops[name] = host("losetup", "--find", "--show", self.disk(name))
            host("dmsetup", "create", self.mapped(name), "--table",
                 self._table(name, self.loops[name]))
            # Where udev is installed and does not run, nobody has made the node.
            if not os.path.exists("/dev/mapper/" + self.mapped(name)):
                host("dmsetup", "mknodes", self.mapped(name))

    def set_disks(self, loops):
        """What is behind the disks from now on; nothing if a loop is missing."""
        for name in self.sizes:
            host("dmsetup", "load", self.mapped(name), "--table",
                 self._table(name, loops.get(name)))
        for name in self.sizes:
            host("dmsetup", "resume", self.mapped(name))

    def forget_all(self):
        """Remove a dead node from the kernel. That writes to its disks, which a machine's death
        does not: so copies of them take it, and are thrown away."""
        copies = {}
        for name in self.sizes:
            copy = self.disk(name) + ".copy"
            host("cp", "--sparse=always", self.disk(name), copy)
            copies[name] = host("losetup", "--find", "--show", copy)
            os.unlink(copy)
        self.set_disks(copies)
        said = self.forgotten(60)
        self.lab.check(not said, f"{self.name} cannot be taken down: {said}")
        self.set_disks(self.loops)
        for loop in copies.values():
            host("losetup", "--detach", loop)

    # Life

    @property
    def alive(self):
        return self._p is not None and self._p.poll() is None

    def boot(self):
        log = open(os.path.join(self.dir, "holder.log"), "a")
        setup = (f"mount -t tmpfs tmpfs /run && mount --bind {self.etc} {ETC} && "
                 "echo ready && exec sleep infinity")
        self._p = subprocess.Popen(
            ["ip", "netns", "exec", self.net, "unshare", "--mount", "--pid", "--fork",
             "--kill-child", "--mount-proc", "sh", "-c", setup], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, preexec_fn=lab_module._die_with_parent)
        with lab_module._lock:
            lab_module._children[self._p.pid] = self._p
        if self._p.stdout.readline() != b"ready\n":
            raise LabError(f"{self.name}: no namespaces, see {log.name}")
        log.close()
        with open(f"/proc/{self._p.pid}/task/{self._p.pid}/children") as f:
            self.init = f.read().split()[0]
        return self

    def kill(self):
        if self._p:
            lab_module._reap(self._p)

    # Commands

    def start(self, cmd, stdin=False):
        if self.lab.verbose:
            self.lab.say(f"{self.name}# {cmd}")
        return Job(self, cmd, ["nsenter", "-t", self.init, "-n", "-m", "-p", "bash", "-c", cmd],
                   dict(os.environ, PATH=self.lab.path), stdin)

    def sh(self, cmd, timeout=60, check=True, input=None):
        j = self.start(cmd, stdin=input is not None)
        if input is not None:
            data = input.encode() if isinstance(input, str) else input
            try:
                j._p.stdin.write(data)
                j._p.stdin.close()
            except BrokenPipeError:
                pass
        try:
            return j.wait(timeout, check)
        except Timeout:
            j.kill()
            raise

    put = lab_module.Machine.put

    def get(self, src):
        j = self.start(f"cat '{src}'")
        j.wait()
        return j.raw

    def acks(self):
        try:
            with open(os.path.join(self.dir, "acks"), "rb") as f:
                return f.read()
        except OSError:
            return b""

    def forget(self):
        """Remove what the node has in the kernel, from its network namespace."""
        return subprocess.run(["ip", "netns", "exec", self.net, "lockstep", "down", "r0"],
                              env=dict(os.environ, PATH=self.lab.path), text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)


    def forgotten(self, tries=20):
        """Remove it, and say why not, if so. What its processes had open is closed soon."""
        if not os.path.exists("/run/netns/" + self.net):
            return None
        for _ in range(tries):
            r = self.forget()
            if r.returncode == 0 or "not up here" in r.stdout:
                return None
            time.sleep(0.5)
        return r.stdout.strip()

    def sweep(self):
        """What is left of a demo that was killed itself."""
        said = self.forgotten()
        if said:
            raise LabError(f"a demo that was killed has left {self.net} behind, and it cannot be "
                           f"taken down: {said}")
        for name in self.sizes:
            table = host("dmsetup", "table", self.mapped(name), check=False).split()
            host("dmsetup", "remove", "--retry", self.mapped(name), check=False)
            if "linear" in table:
                host("losetup", "--detach", "/dev/loop" + table[3].split(":")[1],
                     check=False)
        host("ip", "netns", "del", self.net)


class HereLab(Lab):
    """As lab.Lab."""

    def pair(self, disks, **_machine):
        self.lock = open("/run/lockstep-demo.lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another demo runs here") from None
        self.made_etc = not os.path.isdir(ETC)
        os.makedirs(ETC, exist_ok=True)
        self.machines = [Node(self, n, i + 1, disks) for i, n in enumerate("ab")]
        a, b = self.machines
        for m in self.machines:
            if os.path.exists("/run/netns/" + m.net):
                m.sweep()
            host("ip", "netns", "add", m.net)
        host("ip", "link", "add", a.veth, "netns", a.net, "type", "veth", "peer", "name", b.veth,
             "netns", b.net)
        for m in self.machines:
            host("ip", "-n", m.net, "addr", "add", m.address + "/24", "dev", m.veth)
            host("ip", "-n", m.net, "link", "set", m.veth, "up")
            host("ip", "-n", m.net, "link", "set", "lo", "up")
            m.make_disks()
            m.boot()
        return lab_module.Pair(a, b)

    def check_logs(self):
        with open("/dev/kmsg", "rb") as f:
            os.set_blocking(f.fileno(), False)
            lines = []
            while True:
                try:
                    # level,sequence,microseconds,flags;text
                    record = os.read(f.fileno(), 8192).decode(errors="replace")
                    head, _, text = record.partition(";")
                except BlockingIOError:
                    break
                if int(head.split(",")[2]) >= self.since_us:
                    lines.append(text.split("\n")[0])
        bad = lab_module.check_log_text("\n".join(lines), self.allow)
        if bad:
            raise CheckError("the kernel said:\n" + "\n".join(bad[:10]))

    def close(self, keep=False):
        """Everything goes, in an order in which nothing hangs, whatever state it is in."""
        left = []
        for m in self.machines:
            m.kill()
        for m in self.machines:
            try:
                if m.loops:
                    m.set_disks(m.loops)
                said = m.forgotten()
                if said:
                    left.append(said)
                    continue
                for name in m.loops:
                    host("dmsetup", "remove", "--retry", m.mapped(name), check=False)
                    host("losetup", "--detach", m.loops[name], check=False)
                    if os.path.exists("/dev/mapper/" + m.mapped(name)):
                        host("dmsetup", "mknodes", m.mapped(name), check=False)
                if os.path.exists("/run/netns/" + m.net):
                    host("ip", "netns", "del", m.net, check=False)
            except (LabError, OSError, subprocess.SubprocessError) as e:
                left.append(str(e))
        if left:
            print("    could not be removed:\n      " + "\n      ".join(left), flush=True)
        elif self.loaded:
            host("rmmod", "lockstep", check=False)
        if getattr(self, "made_etc", False):
            try:
                os.rmdir(ETC)
            except OSError:
                pass
        shutil.rmtree(self.sockets, ignore_errors=True)
        if not keep and not left:
            shutil.rmtree(self.dir, ignore_errors=True)


class Here(Mirror):
    death = "a's disks, processes and cable are gone"

    def conf_of(self, m):
        text = self.conf.replace("/dev/lab/", f"/dev/mapper/{m.net}-")
        for i in range(len(m.sizes)):
            text = text.replace(f"minor = {i};", f"minor = {m.minors + i};")
        return text

    def device(self, m, volume=0):
        return f"/dev/lockstep{m.minors + volume}"

    def acks_port(self, m):
        return os.path.join(m.dir, "acks")

    def load_module(self, m):
        pass

    def die(self, m):
        """As near to a machine's death as one kernel allows. The file system goes first, or it
        would write that it saw errors, and b would get that. The disks go before the cable: from
        there on nothing more is acknowledged on a. The other way round a would go on alone after
        a while, rightly, and what it acknowledged then could not be on b."""
        fd = os.open(f"/proc/{m.init}/root/srv", os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(fd, EXT4_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(fd)
        m.set_disks({})
        m.kill()
        host("ip", "-n", m.net, "link", "set", m.veth, "down")

    def back(self, m):
        self.screen.say("""What a has left in the kernel is removed, the disks are put back as they
                        were, and a starts again. Its copy is behind now, so it is brought up to
                        date; b goes on meanwhile.""")
        m.forget_all()
        host("ip", "-n", m.net, "link", "set", m.veth, "up")
        self.reboot(m)


def prepare(screen, args):
    """Build, load; the lab and the mirror's class, as demo.machines()."""
    if os.geteuid():
        raise LabError("--here makes namespaces and loads a module: it needs root")
    if not os.path.exists("/proc/modules"):
        raise LabError("this host's kernel cannot load modules; scripts/demo without --here can do")
    screen.head("Preparing")
    where = args.prebuilt
    if not where:
        where = screen.meanwhile("building the module for this kernel, and the tools", build)
    for m in ("dm_mod", "loop", "veth", "ext4"):
        host("modprobe", "-a", m, check=False)
    loaded = not os.path.exists("/sys/module/lockstep")
    with open("/proc/uptime") as f:
        since = float(f.read().split()[0]) * 1e6
    if loaded:
        for dep in host("modinfo", "-F", "depends",
                        os.path.join(where, "lockstep.ko")).split(","):
            if dep:
                host("modprobe", dep)
        host("insmod", os.path.join(where, "lockstep.ko"))
    else:
        screen.line("The module is loaded already; that one is used.")
    lab = HereLab("demo-here", verbose=args.verbose)
    lab.path = f"{where}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
    lab.loaded, lab.since_us = loaded, since
    screen.head("Two network namespaces, a (10.77.0.1) and b (10.77.0.2), two disks each")
    screen.say("""One kernel serves both, so this shows the protocol and the tools, not that a
               machine's death is survived: for that, run it without --here. In place of a machine
               that dies, a loses its disks, all its processes and its cable at once. A shell in a:
               ip netns exec lockstep-demo-a bash""")
    from demo import shown
    return lab, shown(Here, screen)


def build():
    top = lab_module.TOP
    kdir = f"/lib/modules/{os.uname().release}/build"
    if not os.path.isdir(kdir):
        raise LabError(f"no headers of the running kernel; install linux-headers-"
                       f"{os.uname().release}")
    where = os.path.join(top, ".build", "here")
    os.makedirs(where, exist_ok=True)
    lab_module._run(["make", "-C", top, "modules", "tools"], "make")
    for f in (".build/module/lockstep.ko", ".build/tools/lockstep", ".build/tools/lockstepd"):
        shutil.copy(os.path.join(top, f), where)
    lab_module._run(["gcc", "-O2", "-pthread", "-o", os.path.join(where, "ackload"),
                     os.path.join(top, "tests/vm/guest/ackload.c")], "ackload")
    return where
