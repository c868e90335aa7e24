/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processes of a model share: memory, locks, SRCU.
 *
 * Memory is sequentially consistent or, with -DTSO, that of x86: each CPU has a
 * queue of stores which others see later, in order, and which a locked
 * instruction or a full barrier waits for.
 *
 * The model says, before it includes this: NVARS and NCPU, how many there are of
 * both; SEEN(v, x), what to check when CPUs other than the writer see that variable
 * v is x.  Each process that uses memory has a byte "cpu", its number.
 */

byte mem[NVARS];

#ifdef TSO

#define QUEUE	4

typedef Queue {
	byte var[QUEUE];
	byte val[QUEUE];
	byte used
};
Queue queue[NCPU];

inline LOAD(v, dst)
{
	d_step {
		dst = mem[v];
		scan = 0;
		do
		:: scan < queue[cpu].used ->
			if
			:: queue[cpu].var[scan] == v -> dst = queue[cpu].val[scan]
			:: else
			fi;
			scan++
		:: else -> break
		od;
		scan = 0
	}
}

inline STORE(v, x)
{
	atomic {
		queue[cpu].used < QUEUE ->
		queue[cpu].var[queue[cpu].used] = v;
		queue[cpu].val[queue[cpu].used] = x;
		queue[cpu].used++
	}
}

#define DRAINED	(queue[cpu].used == 0)
/* A local variable of each process, for LOAD. */
#define CPU_LOCALS	byte scan

/* The oldest store of some CPU reaches memory.  Unused places are 0: fewer states. */
active proctype drain()
{
	byte c, i, v, x;

end:	do
	:: atomic {
		if
		:: queue[0].used -> c = 0
#if NCPU > 1
		:: queue[1].used -> c = 1
#endif
#if NCPU > 2
		:: queue[2].used -> c = 2
#endif
#if NCPU > 3
		:: queue[3].used -> c = 3
#endif
		fi;
		v = queue[c].var[0];
		x = queue[c].val[0];
		i = 1;
		do
		:: i < queue[c].used ->
			queue[c].var[i - 1] = queue[c].var[i];
			queue[c].val[i - 1] = queue[c].val[i];
			i++
		:: else -> break
		od;
		queue[c].used--;
		queue[c].var[queue[c].used] = 0;
		queue[c].val[queue[c].used] = 0;
		mem[v] = x;
		SEEN(v, x);
		c = 0;
		i = 0;
		v = 0;
		x = 0
	}
	od
}

#else

inline LOAD(v, dst)	{ dst = mem[v] }
inline STORE(v, x)	{ atomic { mem[v] = x; SEEN(v, x) } }
#define DRAINED		true
#define CPU_LOCALS	skip

#endif

/* A full barrier; as the first statement of atomic { }: a locked instruction. */
inline MB()		{ DRAINED }
inline ADD(v, d)	{ atomic { DRAINED -> mem[v] = mem[v] + d } }
inline LOCK(v)		{ atomic { DRAINED && !mem[v] -> mem[v] = 1 } }
/* A spinlock is released by a plain store. */
inline UNLOCK(v)	{ STORE(v, 0) }

/*
 * SRCU, or KVM's: a bit for each CPU in a read section, and for each that a grace
 * period waits for.  One grace period at a time.
 */
byte srcu_in, srcu_old;

inline SRCU_ENTER()	{ srcu_in = srcu_in | (1 << cpu) }
inline SRCU_EXIT()
{
	atomic {
		DRAINED ->
		srcu_in = srcu_in & ~(1 << cpu);
		srcu_old = srcu_old & ~(1 << cpu)
	}
}
inline SRCU_WAIT()
{
	atomic { DRAINED -> srcu_old = srcu_in };
	srcu_old == 0
}
