// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the lab's guests.
 *
 * Mounts what a system needs, loads modules, gives the network its addresses, names the disks, and
 * then runs commands that come over a virtio-serial port until told to power off. It never exits:
 * PID 1 ending is a panic, and a panic has to mean that something under test went wrong.
 *
 * The port "lab" carries frames both ways, little endian:
 *
 *	u32 length of what follows the header; u32 id; u8 type; u8 pad[3]
 *
 *	host to guest: 'R' run payload with bash as job id       'S' the same, its stdin is 'I'
 *	               'I' stdin bytes, none: end of file       'K' signal its process group (u32)
 *	               'P' sync and power off
 *	guest to host: 'H' hello (payload: kernel release)      'O' stdout  'E' stderr
 *	               'X' ended (u32: status, 128 + signal)
 *
 * A job has ended when its shell has, and 'X' follows all that it wrote until then; what it left in
 * the background keeps running, and its output is read until it closes the pipes.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_JOBS	64
#define MAX_FRAME	(1u << 20)
#define OUT_HIGH	(512u << 10)

struct frame {
	uint32_t len;
	uint32_t id;
	uint8_t type;
	uint8_t pad[3];
};

struct buf {
	char *data;
	size_t len, off, cap;
};

struct job {
	int used;		/* 1: has a shell, 2: only its pipes are left */
	uint32_t id;
	pid_t pid;
	int in, out, err;	/* our ends of its pipes, or -1 */
	int in_eof;
	struct buf input;
};

static struct job jobs[MAX_JOBS];
static struct buf from_host, to_host;
static int port = -1;

static void note(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int fd, n;

	n = snprintf(line, sizeof(line), "<6>lab: ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	/* A record without an end waits for more, and does not reach the console. */
	line[n++] = '\n';
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, line, n) < 0)
			n = 0;
		close(fd);
	}
}

static void buf_add(struct buf *b, const void *data, size_t len)
{
	if (b->off && b->len + len > b->cap) {
		memmove(b->data, b->data + b->off, b->len - b->off);
		b->len -= b->off;
		b->off = 0;
	}
	if (b->len + len > b->cap) {
		size_t cap = (b->len + len) * 2;
		char *p = realloc(b->data, cap);

		if (!p) {
			note("out of memory, dropping %zu bytes", len);
			return;
		}
		b->data = p;
		b->cap = cap;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static size_t buf_left(const struct buf *b)
{
	return b->len - b->off;
}

static void buf_skip(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off == b->len)
		b->off = b->len = 0;
}

static void send_frame(uint32_t id, char type, const void *data, uint32_t len)
{
	struct frame f = { .len = htole32(len), .id = htole32(id), .type = type };

	buf_add(&to_host, &f, sizeof(f));
	if (len)
		buf_add(&to_host, data, len);
}

/* Setting up */

static void mounts(void)
{
	static const struct {
		const char *what, *where, *type;
	} m[] = {
		{ "proc", "/proc", "proc" },
		{ "sysfs", "/sys", "sysfs" },
		{ "devtmpfs", "/dev", "devtmpfs" },
		{ "devpts", "/dev/pts", "devpts" },
		{ "tmpfs", "/dev/shm", "tmpfs" },
		{ "tmpfs", "/run", "tmpfs" },
		{ "tmpfs", "/tmp", "tmpfs" },
		{ "debugfs", "/sys/kernel/debug", "debugfs" },
		{ "tracefs", "/sys/kernel/tracing", "tracefs" },
		{ "cgroup2", "/sys/fs/cgroup", "cgroup2" },
	};
	size_t i;
	int fd;

	for (i = 0; i < sizeof(m) / sizeof(m[0]); i++) {
		mkdir(m[i].where, 0755);
		if (mount(m[i].what, m[i].where, m[i].type, 0, NULL))
			note("cannot mount %s: %s", m[i].where, strerror(errno));
	}
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("/run", "/var/run"))
		note("symlink: %s", strerror(errno));
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
}

