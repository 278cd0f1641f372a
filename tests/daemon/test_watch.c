// SPDX-License-Identifier: GPL-2.0
/* What is told of many resources, and when: the watch by itself, with facts of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include <linux/lockstep.h>

#include "watch.h"

#define MANY	50

static struct model_daemon facts[MANY];
static struct watch *watch;
static sd_event *loop;
static char heard[1 << 20];

static int get_facts(void *arg, struct model_daemon **ret, size_t *ret_nr)
{
	(void)arg;
	*ret = malloc(sizeof(facts));
	memcpy(*ret, facts, sizeof(facts));
	*ret_nr = MANY;
	return 0;
}

static void on_event(void *arg, const struct event *ev)
{
	size_t n = strlen(heard);

	(void)arg;
	snprintf(heard + n, sizeof(heard) - n, "%s %s %s>%s\n", event_kind_name(ev->kind),
		 ev->resource, ev->text[0], ev->text[1]);
}

static const struct watch_ops ops = { .event = on_event };

static void set_phase(u32 i, const char *phase)
{
	snprintf(facts[i].phase, sizeof(facts[i].phase), "%s", phase);
	watch_facts_changed(watch);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void run(u32 ms)
{
	u64 end = now_ms() + ms;

	do {
		assert_true(sd_event_run(loop, 2000) >= 0);
	} while (now_ms() < end);
}

static int set_up(void **state)
{
	struct model kernel;

	(void)state;
	memset(facts, 0, sizeof(facts));
	heard[0] = '\0';
	assert_true(sd_event_new(&loop) >= 0);
	assert_int_equal(watch_create(loop, get_facts, NULL, &watch), 0);
	watch_listen(watch, &ops, NULL);
	model_init(&kernel);
	kernel.has_module = true;
	for (u32 i = 0; i < MANY; i++) {
		snprintf(facts[i].name, sizeof(facts[i].name), "r%02u", i);
		facts[i].configured = true;
		model_resource(&kernel, facts[i].name)->in_kernel = true;
	}
	watch_kernel_model(watch, &kernel);
	model_free(&kernel);
	run(300);
	heard[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	watch_destroy(watch);
	sd_event_unref(loop);
	return 0;
}

/*
 * That something has not lasted can be seen only where little time has passed, and on a busy host
 * any two lines may be far apart: so these say whether they were quick enough to have seen it, and
 * are done anew until they were.
 */
static void until_quick(void **state, bool (*look)(void))
{
	u32 tries = 0;

	while (!look()) {
		assert_true(++tries < 50);
		tear_down(state);
		set_up(state);
	}
}

static bool look_steady(void)
{
	u64 begin, longest = 0, last = now_ms();

	set_phase(0, "connecting");
	for (u32 n = 0; n < 40; n++) {
		for (u32 i = 1; i < MANY; i++)
			set_phase(i, n % 2 ? "this" : "that");
		run(15);
		begin = now_ms();
		longest = begin - last > longest ? begin - last : longest;
		last = begin;
	}
	assert_non_null(strstr(heard, "phase r00 >connecting\n"));
	/* A phase is there from some time in its round to some time in the next one. */
	if (2 * longest >= WATCH_STEADY_MS)
		return false;
	assert_null(strstr(heard, "phase r01"));
	run(400);
	assert_non_null(strstr(heard, "phase r01 >this\n"));
	assert_non_null(strstr(heard, "phase r49 >this\n"));
	assert_null(strstr(heard, "that"));
	return true;
}

/* A phase that lasts is told, although those of all others come and go all the time. */
static void test_steady(void **state)
{
	until_quick(state, look_steady);
}

static bool look_passing(void)
{
	struct nl_event ev = { .event = LOCKSTEP_EVENT_REMOVED };
	u64 begin;

	set_phase(7, "connected");
	run(300);
	strcpy(ev.name, "r07");
	begin = now_ms();
	watch_kernel_event(watch, &ev);
	run(50);
	assert_non_null(strstr(heard, "gone r07"));
	if (now_ms() - begin >= WATCH_STEADY_MS)
		return false;
	assert_null(strstr(heard, "not-in-kernel"));
	for (u32 n = 0; n < 30; n++) {
		set_phase(3, n % 2 ? "this" : "that");
		run(15);
	}
	assert_non_null(strstr(heard, "problem r07 not-in-kernel>"));
	assert_int_equal(watch_last_seq(watch, "r07"), watch_seq(watch));
	return true;
}

/* One that the kernel loses is trouble only if that lasts. */
static void test_passing(void **state)
{
	until_quick(state, look_passing);
}

/* What a dump had no time to tell has not gone; what one that is whole lacks has. */
static void test_untold(void **state)
{
	struct model_resource *r;
	struct model kernel;

	(void)state;
	model_init(&kernel);
	r = model_resource(&kernel, "r00");
	r->in_kernel = true;
	r->kernel_volumes = 2;
	assert_non_null(model_volume(r, 0));
	assert_non_null(model_volume(r, 3));
	watch_kernel_model(watch, &kernel);
	assert_non_null(strstr(heard, "appeared r00"));
	heard[0] = '\0';
	for (u32 told = 0; told < 2; told++) {
		r->nr_volumes = told;
		watch_kernel_model(watch, &kernel);
		assert_null(strstr(heard, "r00"));
		assert_int_equal(model_find(watch_model(watch), "r00")->nr_volumes, 2);
	}
	r->nr_volumes = r->kernel_volumes = 1;
	watch_kernel_model(watch, &kernel);
	assert_non_null(strstr(heard, "gone r00"));
	model_free(&kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steady, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_passing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_untold, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
