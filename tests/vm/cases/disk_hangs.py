# SPDX-License-Identifier: GPL-2.0
"""disks of either node do not answer: given up or waited for, and nothing else hangs with them

What the peer has sent to such a disk outlives its session. No other session opens and nobody is
promoted beside it, which is said; when the disk answers, all is as it was.
"""

import time

from mirror import DEVICE, LINEAR, WRITE_ERRORS, Mirror
from tries import Tries

TIMEOUT = 900
DISK_TIMEOUT_MS = 8000                 # longer than a session ends without its peer
FIO = (f"fio --name=v --filename={DEVICE} --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite "
       "--bs=4k --size=96m --time_based=1 --runtime=600 --thread=1 "
       "--minimal")
SLOW = "delay {dev} 0 50"


class Hangs(Mirror):
    def conf_of(self, m):
        # A full queue has to be seen before its disk is given up, and that before the peer ends the
        # session for a request that has no answer (30 s).
        ms = DISK_TIMEOUT_MS * (3 if self.lab.debug else 1)
        return f"disk_timeout_ms = {ms};\n" + self.conf

    def hang(self, m):
        m.sh("dmsetup suspend --nolockfs data")

    def answer(self, m):
        m.sh("dmsetup resume --noudevsync data")

    def cache(self, m, mode):
        """Written through, an empty flush ends by itself, and says nothing of the disk."""
        m.sh(f"echo '{mode}' >/sys/block/dm-$(dmsetup info -c --noheadings -o minor data)"
             "/queue/write_cache")

    def write(self, m, at_mib):
        return m.start(f"dd if=/dev/urandom of={DEVICE} bs=4k count=1 seek=$(({at_mib} << 8)) "
                       "oflag=direct")

    def attach(self, m):
        """What came back late may still be on its way."""
        self.lab.wait(lambda: m.sh("lockstep attach r0", check=False).rc == 0, 60, "attached", 0.5)
        self.wait_synced()


def requests_at_disk(machine):
    """Of the peer."""
    r = machine.sh("cat /sys/kernel/debug/lockstep/r0/streams")
    rows = [line.split() for line in r.out.splitlines()[1:]]
    column = rows[0].index("peer_requests")
    return sum(int(row[column]) for row in rows[1:])


def leave_strays(lab, m, at_mib):
    """A write of a's is at b's disk, which hangs; their session ends."""
    m.hang(m.b)
    write = m.write(m.a, at_mib)
    lab.wait(lambda: requests_at_disk(m.b) > 0, 10, "the write is at b's disk", 0.1)
    m.pair.cut("both")
    m.wait_link(m.b, up=False)
    write.wait(60)                     # a goes on alone
    lab.check(m.volume(m.b)["disk"] != "failed", "b's disk is given up beside a peer it has lost")
    lab.check("of a session that is over" in m.b.sh("cat /sys/kernel/debug/lockstep/r0/waits").out,
              "the write came back, or is forgotten")


def refuses(lab, m):
    t = Tries(lab, m.b)
    for cmd in ("promote", "promote --force"):
        t.refused(f"lockstep {cmd} r0", "requests of the last session are still at its disk",
                  "lockstep detach r0", moves=True)
    t.refused("lockstep down r0", "/dev/mapper/data", "does not answer", moves=True)
    t.done()


def waited_for(lab, m):
    leave_strays(lab, m, 10)
    refuses(lab, m)
    m.pair.restore("both")
    lab.wait(lambda: "still at its disk" in m.b.sh("lockstep status r0").text, 30,
             "b says why it does not connect")
    lab.say(m.describe())
    m.answer(m.b)
    m.quiet()


def detached(lab, m):
    leave_strays(lab, m, 11)
    m.b.sh("lockstep detach r0")
    m.pair.restore("both")
    r = m.b.sh("lockstep attach r0", check=False)
    lab.check(r.rc and "requests are still at" in r.text, f"attached beside strays: {r.text}")
    m.answer(m.b)
    m.attach(m.b)
    m.quiet()


def secondary(lab, m):
    """In a session it is given up in time, and the primary goes on."""
    m.hang(m.b)
    write = m.write(m.a, 12)
    lab.wait(lambda: m.volume(m.b).get("disk") == "failed", 60, "b's disk is given up")
    write.wait(60)
    m.answer(m.b)
    m.attach(m.b)
    m.quiet()