static int run_wait(char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The value of a word KEY=VALUE on the kernel's command line. */
static int arg(const char *key, char *value, size_t size)
{
	static char line[4096];
	size_t klen = strlen(key);
	const char *p;
	ssize_t n;
	int fd;

	if (!line[0]) {
		fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return 0;
		line[n] = 0;
	}
	for (p = line; *p; p += strcspn(p, " \n"), p += strspn(p, " \n")) {
		if (strncmp(p, key, klen) || p[klen] != '=')
			continue;
		p += klen + 1;
		n = strcspn(p, " \n");
		if ((size_t)n >= size)
			n = size - 1;
		memcpy(value, p, n);
		value[n] = 0;
		return 1;
	}
	return 0;
}

static void load_modules(void)
{
	static char list[2048] = "virtio_pci,virtio_blk,virtio_net,virtio_console";
	char more[1024], *argv[MAX_JOBS] = { "/sbin/modprobe", "-a" };
	int n = 2, rc;
	char *s;

	if (arg("lab.modules", more, sizeof(more))) {
		strcat(list, ",");
		strncat(list, more, sizeof(list) - strlen(list) - 1);
	}
	for (s = strtok(list, ","); s && n < MAX_JOBS - 1; s = strtok(NULL, ","))
		argv[n++] = s;
	argv[n] = NULL;
	rc = run_wait(argv);
	if (rc)
		note("modprobe ended with %d", rc);
	/* configfs may be a module, so it is mounted only now. */
	if (mount("configfs", "/sys/kernel/config", "configfs", 0, NULL)) {
		char *cfs[] = { "/sbin/modprobe", "configfs", NULL };

		if (run_wait(cfs) ||
		    mount("configfs", "/sys/kernel/config", "configfs", 0, NULL))
			note("cannot mount configfs: %s", strerror(errno));
	}
}

static void if_up(const char *name, const char *spec)
{
	char addr[64];
	struct ifreq ifr = { 0 };
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bits = 24;
	char *slash;

	snprintf(addr, sizeof(addr), "%s", spec);
	slash = strchr(addr, '/');
	if (slash) {
		*slash = 0;
		bits = atoi(slash + 1);
	}
	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	sin->sin_family = AF_INET;
	inet_pton(AF_INET, addr, &sin->sin_addr);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		note("%s: cannot set address: %s", name, strerror(errno));
	sin->sin_addr.s_addr = htonl(bits ? ~0u << (32 - bits) : 0);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		note("%s: cannot set netmask: %s", name, strerror(errno));
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
		if (ioctl(fd, SIOCSIFFLAGS, &ifr))
			note("%s: cannot go up: %s", name, strerror(errno));
	}
	close(fd);
}

static ssize_t read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return -1;
	while (n && (out[n - 1] == '\n' || out[n - 1] == ' '))
		n--;
	out[n] = 0;
	return n;
}

/* /dev/lab/NAME for each virtio disk by its serial. */
static void name_disks(void)
{
	DIR *d = opendir("/sys/block");
	struct dirent *e;

	mkdir("/dev/lab", 0755);
	while (d && (e = readdir(d))) {
		char path[600], serial[64], to[600];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/serial", e->d_name);
		if (read_line(path, serial, sizeof(serial)) <= 0)
			continue;
		snprintf(path, sizeof(path), "/dev/lab/%s", serial);
		snprintf(to, sizeof(to), "/dev/%s", e->d_name);
		if (symlink(to, path))
			note("cannot link %s: %s", path, strerror(errno));
	}
	if (d)
		closedir(d);
}

/*
 * Find the port by name; the device node's number depends on the order of probing. Ports also
 * get links below /dev/virtio-ports, as udev would make them.
 */
static void name_ports(void)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;

	mkdir("/dev/virtio-ports", 0755);
	while (d && (e = readdir(d))) {
		char path[600], name[64], to[600];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		if (read_line(path, name, sizeof(name)) <= 0)
			continue;
		snprintf(path, sizeof(path), "/dev/virtio-ports/%s", name);
		snprintf(to, sizeof(to), "/dev/%s", e->d_name);
		if (symlink(to, path) && errno != EEXIST)
			note("cannot link %s: %s", path, strerror(errno));
	}
	if (d)
		closedir(d);
}

