// SPDX-License-Identifier: GPL-2.0-only
/*
 * What fault-around spares an engine that reads all that a Linux guest has touched, page
 * by page: IO faults.
 *
 * KVM runs without its TDP MMU, lest the table have all of it from the start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "figure.h"
#include "kmod.h"
#include "ktdp.h"
#include "mem.h"
#include "qemu.h"
#include "sys.h"
#include "tap.h"

#define PARAMETERS	"/sys/module/kvm_tdp/parameters/"
#define THP		"/sys/kernel/mm/transparent_hugepage/enabled"
#define RAM_PAGES	(QEMU_RAM / PAGE_4K)

static struct qemu qemu;
static uint64_t pages[RAM_PAGES];	/* gpas */
static size_t nr_pages;

static void note_run(const struct ktdp_test_kvm_run *run)
{
	uint64_t offset;

	if (run->flags & (KTDP_TEST_KVM_PRIVATE | KTDP_TEST_KVM_NOT_RAM))
		return;
	for (offset = 0; offset < run->length && nr_pages < RAM_PAGES; offset += PAGE_4K)
		pages[nr_pages++] = run->gpa + offset;
}

/* What KVM maps, in order. */
static void note_pages(void)
{
	struct kmod_kvm_map map;
	int kmod = kmod_open();
	size_t i;

	kmod_read_kvm(kmod, qemu.vm_fd, 0, &map);
	for (i = 0; i < map.nr; i++)
		note_run(&map.runs[i]);
	kmod_free_kvm(&map);
	close(kmod);
	if (!nr_pages)
		bail("KVM maps nothing");
}

/* Always the same order that is none. */
static void shuffle(void)
{
	uint64_t seed = 1, with, page;
	size_t i;

	for (i = nr_pages - 1; i > 0; i--) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		with = (seed >> 33) % (i + 1);
		page = pages[i];
		pages[i] = pages[with];
		pages[with] = page;
	}
}

/* IO faults of 1000 pages. */
static double read_all(bool around)
{
	int dma = dma_open(), tdp;
	uint64_t word;
	double faults;
	size_t i;

	must(sys_write(PARAMETERS "fault_around", around ? "1" : "0"));
	tdp = must(kvm_tdp_create(qemu.vm_fd, 0));
	is(ktdp_stats(tdp).seeded, 0, "the table is empty");
	must(kvm_tdp_dma_attach(dma, tdp));
	for (i = 0; i < nr_pages; i++)
		must(dma_read(dma, pages[i], &word, sizeof(word), 0));
	faults = 1000.0 * dma_stats(dma).faults / nr_pages;
	close(dma);
	close(tdp);
	return faults;
}

static void compare(const char *order)
{
	double without = read_all(false), with = read_all(true);
	char name[64];

	snprintf(name, sizeof(name), "IO faults of 1000 pages, %s", order);
	report_beside(name, with, "faults", "without fault-around", without);
}

int main(void)
{
	must(sys_write(THP, "never"));
	must(sys_write(PARAMETERS "eager", "0"));
	qemu_start(&qemu, 1);
	qemu_cont(&qemu);
	qemu_wait_for(&qemu, "guest: worked");
	qemu_stop(&qemu);
	note_pages();
	diag("the guest has touched %zu pages", nr_pages);
	compare("in order");
	shuffle();
	compare("in no order");
	qemu_kill(&qemu);
	return done();
}
