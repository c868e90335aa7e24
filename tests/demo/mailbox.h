/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_DEMO_MAILBOX_H
#define TESTS_DEMO_MAILBOX_H

/*
 * A page of the guest's: a tag that is nowhere else in the guest's memory, and
 * room for a message of one line, ended by a newline.
 */
#define MAILBOX_PAGE	4096
#define MAILBOX_TEXT	64

#endif /* TESTS_DEMO_MAILBOX_H */
