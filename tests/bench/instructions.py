# SPDX-License-Identifier: GPL-2.0
"""Instructions per I/O on emulated machines, by function: figures that do not depend on what else
the host does. They are not all of the time: waking an idle processor costs the host, not the
guest. count.c is the plugin that counts them; this asks it, knows which functions lie where, and
makes tables. The machines' clock counts their instructions, too (-icount), so that a slow host
brings no more ticks into them while they work.

A snapshot is {(address, length): executions} of blocks of instructions. A profile is
{(function, module): (instructions per I/O, calls per I/O)}; the kernel's own functions have module
"", and programs are one function, USER. All but the part that talks to machines is pure.

The number of I/Os is counted, too: as executions of the function each of them begins with. So a
window may lie anywhere within a job that is running, and the guest is asked for nothing meanwhile.
"""

import bisect
import os
import re
import socket
import struct
import subprocess

import build
from procs import BUILD, LabError

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = struct.Struct("=QQQ")
TOP = 300
TIME = ("idle", "clock")
USER = ("(programs)", "")
KERNEL_BEGINS = 1 << 63
WINDOW_LIMIT = 300
# What an I/O begins with: one of a block device, and a round of the wire's.
BEGINS = {"block": ("blkdev_write_iter", "blkdev_read_iter"), "wire": ("sock_write_iter",)}

