# SPDX-License-Identifier: GPL-2.0
"""scripts/bench: Lockstep beside the wire, the raw disk and its peers, in one run."""

import argparse
import json
import os
import signal
import subprocess
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "tests/vm")]
sys.dont_write_bytecode = True
import build  # noqa: E402
import lab as lab_module  # noqa: E402
import backing as backings  # noqa: E402
import figures  # noqa: E402
import goals  # noqa: E402
import instructions  # noqa: E402
import jobs as job_files  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402
import volumes  # noqa: E402
from bed import CALM, Bed, Module  # noqa: E402
from figures import Runs  # noqa: E402

OUT = os.path.join(TOP, ".build", "bench")
MEMORY_MIB = 3072
TARGETS = {
    "wire": targets.Wire, "raw": targets.Raw, "raw-b": targets.RawB, "nvme": peers.Nvme,
    "md": peers.Md,
    "drbd84": lambda bed: peers.Drbd(bed, "8.4", 0, False),
    "drbd84-tuned": lambda bed: peers.Drbd(bed, "8.4", 1, True),
    "drbd9": lambda bed: peers.Drbd(bed, "9", 2, False),
    "drbd9-tuned": lambda bed: peers.Drbd(bed, "9", 3, True),
    "lockstep": targets.Lockstep, "alone": targets.Alone,
    "other": lambda bed: targets.Lockstep(bed, "other", "b", "lockstep, the other build"),
}
PACKAGES = {"nvme": "nvme-cli", "md": "nvme-cli", "drbd84": "drbd-utils"}
QUICK = {"only": "qd1,qd32", "targets": "wire,raw,lockstep,md,drbd84", "backing": "ram",
         "seconds": 2, "reps": 2}
HELP = """\
Measures, between the same two virtual machines and in one run: the wire itself, the raw disk, the
remote disk over nvme-tcp, md RAID1 over nvme-tcp, DRBD, and lockstep; and says which of the goals
are reached. What counts are ratios: figures of an emulated machine say nothing by themselves.

In each repetition every job is run on every target, one right after the other, so that a machine
that becomes slower becomes so for all. Ratios are taken within a repetition.
"""
EXAMPLES = """\
examples:
  scripts/bench                              everything: by count an hour on emulated machines
  scripts/bench --quick                      minutes; for a look at a change
  scripts/bench --quick --compare HEAD~3 --targets lockstep --reps 7
                                             is this tree's module faster than that one's? Both are
                                             loaded by turns; see "lockstep:it", and the spread:
                                             below it there is no difference
  scripts/bench --only fsync,cold --backing flush --targets raw,lockstep,drbd84
  scripts/bench --only qd1,qd32 --backing ram --reps 0 --instructions 1000 --profile p.txt
                                             no times, but where the instructions of a write go, on
                                             each host: exact while other programs are busy, too
  scripts/bench --cpus 1,2,4 --only qd32x4 --targets lockstep,md --json r.json --plot r.svg

A job is a file in tests/bench/jobs; a target a small class in tests/bench/targets.py or peers.py.
The text goes to the terminal, all figures to --json. The exit code is 0 if everything was measured,
whatever came out; with --strict it is 1 if a goal that was measured is not reached.
"""


