# SPDX-License-Identifier: GPL-2.0-only
#
# Read TAP of one program after the other, as make or tests/vm/init print it.
# Print what failed, with the diagnostics around it, and end with the line
# "PASSED n FAILED m". What did not run counts as failed: a plan not kept, a
# skip, a program without a plan or with a bad end. Only what is skipped for
# want of something in -v lacks="WORD...", "# SKIP no WORD", counts as neither;
# each gets a line "note: skipped: ...". What a program says as "# note: ..." is
# printed, too.

function report(text)
{
	print "  not ok: " (program == "" ? "" : program ": ") text
	failed++
}

# Is this result a skip for want of something that this machine lacks?
function excused(	i, nr, word)
{
	nr = split(lacks, word, " ")
	for (i = 1; i <= nr; i++)
		if ($0 ~ "# SKIP no " word[i] "$")
			return 1
	return 0
}

# Keep the last few lines.
function remember(line,	i)
{
	if (kept == 20) {
		for (i = 1; i < kept; i++)
			recent[i] = recent[i + 1]
		kept--
	}
	recent[++kept] = line
}

# What was said before a failure.
function recall(	i)
{
	for (i = 1; i <= kept; i++)
		print "    " recent[i]
	kept = 0
}

# The current program is over.
function finish()
{
	if (!started)
		return
	if (plan < 0)
		report("no plan after " ran " tests")
	else if (ran != plan)
		report("planned " plan " tests, ran " ran)
	started = 0
}

function start()
{
	finish()
	started = 1
	plan = -1
	ran = 0
	context = 0
}

BEGIN { passed = failed = started = 0 }

{ sub(/\r$/, "") }

/^KTDP-BEGIN / {
	if (marked)
		report("did not end")
	start()
	program = $2
	bad_before = failed
	marked = 1
	next
}

/^KTDP-END / {
	finish()
	if ($3 != 0 && failed == bad_before)
		report("exit status " $3)
	program = ""
	marked = 0
	next
}

/^1\.\.[0-9]+/ {
	if (!started || (!marked && plan >= 0))
		start()
	plan = substr($1, 4) + 0
	next
}

/^(not )?ok [0-9]+/ {
	good = $1 == "ok"
	number = (good ? $2 : $3) + 0
	if (!started || (!marked && number == 1 && ran > 0))
		start()
	ran++
	context = 0
	if (number != ran) {
		report("test " ran " calls itself " number)
	} else if (good && excused()) {
		sub(/^ok [0-9]+ - /, "")
		print "note: skipped: " (program == "" ? "" : program ": ") $0
	} else if (good && $0 !~ /# *[Ss][Kk][Ii][Pp]/) {
		passed++
	} else {
		recall()
		sub(/^(not )?ok /, "")
		report($0)
		context = 1
	}
	kept = 0
	next
}

/^Bail out!/ {
	recall()
	report($0)
	next
}

/^# note: / {
	sub(/^# /, "")
	print
	next
}

# Diagnostics belong to the result before them, or lead up to the next one.
/^#/ {
	if (context)
		print "    " $0
	else
		remember($0)
	next
}

END {
	if (marked)
		report("did not end")
	else
		finish()
	print "PASSED " passed " FAILED " failed
}
