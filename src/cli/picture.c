// SPDX-License-Identifier: GPL-2.0-only
#include "picture.h"

#include <stdlib.h>
#include <string.h>

#include <linux/kvm_tdp.h>

#include "text.h"

/* Pixels. */
enum {
	CELL_WIDTH = 8,
	CELL_HEIGHT = 16,	/* room for one of each kind */
	PITCH = 18,		/* from line to line */
	LEFT = 80,		/* before the lines, for their addresses */
	RIGHT = 140,
	TOP = 66,		/* above them, for the title and marks */
	BOTTOM = 64,		/* for the legend */
	LEGEND_WIDTH = 200,
	LINE_WIDTH = CELL_WIDTH * PICTURE_COLUMNS,
};

#define OUTLINE	"stroke=\"#a0a0a0\" stroke-width=\"0.5\""

static const struct {
	const char *name;	/* class of its path */
	const char *color;
	const char *text;
} kinds[] = {
	[PICTURE_1G] = { "leaf-1g", "#1b9e77", "1G" },
	[PICTURE_1G_RO] = { "leaf-1g-ro", "#a3dcc8", "1G, read-only" },
	[PICTURE_2M] = { "leaf-2m", "#7570b3", "2M" },
	[PICTURE_2M_RO] = { "leaf-2m-ro", "#c5c2e2", "2M, read-only" },
	[PICTURE_4K] = { "leaf-4k", "#d95f02", "4K" },
	[PICTURE_4K_RO] = { "leaf-4k-ro", "#fbbd8c", "4K, read-only" },
	[PICTURE_NOT_MAPPED] = { "not-mapped", "#d9d9d9", "not mapped" },
	[PICTURE_UNMAPPABLE] = { "unmappable", "#737373", "cannot be mapped" },
	[PICTURE_NO_SLOT] = { "no-slot", "#ffffff", "no memory" },
};

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool add_line(struct picture *picture, uint64_t gpa, uint64_t length, bool hole)
{
	if (picture->nr == PICTURE_LINES)
		return false;
	picture->lines[picture->nr++] = (struct picture_line){
		.gpa = gpa,
		.length = length,
		.hole = hole,
	};
	return true;
}

/* Lines for all RAM, with a line for what there is not between them; false: too many. */
static bool add_lines(struct picture *picture, const struct ram *ram)
{
	const uint64_t length = picture->cell * PICTURE_COLUMNS;
	const struct ram_piece *piece;
	uint64_t gpa, end = 0;

	picture->nr = 0;
	for (piece = ram->pieces; piece < ram->pieces + ram->nr; piece++) {
		gpa = piece->gpa / length * length;
		if (picture->nr && gpa > end && !add_line(picture, end, gpa - end, true))
			return false;
		for (gpa = max(gpa, end); gpa < piece->gpa + piece->length; gpa += length) {
			if (!add_line(picture, gpa, length, false))
				return false;
		}
		end = gpa;
	}
	return true;
}

struct picture *picture_alloc(const struct ram *ram)
{
	struct picture *picture = malloc(sizeof(*picture));
	size_t i;

	if (!picture)
		return NULL;
	picture->cell = 4096;
	while (!add_lines(picture, ram))
		picture->cell *= 2;
	picture->at = 0;
	for (i = 0; i < ram->nr; i++)
		picture_add(picture, ram->pieces[i].gpa, ram->pieces[i].length,
			    PICTURE_NOT_MAPPED);
	return picture;
}

static void add_to_line(const struct picture *picture, struct picture_line *line, uint64_t gpa,
			uint64_t end, enum picture_kind kind)
{
	uint64_t *cell, at, n;

	end = min(end, line->gpa + line->length);
	for (gpa = max(gpa, line->gpa); gpa < end; gpa += n) {
		at = gpa - line->gpa;
		n = min(end - gpa, picture->cell - at % picture->cell);
		cell = line->cells[at / picture->cell];
		if (kind != PICTURE_NOT_MAPPED)
			cell[PICTURE_NOT_MAPPED] -= min(n, cell[PICTURE_NOT_MAPPED]);
		cell[kind] += n;
	}
}

void picture_add(struct picture *picture, uint64_t gpa, uint64_t length,
		 enum picture_kind kind)
{
	struct picture_line *line;
	size_t i;