def parse(argv):
    ap = argparse.ArgumentParser(prog="scripts/bench", description=HELP, epilog=EXAMPLES,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quick", action="store_true", help="a few jobs, short: " + " ".join(
        f"--{k} {v}" for k, v in QUICK.items()) + "; what else is given counts")
    ap.add_argument("--only", metavar="LIST", help="these jobs; volumes is one, too")
    ap.add_argument("--targets", metavar="LIST", help="these targets, see --list")
    ap.add_argument("--backing", metavar="LIST", help="ram, disk, flush: what the copies stand on")
    ap.add_argument("--seconds", type=int, metavar="N", help="of each measurement (4)")
    ap.add_argument("--reps", type=int, metavar="N", help="repetitions (3)")
    ap.add_argument("--tries", type=int, default=3, metavar="N",
                    help="of a measurement during which other programs kept the host busy (3)")
    ap.add_argument("--instructions", type=int, default=0, metavar="N",
                    help="count those of N I/Os of each job, too, by function, in other machines "
                    "and after all else; with --reps 0 nothing else. Only where they are emulated")
    ap.add_argument("--profile", metavar="FILE", help="append what was counted, as text")
    ap.add_argument("--cpus", default="1", metavar="LIST",
                    help="processors of a machine (1); the machines boot anew for each number")
    ap.add_argument("--series", default="6.1", metavar="KERNEL", help="6.1, 6.12 or 7.2 (6.1)")
    ap.add_argument("--module", metavar="FILE", help="this lockstep.ko, not one of this tree")
    ap.add_argument("--compare", metavar="WHAT",
                    help="another module as target \"other\": a lockstep.ko, or a git revision, "
                    "which is built; daemon and tools are this tree's for both")
    ap.add_argument("--drbd9", metavar="FILE", help="drbd.ko of DRBD 9 for that kernel, where "
                    "it was built: targets drbd9 and drbd9-tuned")
    ap.add_argument("--hot", type=int, default=64, dest="hot_mib", metavar="MIB",
                    help="so much of a device is written, but by the job cold (64)")
    ap.add_argument("--cold", type=int, default=48, dest="cold_mib", metavar="MIB",
                    help="so much the job cold writes in all (48)")
    ap.add_argument("--json", metavar="FILE", help="all figures, of each repetition")
    ap.add_argument("--plot", metavar="FILE", help="a picture, SVG")
    ap.add_argument("--from", dest="load", metavar="FILE",
                    help="measure nothing: tables, goals and picture of an earlier --json")
    ap.add_argument("--strict", action="store_true", help="a goal not reached is a failure")
    ap.add_argument("--list", action="store_true", help="list jobs, targets and backings")
    ap.add_argument("-v", "--verbose", action="store_true", help="show the machines' commands")
    args = ap.parse_args(argv)
    try:
        return checked(args, job_files.load())
    except ValueError as e:
        ap.error(str(e))


def choose(given, have, what):
    names = given.split(",") if given else list(have)
    for n in names:
        if n not in have:
            raise ValueError(f"no {what} {n!r}; there are: {', '.join(have)}")
    return [n for n in have if n in names]


def checked(args, jobs):
    """The options as lists; refuses what there is not."""
    for key, value in QUICK.items():
        if args.quick and getattr(args, key) is None:
            setattr(args, key, value)
    args.seconds = 4 if args.seconds is None else args.seconds
    args.reps = 3 if args.reps is None else args.reps
    if min(args.seconds, args.reps + bool(args.instructions), args.tries) < 1:
        raise ValueError("--seconds, --reps and --tries are at least 1")
    if args.profile and not args.instructions:
        raise ValueError("--profile is of what --instructions counts")
    have = [t for t in TARGETS if (args.drbd9 or not t.startswith("drbd9"))
            and (args.compare or t != "other")]
    chosen = args.targets
    if chosen and args.compare:
        chosen += ",other"
    args.targets = choose(chosen, have, "target")
    args.backing = choose(args.backing, backings.ALL, "backing")
    only = choose(args.only, [*targets.WIRE_JOBS, *jobs, "volumes"], "job")
    args.volumes = "volumes" in only and "ram" in args.backing and "lockstep" in args.targets
    args.jobs = {n: jobs[n] for n in only if n in jobs}
    wanted = {w[0] for w in map(report.wire_of, args.jobs.values()) if w} | set(only)
    args.wire_jobs = [j for n, j in targets.WIRE_JOBS.items() if n in wanted or n == "rtt4k"]
    args.cpus = sorted({int(x) for x in args.cpus.split(",")})
    for path in (args.module, args.drbd9):
        if path and not os.path.isfile(path):
            raise ValueError(f"no file {path}")
    return args