def primary(lab, m):
    """Just caught up by the peer, which has it flushed now and then: requests of both are there."""
    for i in range(4):
        fio = m.a.start(FIO)
        time.sleep(1 + lab.random.random() * 2)
        if i % 2:
            fio.kill()
            fio.ended(20)
            time.sleep(lab.random.random() * 6)
        m.hang(m.a)
        read = m.a.start(f"dd if={DEVICE} of=/dev/null bs=4k count=1 iflag=direct")
        m.write(m.a, 100 + i).wait(60)
        lab.check(m.volume(m.a)["disk"] == "failed", "a's disk is not given up")
        m.answer(m.a)
        read.wait(60)
        if not i % 2:
            fio.kill()
            fio.ended(20)
        m.attach(m.a)


def demoted(lab, m):
    """Its flush is waited for by name, and not for ever; then it goes without that disk."""
    m.hang(m.a)
    job = m.a.start("lockstep demote r0")
    lab.wait(lambda: (m.status(m.a) or {}).get("waits_for") == "a flush of the local disk", 10,
             "a says what it waits for", 0.1)
    r = job.wait(60, check=False)
    lab.check(r.rc == 1 and "flushing /dev/mapper/data failed" in " ".join(r.text.split()),
              f"demoted, or no reason: {r.text}")
    lab.wait(lambda: m.volume(m.a).get("disk") == "failed", 30, "a's disk is given up")
    lab.wait(lambda: m.a.sh("lockstep demote r0", check=False).rc == 0, 60, "a is demoted", 0.5)
    m.answer(m.a)
    m.attach(m.a)
    m.promote(m.a)
    m.quiet()


def cacheless(lab, m):
    """The same of disks to which no flush gets."""
    for x in (m.a, m.b):
        m.cache(x, "write through")
    m.hang(m.b)
    t = Tries(lab, m.b)
    t.refused("lockstep down r0", "/dev/mapper/data", "does not answer", moves=True)
    t.done()
    m.answer(m.b)
    m.quiet()
    demoted(lab, m)
    for x in (m.a, m.b):
        m.cache(x, "write back")


def strays_are_there(m):
    return "of a session that is over" in m.b.sh("cat /sys/kernel/debug/lockstep/r0/waits").out


def source_after(lab, m):
    """b has the only whole copy, and its disk fails what was asked when their session is over."""
    m.a.sh("lockstep detach r0")
    lab.wait(lambda: m.volume(m.a).get("disk") == "failed", 30, "a works through b")
    m.wait_link(m.a, up=True)
    m.hang(m.b)
    write = m.write(m.a, 13)
    lab.wait(lambda: requests_at_disk(m.b) > 0, 10, "the write is at b's disk", 0.1)
    m.pair.cut("both")
    m.wait_link(m.b, up=False)
    lab.check(strays_are_there(m), "the write came back, or is forgotten")
    m.map(m.b, "data", WRITE_ERRORS)
    lab.wait(lambda: not strays_are_there(m), 30, "the write came back", 0.1)
    lab.wait(lambda: "is kept all the same" in m.b.sh("dmesg").out, 30, "b decides on its disk")
    lab.check(m.volume(m.b)["disk"] == "up-to-date", f"b has no copy: {m.describe()}")
    m.map(m.b, "data", LINEAR)
    lab.check(write.alive, f"the write ended, and nobody has it: {write.text}")
    m.pair.restore("both")
    write.wait(60)                     # sent again
    m.attach(m.a)
    m.quiet()


def pulled(lab, m):
    """a copies from b, through which it works; their session ends with b's blocks at a's disk."""
    m.a.sh("lockstep detach r0")
    m.a.sh(f"dd if=/dev/urandom of={DEVICE} bs=1M count=80 oflag=direct", timeout=120)
    m.map(m.a, "data", SLOW)
    m.a.sh("lockstep attach r0")
    lab.wait(lambda: m.volume(m.a)["sync"]["state"] == "target", 30, "a copies from b", 0.05)
    m.hang(m.a)
    time.sleep(1)
    m.b.sh("lockstep disconnect r0")
    m.wait_link(m.a, up=False)
    waits = m.a.sh("cat /sys/kernel/debug/lockstep/r0/waits").out
    lab.check("of a session that is over" in waits, f"nothing is at a's disk:\n{waits}")
    m.b.sh("lockstep connect r0")
    for x, text in ((m.a, "are still at /dev/mapper/data"), (m.b, "still at its disk")):
        lab.wait(lambda: text in " ".join(x.sh("lockstep status r0").text.split()), 30,
                 f"{x.name} says why it does not connect")
    m.answer(m.a)
    m.map(m.a, "data", LINEAR)
    m.quiet()


