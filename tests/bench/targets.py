# SPDX-License-Identifier: GPL-2.0
"""What is measured. A target has a name, a title, and:

    setup()             once on each backing; its device is then in use on machine a
    device              what fio writes to
    teardown()          nothing of it is left
    module, build       a Module of bed.py and the build of it that it needs; or None, and then
    leave(), enter()    before another build is loaded, and when its own is back
    takes(job)          whether that job says anything about it

Another transport is another class beside Lockstep, with its own conf() and device.
"""

import json

from figures import parse_fio, per_io

ADDRESS = {"a": "10.77.0.1", "b": "10.77.0.2"}
ENDLESS_S = 3600
EVERYWHERE = ("ram", "disk", "flush")
LOCKSTEP_CONF = """\
nodes: {{
    a: {{ id = 0; address = "10.77.0.1"; }};
    b: {{ id = 1; address = "10.77.0.2"; }};
}};
volumes: (
{volumes}
);
"""


class Target:
    module = build = None
    backings = EVERYWHERE
    packages = ()                      # Debian's, for the guest

    def __init__(self, bed):
        self.bed = bed

    def setup(self):
        pass

    def teardown(self):
        pass

    def takes(self, job):
        return self.bed.backing.name in job.backings

    def host(self):
        """The machine fio runs on."""
        return self.bed.a

    def measure(self, job, seed):
        out, tallies = self.bed.tallied(
            lambda: self.bed.fio(self.host(), job, self.device, seed))
        run = parse_fio(out, job.name)
        run.update({name: per_io(t, run["all_ios"]) for name, t in tallies.items()})
        return run

    io_begins = "block"                # see instructions.py

    def started(self, job):
        """What the job does, without an end and nothing else, for its instructions to be counted;
        None: they cannot be."""
        if not job.count:
            return None
        return self.host().start(f"exec ioload {self.device} {self.bed.settings.hot_mib << 20} "
                                 f"{job.count}")


class WireJob:
    """What the wire takes instead of a job of fio's."""

    def __init__(self, name, title, backings, out=0, back=0):
        self.name, self.title, self.backings, self.out, self.back = \
            name, title, backings, out, back
        self.count = int(out > 0)


WIRE_JOBS = {j.name: j for j in (
    WireJob("rtt4k", "4 KiB out, 64 bytes back, TCP_NODELAY", ("ram", "disk"), 4096, 64),
    WireJob("rtt64", "64 bytes out, 64 bytes back, TCP_NODELAY", ("flush",), 64, 64),
    WireJob("stream", "one TCP stream", ("ram",)))}


class Wire(Target):
    name, title = "wire", "the wire itself: a ping-pong and a plain TCP stream"
    mib = 32                           # of a stream; becomes what fills the time

    def setup(self):
        self.server = self.bed.b.start("exec pingpong serve 5002")
        self.listening(5002)

    def teardown(self):
        self.server.kill()
        self.server.ended(10)

    def listening(self, port):
        self.bed.until(lambda: f":{port} " in self.bed.b.sh("ss -ltn").out, 20,
                       f"port {port} is open")

    def takes(self, job):
        return isinstance(job, WireJob) and super().takes(job)

    def measure(self, job, _seed):
        if job.name == "stream":
            return self.stream()
        seconds = self.bed.settings.seconds
        out, tallies = self.bed.tallied(
            lambda: self.ping(job, seconds).wait(seconds + 60).out)
        rounds, mean, p50, p99 = (float(x) for x in out.split())
        run = {"ios": int(rounds), "mean_us": mean, "p50_us": p50, "p99_us": p99,
               "iops": 1e6 / mean}
        run.update({name: per_io(t, run["ios"]) for name, t in tallies.items()})
        return run

    io_begins = "wire"

    def ping(self, job, seconds):
        return self.bed.a.start(
            f"exec pingpong ping {ADDRESS['b']} 5002 {job.out} {job.back} {seconds}")

    def started(self, job):
        return self.ping(job, ENDLESS_S) if job.count else None

    def stream(self):
        sink = self.bed.b.start("exec tcpstream recv 5001")
        self.listening(5001)
        rate = float(self.bed.a.sh(f"tcpstream send {ADDRESS['b']} 5001 {self.mib}",
                                   timeout=300).out)
        sink.wait(60)
        self.mib = max(32, int(rate * self.bed.settings.seconds))
        return {"mib_s": rate}


class Raw(Target):
    name, title = "raw", "the local disk alone"

    @property
    def device(self):
        return self.bed.data(self)

    def setup(self):
        self.bed.warm(self.host(), self.device)

    def takes(self, job):
        return not isinstance(job, WireJob) and super().takes(job)