static void open_port(void)
{
	int tries;

	for (tries = 0; port < 0; tries++) {
		name_ports();
		port = open("/dev/virtio-ports/lab", O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (port < 0) {
			if (tries == 200)
				note("no command port: %s", strerror(errno));
			usleep(20000);
		}
	}
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	note("power off failed: %s", strerror(errno));
}

/* Jobs */

static struct job *job_by_id(uint32_t id)
{
	int i;

	for (i = 0; i < MAX_JOBS; i++)
		if (jobs[i].used && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void job_free(struct job *j)
{
	close_fd(&j->in);
	close_fd(&j->out);
	close_fd(&j->err);
	free(j->input.data);
	memset(j, 0, sizeof(*j));
}

static void job_refuse(uint32_t id, const char *why)
{
	uint32_t status = htole32(126);

	send_frame(id, 'E', why, strlen(why));
	send_frame(id, 'X', &status, sizeof(status));
}

static void job_child(const char *cmd, int in, int out, int err)
{
	sigset_t none;
	int score;

	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* PID 1 cannot be killed for memory; its children had better be. */
	score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (score >= 0 && write(score, "500", 3) < 0)
		_exit(127);
	execl("/bin/bash", "bash", "-c", cmd, (char *)NULL);
	_exit(127);
}

static void job_start(uint32_t id, const char *cmd, uint32_t len, int with_input)
{
	int in[2] = { -1, -1 }, out[2], err[2], i;
	struct job *j = NULL;
	char *text;
	pid_t pid;

	for (i = 0; i < MAX_JOBS && !j; i++)
		if (!jobs[i].used)
			j = &jobs[i];
	if (!j) {
		job_refuse(id, "lab: too many jobs\n");
		return;
	}
	text = strndup(cmd, len);
	if (!text || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) ||
	    (with_input && pipe2(in, O_CLOEXEC))) {
		job_refuse(id, "lab: out of resources\n");
		return;
	}
	if (!with_input)
		in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0)
		job_child(text, in[0], out[1], err[1]);
	free(text);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	j->used = 1;
	j->id = id;
	j->pid = pid;
	j->in = in[1];
	j->out = out[0];
	j->err = err[0];
	fcntl(j->out, F_SETFL, O_NONBLOCK);
	fcntl(j->err, F_SETFL, O_NONBLOCK);
	if (j->in >= 0)
		fcntl(j->in, F_SETFL, O_NONBLOCK);
	if (pid < 0) {
		job_refuse(id, "lab: cannot fork\n");
		job_free(j);
	}
}

/* Returns how much was read; 0 when there is nothing now; closes at the end. */
static ssize_t job_read(struct job *j, int *fd, char type)
{
	char data[65536];
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, data, sizeof(data));
	if (n > 0) {
		send_frame(j->id, type, data, n);
		return n;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

static void job_feed(struct job *j)
{
	ssize_t n;

	while (j->in >= 0 && buf_left(&j->input)) {
		n = write(j->in, j->input.data + j->input.off, buf_left(&j->input));
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				close_fd(&j->in);
			return;
		}
		buf_skip(&j->input, n);
	}
	if (j->in_eof)
		close_fd(&j->in);
}

static void reap(void)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];
			uint32_t rc;

			if (j->used != 1 || j->pid != pid)
				continue;
			while (job_read(j, &j->out, 'O') > 0)
				;
			while (job_read(j, &j->err, 'E') > 0)
				;
			rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			rc = htole32(rc);
			send_frame(j->id, 'X', &rc, sizeof(rc));
			close_fd(&j->in);
			j->used = 2;
			if (j->out < 0 && j->err < 0)
				job_free(j);
		}
	}
}

