# SPDX-License-Identifier: GPL-2.0
"""secondary killed under verified load, twice: the load never sees an error, the copy comes back"""

import time

from mirror import DEVICE, Mirror

TIMEOUT = 400

FIO = ("fio --name=load --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k-64k "
       "--iodepth=8 --verify=crc32c --verify_fatal=1 --verify_backlog=256 --fsync=32 --size=48m "
       "--time_based --runtime=75 --serialize_overlap=1 --minimal")


def run(lab):
    m = Mirror(lab, size_mib=128, timeout_ms=2000)
    m.form()
    load = m.a.start(FIO.format(dev=DEVICE))
    for _ in range(2):
        time.sleep(5)
        m.b.kill()
        m.wait_link(m.a, up=False)
        time.sleep(3)
        m.reboot(m.b)
        m.wait_synced()
    load.wait(200)
    m.finish()
