// SPDX-License-Identifier: GPL-2.0-only
/* Counters, the rows of top, and events. Prints TAP. */
#include <string.h>

#include "../counters.h"
#include "../event.h"
#include "../top.h"
#include "tap.h"

static void test_counters(void)
{
	struct kvm_tdp_stats stats = { 0 };
	size_t i;

	ok(counters_parse(&stats, "kvm_tdp_leaves_4k:\t3\n") &&
	   counters_parse(&stats, "kvm_tdp_leaves_2m:\t1\n") &&
	   counters_parse(&stats, "kvm_tdp_faults_failed:\t18446744073709551615\n") &&
	   counters_parse(&stats, "kvm_tdp_eager_no_pool:\t5\n"), "counters", "are known");
	ok(!counters_parse(&stats, "kvm_tdp_fault:\t3\n") &&
	   !counters_parse(&stats, "kvm_tdp_faults_:\t3\n") &&
	   !counters_parse(&stats, "faults:\t3\n") && !counters_parse(&stats, ""),
	   "counters", "others are not");
	ok(!stats.faults && stats.faults_failed == UINT64_MAX && !stats.leaves[2],
	   "counters", "each in its place");
	ok(counters_mapped(&stats) == 0x203000, "counters", "mapped");
	ok(counters_dropped(&stats) == 5, "counters", "dropped");
	for (i = 0; counter_name(i); i++)
		;
	ok(i == (sizeof(stats) - offsetof(struct kvm_tdp_stats, leaves)) / 8, "counters",
	   "all have a name");
}

static void test_top(void)
{
	const struct top_row before[] = {
		{ .pid = 9, .table = 4, .read_ns = 1000000000, .stats.faults = 10,
		  .stats.eager_filled = 7000 },
		{ .pid = 5, .table = 2, .read_ns = 1500000000, .stats.faults = 100 },
	};
	struct top_row rows[] = {
		{ .pid = 5, .comm = "qemu-system-x86_64", .table = 2, .read_ns = 3500000000,
		  .ram = 3 << 19, .rss = 12345, .stats.faults = 105, .stats.importers = 1,
		  .stats.invalidations = 300, .stats.leaves = { 10, 2, 0 } },
		{ .pid = 9, .comm = "vmm", .table = 4, .read_ns = 1500000000,
		  .stats.faults = 1000, .stats.eager_filled = 9007000,
		  .stats.eager_busy = 2, .stats.eager_no_slot = 1 },
		{ .pid = 7, .comm = "none", .rss = 1 << 20 },
		{ .pid = 5, .comm = "new", .table = 6, .read_ns = 3500000000,
		  .stats.faults = 1000 },
	};
	static const char keys[] = "pfiedm";
	static const char *const sorted[] = {
		"2 6 0 4", "4 2 6 0", "2 4 6 0", "4 2 6 0", "4 2 6 0", "2 6 0 4",
	};
	char text[TOP_TEXT];
	size_t i;

	top_rate(rows, 4, before, 2);
	ok_text(top_head(text), "    PID TABLE  COMMAND         FAULT/S INVAL/S  FILL/S  DROP/S  MAPPED     RAM     RSS IMP       4K      2M    1G");
	top_format(&rows[0], text);
	ok_text(text, "      5     2  qemu-system-x86     2.5     150     0.0     0.0    4.0M    1.5M     12K   1       10       2     0");
	top_format(&rows[1], text);
	ok_text(text, "      9     4  vmm                1980     0.0   18.0M     6.0       0       0       0   0        0       0     0");
	top_format(&rows[2], text);
	ok_text(text, "      7     -  none                  -       -       -       -       -       -    1.0M   -        -       -     -");
	top_format(&rows[3], text);
	ok_text(text, "      5     6  new                   -       -       -       -       0       0       0   0        0       0     0");

	for (i = 0; keys[i]; i++) {
		ok(top_sort(rows, 4, keys[i]), "sorts by", (char []){ keys[i], 0 });
		snprintf(text, sizeof(text), "%d %d %d %d", (int)rows[0].table,
			 (int)rows[1].table, (int)rows[2].table, (int)rows[3].table);
		ok_text(text, sorted[i]);
	}
	ok(!top_sort(rows, 4, 'x') && top_sort(NULL, 0, 'p'), "sorts", "no such key, nothing");
}

#define TASK	"  a: b-7 [0] 9-11      [001] d..1.  12.000345: "

static void test_event(void)
{
	static const struct {
		const char *line;
		const char *want;
	} good[] = {
		{
			"kvm_tdp_invalidate: vm_pid 7 table 3 gpa 405000 size 2000",
			"     12.000345       8  qemu             invalidate  0x000000405000-0x000000406fff",
		},
		{
			"kvm_tdp_invalidate: vm_pid 7 table 3 gpa 0 size ffffffffffffffff",
			"     12.000345       8  qemu             invalidate  all",
		},
		{
			"kvm_tdp_fault: vm_pid 7 table 3 gfn 405 write ret 16",
			"     12.000345       8  qemu             fault       0x000000405000                 write  16 mapped",
		},
		{
			"kvm_tdp_fault: vm_pid 7 table 3 gfn 405 read ret -14",
			"     12.000345       8  qemu             fault       0x000000405000                 read   no guest RAM there",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 1 0 -> 80000000003",
			"     12.000345       8  qemu             entry       0x000000405000-0x000000405fff  4K     set",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 2 80000000003 -> 0",
			"     12.000345       8  qemu             entry       0x000000400000-0x0000005fffff  2M     cleared",
		},
		{
			"kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 5 3 -> 7",
			"     12.000345       8  qemu             entry       0x000000000000-0xffffffffffff  256T   changed",
		},
		{
			"kvm_tdp_slot: vm_pid 7 table 3 slot 2 gfn 100000 pages 30 flags 10003 remove",
			"     12.000345       8  qemu             slot        0x000100000000-0x00010002ffff  remove  slot 2  ro,log",
		},
		{
			"kvm_tdp_slot: vm_pid 7 table 3 slot 2 gfn 100000 pages 30 flags 0 create",
			"     12.000345       8  qemu             slot        0x000100000000-0x00010002ffff  create  slot 2  -",
		},
	};
	static const char *const bad[] = {
		"", "CPU:", TASK, TASK "kvm_tdp_fault: ", TASK "kvm_tdp_other: vm_pid 7 table 3",
		TASK "kvm_tdp_fault: vm_pid 7 table 3 gfn 405 read",
		TASK "kvm_tdp_set_entry: vm_pid 7 table 3 gfn 405 level 6 0 -> 1",
		": kvm_tdp_invalidate: vm_pid 7 table 3 gpa 0 size 1000",
		/* what a task may call itself */
		"CPU: EVENTS]", "CPU:1 EVENTS]",
	};
	char line[256], text[EVENT_TEXT];
	struct event event;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), TASK "%s", good[i].line);
		if (event_parse(line, &event) && event.vm_pid == 7 && event.table == 3)
			event_format(&event, 8, "qemu", text);
		else
			snprintf(text, sizeof(text), "not an event");
		ok_text(text, good[i].want);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!event_parse(bad[i], &event), "is no event", bad[i]);
	ok(event_parse("CPU:1 [LOST 12 EVENTS]", &event) && event.type == EVENT_LOST &&
	   event.lost == 12, "events", "lost");
	ok(event_parse("CPU:1 [LOST EVENTS]", &event) && event.type == EVENT_LOST &&
	   !event.lost, "events", "lost, nobody knows how many");
}

int main(void)
{
	test_counters();
	test_top();
	test_event();
	return done();
}
