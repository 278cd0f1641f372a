# SPDX-License-Identifier: GPL-2.0
"""What scripts/demo runs once the packages are there; its options are described there.

The story is told once, by Story, over a mirror of mirror.py: of two virtual machines (lab.py), or,
with --here, of two network namespaces (here.py). What is shown as typed is what was run.

With --keep the machines stay with the process that made them, as always in the lab: that one goes
into the background (Keeper), and what the person started only waits for its word.
"""

import argparse
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import sys
import termios
import textwrap
import threading
import time
import traceback
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as lab_module  # noqa: E402
from lab import CheckError, Lab, LabError, Timeout  # noqa: E402
from mirror import MIB, Mirror  # noqa: E402

STATE = os.path.join(lab_module.TOP, ".build", "demo", "kept.json")
LIMIT = 1200                           # seconds; the slowest seen took a fifth of it
TIMEOUT_MS = 3000
DISKS = {"data": 96 * MIB, "files": 64 * MIB}

FIO = ("fio --name=demo --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite "
       "--bssplit=4k/50:16k/30:128k/20 --iodepth=16 --size=48m --fsync=64 --verify=crc32c "
       "--verify_fatal=1")
FIO_SHOW = "--eta=always --eta-newline=1 --output-format=json --output=/run/fio.json"
PRESSURE = ("fio --name=pressure --filename=/srv/fio --direct=1 --ioengine=libaio --rw=randwrite "
            "--bs=4k --iodepth=4 --size=16m --time_based --runtime=600 --rate_iops=100")
# Every line it prints is an acknowledgement: the file had been fsynced before.
MAIL = ("mkdir -p /srv/mail; cd /srv/mail || exit; i=0; while i=$((i + 1)); do "
        "head -c $((RANDOM + 1)) /dev/urandom >$i && sync $i && sha256sum $i || exit; done")


