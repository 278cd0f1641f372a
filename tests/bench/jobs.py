# SPDX-License-Identifier: GPL-2.0
"""The fio jobs, which are files: what each measures stands in comments at its top.

    ; 4 KiB random writes, one at a time
    ; measure: latency
    ; backings: ram disk
    ; count: 1                         it is 4 KiB random writes, so many in flight: its
                                       instructions can be counted

and the rest is fio's. A job can be run by hand: it takes DEVICE, HOT (bytes of the device that are
written), COLD (bytes after which a cold job ends), SECONDS and SEED from the environment. What is
measured is the section called like the file; sections before it prepare.
"""

import os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs")

# What a job's figure is: (key in a run, unit, whether less is better).
METRICS = {"latency": ("mean_us", "us", True), "sync": ("sync_mean_us", "us", True),
           "iops": ("iops", "IOPS", False), "bandwidth": ("mib_s", "MiB/s", False)}
P99 = {"sync": "sync_p99_us"}          # else p99_us


class Job:
    def __init__(self, name, text):
        lines = [x[1:].strip() for x in text.splitlines() if x.startswith(";")]
        said = dict(x.split(": ", 1) for x in lines[1:] if ": " in x)
        self.name, self.text, self.title = name, text, lines[0]
        self.measure = said["measure"]
        self.backings = said["backings"].split()
        if self.measure not in METRICS:
            raise ValueError(f"{name}: measures {self.measure}, which is not known")
        self.metric, self.unit, self.less = METRICS[self.measure]
        self.p99 = P99.get(self.measure, "p99_us")
        self.reads = "rw=randread\n" in text
        self.count = int(said.get("count", 0))


ORDER = ("qd1 qd1x4 qd4 qd4x4 qd32 qd32x4 read1 read32 mix32 seq128k seq1m "
         "fsync cold cold1").split()


def load(directory=HERE):
    """{name: Job}, in the order they are run in."""
    out = {}
    names = [f[:-4] for f in os.listdir(directory) if f.endswith(".fio")]
    for name in sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        with open(os.path.join(directory, name + ".fio")) as f:
            out[name] = Job(name, f.read())
    return out
