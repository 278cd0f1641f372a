# SPDX-License-Identifier: GPL-2.0
"""primary's disk fails under load: no error, the peer serves, attach brings it back by marks"""

import time

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 700
LOAD = ("fio --name=v --filename={dev} --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw "
        "--rwmixread=40 --bssplit=4k/60:64k/40 --size=48m --verify=crc32c --verify_fatal=1 "
        "--verify_backlog=64 --serialize_overlap=1 --fsync=32 --time_based=1 --runtime=600 "
        "--minimal")


class DmMirror(Mirror):
    """Each disk below a device-mapper table that can be exchanged."""

    def conf_of(self, m):
        return "disk_timeout_ms = 4000;\n" + self.conf

    def prepare(self, m):
        self.conf = self.conf.replace("/dev/lab/data", "/dev/mapper/data")
        m.sh("modprobe dm_mod; dmsetup create --noudevsync --noudevrules data --table "
             "\"0 $(blockdev --getsz /dev/lab/data) linear /dev/lab/data 0\"; dmsetup mknodes")
        super().prepare(m)

    def table(self, m, table):
        m.sh(f"dmsetup suspend --nolockfs data; dmsetup reload data --table \"{table}\"; "
             "dmsetup resume data")

    def break_disk(self, m):
        self.table(m, "0 $(blockdev --getsz /dev/lab/data) error")

    def mend_disk(self, m):
        self.table(m, "0 $(blockdev --getsz /dev/lab/data) linear /dev/lab/data 0")


def disk(m, machine):
    s = m.status(machine, check=False)
    return s["volumes"][0]["disk"] if s else None


def hangs(lab, m):
    """Instead of failing, the disk does not answer: given up as well, and said once."""
    a = m.a
    seen = len(a.sh("dmesg").out)
    a.sh("dmsetup suspend --nolockfs data")
    # The read stays at the disk; a region that is not in the map yet, so does that.
    read = a.start(f"dd if={DEVICE} of=/dev/null bs=4k count=1 iflag=direct")
    a.sh(f"dd if=/dev/zero of={DEVICE} bs=4k count=1 seek=$((56 << 8)) oflag=direct", timeout=60)
    lab.check(disk(m, a) == "failed", "a write ended, and the disk that hangs is not given up")
    time.sleep(6)
    said = a.sh("dmesg").out[seen:]
    lab.check(read.alive and said.count("in time: -110") == 1, said)
    a.sh("dmsetup resume data")
    read.wait(60)
    a.sh("lockstep attach r0")
    m.wait_synced(a)


def run(lab):
    # No larger: beside a load that never pauses a resync moves a little only.
    m = DmMirror(lab, size_mib=64, timeout_ms=3000)
    m.form()
    a, b = m.a, m.b
    hangs(lab, m)
    load = a.start(LOAD.format(dev=DEVICE))
    time.sleep(3)
    m.break_disk(a)
    lab.wait(lambda: disk(m, a) == "failed", 30, "the disk is given up")
    lab.wait(lambda: (m.status(a) or {}).get("link") == "up", 30, "a works through b")
    time.sleep(3)
    lab.check(load.alive, f"fio ended: {load.text[-1500:]}")
    lab.say(a.sh("lockstep status r0").out)
    # The link goes on top: held, and then it goes on.
    m.pair.cut("both")
    m.wait_link(a, up=False)
    time.sleep(1)
    m.pair.restore("both")
    m.wait_link(a, up=True)
    time.sleep(2)
    lab.check(load.alive, f"fio ended: {load.text[-1500:]}")
    m.mend_disk(a)
    lab.say(a.sh("lockstep attach r0").text)
    m.wait_synced(a, seconds=400)
    lab.check(load.alive, f"fio ended: {load.text[-1500:]}")
    lab.say(a.sh("lockstep status r0").out)
    a.sh("kill -INT $(pgrep -o fio)")
    r = load.wait(60, check=False)
    lab.check(r.rc in (0, 128), f"fio: {r.text[-1500:]}")
    for line in r.out.splitlines():
        if line.startswith("3;fio"):
            lab.check(line.split(";")[4] == "0", f"fio: error {line.split(';')[4]}")
    m.finish()
