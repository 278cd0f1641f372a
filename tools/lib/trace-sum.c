// SPDX-License-Identifier: GPL-2.0
/*
 * Medians do not add up, means do: so a leg's share of the whole is that of its mean, and the
 * shares of all legs come to 1.
 */
#include "trace.h"

#include <stdlib.h>

#include "state-json.h"
#include "text.h"

struct sample {
	s64 ns[TRACE_LEG_NR];
};

static int compare_keys(const void *a, const void *b)
{
	const struct trace_key *x = a, *y = b;

	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return x->gen < y->gen ? -1 : x->gen > y->gen;
}

static int compare_items(const void *a, const void *b)
{
	return compare_keys(&((const struct trace_item *)a)->key,
			    &((const struct trace_item *)b)->key);
}

/* The latest first. */
static int compare_ends(const void *a, const void *b)
{
	const struct trace_write *const *x = a, *const *y = b;
	u64 p = (*x)->ns[TRACE_END], q = (*y)->ns[TRACE_END];

	return p < q ? 1 : p > q ? -1 : 0;
}

static int compare_s64(const void *a, const void *b)
{
	s64 x = *(const s64 *)a, y = *(const s64 *)b;

	return x < y ? -1 : x > y;
}

static s64 span(const struct trace_write *w, enum trace_kind from, enum trace_kind to)
{
	return (s64)(w->ns[to] - w->ns[from]);
}

static void measure(const struct trace_write *w, const struct trace_item *item, struct sample *s)
{
	u64 answer = w->ns[TRACE_RECEIVED], last = answer;

	if (w->has_local && w->ns[TRACE_LOCAL_DONE] > last)
		last = w->ns[TRACE_LOCAL_DONE];
	s->ns[TRACE_LEG_REGION] = span(w, TRACE_SUBMIT, TRACE_MAPPED);
	s->ns[TRACE_LEG_SLOT] = span(w, TRACE_MAPPED, TRACE_QUEUED);
	s->ns[TRACE_LEG_SEND] = span(w, TRACE_QUEUED, TRACE_SENT);
	s->ns[TRACE_LEG_PEER_DISK] = item ? (s64)item->disk_ns : 0;
	s->ns[TRACE_LEG_PEER_ANSWER] = item ? (s64)item->answer_ns : 0;
	/* May be below 0 by a little: the peer can be faster than we note that it is sent. */
	s->ns[TRACE_LEG_WIRE] = span(w, TRACE_SENT, TRACE_RECEIVED) -
				s->ns[TRACE_LEG_PEER_DISK] - s->ns[TRACE_LEG_PEER_ANSWER];
	s->ns[TRACE_LEG_LOCAL] = (s64)(last - answer);
	s->ns[TRACE_LEG_FINISH] = (s64)(w->ns[TRACE_END] - last);
	s->ns[TRACE_LEG_TOTAL] = span(w, TRACE_SUBMIT, TRACE_END);
	s->ns[TRACE_LEG_LOCAL_DISK] = w->has_local ?
				      span(w, TRACE_LOCAL_START, TRACE_LOCAL_DONE) : 0;
}

static struct trace_stat stat_of(s64 *v, u32 nr)
{
	struct trace_stat st = { 0 };
	s64 sum = 0;

	if (!nr)
		return st;
	qsort(v, nr, sizeof(*v), compare_s64);
	for (u32 i = 0; i < nr; i++)
		sum += v[i];
	st.median_ns = v[nr / 2];
	st.p99_ns = v[(nr * 99ull + 99) / 100 - 1];
	st.mean_ns = sum / (s64)nr;
	return st;
}

static bool is_of(const struct trace_write *w, enum trace_class class)
{
	return (w->type == LOCKSTEP_WT_FLUSH) == (class == TRACE_FLUSHES);
}

/* What of all is to be summed, the latest first. */
static u32 choose(const struct trace_write *w, u32 nr, enum trace_class class, u32 max,
		  const struct trace_write **ret)
{
	u32 n = 0;

	for (u32 i = 0; i < nr; i++)
		if (is_of(&w[i], class))
			ret[n++] = &w[i];
	qsort(ret, n, sizeof(*ret), compare_ends);
	return min(n, max);
}

static void sum_legs(const struct trace_write **w, const struct sample *s, s64 *v,
		     struct trace_sum *ret)
{
	u64 first = U64_MAX, last = 0;
	u32 n;

