/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device behind an IOMMU that follows the exported table, and a driver with one
 * transfer of both pages after the other, while the host takes pages away.
 *
 * Two pages.  An entry of the table, a translation of the IOMMU, what its IOTLB or the
 * device itself holds of one: each is the host page's number, 0: none.  A page that was
 * taken away is somebody else's as soon as the invalidate has returned; the guest's next
 * one has another number.
 *
 * What is proven: the device has access to nothing that is somebody else's; if done
 * answers 0, both pages were accessed.
 *
 * The rules, each of which M_RULE breaks; "a hold" is of the one lock:
 *
 * MAP_IN_HOLD		the walk, and the map of what it found, are in one hold
 * LIST_BEFORE_MAP	a transfer is on the list of those in flight before the first of its
 *			pages is looked at
 * SEEN_IN_HOLD		... it is in flight at once if all pages are seen mapped in the hold that
 *			lists it
 * CHECK_IN_HOLD	whether it was marked since, and that it is in flight, are one hold
 * MARK			an unmap marks the transfers on the list that touch the page
 * MARK_FIRST		... before the page is unmapped, for drivers that look at the mark without
 *			the lock when the device is done
 * MARK_IN_HOLD		... in the hold that unmaps
 * SYNC			an unmap waits until neither IOTLB nor device has the translation
 * SYNC_IN_HOLD		... in the hold that unmaps: who finds the page unmapped, and has
 *			nothing to wait for, may return
 * EXACT		all that is mapped of the range is unmapped, behind a hole, too
 * DETACH_PAUSES	a detach unmaps everything, and nothing maps any more, before it stops
 *			being told: in the hold of the sem, whatever it has done before
 *
 * With -DDETACH the driver detaches, while it removes a device from the address space.
 */

#ifndef NREV
#define NREV	2
#endif
#ifndef NIO
#define NIO	2
#endif

#define NPAGES	2

byte table[NPAGES];
byte iopt[NPAGES];
byte iotlb[NPAGES];
byte latched;		/* by the device, for an access that it has begun */
bool held;		/* the lock */
bool listed, marked;	/* the transfer */
bool following = true;	/* pages may be mapped */
bool attached = true;
bool told = true;	/* of revokes */
byte telling;		/* revokes that are at it */
byte readers;		/* of the sem */
bool writer;

/* For the checks alone. */
byte next = 1;		/* a page of the host that is nobody's */
bool foreign[16];	/* pages that are somebody else's */
bool lost;		/* an access found no translation */

inline lock()	{ atomic { !held -> held = true } }
inline unlock()	{ held = false }

inline sync(i, page)
{
	iotlb[i] = 0;
	latched != page
}

/* Page i is in the range. */
inline unmap(i)
{
	byte page;

#ifdef M_MARK_IN_HOLD
	if
	:: listed && iopt[i] -> marked = true
	:: else
	fi;
	unlock();
	lock();
#endif
#ifndef M_MARK
#ifndef M_MARK_IN_HOLD
#ifndef M_MARK_FIRST
	if
	:: listed && iopt[i] -> marked = true
	:: else
	fi;
#endif
#endif
#endif
	atomic { page = iopt[i]; iopt[i] = 0 };
	if
	:: page ->
#ifdef M_MARK_FIRST
		if
		:: listed -> marked = true
		:: else
		fi;
#endif
#ifdef M_SYNC_IN_HOLD
		unlock();
		sync(i, page);
		lock()
#else
#ifndef M_SYNC
		sync(i, page)
#else
		skip
#endif
#endif
	:: else
	fi;
	page = 0
}

inline pause()
{
	lock();
	following = false;
	unlock();
	lock();
	unmap(0);
	unlock();
	lock();
	unmap(1);
	unlock()
}

inline down_write()	{ atomic { !writer && !readers -> writer = true } }

proctype remove()
{
	down_write();
	pause();
	lock();
	following = attached;
	unlock();
	writer = false
}

proctype detach()
{
	pause();
	down_write();
#ifndef M_DETACH_PAUSES
	pause();
#endif
	told = false;
	!telling;
	attached = false;
	writer = false
}