class Screen:
    """What the person sees. On a terminal progress is one line that changes, else a line now and
    then."""

    def __init__(self):
        self.tty = sys.stdout.isatty()
        self.start = time.monotonic()
        self.open_line = False
        self.last = 0.0

    def _put(self, text):
        if self.open_line:
            sys.stdout.write("\r\033[K")
            self.open_line = False
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _bold(self, text):
        return f"\033[1m{text}\033[0m" if self.tty else text

    def clock(self):
        s = int(time.monotonic() - self.start)
        return f"{s // 60}:{s % 60:02d}"

    def head(self, text):
        self._put("")
        self._put(self._bold(f"[{self.clock()}] {text}"))

    def say(self, text):
        self._put(textwrap.fill(" ".join(text.split()), 92, initial_indent="    ",
                                subsequent_indent="    "))

    def line(self, text=""):
        self._put("    " + text if text else "")

    def typed(self, where, cmd, note=""):
        pad = " " * max(1, 44 - len(cmd) - len(where))
        self._put(self._bold(f"    {where}# {cmd}") + (f"{pad}# {note}" if note else ""))

    def output(self, text):
        for x in text.rstrip().splitlines():
            self._put("      " + x)

    def progress(self, text):
        now = time.monotonic()
        if self.tty:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r\033[K" + f"    {text}"[:width])
            sys.stdout.flush()
            self.open_line = True
        elif now - self.last >= 4:
            self._put("    " + text)
            self.last = now

    def settled(self, text):
        """The last word on what progress() showed."""
        self._put("    " + text)
        self.last = 0.0

    def meanwhile(self, what, work):
        """Run work() in a thread, and show that time goes by."""
        box = {}

        def run():
            try:
                box["got"] = work()
            except BaseException as e:  # handed on below
                box["failed"] = e
        t = threading.Thread(target=run, daemon=True)
        began = time.monotonic()
        t.start()
        while t.is_alive():
            t.join(0.5)
            took = time.monotonic() - began
            if t.is_alive():
                self.progress(f"{what} ... {took:.0f} s")
        if "failed" in box:
            raise box["failed"]
        self.settled(f"{what}: {time.monotonic() - began:.0f} s")
        return box["got"]


class Shown:
    """Put before Mirror or what is derived from it: shows what it types and waits for."""

    NOTES = {
        "lockstep keygen r0": "the secret both sides prove themselves with",
        "lockstep init r0": "writes metadata at the end of the disks",
        "lockstep up r0": "makes the devices, looks for the peer",
        "lockstep promote --force r0": "this time only: its disks count",
    }
    screen = None

    def prepare(self, m):
        if self.key is None:
            s = self.screen
            s.head("Forming the mirror")
            s.say(f"""One file describes it, the same on both. timeout_ms = {TIMEOUT_MS}: so long a
                  silence means that the peer is gone. (The default is 6000; less is quicker, and
                  sooner mistakes a slow host for a dead one.)""")
            s.typed("a", "cat /etc/lockstep/r0.conf")
            s.output(self.conf_of(m))
        super().prepare(m)

    def type(self, m, cmd, show=True, **kw):
        self.screen.typed(m.name, cmd, self.NOTES.get(cmd, ""))
        r = m.sh(cmd, **kw)
        if show and r.text:
            self.screen.output(r.text)
        return r

    def wait_synced(self, *machines, seconds=240):
        began, deadline = time.monotonic(), time.monotonic() + seconds
        for m in machines or (self.a, self.b):
            while not self.is_synced(m):
                if time.monotonic() > deadline:
                    raise CheckError(f"not in sync after {seconds} s\n" + self.describe())
                self.show_sync()
                time.sleep(0.3)
        self.screen.settled(f"both copies are up to date, after {time.monotonic() - began:.0f} s")

    def show_sync(self):
        """The source knows how much is left."""
        seen = [self.status(m, check=False) or {} for m in (self.a, self.b)]
        left = max([v["out_of_sync_bytes"] for s in seen for v in s.get("volumes", ())] + [0])
        if left and any(s.get("link") == "up" for s in seen):
            self.screen.progress(f"synchronising: {left / MIB:.0f} MiB to go")
        else:
            self.screen.progress("connecting")


def shown(cls, screen):
    return type("Shown" + cls.__name__, (Shown, cls), {"screen": screen})


class Story:
    def __init__(self, screen, lab, mirror):
        self.screen, self.lab, self.m = screen, lab, mirror
        self.a, self.b = mirror.a, mirror.b
        self.rows = []

    def tell(self):
        self.form()
        self.fill()
        self.verified_writes()
        self.die_in_the_middle()
        self.take_over()
        self.account()
        self.come_back()

    # Each step says what it is about to show.

    def form(self):
        s, m = self.screen, self.m
        s.say("The key is copied to b, and lockstepd runs on both.")
        m.form(clean=False)
        s.typed("a", "lockstep status r0")
        s.output(self.a.sh("lockstep status r0").text)

    def fill(self):
        s, m = self.screen, self.m
        dev = m.device(self.a, 1)
        s.head("A file system on the second device")
        m.type(self.a, f"mkfs.ext4 -q {dev}")
        m.type(self.a, f"mkdir -p /srv; mount {dev} /srv")
        m.type(self.a, "for i in {1..40}; do head -c $RANDOM$((i % 10)) /dev/urandom >/srv/doc$i; "
                       "done; sync -f /srv")
        self.docs = self.a.sh("cd /srv && sha256sum doc*").out
        s.line(f"{len(self.docs.splitlines())} files; the demo keeps their checksums.")

    def verified_writes(self):
        s = self.screen
        s.head("fio writes through the first device, and reads back what it wrote")
        cmd = FIO.format(dev=self.m.device(self.a))
        s.typed("a", cmd)
        job = self.a.start(f"{cmd} {FIO_SHOW}")
        while not job.ended(0.5):
            s.progress(fio_line(job.out))
        job.wait(1)
        done = json.loads(self.a.sh("cat /run/fio.json").out)["jobs"][0]
        self.lab.check(not done["error"], f"fio: error {done['error']}")
        wrote, read = done["write"]["io_bytes"], done["read"]["io_bytes"]
        self.lab.check(wrote and read >= wrote, f"fio wrote {wrote} and read {read} bytes")
        s.settled(f"{wrote / MIB:.0f} MiB written in {done['write']['total_ios']} writes, at "
                  f"{done['write']['bw_bytes'] / MIB:.1f} MiB/s; all read back, every checksum "
                  "right")
        self.rows.append(("written by fio", f"{wrote / MIB:.0f} MiB, read back and verified"))

    def die_in_the_middle(self):
        s, m, a = self.screen, self.m, self.a
        s.head("Load of three kinds, and a is killed in the middle of it")
        s.say("""ackload, 4 threads on the first device: each write that has returned is recorded
              outside of the machine. In /srv a mail server of sorts: a file is written, fsynced,
              and only then reported with its checksum. And fio, for pressure.""")
        s.typed("a", f"ackload write {m.device(a)} ... &")
        self.load = m.ackload(a, seed=random.randrange(1, 1 << 32), threads=4)
        s.typed("a", "mail >reports &")
        self.mail = a.start(MAIL)
        s.typed("a", PRESSURE + " &")
        self.pressure = a.start(f"{PRESSURE} {FIO_SHOW}")
        began = time.monotonic()
        length = random.uniform(10, 14)
        while True:
            took = time.monotonic() - began
            blocks, files = len(m.acks(a)) // 16, self.mail.out.count("\n")
            if took > length and blocks >= 100 and files >= 5:
                break
            for j in (self.load, self.mail, self.pressure):
                self.lab.check(j.alive, f"{j.cmd.split()[0]} ended: {j.text[-500:]}")
            self.lab.check(took < 240, f"{blocks} writes, {files} files acknowledged in 240 s")
            s.progress(f"acknowledged: {blocks} writes, {files} files; "
                       f"{fio_line(self.pressure.out)}")
            time.sleep(0.5)
        s.settled(f"acknowledged so far: {blocks} writes, {files} files")
        self.t_kill = time.monotonic()
        m.die(a)
        s.line(f"*** {m.death} ***")
        acks = m.acks(a)
        self.acked, self.acked_bytes = ack_sizes(acks)
        # A line of which the end is missing is not yet an acknowledgement.
        self.mails = self.mail.out[:self.mail.out.rfind("\n") + 1]
        self.rows.append(("acknowledged", f"{self.acked} writes ({self.acked_bytes / MIB:.0f} "
                          f"MiB), {len(self.mails.splitlines())} files with fsync, "
                          "until the kill"))

    def take_over(self):
        s, m, b = self.screen, self.m, self.b
        s.head("b takes over")
        while (m.status(b, check=False) or {}).get("link", "up") == "up":
            took = time.monotonic() - self.t_kill
            self.lab.check(took < 60, "b did not notice in 60 s\n" + m.describe())
            s.progress(f"b waits for a: {took:.1f} s")
            time.sleep(0.1)
        noticed = time.monotonic()
        s.settled(f"b has noticed, {noticed - self.t_kill:.1f} s after the kill")
        s.typed("b", "lockstep promote r0")
        m.promote(b)
        promoted = time.monotonic()
        m.type(b, f"mkdir -p /srv; mount {m.device(b, 1)} /srv")
        m.type(b, "echo here I am >/srv/taken; sync /srv/taken")
        alive = time.monotonic()
        s.line(f"b writes, {alive - self.t_kill:.1f} s after the kill.")
        s.typed("b", "lockstep status r0")
        s.output(b.sh("lockstep status r0").text)
        self.times = (("take-over", alive - self.t_kill,
                       "from the kill to the first write on b"),
                      ("  detection", noticed - self.t_kill, f"timeout_ms = {TIMEOUT_MS}"),
                      ("  promotion", promoted - noticed, "lockstep promote r0"),
                      ("  service", alive - promoted, "mount, the journal's replay, a write"))

    def account(self):
        s, m, b = self.screen, self.m, self.b
        s.head("Is everything there?")
        s.typed("b", f"ackload check {m.device(b)} records")
        box = s.meanwhile("every recorded write is looked for",
                          lambda: m.check_acks(self.a, b))
        s.output(box)
        s.typed("b", "cd /srv; sha256sum -c docs; cd mail; sha256sum -c reports")
        for where, sums in (("/srv", self.docs), ("/srv/mail", self.mails)):
            r = b.sh(f"cd {where} && sha256sum -c --quiet -", input=sums, check=False)
            self.lab.check(r.rc == 0, f"files are lost in {where}:\n{r.text[-2000:]}")
        n = len(self.docs.splitlines()) + len(self.mails.splitlines())
        s.output(f"{n} files: OK")
        self.rows.append(("verified on b", f"{self.acked} writes, {n} files; lost: 0"))

    def come_back(self):
        s, m, a, b = self.screen, self.m, self.a, self.b
        s.head("a comes back")
        began = time.monotonic()
        m.back(a)
        m.wait_synced()
        took = time.monotonic() - began
        s.typed("a", "lockstep status r0")
        s.output(a.sh("lockstep status r0").text)
        m.type(b, "umount /srv; sync")
        volumes = m.status(b)["volumes"]
        for disk, v in zip(DISKS, volumes):
            self.lab.same(a.disk(disk), b.disk(disk), v["size_bytes"])
        total = sum(v["size_bytes"] for v in volumes)
        s.line("The demo compares the disks behind them, byte by byte: equal.")
        self.rows.append(("back again", f"in {took:.0f} s, start and synchronisation; disks "
                          f"equal ({total / MIB:.0f} MiB)"))
        m.type(b, f"mount {m.device(b, 1)} /srv")

    def table(self):
        s = self.screen
        s.line()
        rule = "-" * 78
        s.line(rule)
        for what, value in self.rows[:3]:
            s.line(f"{what:<16}{value}")
        for what, took, note in self.times:
            s.line(f"{what:<16}{took:4.1f} s  {note}")
        for what, value in self.rows[3:]:
            s.line(f"{what:<16}{value}")
        s.line(f"{'all of it':<16}{s.clock()} min")
        s.line(rule)

    def outro(self):
        s = self.screen
        s.line()
        s.line("On two real hosts (README.md, \"Set up on two real hosts\"), on both:")
        s.output("apt install ...; make && make install modules_install && depmod\n"
                 "lockstep keygen r0               # on one, and copy r0.conf and r0.key\n"
                 "lockstep init r0; lockstep up r0\n"
                 "lockstep promote --force r0      # on the one whose disk counts\n"
                 "mkfs.ext4 /dev/lockstep0; mount /dev/lockstep0 /srv")


def fio_line(text):
    """What fio's last line of progress says, for people."""
    found = re.findall(r"\[([A-Za-z_()\d,]+)\]\[([\d.]+)%\](?:\[([^]]*)\])?(?:\[([^]]*)\])?", text)
    if not found:
        return "fio starts"
    what, percent, rate, iops = found[-1]
    verb = "reads back" if what[:1] in "VrR" else "writes"
    rates = ", ".join(re.sub(r"^[rw]=", "", x) for x in (rate, iops) if x[:2] in ("r=", "w="))
    return f"fio {verb} {percent} %" + (f" ({rates})" if rates else "")


def ack_sizes(records):
    """How many writes, and bytes, the records of guest/ackload.c stand for."""
    n = total = 0
    for i in range(0, len(records) // 16 * 16, 16):
        slot = int.from_bytes(records[i:i + 4], "little") & ~(1 << 31)
        if slot >= 1 << 20:
            continue                   # a flush
        n, slot = n + 1, slot % 24
        total += 65536 if slot == 0 else 4096 if slot < 16 else 512
    return n, total


class MachineLab(Lab):
    def pair(self, **kw):
        pair = super().pair(boot=False, **kw)
        for m in pair:
            m.power_on()
        self.screen.meanwhile("booting", lambda: [m.wait_boot() for m in pair])
        return pair


class Machines(Mirror):
    """The mirror of two virtual machines."""

    death = "kill -9 of a's virtual machine: power lost"

    def die(self, m):
        m.kill()

    def back(self, m):
        self.screen.say("""The machine is started again, and its module and daemon with it. Its
                        copy is behind now, so it is brought up to date; b goes on meanwhile.""")
        self.reboot(m)


# Keeping the machines.

class Keeper:
    """Holds the machines after the story has ended, and gives people shells on them: a virtual
    console each, plugged in now, on which the lab's channel starts a bash for each login."""

    def __init__(self, lab, logs):
        self.lab, self.logs = lab, logs
        self.path = os.path.join(lab.sockets, "keeper")

    def plug(self):
        self.consoles = {}
        for m in self.lab.machines:
            path = os.path.join(self.lab.sockets, m.name + ".console")
            m.qmp("chardev-add", id="console", backend={"type": "socket", "data": {
                "addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
            m.qmp("device_add", driver="virtconsole", chardev="console", id="console")
            self.lab.wait(lambda: m.sh("test -c /dev/hvc0", check=False).rc == 0, 20,
                          f"{m.name}: a console")
            self.consoles[m.name] = path
            for term in {os.environ.get("TERM", "linux"), "xterm"}:
                for top in ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"):
                    have = os.path.join(top, term[:1], term)
                    if re.fullmatch(r"[\w.+-]+", term) and os.path.exists(have):
                        m.put(have, f"/lib/terminfo/{term[0]}/{term}")
                        break
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4)
        os.makedirs(os.path.dirname(STATE), exist_ok=True)
        pids = [os.getpid()] + [m._p.pid for m in self.lab.machines]
        with open(STATE + ".new", "w") as f:
            json.dump({"processes": [[p, started(p)] for p in pids], "socket": self.path,
                       "machines": self.consoles}, f)
        os.rename(STATE + ".new", STATE)

    def hold(self):
        def end(_num, _frame):
            raise SystemExit
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(sig, end)
        lab_module._libc.prctl(1, 0)   # from now on it outlives the one it was started by
        self.busy = set()
        try:
            self.listener.settimeout(1)
            while any(m.alive for m in self.lab.machines):
                try:
                    conn, _ = self.listener.accept()
                except socket.timeout:
                    continue
                threading.Thread(target=self.serve, args=(conn,), daemon=True).start()
        finally:
            for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(sig, signal.SIG_IGN)
            self.lab.close()
            try:
                os.unlink(STATE)
            except FileNotFoundError:
                pass

    def serve(self, conn):
        """One login: a line of JSON says where and how large; each further one is a new size; the
        connection ends with the shell, and the shell with the connection."""
        f = conn.makefile("rw")
        name = None
        try:
            want = json.loads(f.readline())
            m = next(x for x in self.lab.machines if x.name == want["login"])
            if not m.alive or m.name in self.busy:
                why = "somebody is logged in there" if m.alive else "it is off"
                f.write(json.dumps({"error": f"{m.name}: {why}"}) + "\n")
                f.flush()
                return
            name = m.name
            self.busy.add(name)
            term = want["term"] if re.fullmatch(r"[\w.+-]+", want["term"]) else "xterm"
            # The job leads a session of its own, so opening the console makes it its terminal.
            job = m.start(f"exec </dev/hvc0 >/dev/hvc0 2>&1; stty sane {size_words(want)}; "
                          f"export TERM={term} HISTFILE= PS1='\\h:\\w# '; cd; exec bash --norc -i")
            f.write("{}\n")
            f.flush()
            threading.Thread(target=self.follow, args=(m, job, f), daemon=True).start()
            while not job.ended(1):
                pass
        except (OSError, ValueError, KeyError, StopIteration, LabError):
            pass
        finally:
            self.busy.discard(name)
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            conn.close()

    def follow(self, m, job, f):
        try:
            for line in f:
                m.start(f"stty -F /dev/hvc0 {size_words(json.loads(line))}")
        except (OSError, ValueError, KeyError, LabError):
            pass
        if job.alive:
            try:
                job.kill(signal.SIGHUP)
            except LabError:
                pass


def size_words(d):
    return f"rows {int(d['rows'])} cols {int(d['cols'])}"


def started(pid):
    """When a process began: with its pid, who it is. None if it is no more."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def kept():
    """What --keep left, or None; also if it has died since."""
    try:
        with open(STATE) as f:
            state = json.load(f)
    except (OSError, ValueError):
        return None
    alive = [p for p, since in state["processes"] if started(p) == since]
    return dict(state, alive=alive) if alive else None


def stop():
    state = kept()
    if not state:
        print("scripts/demo: no machines are kept")
        return 0
    for pid in state["alive"][:1]:
        os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        time.sleep(0.1)
        if not kept():
            break
    else:
        for pid in kept()["alive"] if kept() else ():
            os.kill(pid, signal.SIGKILL)
    try:
        os.unlink(STATE)
    except FileNotFoundError:
        pass
    print("scripts/demo: stopped")
    return 0


def login(name):
    state = kept()
    if not state:
        print("scripts/demo: no machines are kept; start them with: scripts/demo --keep",
              file=sys.stderr)
        return 1
    if name not in state["machines"]:
        print(f"scripts/demo: no machine {name}; there are: {' '.join(state['machines'])}",
              file=sys.stderr)
        return 2

    def size():
        c = shutil.get_terminal_size()
        return {"rows": c.lines, "cols": c.columns}
    keeper = socket.socket(socket.AF_UNIX)
    console = socket.socket(socket.AF_UNIX)
    keeper.connect(state["socket"])
    f = keeper.makefile("rw")

    def tell(d):
        f.write(json.dumps(d) + "\n")
        f.flush()
    # The console first, or the shell's first words go nowhere.
    console.connect(state["machines"][name])
    tell(dict(size(), login=name, term=os.environ.get("TERM", "xterm")))
    answer = json.loads(f.readline() or '{"error": "the demo does not answer"}')
    if "error" in answer:
        print("scripts/demo: " + answer["error"], file=sys.stderr)
        return 1
    raw = None
    if sys.stdin.isatty():
        print(f"[{name}: exit or Ctrl-] ends this; the machine goes on]")
        raw = termios.tcgetattr(0)
        signal.signal(signal.SIGWINCH, lambda *_: tell(size()))
        tty.setraw(0)
    try:
        relay(console, keeper)
    finally:
        if raw:
            termios.tcsetattr(0, termios.TCSADRAIN, raw)
            print()
    return 0


def relay(console, keeper):
    """Between the terminal and the console, until the shell ends or the person has enough."""
    inputs = [0, console, keeper]
    while True:
        ready, _, _ = select.select(inputs, [], [])
        if console in ready:
            data = console.recv(65536)
            if not data:
                return
            os.write(1, data)
            continue                   # what the shell said last comes before its end
        if 0 in ready:
            data = os.read(0, 4096)
            if b"\x1d" in data:
                return
            if not data:
                inputs.remove(0)
                data = b"\x04"
            console.sendall(data)
        if keeper in ready:
            return


# Running it.

class Stopped(BaseException):
    """A signal said so."""


def on_signals():
    def end(num, _frame):
        signal.signal(num, signal.SIG_IGN)
        raise Stopped(num)
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(sig, end)
    lab_module._libc.prctl(1, signal.SIGTERM)

    def late(_num, _frame):
        raise Timeout(f"not done in {LIMIT} s")
    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)


def save_logs(lab, mirror):
    """What the machines' own memory holds, beside what is in files already."""
    for m in lab.machines:
        if m.alive:
            try:
                said = m.sh("lockstep status; cat /run/lockstepd.log", timeout=15, check=False)
                with open(os.path.join(m.dir, "lockstepd.log"), "w") as f:
                    f.write(said.text)
            except (LabError, OSError):
                pass


def machines(screen, args):
    """The lab and the mirror of two virtual machines."""
    screen.head("Preparing")
    k = screen.meanwhile(f"Debian's kernel {args.series}, to boot and to build against",
                         lambda: lab_module.kernel(args.series))
    how = lab_module.accel()
    screen.line({
        "kvm": "The machines run on KVM: a kernel booted under it.",
        "tcg": "The machines are emulated: no KVM here, or no kernel boots under it."}[how])
    initrd = screen.meanwhile(f"building module, tools and the machines' image ({k['KVER']})",
                              lambda: lab_module.prepare(args.series))
    screen.head("Booting a (10.77.0.1) and b (10.77.0.2), two disks each")
    lab = MachineLab("demo", args.series, {args.series: initrd}, args.verbose)
    lab.screen = screen
    return lab, shown(Machines, screen)


def demo(args, when_done=None):
    """The whole of it; the exit code."""
    screen = Screen()
    on_signals()
    lab = mirror = None
    code, failed = 1, None
    try:
        if args.here:
            import here
            lab, cls = here.prepare(screen, args)
        else:
            lab, cls = machines(screen, args)
        mirror = cls(lab, disks=DISKS, timeout_ms=TIMEOUT_MS)
        story = Story(screen, lab, mirror)
        story.tell()
        lab.check_logs()
        story.table()
        story.outro()
        if args.keep:
            keeper = Keeper(lab, mirror)
            keeper.plug()
            screen.line()
            screen.line("a and b are left running: b is primary, its files are in /srv.")
            screen.output("scripts/demo --login a    a root shell; --login b the other\n"
                          "scripts/demo --stop       ends both")
            signal.alarm(0)
            when_done()
            keeper.hold()
            return 0
        code = 0
    except Stopped as e:
        screen.line(f"interrupted ({signal.Signals(e.args[0]).name})")
        code = 128 + e.args[0]
    except BaseException as e:         # whatever it was, the machines have to go
        failed = e
    signal.alarm(0)
    if failed is not None:
        screen.line()
        screen.line(f"FAILED: {failed}" if isinstance(failed, (LabError, CheckError)) else
                    "FAILED: " + "".join(traceback.format_exception_only(failed)).strip())
        if lab:
            save_logs(lab, mirror)
            with open(os.path.join(lab.dir, "failure"), "w") as f:
                traceback.print_exception(failed, file=f)
            screen.line(f"Kernel logs, those of the daemons and the machines' disks: {lab.dir}")
    if lab:
        lab.close(keep=failed is not None)
    return code


def demo_in_background(args):
    """With --keep: the work is done by a child that stays. It says when it has done it."""
    if kept():
        print("scripts/demo: two machines are kept already; end them with: scripts/demo --stop",
              file=sys.stderr)
        return 1
    come, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(come)

        def done():
            null = os.open("/dev/null", os.O_RDWR)
            sys.stdout.flush()
            sys.stderr.flush()
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.write(go, b"0")
            os.close(go)
        code = 1
        try:
            code = demo(args, done)
        finally:
            sys.stdout.flush()
            lab_module._reap_all()
            os._exit(code)
    os.close(go)
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(sig, lambda num, _frame: os.kill(pid, num))
    if os.read(come, 1):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    ap = argparse.ArgumentParser(prog="scripts/demo", description="See scripts/demo --help.")
    ap.add_argument("--keep", action="store_true", help="leave the two machines running")
    ap.add_argument("--login", metavar="NAME", help="a root shell on a machine that was kept")
    ap.add_argument("--stop", action="store_true", help="end the machines that were kept")
    ap.add_argument("--here", action="store_true", help="network namespaces, no machines")
    ap.add_argument("--series", default="6.1", help="kernel of the machines: 6.1, 6.12, 7.2")
    ap.add_argument("-v", "--verbose", action="store_true", help="show every command of the lab")
    ap.add_argument("--prebuilt", help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.stop:
        sys.exit(stop())
    if args.login:
        sys.exit(login(args.login))
    if args.keep and args.here:
        ap.error("--keep is about machines; --here has none")
    sys.exit(demo_in_background(args) if args.keep else demo(args))


if __name__ == "__main__":
    main()
