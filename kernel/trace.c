// SPDX-License-Identifier: GPL-2.0
/* The events' code. What trace.h includes comes first: other headers must not make theirs here. */
#include "resource.h"
#include "session.h"
#include "stream.h"
#include "volume.h"
#include "write.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