def show_list(args):
    print("jobs")
    print(report.columns([[j.name, j.title, " ".join(j.backings)] for j in args.jobs.values()]
                         + [["volumes", "1, 16 and 200 volumes under the same load", "ram"]], 3))
    print("targets")
    rows = []
    for name in args.targets:
        made = TARGETS[name](None)
        rows.append([name, made.title, " ".join(made.backings)])
    print(report.columns(rows, 3))
    print("backings")
    print(report.columns([[b.name, b.title] for b in backings.ALL.values()], 2))


# What the machines are made of

def other_module(what, series):
    """A lockstep.ko: a file, or one built from a git revision."""
    if os.path.isfile(what):
        return what
    rev = subprocess.run(["git", "-C", TOP, "rev-parse", "--verify", "-q", what + "^{commit}"],
                         capture_output=True, text=True).stdout.strip()
    if not rev:
        raise SystemExit(f"bench: {what} is neither a file nor a git revision; give the path of a "
                         "lockstep.ko, or what `git rev-parse` knows")
    tree = os.path.join(OUT, "rev", rev[:12])
    if not os.path.isdir(tree):
        os.makedirs(tree + ".tmp", exist_ok=True)
        archive = subprocess.run(["git", "-C", TOP, "archive", rev], check=True,
                                 stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", tree + ".tmp"], input=archive, check=True)
        os.rename(tree + ".tmp", tree)
    out = os.path.join(OUT, "rev", f"{rev[:12]}-{series}")
    subprocess.run([os.path.join(tree, "scripts/kernels"), "build", series, out], check=True)
    return os.path.join(out, "lockstep.ko")


def overlay(args):
    """A directory of what the guests get beside the lab's own: modules and DRBD's programs."""
    top = os.path.join(OUT, "overlay")
    subprocess.run(["rm", "-rf", top], check=True)
    files = {}
    if args.module:
        files["lib/bench/a.ko"] = args.module
    if "other" in args.targets:
        files["lib/bench/b.ko"] = other_module(args.compare, args.series)
    if args.drbd9:
        # handshake.ko is what DRBD brings where the kernel has none; it is built further down.
        for where, _, names in os.walk(os.path.dirname(args.drbd9) or "."):
            for name in {"drbd.ko", "drbd_transport_tcp.ko", "handshake.ko"} & set(names):
                files[f"lib/bench/drbd9/{name}"] = os.path.join(where, name)
    for name in ("drbdadm-84", "drbdsetup-84"):
        if os.path.exists(f"/lib/drbd/{name}"):
            files[f"lib/drbd/{name}"] = f"/lib/drbd/{name}"
    for name, src in files.items():
        os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
        subprocess.run(["cp", src, os.path.join(top, name)], check=True)
    os.makedirs(top, exist_ok=True)
    return top


def install_packages(args):
    groups = "build vm" + (" bench" if any(t in PACKAGES or t.startswith("drbd")
                                           for t in args.targets) else "")
    subprocess.run(["bash", "-eu", "-c", f". \"$1\"; deps_ensure {groups}", "sh",
                    os.path.join(TOP, "scripts/lib/deps.sh")], check=True)


# Measuring

class Bench:
    def __init__(self, args, lab):
        self.args, self.lab = args, lab
        self.runs, self.volumes, self.counted, self.failures = [], [], [], []

    def everything(self):
        for cpus in self.args.cpus:
            if self.args.reps:
                self.timed(cpus)
            if self.args.instructions:
                self.instructions(cpus)

    def bed(self, pair, cpus):
        bed = Bed(self.lab, pair, cpus, self.args)
        bed.modules = {
            "lockstep": Module(bed, targets.lockstep_load(
                {"a": "/lib/bench/a.ko" if self.args.module else None, "b": "/lib/bench/b.ko"}),
                targets.LOCKSTEP_UNLOAD),
            "drbd": Module(bed, peers.drbd_load, peers.DRBD_UNLOAD)}
        return bed

    def timed(self, cpus):
        pair = self.lab.pair(names=("a", "b"), memory=MEMORY_MIB, cpus=cpus)
        bed = self.bed(pair, cpus)
        for name in self.args.backing:
            self.on_backing(bed, backings.ALL[name])
        if self.args.volumes:
            bed.build_backing(backings.Ram(cpus, 1))
            self.volumes += volumes.measure(bed, self.args.reps, self.lab.say)
            bed.clear()
        self.off(pair)

    def off(self, pair):
        self.lab.check_logs()
        for m in pair:
            m.poweroff()

    def instructions(self, cpus):
        """In machines of their own: counting makes them slower."""
        plugin, why = instructions.plugin()
        if not plugin:
            self.lab.say(f"instructions are {why}")
            return
        pair = self.lab.pair(names=("a", "b"), memory=MEMORY_MIB, cpus=cpus, plugin=plugin)
        bed = self.bed(pair, cpus)
        counter = instructions.Counter(pair, self.lab.wait)
        for name in self.args.backing:
            made, jobs = self.prepared(bed, backings.ALL[name])
            for job in jobs:
                for t in made:
                    if t.takes(job):
                        self.count(bed, counter, t, job)
            bed.clear()
        self.off(pair)

    def count(self, bed, counter, target, job):
        bed.ready(target)
        counter.prepare(target.io_begins)
        running = target.started(job)
        if not running:
            return
        ios, profiles = counter.window(self.args.instructions)
        running.kill(signal.SIGINT)
        running.wait(120, check=False)
        self.counted.append({
            "cpus": bed.cpus, "backing": bed.backing.name, "job": job.name, "target": target.name,
            "ios": ios, **{h: instructions.total(p) for h, p in zip("ab", profiles, strict=True)}})
        title = f"{bed.cpus} CPU, {bed.backing.name}, {job.name}, {target.name}"
        if self.args.profile:
            with open(self.args.profile, "a") as f:
                for host, p in zip("ab", profiles, strict=True):
                    f.write(instructions.text(f"{title}, host {host}, {ios} I/Os", p) + "\n")
        self.lab.say(f"{title}: " + ", ".join(
            f"{self.counted[-1][h]:.0f} instructions on {h}" for h in "ab"))

    def prepared(self, bed, kind):
        """The targets there are on a backing, and the jobs."""
        made = [t for t in (TARGETS[n](bed) for n in self.args.targets) if kind.name in t.backings]
        bed.build_backing(kind(bed.cpus, len(made)))
        jobs = in_order(self.args.wire_jobs, self.args.jobs.values())
        made = [t for t in made if any(t.takes(j) for j in jobs)]
        return [t for t in made if self.set_up(bed, t)], jobs

    def on_backing(self, bed, kind):
        made, jobs = self.prepared(bed, kind)
        for rep in range(self.args.reps):
            for nr, job in enumerate(jobs):
                for t in turns(made, rep, nr):
                    if t.takes(job):
                        self.measure(bed, t, job, rep)
        bed.clear()

    def set_up(self, bed, target):
        """A target that cannot be had is said to be missing, and the others are measured."""
        try:
            bed.ready(target)
            return True
        except (lab_module.CheckError, lab_module.Timeout) as e:
            self.failures.append(f"{target.name} on {bed.backing.name}: {e}")
            self.lab.say(f"no {self.failures[-1]}")
            return False

    def measure(self, bed, target, job, rep):
        bed.ready(target)
        run = {"cpus": bed.cpus, "backing": bed.backing.name, "job": job.name,
               "target": target.name, "rep": rep}
        # The same blocks for all in one repetition, others in the next.
        run.update(bed.calmest(lambda: target.measure(job, 1 + rep)))
        self.runs.append(run)
        shown = {k: round(run[k], 1) for k in ("mean_us", "p99_us", "sync_mean_us", "iops", "mib_s")
                 if k in run}
        self.lab.say(f"{rep + 1}/{self.args.reps} {bed.backing.name} {job.name} {target.name}: "
                     + ", ".join(f"{k} {v}" for k, v in shown.items()))


def in_order(wire_jobs, jobs):
    """A job of the wire right before the first that is held against it; the rest of them first."""
    left, out = {j.name: j for j in wire_jobs}, []
    for job in jobs:
        needs = (report.wire_of(job) or (None,))[0]
        if needs in left:
            out.append(left.pop(needs))
        out.append(job)
    return [*left.values(), *out]


def turns(made, rep, nr):
    """The targets there and back: two builds of a module change places once a job, not twice. In
    the next repetition the other way round: who comes first does so in every second one."""
    return made if (rep + nr) % 2 == 0 else made[::-1]


def git_revision():
    r = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty", "--abbrev=12"],
                       capture_output=True, text=True)
    return r.stdout.strip() or "unknown"