	for (int leg = 0; leg < TRACE_LEG_NR; leg++) {
		n = 0;
		for (u32 i = 0; i < ret->nr; i++)
			if (leg != TRACE_LEG_LOCAL_DISK || w[i]->has_local)
				v[n++] = s[i].ns[leg];
		ret->leg[leg] = stat_of(v, n);
		ret->nr_local = n;	/* the last leg's is the local disk's */
	}
	for (u32 i = 0; i < ret->nr; i++) {
		v[i] = w[i]->bytes;
		first = min(first, w[i]->ns[TRACE_SUBMIT]);
		last = max(last, w[i]->ns[TRACE_END]);
	}
	ret->median_bytes = (u32)stat_of(v, ret->nr).median_ns;
	ret->span_ns = ret->nr ? last - first : 0;
}

int trace_sum(const struct trace_write *w, u32 nr, enum trace_class class, u32 max, bool has_peer,
	      struct trace_item *item, u32 nr_items, struct trace_sum *ret)
{
	const struct trace_write **chosen = calloc(nr + 1, sizeof(*chosen));
	struct sample *s = calloc(nr + 1, sizeof(*s));
	s64 *v = calloc(nr + 1, sizeof(*v));
	const struct trace_item *found;
	u32 n;

	*ret = (struct trace_sum){ .has_peer = has_peer };
	if (!chosen || !s || !v) {
		free(chosen);
		free(s);
		free(v);
		return -ENOMEM;
	}
	if (nr_items)
		qsort(item, nr_items, sizeof(*item), compare_items);
	n = choose(w, nr, class, max, chosen);
	for (u32 i = 0; i < n; i++) {
		found = nr_items ? bsearch(&chosen[i]->key, item, nr_items, sizeof(*item),
					   compare_items) : NULL;
		if (has_peer && !found) {
			ret->unmatched++;
			continue;
		}
		chosen[ret->nr] = chosen[i];
		measure(chosen[i], has_peer ? found : NULL, &s[ret->nr++]);
	}
	sum_legs(chosen, s, v, ret);
	free(chosen);
	free(s);
	free(v);
	return 0;
}

/* ---- for people ----------------------------------------------------------------------------- */

static struct text text_ns(s64 ns)
{
	const char *sign = ns < 0 ? "-" : "";
	double v = ns < 0 ? -(double)ns : (double)ns;
	struct text t;

	if (v < 1e6)
		snprintf(t.s, sizeof(t.s), "%s%.1f us", sign, v / 1e3);
	else if (v < 1e9)
		snprintf(t.s, sizeof(t.s), "%s%.2f ms", sign, v / 1e6);
	else
		snprintf(t.s, sizeof(t.s), "%s%.2f s", sign, v / 1e9);
	return t;
}

/* In thousandths of the whole. */
static double permille(const struct trace_sum *s, int leg)
{
	s64 all = s->leg[TRACE_LEG_TOTAL].mean_ns;

	return all > 0 ? 1000.0 * (double)s->leg[leg].mean_ns / (double)all : 0;
}

static bool is_shown(const struct trace_sum *s, int leg)
{
	if (leg == TRACE_LEG_PEER_DISK || leg == TRACE_LEG_PEER_ANSWER)
		return s->has_peer;
	return (leg != TRACE_LEG_LOCAL && leg != TRACE_LEG_LOCAL_DISK) || s->nr_local;
}

static const char *leg_text(const struct trace_report *r, const struct trace_sum *s, int leg,
			    char *buf, size_t size)
{
	static const char *const text[TRACE_LEG_NR] = {
		[TRACE_LEG_REGION]	= "its turn, its region on disk",
		[TRACE_LEG_SLOT]	= "a slot on a stream",
		[TRACE_LEG_SEND]	= "into the socket",
		[TRACE_LEG_LOCAL]	= "local disk, after the answer",
		[TRACE_LEG_FINISH]	= "completion",
		[TRACE_LEG_TOTAL]	= "all",
		[TRACE_LEG_LOCAL_DISK]	= "beside that: local disk",
	};

	if (leg == TRACE_LEG_WIRE && s->has_peer)
		return "the wire, both ways";
	if (text[leg])
		return text[leg];
	snprintf(buf, size, leg == TRACE_LEG_PEER_DISK ? "%.20s: its disk" :
		 leg == TRACE_LEG_PEER_ANSWER ? "%.20s: its answer" : "wire and %.20s", r->peer);
	return buf;
}