/*
 * A revoke of one page, or of both.  What it clears, or another has cleared and is about
 * to tell of, it tells of; when that returns the host may reuse it.
 */
proctype revoke()
{
	byte old[NPAGES];
	byte i, first, end;
	bool tell = true;
	bool hole;

	if
	:: first = 0; end = 1
	:: first = 0; end = 2
	:: first = 1; end = 2
	fi;
	i = first;
	do
	:: i < end -> atomic { old[i] = table[i]; table[i] = 0; i++ }
	:: else -> break
	od;
#ifdef DETACH
	atomic {
		tell = told;
		telling = telling + tell
	}
#endif
	i = first;
	do
	:: i < end && tell ->
		lock();
#ifdef M_EXACT
		hole = hole || !iopt[i];
		if
		:: !hole -> unmap(i)
		:: else
		fi;
#else
		unmap(i);
#endif
		unlock();
		i++
	:: else -> break
	od;
#ifdef DETACH
	telling = telling - tell;
#endif
	/* Whatever is there now was mapped since: it is not what was revoked. */
	atomic {
		i = first;
		do
		:: i < end ->
			if
			:: old[i] -> foreign[old[i]] = true
			:: else
			fi;
			assert(!iopt[i] || !foreign[iopt[i]]);
			assert(!iotlb[i] || !foreign[iotlb[i]]);
			i++
		:: else -> break
		od;
		assert(!latched || !foreign[latched])
	}
}

/* The exporter's, for a page that is not in the table. */
inline fault(i)
{
	atomic {
		if
		:: !table[i] -> table[i] = next; next++
		:: else
		fi
	}
}

/* In holds of their own; a page that is gone again is asked for again. */
inline map(i)
{
	byte found;

	do
	::
#ifdef M_MAP_IN_HOLD
		found = table[i];
		lock();
#else
		lock();
		found = table[i];
#endif
		if
		:: iopt[i] -> unlock(); break
		:: !iopt[i] && !following -> unlock(); refused = true; break
		:: !iopt[i] && following && found -> iopt[i] = found; unlock(); break
		:: else -> unlock(); fault(i)
		fi
	od;
	found = 0
}

inline access(i)
{
	atomic {
		if
		:: iotlb[i] -> latched = iotlb[i]
		:: !iotlb[i] && iopt[i] -> iotlb[i] = iopt[i]; latched = iopt[i]
		:: else -> lost = true
		fi
	};
	atomic {
		assert(!latched || !foreign[latched]);
		latched = 0
	}
}

proctype driver()
{
	byte n;
	bool ok, refused;

	do
	:: n < NIO ->
		ok = false;
		refused = false;
		atomic { !writer -> readers++ };
		if
		:: !attached -> readers--; break
		:: else
		fi;
#ifndef M_LIST_BEFORE_MAP
#ifdef M_SEEN_IN_HOLD
		ok = iopt[0] && iopt[1];
#endif
		lock();
		marked = false;
		listed = true;
#ifndef M_SEEN_IN_HOLD
		ok = iopt[0] && iopt[1];
#endif
		unlock();
#endif
		do
		:: ok || refused -> break
		:: else ->
			map(0);
			map(1);
			lock();
#ifdef M_LIST_BEFORE_MAP
			marked = false;
			listed = true;
#endif
			ok = !marked && !refused;
#ifdef M_CHECK_IN_HOLD
			unlock();
			lock();
#endif
			marked = false;
			unlock()
		od;
		readers--;
		if
		:: refused
		:: else ->
			lost = false;
			access(0);
			access(1);
			/* Without the lock, while it stays in flight; or with it. */
			if
			:: ok = !marked;
			   assert(!ok || !lost)
			:: true
			fi
		fi;
		lock();
		listed = false;
		ok = !marked && !refused;
		marked = false;
		unlock();
		assert(!ok || !lost);
		n++
	:: else -> break
	od
}

init {
	byte c;

	atomic {
		do
		:: c < NREV -> run revoke(); c++
		:: else -> break
		od;
#ifdef DETACH
		run remove();
		run detach();
#endif
		run driver()
	}
}
