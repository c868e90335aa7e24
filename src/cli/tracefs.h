/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVM_TDP_TRACEFS_H
#define KVM_TDP_TRACEFS_H

/*
 * Tracing of this process's own, an instance in tracefs: others that trace see nothing of
 * it.  It goes when the process ends, by a signal too.
 */

#include <stdbool.h>
#include <stddef.h>

/* All end the process with a message on failure. */
void tracefs_begin(void);
void tracefs_enable(const char *tracepoint);

/*
 * Wait for the next line, without its end, of at most @size characters; false when the
 * module has gone.
 */
bool tracefs_read_line(char *line, size_t size);

#endif /* KVM_TDP_TRACEFS_H */