def again(lab, m):
    """Given up once more while a copies from b, with writes on their way to both."""
    fio = m.a.start(FIO.replace("iodepth=8", "iodepth=32"))
    for _ in range(6):
        m.a.sh("lockstep detach r0")
        time.sleep(0.5)
        m.a.sh("lockstep attach r0")
        lab.wait(lambda: m.volume(m.a)["sync"]["state"] == "target", 30, "a copies from b", 0.05)
        time.sleep(lab.random.random())
    lab.check(fio.alive, f"the load ended: {fio.text}")
    fio.kill()
    fio.ended(60)
    m.quiet()


def verified(lab, m):
    """The end of a session says nowhere how far a verify of a disk that hangs had come."""
    m.a.sh("lockstep demote r0")
    m.map(m.a, "data", SLOW)
    m.a.sh("lockstep verify r0")
    time.sleep(1)                      # it is not at its beginning
    m.hang(m.a)
    m.pair.cut("both")
    m.wait_link(m.a, up=False, seconds=20)
    lab.check(m.volume(m.a), "a says nothing of its volume")
    m.pair.restore("both")
    m.answer(m.a)
    m.map(m.a, "data", LINEAR)
    m.quiet()
    m.a.sh("lockstep promote r0")


class Queue:
    """a's disk has a queue of one, and takes a minute for it. The disk is used up after that."""

    def __init__(self, m, name):
        self.m, self.a, self.name = m, m.a, name
        self.minute = 60 * (1000 if m.lab.debug else 250)    # in jiffies

    def __enter__(self):
        delay = "/sys/bus/pseudo/drivers/scsi_debug/delay"
        self.a.sh("modprobe sd_mod; modprobe scsi_debug add_host=2 max_queue=1 dev_size_mb=256 "
                  "fake_rw=1 delay=0; "
                  f"for i in $(seq 100); do test -b /dev/{self.name} && break; sleep 0.1; done; "
                  f"echo 600 >/sys/block/{self.name}/device/timeout; echo 0 >{delay}")
        self.m.map(self.a, "data", f"linear /dev/{self.name} 0")
        self.a.sh(f"echo {self.minute} >{delay}")
        return self

    def offline(self):
        """What waits behind the one that is there fails."""
        self.a.sh(f"echo offline >/sys/block/{self.name}/device/state")

    def __exit__(self, kind, *_):
        if kind:
            return
        self.offline()
        self.m.map(self.a, "data", LINEAR)
        self.m.lab.wait(lambda: self.a.sh("lockstep attach r0", check=False).rc == 0, 120,
                        "attached", 0.5)
        self.m.wait_synced()


def given_up(lab, m):
    lab.wait(lambda: m.volume(m.a).get("disk") == "failed", 60, "a's disk is given up")


def stuck_worker(lab, m):
    """Nothing of an application's is at the disk, nor does anybody count what is."""
    with Queue(m, "sda"):
        m.a.sh("lockstep verify r0")
        given_up(lab, m)
        m.write(m.a, 119).wait(60)


def full_queue(lab, m):
    """Whoever hands a request to the disk waits for it as well; nobody else does."""
    a = m.a
    with Queue(m, "sdb") as queue:
        fio = a.start(FIO.replace("iodepth=8", "iodepth=64") +
                      " --numjobs=2 --offset_increment=16m")
        lab.wait(lambda: "get_tag" in a.sh("cat /proc/[0-9]*/task/*/stack", check=False).out, 20,
                 "fio waits for room in the disk's queue")
        given_up(lab, m)
        m.write(a, 120).wait(60)
        queue.offline()
        fio.kill()
        fio.ended(90)


def run(lab):
    m = Hangs(lab, size_mib=128, timeout_ms=3000, mapped=True)
    m.form()
    waited_for(lab, m)
    detached(lab, m)
    secondary(lab, m)
    primary(lab, m)
    demoted(lab, m)
    cacheless(lab, m)
    source_after(lab, m)
    pulled(lab, m)
    again(lab, m)
    verified(lab, m)
    stuck_worker(lab, m)
    full_queue(lab, m)
    m.finish()
