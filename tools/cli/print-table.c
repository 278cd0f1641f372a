// SPDX-License-Identifier: GPL-2.0
/*
 * Status of many resources: a line for each, and below what is wrong, worst first. Columns are as
 * wide as what is in them; what does not fit is cut where one sees it, never a command.
 */
#include "print.h"

#include <stdlib.h>

#include "diagnose.h"
#include "text.h"
#include <linux/lockstep.h>

#define NAME_MIN	8	/* columns, when there is no room */
#define STATE_MIN	13	/* "not-connected" */
#define SAME_SHOWN	3	/* of those with one problem, more are only named */

enum column { NAME, VOLUMES, ROLES, LINK, COPIES, STATE, NR_COLUMNS };

static const char *const title[NR_COLUMNS] = {
	"name", "vols", "role/peer's", "link", "copies", "state"
};

#define CELL_BYTES	64

struct row {
	const struct model_resource *r;
	char cell[NR_COLUMNS][CELL_BYTES];
	struct err problem;
	bool has_problem;
	bool is_degraded;	/* not both copies are up to date */
	int rank;
};

/* ---- what is in a row ----------------------------------------------------------------------- */

static void set_copies(struct row *row)
{
	const struct model_resource *r = row->r;
	u32 here = LOCKSTEP_DISK_UP_TO_DATE, peer = LOCKSTEP_DISK_UP_TO_DATE;
	const char *other = "-";

	for (u32 i = 0; i < r->nr_volumes; i++) {
		here = min(here, r->volume[i].disk);
		peer = min(peer, r->volume[i].peer_disk);
	}
	row->is_degraded = r->link != LOCKSTEP_LINK_UP || !r->nr_volumes || model_is_partial(r) ||
			   here != LOCKSTEP_DISK_UP_TO_DATE || peer != LOCKSTEP_DISK_UP_TO_DATE;
	if (r->link == LOCKSTEP_LINK_UP)
		other = text_disk(peer);
	if (!r->nr_volumes)
		snprintf(row->cell[COPIES], CELL_BYTES, "-");
	else if (r->link == LOCKSTEP_LINK_UP && here == peer)
		snprintf(row->cell[COPIES], CELL_BYTES, "both %s", text_disk(here));
	else
		snprintf(row->cell[COPIES], CELL_BYTES, "%s/%s", text_disk(here), other);
}

static void set_state(struct row *row)
{
	const struct model_resource *r = row->r;
	char *cell = row->cell[STATE];
	struct diagnose_verify verify;
	struct diagnose_sync sync;

	if (row->has_problem) {
		snprintf(cell, CELL_BYTES, "%s", row->problem.code);
		return;
	}
	if (!r->in_kernel) {
		snprintf(cell, CELL_BYTES, "down");
		return;
	}
	if (diagnose_sync_all(r, &sync)) {
		snprintf(cell, CELL_BYTES, "sync %u %%", sync.permille / 10);
		return;
	}
	for (u32 i = 0; i < r->nr_volumes; i++) {
		if (r->volume[i].loading)
			snprintf(cell, CELL_BYTES, "loading");
		if (r->volume[i].verify != LOCKSTEP_VERIFY_RUNNING ||
		    !diagnose_verify(&r->volume[i], &verify))
			continue;
		snprintf(cell, CELL_BYTES, "verify %u %%", verify.permille / 10);
		return;
	}
	if (!cell[0])
		snprintf(cell, CELL_BYTES, row->is_degraded ? "degraded" : "ok");
}

static void set_row(struct row *row, const struct model *m, const struct model_resource *r)
{
	memset(row, 0, sizeof(*row));
	row->r = r;
	row->has_problem = diagnose_problem(m, r, &row->problem);
	row->rank = row->has_problem ? diagnose_rank(r, &row->problem) : 0;
	snprintf(row->cell[NAME], CELL_BYTES, "%s", r->name);
	for (int i = VOLUMES; i < STATE; i++)
		snprintf(row->cell[i], CELL_BYTES, "-");
	if (r->in_kernel) {
		snprintf(row->cell[VOLUMES], CELL_BYTES, "%u",
			 max(r->nr_volumes, r->kernel_volumes));
		snprintf(row->cell[ROLES], CELL_BYTES, "%s/%s", text_role(r->role),
			 r->link == LOCKSTEP_LINK_UP ? text_role(r->peer_role) : "-");
		snprintf(row->cell[LINK], CELL_BYTES, "%s", text_link(r->link));
		set_copies(row);
	}
	set_state(row);
}

/* ---- the table ------------------------------------------------------------------------------ */

/*
 * What is too long is cut in the middle: names that begin alike often differ at the end.
 */