static void handle(const struct frame *f, const char *data)
{
	uint32_t len = le32toh(f->len), id = le32toh(f->id), sig = SIGKILL;
	struct job *j = job_by_id(id);

	switch (f->type) {
	case 'R':
	case 'S':
		job_start(id, data, len, f->type == 'S');
		break;
	case 'I':
		if (!j || j->in < 0)
			break;
		if (len)
			buf_add(&j->input, data, len);
		else
			j->in_eof = 1;
		job_feed(j);
		break;
	case 'K':
		if (len == sizeof(sig))
			memcpy(&sig, data, sizeof(sig));
		/* The group outlives its leader: what a job left behind can be killed, too. */
		if (j && kill(-j->pid, le32toh(sig)))
			note("job %u: kill: %s", id, strerror(errno));
		break;
	case 'P':
		power_off();
		break;
	default:
		note("unknown request %02x", f->type);
	}
}

static void port_read(void)
{
	char data[65536];
	ssize_t n = read(port, data, sizeof(data));

	if (n > 0)
		buf_add(&from_host, data, n);
	while (buf_left(&from_host) >= sizeof(struct frame)) {
		struct frame f;
		uint32_t len;

		memcpy(&f, from_host.data + from_host.off, sizeof(f));
		len = le32toh(f.len);
		if (len > MAX_FRAME) {
			note("bad frame of %u bytes, dropping input", len);
			buf_skip(&from_host, buf_left(&from_host));
			break;
		}
		if (buf_left(&from_host) < sizeof(f) + len)
			break;
		handle(&f, from_host.data + from_host.off + sizeof(f));
		buf_skip(&from_host, sizeof(f) + len);
	}
}

static void port_write(void)
{
	ssize_t n;

	while (buf_left(&to_host)) {
		size_t len = buf_left(&to_host);

		n = write(port, to_host.data + to_host.off, len < 32768 ? len : 32768);
		if (n <= 0)
			return;
		buf_skip(&to_host, n);
	}
}

static void loop(int sigfd)
{
	struct pollfd p[2 + 3 * MAX_JOBS];
	int i, n;

	for (;;) {
		int full = buf_left(&to_host) > OUT_HIGH;

		n = 0;
		p[n++] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = port, .events = POLLIN |
					  (buf_left(&to_host) ? POLLOUT : 0) };
		for (i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];

			if (!j->used)
				continue;
			if (!full && j->out >= 0)
				p[n++] = (struct pollfd){ .fd = j->out, .events = POLLIN };
			if (!full && j->err >= 0)
				p[n++] = (struct pollfd){ .fd = j->err, .events = POLLIN };
			if (j->in >= 0 && buf_left(&j->input))
				p[n++] = (struct pollfd){ .fd = j->in, .events = POLLOUT };
		}
		if (poll(p, n, -1) < 0)
			continue;
		if (p[0].revents) {
			struct signalfd_siginfo si;

			if (read(sigfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGTERM)
				power_off();
		}
		reap();
		for (i = 0; i < MAX_JOBS; i++) {
			struct job *j = &jobs[i];

			if (!j->used)
				continue;
			if (!full) {
				job_read(j, &j->out, 'O');
				job_read(j, &j->err, 'E');
			}
			job_feed(j);
			if (j->used == 2 && j->out < 0 && j->err < 0)
				job_free(j);
		}
		/* Nobody on the other side: the port says so at once, always. */
		if (p[1].revents & POLLHUP)
			usleep(50000);
		if (p[1].revents & POLLIN)
			port_read();
		port_write();
	}
}

int main(void)
{
	char value[256];
	struct utsname u;
	struct rlimit r;
	sigset_t set;
	int sigfd;

	if (getpid() != 1) {
		fprintf(stderr, "this is PID 1 of the lab's guests\n");
		return 1;
	}
	mounts();
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("LANG", "C.UTF-8", 1);
	r.rlim_cur = r.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_MEMLOCK, &r);
	setrlimit(RLIMIT_CORE, &r);
	load_modules();
	if (arg("lab.name", value, sizeof(value)) && sethostname(value, strlen(value)))
		note("sethostname: %s", strerror(errno));
	if_up("lo", "127.0.0.1/8");
	if (arg("lab.ip", value, sizeof(value)))
		if_up("eth0", value);
	if (arg("lab.ip2", value, sizeof(value)))
		if_up("eth1", value);
	name_disks();

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	open_port();
	uname(&u);
	send_frame(0, 'H', u.release, strlen(u.release));
	port_write();
	note("ready");
	loop(sigfd);
}