class RawB(Raw):
    """The other machine's disk, as that machine sees it: part of what a flush has to wait for."""
    name, title = "raw-b", "the remote host's disk alone, on that host"
    backings = ("flush",)

    def host(self):
        return self.bed.b

    def takes(self, job):
        return job.name == "fsync" and super().takes(job)


class Mirrored(Raw):
    """On a's device there is more than the disk: what of it there is, the subclass says."""


class Lockstep(Mirrored):
    title = "lockstep over TCP"
    module = "lockstep"
    resource, minor = "bench", 0

    def __init__(self, bed, name="lockstep", build="a", title=None):
        super().__init__(bed)
        self.name, self.build = name, build
        self.resource = name
        self.minor = 0 if build == "a" else 2
        self.title = title or self.title

    @property
    def device(self):
        return f"/dev/lockstep{self.minor}"

    def conf(self):
        meta = self.bed.meta(self)
        return LOCKSTEP_CONF.format(volumes=(
            f'    {{ number = 0; minor = {self.minor}; disk = "{self.bed.data(self)}"; '
            + (f'meta = "{meta}"; ' if meta else "") + "}"))

    def setup(self):
        install(self.bed, self.resource, self.conf())
        self.bed.both(f"lockstep init {self.resource} --clean", timeout=120)
        self.bed.both(f"lockstep up {self.resource}")
        self.together()
        self.bed.a.sh(f"lockstep promote {self.resource}")
        self.bed.warm(self.bed.a, self.device)

    def together(self):
        self.bed.both(f"lockstep wait-sync {self.resource} --timeout 60", timeout=90)

    def leave(self):
        self.bed.a.sh(f"lockstep demote {self.resource}")
        self.bed.both(f"lockstep down {self.resource}")

    def enter(self):
        self.bed.both(f"lockstep up {self.resource}")
        self.together()
        self.bed.a.sh(f"lockstep promote {self.resource}")
        self.bed.warm(self.bed.a, self.device)

    def teardown(self):
        self.leave()
        self.bed.both(f"rm /etc/lockstep/{self.resource}.*")


class Alone(Lockstep):
    """After its peer was disconnected: what is written is marked, and goes to the local disk."""

    backings = ("disk",)

    def __init__(self, bed):
        super().__init__(bed, "alone", title="lockstep with no peer connected")
        self.minor = 1

    def takes(self, job):
        return job.name in ("qd1", "qd32") and super().takes(job)

    def setup(self):
        super().setup()
        self.bed.a.sh(f"lockstep disconnect {self.resource}")
        self.bed.until(lambda: self.link() != "up", 30, "the peer is disconnected")
        self.bed.warm(self.bed.a, self.device)

    def link(self):
        got = json.loads(self.bed.a.sh(f"lockstep status {self.resource} --json").out)
        return [r["link"] for r in got["resources"] if r["name"] == self.resource][0]

    def enter(self):
        self.bed.a.sh(f"lockstep up {self.resource}; lockstep disconnect {self.resource}; "
                      f"lockstep promote {self.resource}")
        self.bed.b.sh(f"lockstep up {self.resource}")
        self.bed.warm(self.bed.a, self.device)


def install(bed, resource, conf):
    """Configuration and key of a resource, on both."""
    bed.both("mkdir -p /etc/lockstep")
    for m in (bed.a, bed.b):
        m.put(conf.encode(), f"/etc/lockstep/{resource}.conf")
    bed.a.sh(f"rm -f /etc/lockstep/{resource}.key; lockstep keygen {resource}")
    bed.b.put(bed.a.get(f"/etc/lockstep/{resource}.key"), f"/etc/lockstep/{resource}.key",
              mode=0o600)


def lockstep_load(files):
    """Shell that loads a build of the module and starts the daemon. files: {build: path}, with
    None for the one that modprobe finds."""
    def load(build):
        path = files[build]
        # modprobe first: it brings what the module depends on.
        insert = f"modprobe lockstep; rmmod lockstep; insmod {path}" if path else \
            "modprobe lockstep"
        return ("set -e; mkdir -p /etc/lockstep /run/lockstep; hostname >/etc/lockstep/node; "
                f"{insert}; "
                "setsid lockstepd --foreground >>/run/lockstepd.log 2>&1 </dev/null & "
                "echo $! >/run/lockstepd.pid; "
                "for i in $(seq 100); do lockstep status >/dev/null 2>&1 && exit 0; sleep 0.2; "
                "done; echo 'the daemon does not answer' >&2; exit 1")
    return load


LOCKSTEP_UNLOAD = ("kill $(cat /run/lockstepd.pid); for i in $(seq 100); do "
                   "kill -0 $(cat /run/lockstepd.pid) 2>/dev/null || break; sleep 0.1; done; "
                   "rmmod lockstep")
