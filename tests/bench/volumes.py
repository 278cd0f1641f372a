# SPDX-License-Identifier: GPL-2.0
"""1, 16 and 200 volumes under the same load: what a write costs, and what an idle volume takes.

They are slices of one device, all of one resource: it may have 256.
"""

import json
import re

from figures import parse_fio
from targets import LOCKSTEP_CONF, install

NUMBERS = (1, 16, 200)
SLICE_MIB = 64
FIRST_MINOR = 100
RESOURCE = "many"


def conf(n):
    return LOCKSTEP_CONF.format(volumes=",\n".join(
        f'    {{ number = {i}; minor = {FIRST_MINOR + i}; disk = "/dev/mapper/slice{i}"; }}'
        for i in range(n)))


def slices(device, n):
    """dmsetup's concise form: all in one call."""
    sectors = SLICE_MIB << 11
    return ";".join(f"slice{i},,,rw,0 {sectors} linear {device} {i * sectors}" for i in range(n))


def meminfo_kib(text):
    """What is taken and cannot be had back."""
    kib = {k: int(v.split()[0]) for k, v in
           (line.split(":") for line in text.splitlines() if ":" in line)}
    return (kib["MemTotal"] - kib["MemFree"] - kib["Buffers"] - kib["Cached"]
            - kib["SReclaimable"])


def usage(bed):
    """(KiB, threads) of both machines. Workers that the kernel shares among all come and go."""
    out = {}
    for m in (bed.a, bed.b):
        m.sh("sync; echo 3 >/proc/sys/vm/drop_caches; sleep 0.5")
        kib = meminfo_kib(m.sh("cat /proc/meminfo").out)
        names = m.sh("cat /proc/[0-9]*/task/[0-9]*/comm 2>/dev/null", check=False).out.split("\n")
        own = re.compile(r"kworker/|cat$|bash$|sleep$|$")
        out[m.name] = kib, sum(not own.match(x) for x in names)
    return out


def load(bed, n, seed):
    """32 writes in flight, at random over all of them, on as many bytes whatever their number."""
    per_file_kib = bed.settings.hot_mib * 1024 // n // 4 * 4
    names = ":".join(f"/dev/lockstep{FIRST_MINOR + i}" for i in range(n))
    # For each device fio's disk_util looks through all there are: minutes, with hundreds.
    common = (f"fio --name=many --filename={names} --direct=1 --ioengine=libaio --disk_util=0 "
              f"--size={per_file_kib * n}k --output-format=json --group_reporting "
              f"--lat_percentiles=1 --clat_percentiles=0 --percentile_list=50:99 ")
    bed.a.sh(common + "--rw=write --bs=64k --iodepth=8", timeout=300)
    s = bed.settings.seconds
    work = common + ("--rw=randwrite --bs=4k --iodepth=32 --norandommap --time_based "
                     f"--file_service_type=random --randseed={seed} --runtime={s}")
    return bed.calmest(lambda: parse_fio(bed.a.sh(work, timeout=s * 4 + 120).out, "many"))


def one(bed, n, rep):
    """Make them, measure, take them down."""
    install(bed, RESOURCE, conf(n))
    bed.both(f"lockstep init {RESOURCE} --clean --force", timeout=300)
    before = usage(bed)
    bed.both(f"lockstep up {RESOURCE}", timeout=120)
    bed.both(f"lockstep wait-sync {RESOURCE} --timeout 100", timeout=120)
    bed.a.sh(f"lockstep promote {RESOURCE}")
    after = usage(bed)
    fio = load(bed, n, 1000 + rep)
    bed.a.sh(f"lockstep demote {RESOURCE}")
    bed.both(f"lockstep down {RESOURCE}", timeout=120)
    grown = {name: [x - y for x, y in zip(after[name], before[name], strict=True)]
             for name in after}
    return {"n": n, "rep": rep, "iops": fio["iops"], "us_per_write": 1e6 / fio["iops"],
            "p99_us": fio["p99_us"], "foreign": fio["foreign"],
            "threads_a": grown["a"][1], "threads_b": grown["b"][1],
            "memory_kib": max(grown["a"][0], grown["b"][0])}


def measure(bed, reps, say):
    """All numbers, reps times, forwards and backwards."""
    bed.modules["lockstep"].use("a")
    table = slices(bed.backing.data(0), max(NUMBERS))
    bed.both(f"modprobe dm_mod; dmsetup create --noudevsync --concise '{table}'; dmsetup mknodes",
             timeout=120)
    out = []
    for rep in range(reps):
        for n in NUMBERS if rep % 2 == 0 else reversed(NUMBERS):
            out.append(one(bed, n, rep))
            say(f"{n} volumes: " + json.dumps(out[-1]))
    bed.both("for i in $(seq 0 %d); do dmsetup remove --noudevsync slice$i; done; dmsetup mknodes"
             % (max(NUMBERS) - 1), timeout=120)
    return out