# The first that fits a function's name; the rest are "other". A module is a group of its own.
GROUPS = [(group, re.compile("^_*(" + words + ")")) for group, words in (
    ("idle", r"do_idle|default_idle|arch_cpu_idle|cpu_idle|cpuidle|cpu_startup_entry|tick_nohz|"
             r"tick_irq|menu_|ct_idle|ct_kernel|ct_nmi|ct_irq|rcu_idle|acpi_idle|sched_idle|"
             r"haltpoll|hrtimer_next_event|get_next_timer|hrtimer_get_next|get_typical_int|"
             r"tsc_verify|nohz_|local_touch|quiet_vmstat|need_update|leave_mm|rcu_needs|"
             r"irq_work_needs|next_event|can_stop|touch_softlockup|calc_load_nohz"),
    # What a tick of the clock alone does: there are as many a write as the host is slow.
    ("clock", r"hrtimer_(interrupt|run_queues|update_base|forward)|tick_(sched|do|periodic|prog)|"
              r"update_process_times|update_wall_time|timekeeping_(advance|update)|"
              r"sched(uler)?_tick|task_tick|rcu_sched_clock|run_posix|calc_(global|load)|"
              r"account_(process_tick|user_time|system)|update_vsyscall|perf_event_task_tick|"
              r"trigger_load_balance|run_(local_timers|timer|rebalance)|profile_tick|ntp_tick|"
              r"(asm_)?sysvec_apic_timer|do_timer|clockevents_program|lapic_next|rcu_pending|"
              r"rcu_core|update_fast_timekeeper|clocksource_|psi_avgs|rebalance_domains"),
    ("interrupts, timers",
     r"common_interrupt|asm_|irq|handle_|hrtimer|timer|tick_|ktime_get|sysvec|apic|x2apic|softirq|"
     r"do_softirq|clockevents|native_apic|error_entry|error_return|sync_regs|lapic|mask_|unmask|"
     r"generic_handle|vector|read_tsc|native_sched_clock|clocksource|update_process|"
     r"run_rebalance|trigger_load|scheduler_tick|msi_|pci_msi|vring_int|vp_|profile_tick|"
     r"timekeeping|update_wall|calc_(timer|global)|lock_timer|mod_timer|detach_if|enqueue_timer|"
     r"internal_add_timer|run_timer|tasklet|raise_softirq|invoke_softirq|enter_from|exit_to_user|"
     r"paranoid|note_interrupt|rtc_|add_interrupt|fast_mix|handle_edge"),
    ("scheduler",
     r"schedule|try_to_wake|wake_|wakeup|ttwu|enqueue_(task|entity|rt)|dequeue_(task|entity|rt)|"
     r"pick_|update_(curr|load|cfs|rq|min_vr|entity|rt|util|blocked)|sched_|select_task|"
     r"select_idle|finish_task|switch_|prepare_to_|finish_wait|wait_woken|woken|autoremove|"
     r"default_wake|kthread|process_one|worker_thread|queue_work|insert_work|kick_pool|get_pool|"
     r"put_prev|set_next|check_preempt|resched|place_entity|reweight|rb_(insert|erase|next)|"
     r"newidle|load_balance|cpuacct|psi_|perf_event_task|wq_|__switch|native_load|prepare_task|"
     r"set_task|io_schedule|wait_for|complete|swake|preempt|save_fpregs|restore_fpregs|"
     r"switch_fpu|yield|activate_task|task_|account_|cgroup_|pwq_|available_idle|idle_cpu|"
     r"migrate|nr_iowait|avg_|decay|entity_|cfs_|rq_|pelt|newidle|dl_|rt_|put_task|entry_task|"
     r"raw_spin_rq|assign_work|set_work|move_linked|find_worker|delayacct|move_queued|avg_vrun"),
    ("tcp/ip",
     r"tcp|ip_|inet|sk_|sock|skb|kfree_skb|consume_skb|napi|netif|netdev|dev_|eth_|eth|neigh|"
     r"net_|csum_|fib|nf_|rt_|ipv4|dst_|qdisc|sch_|pfifo|fq_|gro_|gro|page_pool|lock_sock|"
     r"release_sock|udp|alloc_skb|build_skb|kfree_skb|pskb|validate_xmit|xmit|dql|bql|"
     r"process_backlog|enqueue_to|get_rps|rps_|raw_|packet_|kernel_sendmsg|kernel_recvmsg|"
     r"simple_copy|skbuff|zerocopy|ip4|rb_first|minmax|bictcp|cubictcp|siphash|flow_|"
     r"__tcp|secure_|mptcp|bpf_skops|bpf_|prequeue|lwt"),
    ("block layer",
     r"bio|blk|submit_bio|disk_|part_|bdev|iomap|aio|io_(submit|getevents|uring)|dio|elv|elevator|"
     r"dd_|mq_|sbitmap|wbt|rq_qos|bvec|iov_iter|import_|do_blockdev|generic_(file|make|write)|"
     r"file_update|update_io|end_(page|bio)|read_events|do_io_|lookup_ioctx|get_user_pages|"
     r"internal_get_user|pin_user|unpin|gup|try_grab|follow_page|submit_|errno_to_blk"),
    ("memory",
     r"kmem_cache|kmalloc|kfree|slab|alloc_page|alloc_pages|free_|get_page|rmqueue|prep_|mempool|"
     r"memcpy|memset|memmove|memcmp|copy_|check_(object|heap|stack)|put_page|page_|folio|"
     r"obj_cgroup|mod_|refill|unfreeze|zone|kmsan|clear_page|get_obj|ksize|kvfree|put_cpu|"
     r"handle_mm|do_user_addr|exc_page|mem_cgroup|memcg|charge|uncharge|cmpxchg_double|bulk"),
    ("locks",
     r"raw_|mutex|srcu|rcu|percpu_ref|spin|rwsem|down_|up_|osq|queued|lockref|ref|local_bh|"
     r"native_queued|lock|__local_bh|nmi"),
    ("system calls",
     r"entry_|do_syscall|x64_sys|ksys|vfs|rw_verify|fdget|fget|fput|syscall|do_iter|security|"
     r"fsnotify|poll|ep_|eventfd|pipe|fd|file|new_sync|apparmor|aa_|sys_"))]


# Snapshots and functions

def parse_blocks(data):
    """What the plugin sends."""
    return {(address, length): n for address, length, n in BLOCK.iter_unpack(data)}


def between(before, after):
    """What was executed from one snapshot to the other."""
    return {k: n - before.get(k, 0) for k, n in after.items() if n > before.get(k, 0)}


class Symbols:
    """/proc/kallsyms of a guest, as root reads it."""

    def __init__(self, text):
        rows = []
        for line in text.splitlines():
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                rows.append((int(address, 16), name, module[0].strip("[]") if module else ""))
        rows.sort(key=lambda r: r[0])
        if not rows or not rows[-1][0]:
            raise ValueError("the guest's kernel does not say where its functions are")
        self._at = [r[0] for r in rows]
        self._names = [(r[1], r[2]) for r in rows]
        self.begins = set(self._at)

    def name(self, address):
        """(function, module)"""
        if address < KERNEL_BEGINS:
            return USER
        i = bisect.bisect_right(self._at, address) - 1
        return self._names[i] if i >= 0 else ("?", "")

    def starts(self, names):
        """Where these functions begin."""
        return {a for a, (name, _) in zip(self._at, self._names, strict=True) if name in names}


