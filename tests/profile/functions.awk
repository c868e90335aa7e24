# SPDX-License-Identifier: GPL-2.0-only
# usage: awk -f functions.awk OUT.LOG COUNTS
#
# OUT.LOG has a line "section: UNITS NAME" for each section of COUNTS (profile.c), and
# the kernel's symbols, compressed, between two lines. Print each section's functions by
# instructions, a unit; those with less than 1 % are left out.

function symbols(file,	 pipe, field) {
	pipe = "sed -n '/^KTDP-SYMBOLS$/,/^KTDP-SYMBOLS-END$/{/^KTDP/d;p}' " file \
		" | base64 -d | gunzip | sort"
	while ((pipe | getline) > 0) {
		address[++n] = $1
		name[n] = $3 (NF > 3 ? " " $4 : "")
	}
	close(pipe)
}

# Numbers of 64 bits are too large for awk; as text of one length they compare.
function symbol(at,	 low, high, middle) {
	if (at == "0000000000000000")
		return "(programs and guests)"
	low = 1
	high = n
	while (low < high) {
		middle = int((low + high + 1) / 2)
		if (address[middle] "" <= at "")
			low = middle
		else
			high = middle - 1
	}
	return name[low]
}

function show(	 key, sum, pipe) {
	for (key in count)
		sum += count[key]
	printf "\n%s: %.1f\n", title[section], sum / units[section]
	pipe = "sort -k 1,1nr"
	for (key in count)
		if (count[key] > sum / 100)
			printf "%12.1f  %s\n", count[key] / units[section], key | pipe
	close(pipe)
	delete count
}

FNR == 1 && NR == 1 { symbols(FILENAME) }
NR == FNR && /^section: / {
	split($0, part, /[ \t]/)
	units[++nr] = part[2]
	title[nr] = substr($0, index($0, "\t") + 1)
	next
}
NR == FNR { next }
# A section's counts come behind its line.
$1 == "section" {
	if (section)
		show()
	section++
	next
}
{ count[symbol($1)] += $2 }
END { show() }
