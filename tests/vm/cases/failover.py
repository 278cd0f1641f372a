# SPDX-License-Identifier: GPL-2.0
"""create, full first sync, verified writes, primary killed under load, survivor promoted, resync"""

from mirror import DEVICE, Mirror

TIMEOUT = 400

FIO = ("fio --name=load --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite "
       "--bssplit=512/10:4k/60:64k/25:1m/5 --iodepth=16 --verify=crc32c --verify_fatal=1 "
       "--fsync=64 --size={size} --randseed=7 --minimal")


def run(lab):
    m = Mirror(lab)
    m.form(clean=False)
    m.a.sh(FIO.format(dev=DEVICE, size="32m"), timeout=200)
    m.ackload(m.a, seed=1)
    m.wait_acks(m.a, 500)
    m.a.kill()
    m.wait_link(m.b, up=False)
    m.promote(m.b)
    lab.say(m.check_acks(m.a, m.b))
    # Life goes on, alone, and the old primary becomes a copy again.
    m.b.sh(FIO.format(dev=DEVICE, size="16m"), timeout=200)
    m.reboot(m.a)
    m.finish()