def executions(blocks, addresses):
    """How often the blocks that begin just there were executed."""
    return sum(n for (address, _), n in blocks.items() if address in addresses)


def profile(blocks, symbols, ios):
    """Instructions, and calls, per I/O by function. A function that is jumped to is called, too."""
    out = {}
    for (address, length), n in blocks.items():
        name = symbols.name(address)
        cost, calls = out.get(name, (0, 0))
        begins = address in symbols.begins
        out[name] = (cost + n * length / ios, calls + n * begins / ios)
    return out


def group_of(name, module):
    if (name, module) == USER:
        return "programs"
    if module:
        return module
    for group, pattern in GROUPS:
        if pattern.match(name):
            return group
    return "other"


def groups(prof):
    """{group: instructions per I/O}"""
    out = {}
    for (name, module), (n, _) in prof.items():
        group = group_of(name, module)
        out[group] = out.get(group, 0) + n
    return out


def total(prof):
    """All but the idle loop's, which waits for others, and what comes with time."""
    return sum(n for g, n in groups(prof).items() if g not in TIME)


def text(title, prof, top=TOP):
    """A profile to read: sums of the groups, then the functions that cost most."""
    out = [f"{title}: {total(prof):.0f} instructions per I/O, idle loop and clock left out"]
    for group, n in sorted(groups(prof).items(), key=lambda x: -x[1]):
        out.append(f"  {n:9.1f}  {group}")
    out.append("  by function, and how often it is called")
    for (name, module), (n, calls) in sorted(prof.items(), key=lambda x: -x[1][0])[:top]:
        out.append(f"  {n:9.1f} {calls:7.2f}  {name} [{group_of(name, module)}]")
    return "\n".join(out) + "\n"


# Machines

def plugin():
    """The path of the plugin, and None; or None, and why instructions are not countable."""
    if build.accel() == "kvm":
        return None, "not countable: the machines are not emulated"
    said = subprocess.run(["qemu-system-x86_64", "--help"], capture_output=True, text=True).stdout
    if "-plugin" not in said:
        return None, "not countable: this QEMU has no plugins"
    try:
        return build.compiled(os.path.join(HERE, "count.c"), os.path.join(BUILD, "host/count.so"),
                              ["-shared", "-fPIC", "-fvisibility=hidden"]), None
    except LabError as e:
        return None, f"not countable: {e}"


def ask(machines):
    """A snapshot of each, all taken at the same moment, or nearly."""
    socks = []
    for m in machines:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(m.plugin_socket)
        socks.append(s)
    out = []
    for s in socks:
        with s, s.makefile("rb") as f:
            out.append(parse_blocks(f.read()))
    return out


class Counter:
    """Of a pair of machines, the first of which is where I/Os begin."""

    def __init__(self, machines, wait):
        self.machines, self.wait = list(machines), wait

    def prepare(self, kind):
        """After the last module was loaded, and before the I/Os begin."""
        self.symbols = [Symbols(m.sh("cat /proc/kallsyms", timeout=120).out)
                        for m in self.machines]
        self.begins = self.symbols[0].starts(BEGINS[kind])

    def after(self, before, ios):
        """The first snapshots with so many I/Os more in them, and how many it are."""
        def enough():
            now = ask(self.machines)
            n = executions(between(before[0], now[0]), self.begins)
            return (now, n) if n >= ios else None
        return self.wait(enough, WINDOW_LIMIT, f"{ios} I/Os were made", 1)

    def window(self, ios):
        """While a job runs: so many I/Os, or some more, and the profile of each machine."""
        before, _ = self.after(ask(self.machines), ios // 10 + 1)
        now, n = self.after(before, ios)
        return n, [profile(between(*x), s, n)
                   for *x, s in zip(before, now, self.symbols, strict=True)]