def facts(args):
    kernel = build.kernel(args.series)["KVER"]
    return {"version": 1, "revision": git_revision(), "kernel": kernel,
            "emulated": build.accel() != "kvm", "host_cpus": os.cpu_count(),
            "load": os.getloadavg()[0],
            "seconds": args.seconds, "reps": args.reps, "hot_mib": args.hot_mib,
            "module": args.module, "compare": args.compare}


def publish(args, data):
    """Text, and the files that were asked for. Returns the goals."""
    figures.add_counted(data["runs"], data.get("counted", []))
    r = Runs(data["runs"])
    merged = report.merge_volumes(data["volumes"])
    titles = {b.name: b.title for b in backings.ALL.values()}
    names = [t for t in TARGETS if t in r.names("target") and t != "wire"]
    print()
    print(f"{data['revision']}, kernel {data['kernel']}, "
          f"{'emulated' if data['emulated'] else 'KVM'}, {data['host_cpus']} CPUs of the host "
          f"(load before it began: {data['load']:.1f}), {data['reps']} repetitions of "
          f"{data['seconds']} s\n")
    data["goals"] = goals.all_goals(r, merged, data["emulated"])
    if data["runs"]:
        print(report.tables(r, args.jobs, names, titles, merged))
    print(report.counted_table(data.get("counted", [])))
    if data["runs"]:
        print(report.FLUSHES)
        print(report.goals_text(data["goals"]))
    every = data["runs"] + data["volumes"]
    noisy = sum(x.get("foreign", 0) > CALM for x in every)
    if noisy:
        print(f"other programs took more than {CALM * 100:.0f} % of the host's processors in "
              f"{noisy} of {len(every)} measurements, in each attempt: measure again "
              "when it is idle\n")
    for line in data["failures"]:
        print(f"not measured: {line}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(data, f, indent=1)
    if args.plot:
        with open(args.plot, "w") as f:
            f.write(plot.svg(plot.panels_of(r, args.jobs, names, report.wire_of),
                             f"lockstep {data['revision']}, kernel {data['kernel']}"))
    return data["goals"]


def measured(args):
    """The data of a run; of as much of it as there was when it ended."""
    install_packages(args)
    data = facts(args)
    print(f"measuring on kernel {data['kernel']}, "
          f"{'emulated' if data['emulated'] else 'with KVM'}", flush=True)
    initrd = build.prepare(args.series, overlays=[overlay(args)], name="initramfs-bench")
    lab = lab_module.Lab("bench", args.series, {args.series: initrd}, args.verbose)
    bench = Bench(args, lab)
    try:
        bench.everything()
    except Exception as e:             # whatever it was, what was measured until then is shown
        traceback.print_exc()
        bench.failures.append(f"the rest: {type(e).__name__}: {e}")
    lab.close(keep=bool(bench.failures))
    if bench.failures:
        print(f"the machines' logs are in {lab.dir}")
    data.update(runs=bench.runs, volumes=bench.volumes, counted=bench.counted,
                failures=bench.failures)
    return data


def main():
    args = parse(sys.argv[1:])
    if args.list:
        return show_list(args)
    if args.load:
        with open(args.load) as f:
            data = json.load(f)
        args.jobs = job_files.load()
    else:
        lab_module.on_signals()
        data = measured(args)
    verdicts = publish(args, data)
    if data["failures"] or args.strict and any(v["verdict"] == "FAIL" for v in verdicts):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
