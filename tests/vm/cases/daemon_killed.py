# SPDX-License-Identifier: GPL-2.0
"""daemon killed -9 under load, either side: no error or stall over 2 s, all recovers"""

import json
import time

from mirror import DEVICE, Mirror

TIMEOUT = 300

FIO = ("fio --name=load --filename={dev} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k "
       "--iodepth=4 --verify=crc32c --verify_fatal=1 --verify_backlog=512 --size=32m --time_based "
       "--runtime=45 --serialize_overlap=1 --output-format=json")
STALL_S = 2
STATUS_S = 5

# Looked at from inside, because each command that the lab sends takes half a second on an emulated
# machine that is busy; from the start that the daemon's own process has.
RIGHT = """
start=$(awk '{print $22}' /proc/$(cat /run/lockstepd.pid)/stat)
until lockstep status r0 --json 2>/dev/null | grep -q '"phase": "connected"'; do sleep 0.1; done
echo $(( $(cut -d' ' -f1 /proc/uptime | tr -d .) - start ))
"""


def seconds_until_right(machine):
    return int(machine.sh(RIGHT, timeout=60).out) / 100


def run(lab):
    m = Mirror(lab, size_mib=128)
    m.form()
    session = m.status(m.a)["session_id"]
    load = m.a.start(FIO.format(dev=DEVICE))
    for victim in (m.a, m.b, m.a):
        time.sleep(4)
        m.kill_daemon(victim)
        time.sleep(4)
        # The kernel goes on, and says so without the daemon.
        s = m.status(victim)
        lab.check(s["link"] == "up", f"{victim.name}: link is {s['link']} without its daemon")
        m.start_daemon(victim)
        took = seconds_until_right(victim)
        lab.say(f"daemon of {victim.name}: status right {took:.1f} s after its start")
        lab.check(took < STATUS_S, f"status took {took:.1f} s to be right again\n{m.describe()}")
        m.wait_synced()
    r = load.wait(150)
    lab.check(m.status(m.a)["session_id"] == session, "the session was replaced")
    worst = json.loads(r.out[r.out.index("{"):])["jobs"][0]["write"]["clat_ns"]["max"] / 1e9
    lab.say(f"slowest write {worst:.3f} s")
    lab.check(worst < STALL_S, f"a write took {worst:.3f} s")
    m.finish()
