/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command line of one subcommand -> struct opts, by the masks of its row.
 */
#ifndef LOCKSTEP_OPTS_H
#define LOCKSTEP_OPTS_H

#include "cmd.h"

#define OPTS_HELP	1	/* --help was asked for */

/*
 * argv[0] is the subcommand. 0; OPTS_HELP; or negative with e saying which word is wrong.
 */
int opts_parse(const struct cmd *cmd, int argc, char **argv, struct opts *ret, struct err *e);

#endif /* LOCKSTEP_OPTS_H */