static void print_legs(FILE *f, const struct trace_report *r, const struct trace_sum *s)
{
	char buf[48];

	fprintf(f, "  %-30s %10s %10s %9s\n", "", "median", "p99", "share");
	for (int leg = 0; leg < TRACE_LEG_NR; leg++) {
		if (!is_shown(s, leg))
			continue;
		fprintf(f, "  %-30s %10s %10s", leg_text(r, s, leg, buf, sizeof(buf)),
			text_ns(s->leg[leg].median_ns).s, text_ns(s->leg[leg].p99_ns).s);
		if (leg == TRACE_LEG_LOCAL_DISK)
			fprintf(f, "\n");
		else
			fprintf(f, " %7.1f %%\n", permille(s, leg) / 10);
	}
}

void trace_print_text(FILE *f, const struct trace_report *r)
{
	static const char *const what[TRACE_CLASS_NR] = { "write", "flush" };

	for (int c = 0; c < TRACE_CLASS_NR; c++) {
		const struct trace_sum *s = &r->sum[c];

		if (!s->nr)
			continue;
		fprintf(f, "%s: %u %s%s on %s in %s", r->name, s->nr, what[c],
			s->nr == 1 ? "" : c == TRACE_WRITES ? "s" : "es", r->node,
			text_ns((s64)s->span_ns).s);
		if (c == TRACE_WRITES)
			fprintf(f, ", of %s (median)", text_bytes(s->median_bytes).s);
		fprintf(f, "\n");
		if (s->unmatched)
			fprintf(f, "  (%u more of which %s's half is missing)\n", s->unmatched,
				r->peer);
		print_legs(f, r, s);
	}
	if (r->no_peer)
		fprintf(f, "%s's half is missing: %s\n", r->peer, r->no_peer);
	if (r->partial)
		fprintf(f, "%u requests were seen in part only, and are not counted\n", r->partial);
}

/* ---- for programs --------------------------------------------------------------------------- */

static const char *const leg_names[TRACE_LEG_NR] = {
	[TRACE_LEG_REGION]	= "region",
	[TRACE_LEG_SLOT]	= "slot",
	[TRACE_LEG_SEND]	= "send",
	[TRACE_LEG_WIRE]	= "wire",
	[TRACE_LEG_PEER_DISK]	= "peer_disk",
	[TRACE_LEG_PEER_ANSWER]	= "peer_answer",
	[TRACE_LEG_LOCAL]	= "local",
	[TRACE_LEG_FINISH]	= "finish",
	[TRACE_LEG_TOTAL]	= "total",
	[TRACE_LEG_LOCAL_DISK]	= "local_disk",
};

static json_t *leg_json(const struct trace_sum *s, int leg)
{
	json_t *o = json_object();

	if (!is_shown(s, leg)) {
		json_decref(o);
		return json_null();
	}
	sj_put(o, "median_ns", json_integer(s->leg[leg].median_ns));
	sj_put(o, "p99_ns", json_integer(s->leg[leg].p99_ns));
	sj_put(o, "mean_ns", json_integer(s->leg[leg].mean_ns));
	sj_put(o, "share", leg == TRACE_LEG_LOCAL_DISK ? json_null() :
	       json_real(permille(s, leg) / 1000));
	return o;
}

static json_t *sum_json(const struct trace_sum *s)
{
	json_t *o, *legs;

	if (!s->nr)
		return json_null();
	o = json_object();
	legs = json_object();
	for (int leg = 0; leg < TRACE_LEG_NR; leg++)
		sj_put(legs, leg_names[leg], leg_json(s, leg));
	sj_put(o, "count", sj_num(s->nr));
	sj_put(o, "unmatched", sj_num(s->unmatched));
	sj_put(o, "median_bytes", sj_num(s->median_bytes));
	sj_put(o, "span_ns", sj_num(s->span_ns));
	sj_put(o, "legs", legs);
	return o;
}

int trace_print_json(FILE *f, const struct trace_report *r)
{
	json_t *o = json_object();
	int err;

	sj_put(o, "version", sj_num(1));
	sj_put(o, "resource", sj_str(r->name));
	sj_put(o, "node", sj_str(r->node));
	sj_put(o, "peer", sj_str(r->peer));
	sj_put(o, "peer_missing", sj_str_or_null(r->no_peer ? r->no_peer : ""));
	sj_put(o, "partial", sj_num(r->partial));
	sj_put(o, "writes", sum_json(&r->sum[TRACE_WRITES]));
	sj_put(o, "flushes", sum_json(&r->sum[TRACE_FLUSHES]));
	err = json_dumpf(o, f, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputc('\n', f);
	json_decref(o);
	return err;
}
