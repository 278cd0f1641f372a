/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's log: one sentence a line, to stderr. Where stderr is not a terminal each line
 * begins with the "<N>" that the journal takes for a priority. Never waits for memory: lines are
 * formatted on the stack and cut.
 */
#ifndef LOCKSTEPD_LOG_H
#define LOCKSTEPD_LOG_H

#include "os.h"
#include <syslog.h>

void log_init(bool verbose);
void log_msg(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...)	log_msg(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	log_msg(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_msg(LOG_DEBUG, __VA_ARGS__)

/* For lines that strangers can cause: true at most `burst` times in a minute. Zeroed storage. */
struct log_limit {
	u64 since_ms;
	u32 used;
};

bool log_may(struct log_limit *l, u64 now_ms, u32 burst);

#endif /* LOCKSTEPD_LOG_H */
