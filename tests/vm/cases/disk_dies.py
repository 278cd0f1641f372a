# SPDX-License-Identifier: GPL-2.0
"""primary's disk fails under load: no error, the peer serves, attach brings it back by marks"""

import time

from mirror import DEVICE, MIB, Mirror

TIMEOUT = 500
LOAD = ("fio --name=v --filename={dev} --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw "
        "--rwmixread=40 --bssplit=4k/60:64k/40 --size=96m --verify=crc32c --verify_fatal=1 "
        "--verify_backlog=64 --serialize_overlap=1 --fsync=32 --time_based=1 --runtime=600 "
        "--minimal")


class DmMirror(Mirror):
    """Each disk below a device-mapper table that can be exchanged."""

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


def run(lab):
    m = DmMirror(lab, size_mib=128, timeout_ms=3000)
    m.form()
    a, b = m.a, m.b
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
    m.wait_synced(a)
    lab.check(load.alive, f"fio ended: {load.text[-1500:]}")
    lab.say(a.sh("lockstep status r0").out)
    a.sh("kill -INT $(pgrep -o fio)")
    r = load.wait(60, check=False)
    lab.check(r.rc in (0, 128), f"fio: {r.text[-1500:]}")
    for line in r.out.splitlines():
        if line.startswith("3;fio"):
            lab.check(line.split(";")[4] == "0", f"fio: error {line.split(';')[4]}")
    m.finish()