	if (picture->nr && picture->lines[picture->at].gpa > gpa)
		picture->at = 0;
	for (i = picture->at; i < picture->nr; i++) {
		line = &picture->lines[i];
		if (line->gpa >= gpa + length)
			break;
		picture->at = i;
		if (!line->hole)
			add_to_line(picture, line, gpa, gpa + length, kind);
	}
}

enum picture_kind picture_kind(unsigned int level, unsigned int access)
{
	const bool write = access & KVM_TDP_ACCESS_WRITE;

	switch (level) {
	case 1:
		return write ? PICTURE_4K : PICTURE_4K_RO;
	case 2:
		return write ? PICTURE_2M : PICTURE_2M_RO;
	}
	return write ? PICTURE_1G : PICTURE_1G_RO;
}

/*
 * How high each kind is in a cell: its share, but no less than a pixel of what there is.
 * What is no memory has the rest.
 */
static void set_heights(const struct picture *picture, const uint64_t *cell,
			unsigned int heights[NR_PICTURE_KINDS])
{
	unsigned int kind, most = 0, sum = 0;
	uint64_t left = picture->cell, n;

	for (kind = 0; kind < NR_PICTURE_KINDS; kind++) {
		n = kind == PICTURE_NO_SLOT ? left : min(left, cell[kind]);
		left -= n;
		heights[kind] = n ? max(1, n * CELL_HEIGHT / picture->cell) : 0;
		sum += heights[kind];
	}
	while (sum != CELL_HEIGHT) {
		for (kind = 0; kind < NR_PICTURE_KINDS; kind++)
			most = heights[kind] > heights[most] ? kind : most;
		heights[most] += sum < CELL_HEIGHT ? 1 : -1;
		sum += sum < CELL_HEIGHT ? 1 : -1;
	}
}

/* Where a kind is in a cell; below the cell's top. */
struct bar {
	unsigned int top;
	unsigned int height;
};

static struct bar bar_of(const struct picture *picture, const uint64_t *cell,
			 enum picture_kind kind)
{
	unsigned int heights[NR_PICTURE_KINDS], below = 0, i;

	set_heights(picture, cell, heights);
	for (i = 0; i <= kind; i++)
		below += heights[i];
	return (struct bar){ CELL_HEIGHT - below, heights[kind] };
}

static bool is_same(struct bar a, struct bar b)
{
	return a.top == b.top && a.height == b.height;
}

static unsigned int line_top(size_t i)
{
	return TOP + i * PITCH;
}

static void print_box(unsigned int x, unsigned int y, unsigned int width, unsigned int height,
		      FILE *to)
{
	fprintf(to, "M%u %uh%uv%uh-%uz", x, y, width, height, width);
}

/* What is alike side by side is one. */
static void print_bars(const struct picture *picture, size_t line, enum picture_kind kind,
		       FILE *to)
{
	const uint64_t (*cells)[NR_PICTURE_KINDS] = picture->lines[line].cells;
	unsigned int begin, end;
	struct bar bar;

	for (begin = 0; begin < PICTURE_COLUMNS; begin = end) {
		bar = bar_of(picture, cells[begin], kind);
		for (end = begin + 1; end < PICTURE_COLUMNS; end++) {
			if (!is_same(bar, bar_of(picture, cells[end], kind)))
				break;
		}
		if (bar.height)
			print_box(LEFT + begin * CELL_WIDTH, line_top(line) + bar.top,
				  (end - begin) * CELL_WIDTH, bar.height, to);
	}
}

static void print_kind(const struct picture *picture, enum picture_kind kind, FILE *to)
{
	size_t i;

	fprintf(to, "<path class=\"%s\" fill=\"%s\" d=\"", kinds[kind].name, kinds[kind].color);
	for (i = 0; i < picture->nr; i++) {
		if (!picture->lines[i].hole)
			print_bars(picture, i, kind, to);
	}
	fputs("\"/>\n", to);
}

