// SPDX-License-Identifier: GPL-2.0
#include "use.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct use {
	char *text, *mend;
	size_t text_size, mend_size;
};

/* The kernel writes blank, tab, newline and backslash as \ooo. In place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Line of mountinfo: "36 35 98:0 /root /mnt opts ... - type source superopts". */
static bool match_mount(char *line, dev_t dev, const char *path, char **ret_where)
{
	unsigned int major, minor;
	char *where = NULL, *source = NULL, *save, *word;
	int field = 0, tail = -1;

	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		if (field == 2 && sscanf(word, "%u:%u", &major, &minor) != 2)
			return false;
		if (field == 4)
			where = word;
		if (tail >= 0 && ++tail == 2)
			source = word;
		if (field > 4 && tail < 0 && !strcmp(word, "-"))
			tail = 0;
		field++;
	}
	if (!where || !source)
		return false;
	unescape(where);
	unescape(source);
	*ret_where = where;
	return makedev(major, minor) == dev || !strcmp(source, path);
}

static bool find_mount(dev_t dev, const char *path, struct use *u)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *where;
	size_t size = 0;
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0) {
		if (!match_mount(line, dev, path, &where))
			continue;
		snprintf(u->text, u->text_size, "mounted on %s", where);
		snprintf(u->mend, u->mend_size, "umount %s", where);
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool find_swap(dev_t dev, struct use *u)
{
	FILE *f = fopen("/proc/swaps", "re");
	char *line = NULL;
	struct stat st;
	size_t size = 0;
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0) {
		line[strcspn(line, " \t\n")] = '\0';
		unescape(line);
		if (stat(line, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != dev)
			continue;
		snprintf(u->text, u->text_size, "used as swap");
		snprintf(u->mend, u->mend_size, "swapoff %s", line);
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* First word of a sysfs file. */
static bool read_word(const char *path, char *ret, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(ret, (int)size, f);

	if (f)
		fclose(f);
	if (ok)
		ret[strcspn(ret, " \n")] = '\0';
	return ok && *ret;
}

static void describe_holder(const char *holder, struct use *u)
{
	char path[384], name[128];

	snprintf(path, sizeof(path), "/sys/block/%.200s/dm/name", holder);
	if (read_word(path, name, sizeof(name))) {
		snprintf(u->text, u->text_size, "part of the device-mapper device %s", name);
		snprintf(u->mend, u->mend_size, "dmsetup remove %s    (LVM: vgchange -an)", name);
	} else if (!strncmp(holder, "md", 2)) {
		snprintf(u->text, u->text_size, "part of the RAID /dev/%s", holder);
		snprintf(u->mend, u->mend_size, "mdadm --stop /dev/%s", holder);
	} else {
		snprintf(u->text, u->text_size, "held by %s", holder);
		snprintf(u->mend, u->mend_size, "stop %s first", holder);
	}
}

static bool find_holder(dev_t dev, struct use *u)
{
	char path[64];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(dev), minor(dev));
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		describe_holder(d->d_name, u);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool find_use(dev_t dev, const char *path, struct use *u)
{
	return find_mount(dev, path, u) || find_swap(dev, u) || find_holder(dev, u);
}

/* The same for each partition of it, which claim the whole disk. */
static bool find_partition_use(dev_t dev, struct use *u)
{
	char dir_path[64], path[384], number[32], node[300];
	unsigned int maj, min;
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	dir = opendir(dir_path);
	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/partition", dir_path, d->d_name);
		if (d->d_name[0] == '.' || !read_word(path, number, sizeof(number)))
			continue;
		snprintf(path, sizeof(path), "%s/%s/dev", dir_path, d->d_name);
		snprintf(node, sizeof(node), "/dev/%s", d->d_name);
		if (read_word(path, number, sizeof(number)) &&
		    sscanf(number, "%u:%u", &maj, &min) == 2)
			found = find_use(makedev(maj, min), node, u);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool use_describe(dev_t dev, const char *path, char *text, size_t text_size, char *mend,
		  size_t mend_size)
{
	struct use u = { text, mend, text_size, mend_size };

	return find_use(dev, path, &u) || find_partition_use(dev, &u);
}