static void print_cell(FILE *f, const char *text, size_t width, bool is_last)
{
	size_t len = strlen(text), tail = width / 3;

	if (len > width)
		fprintf(f, "%.*s~%s", (int)(width - tail - 1), text, text + len - tail);
	else if (is_last)
		fputs(text, f);
	else
		fprintf(f, "%-*s", (int)width, text);
	fputc(is_last ? '\n' : ' ', f);
}

/* The number of volumes is worth a column only where it is not always the same. */
static void set_widths(const struct row *rows, u32 nr, u32 columns, size_t width[NR_COLUMNS])
{
	bool is_group = false;
	size_t fixed = 0, room;

	for (int i = 0; i < NR_COLUMNS; i++)
		width[i] = strlen(title[i]);
	for (u32 n = 0; n < nr; n++) {
		is_group |= rows[n].r->nr_volumes > 1;
		for (int i = 0; i < NR_COLUMNS; i++)
			width[i] = max(width[i], strlen(rows[n].cell[i]));
	}
	if (!is_group)
		width[VOLUMES] = 0;
	for (int i = VOLUMES; i < STATE; i++)
		fixed += width[i] ? width[i] + 1 : 0;
	room = columns > fixed + 1 ? columns - fixed - 1 : 0;
	room = max(room, (size_t)(NAME_MIN + STATE_MIN));
	if (width[NAME] + width[STATE] <= room)
		return;
	width[STATE] = min(width[STATE], max(room - min(room, width[NAME]), (size_t)STATE_MIN));
	width[NAME] = min(width[NAME], room - width[STATE]);
}

static void print_rows(FILE *f, const struct row *rows, u32 nr, u32 columns)
{
	size_t width[NR_COLUMNS];

	set_widths(rows, nr, columns, width);
	for (int i = 0; i < NR_COLUMNS; i++)
		if (width[i])
			print_cell(f, title[i], width[i], i == STATE);
	for (u32 n = 0; n < nr; n++)
		for (int i = 0; i < NR_COLUMNS; i++)
			if (width[i])
				print_cell(f, rows[n].cell[i], width[i], i == STATE);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->has_problem != y->has_problem)
		return x->has_problem ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	return strcmp(x->problem.code, y->problem.code) ?: strcmp(x->r->name, y->r->name);
}

/* How many in a row, from this one on, have the same trouble. */
static u32 count_same(const struct row *rows, u32 nr)
{
	u32 n = 1;

	while (n < nr && rows[n].has_problem && rows[n].rank == rows[0].rank &&
	       !strcmp(rows[n].problem.code, rows[0].problem.code))
		n++;
	return n;
}

static void print_same(FILE *f, const struct row *rows, u32 nr)
{
	size_t size;
	char *text = NULL;
	FILE *mem = open_memstream(&text, &size);

	if (!mem)
		return;
	fprintf(mem, "%u more, %s:", nr, rows[0].problem.code);
	for (u32 i = 0; i < nr; i++)
		fprintf(mem, " %s", rows[i].r->name);
	fclose(mem);
	fputc('\n', f);
	print_fold(f, text, 0, 4);
	fprintf(f, "    -> lockstep status NAME\n");
	free(text);
}

static void print_problems(FILE *f, struct row *rows, u32 nr)
{
	u32 nr_bad = 0, nr_degraded = 0, same, shown;

	for (u32 i = 0; i < nr; i++) {
		nr_bad += rows[i].has_problem;
		nr_degraded += rows[i].is_degraded && !rows[i].has_problem;
	}
	if (!nr_bad && !nr_degraded)
		fprintf(f, "\n%u resources, nothing is wrong\n", nr);
	else if (!nr_bad)
		fprintf(f, "\n%u resources, nothing to mend from here; %u without two good "
			"copies\n", nr, nr_degraded);
	if (!nr_bad)
		return;
	qsort(rows, nr, sizeof(*rows), compare_rows);
	fprintf(f, "\n%u of %u resources need attention, the worst first:\n", nr_bad, nr);
	for (u32 i = 0; i < nr_bad; i += same) {
		same = count_same(rows + i, nr_bad - i);
		shown = same > SAME_SHOWN ? 1 : same;
		for (u32 n = 0; n < shown; n++) {
			const struct model_daemon *d = &rows[i + n].r->daemon;

			fprintf(f, "\n%s\n", rows[i + n].r->name);
			print_problem(f, &rows[i + n].problem,
				      d->problem[0] ? d->problem_since_s : 0);
		}
		if (same > shown)
			print_same(f, rows + i + shown, same - shown);
	}
}

int print_table(FILE *f, const struct model *m, u32 columns)
{
	struct row *rows = calloc(m->nr_resources + 1, sizeof(*rows));

	if (!rows)
		return -1;
	for (u32 i = 0; i < m->nr_resources; i++)
		set_row(&rows[i], m, &m->resource[i]);
	print_rows(f, rows, m->nr_resources, columns);
	print_problems(f, rows, m->nr_resources);
	free(rows);
	return 0;
}