static void print_frames(const struct picture *picture, FILE *to)
{
	size_t i;

	fprintf(to, "<path class=\"frame\" fill=\"none\" " OUTLINE " d=\"");
	for (i = 0; i < picture->nr; i++) {
		if (!picture->lines[i].hole)
			print_box(LEFT, line_top(i), LINE_WIDTH, CELL_HEIGHT, to);
	}
	fputs("\"/>\n", to);
}

static void print_escaped(const char *text, FILE *to)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		default:
			fputc(*text, to);
		}
	}
}

static void print_text(const char *name, unsigned int x, unsigned int y, const char *anchor,
		       const char *text, FILE *to)
{
	fprintf(to, "<text class=\"%s\" x=\"%u\" y=\"%u\" text-anchor=\"%s\">", name, x, y,
		anchor);
	print_escaped(text, to);
	fputs("</text>\n", to);
}

/* Addresses, as they are read, and as --gpa takes them. */
static void print_addresses(const struct picture *picture, FILE *to)
{
	const struct picture_line *line;
	char size[SIZE_TEXT], text[64];
	unsigned int y;
	size_t i;

	for (i = 0; i < picture->nr; i++) {
		line = &picture->lines[i];
		y = line_top(i) + CELL_HEIGHT - 4;
		if (line->hole) {
			snprintf(text, sizeof(text), "%s without memory",
				 size_format(line->length, size));
			print_text("hole", LEFT + LINE_WIDTH / 2, y, "middle", text, to);
			continue;
		}
		print_text("gpa", LEFT - 8, y, "end", size_format(line->gpa, size), to);
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)line->gpa);
		print_text("hex", LEFT + LINE_WIDTH + 8, y, "start", text, to);
	}
}

static void print_head(const struct picture *picture, const char *title, FILE *to)
{
	char size[SIZE_TEXT], line[SIZE_TEXT], text[160];
	unsigned int quarter;

	print_text("title", LEFT, 18, "start", title, to);
	snprintf(text, sizeof(text), "A line is %s, a cell in it %s. What is mapped fills the cell from below.",
		 size_format(picture->cell * PICTURE_COLUMNS, line),
		 size_format(picture->cell, size));
	print_text("scale", LEFT, 36, "start", text, to);
	for (quarter = 0; quarter < 4; quarter++) {
		snprintf(text, sizeof(text), "+%s",
			 size_format(picture->cell * PICTURE_COLUMNS / 4 * quarter, size));
		print_text("mark", LEFT + LINE_WIDTH / 4 * quarter, TOP - 8, "start", text, to);
	}
}

static void print_legend(const struct picture *picture, FILE *to)
{
	uint64_t sums[NR_PICTURE_KINDS] = { 0 };
	char size[SIZE_TEXT], text[64];
	unsigned int kind, cell, x, y;
	size_t i;

	for (i = 0; i < picture->nr; i++) {
		for (cell = 0; cell < PICTURE_COLUMNS; cell++) {
			for (kind = 0; kind < NR_PICTURE_KINDS; kind++)
				sums[kind] += picture->lines[i].cells[cell][kind];
		}
	}
	for (kind = 0; kind < NR_PICTURE_KINDS; kind++) {
		x = LEFT + kind / 2 * LEGEND_WIDTH;
		y = line_top(picture->nr) + 16 + kind % 2 * PITCH;
		fprintf(to,
			"<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\" " OUTLINE "/>\n",
			x, y, kinds[kind].color);
		if (kind == PICTURE_NO_SLOT)
			snprintf(text, sizeof(text), "%s", kinds[kind].text);
		else
			snprintf(text, sizeof(text), "%s: %s", kinds[kind].text,
				 size_round(sums[kind], size));
		print_text("legend", x + 18, y + 11, "start", text, to);
	}
}

void picture_print(const struct picture *picture, const char *title, FILE *to)
{
	const unsigned int width = LEFT + LINE_WIDTH + RIGHT;
	const unsigned int height = line_top(picture->nr) + BOTTOM;
	unsigned int kind;

	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" font-size=\"12\">\n",
		width, height, width, height);
	fprintf(to, "<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n", width, height);
	print_head(picture, title, to);
	for (kind = 0; kind < PICTURE_NO_SLOT; kind++)
		print_kind(picture, kind, to);
	print_frames(picture, to);
	print_addresses(picture, to);
	print_legend(picture, to);
	fputs("</svg>\n", to);
}
