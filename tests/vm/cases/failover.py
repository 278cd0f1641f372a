# SPDX-License-Identifier: GPL-2.0
"""create, first full sync, verified writes, primary killed under load, peer promoted, old one resynced"""

from mirror import DEVICE, Mirror, need

FIO = ("fio --name=load --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite "
       "--bssplit=512/10:4k/60:64k/25:1m/5 --bs_unaligned=0 --iodepth=16 --numjobs=1 "
       "--verify=crc32c --do_verify=1 --verify_fatal=1 --fsync=64 --size={size} --randseed=7 "
       "--norandommap=0 --minimal")


def run(lab):
    m = Mirror(lab)
    m.form(clean=False)
    r = m.a.sh(FIO.format(dev=DEVICE, size="48m"), timeout=300)
    need(r.rc == 0, "fio found a difference")
    load = m.a.start(f"ackload write {DEVICE} {m.a.acks_port} 1 600 8")
    lab.sleep(5)
    m.a.kill()
    load.gone()
    m.wait_link(m.b, up=False)
    m.promote(m.b)
    check(m, m.a, m.b)
    m.b.sh("lockstep status r0")
    # Life goes on, alone, and the old primary becomes a copy again.
    m.b.sh(FIO.format(dev=DEVICE, size="16m"), timeout=300)
    m.reboot(m.a)
    m.finish()


def check(m, dead, survivor):
    survivor.put("/run/records", dead.acks())
    r = survivor.sh(f"ackload check {DEVICE} /run/records", timeout=300, check=False)
    need(r.rc == 0, "acknowledged writes are lost:\n" + r.out[-2000:])
    print(r.out.strip())
