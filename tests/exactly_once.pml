/*
 * Two runs make the same three changes with one ledger: two creates and a patch.
 *
 * A run can be killed at any step, and begins again. The other run can take over the lease whenever the protocol lets
 * it. Requests and answers are lost, requests arrive late, reads lag behind writes, a listing lacks a customer because
 * its pages moved, and someone else has made one of the customers already.
 *
 * In every interleaving: no customer is made twice, no request leaves a run that was taken over, and at the end every
 * intent is settled and both customers are there. With one guard left out (-D NO_...), that is no longer so, and Spin
 * shows how. docs/explanation/exactly-once.md says where each guard is in the code.
 */

#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef LOSSES
#define LOSSES 2
#endif

#define CREATES 2 /* changes 0 and 1 are creates, change 2 is a patch */
#define CHANGES 3
#define NOBODY 2

mtype = { NOTHING, OPEN, DONE, FAILED };

/* The ledger. */
mtype intent[CHANGES] = NOTHING;
byte token; /* of the run that holds the lease */

/* The server, and the way to it. */
byte made[CHANGES];     /* customers with the key of the change */
bool lagging[CHANGES];   /* one was made that no read shows yet */
byte flying[CHANGES];    /* requests that have left, and have not arrived */
byte waits[2] = CHANGES; /* the change whose answer a run waits for */
bool answered[2];
byte losses = LOSSES;
byte misses; /* listings that lack the customer whom someone else made, because pages moved */

/* The runs. */
byte crashes = CRASHES;
bool killed[2];
byte leaving = NOBODY; /* whose request is about to leave */
byte ended;

/* Time passes until nothing that has left can arrive any more, and every write is shown. */
#ifdef NO_LAG_WAIT
#define WAIT(k) skip
#else
#define WAIT(k) (flying[k] == 0 && (k >= CREATES || !lagging[k]))
#endif

#ifdef NO_FENCE
#define HOLDS true
#else
#define HOLDS (mine == token)
#endif

/* A lease does not end between the last look at the clock and the request. */
#ifdef NO_DEADLINE
#define FREE true
#else
#define FREE (leaving == NOBODY)
#endif

#define SHOWN(k) (k < CREATES && made[k] > 0 && !lagging[k])

inline arrive(k)
{
	flying[k]--;
	if
	:: losses > 0 -> losses--; printf("the request of change %d is lost\n", k)
	:: true ->
		printf("the request of change %d arrives\n", k);
		if
		:: k < CREATES -> made[k]++; lagging[k] = true; assert(made[k] == 1)
		:: else
		fi;
		if
		:: losses > 0 -> losses--; printf("its answer is lost\n")
		:: waits[0] == k -> answered[0] = true
		:: waits[1] == k -> answered[1] = true
		:: waits[0] != k && waits[1] != k /* who sent it was killed */
		fi
	fi
}

active proctype Server()
{
	if
	:: d_step { made[1] == 0 && flying[1] == 0 ->
		made[1] = 1;
		lagging[1] = true;
		printf("someone else made the customer of change 1 a moment ago\n") }
	:: d_step { made[1] == 0 && flying[1] == 0 ->
		made[1] = 1;
		misses = 1;
		printf("someone else made the customer of change 1 long ago\n") }
	:: skip
	fi;
end:
	do
	:: d_step { lagging[0] -> lagging[0] = false; printf("reads show the customer of change 0\n") }
	:: d_step { lagging[1] -> lagging[1] = false; printf("reads show the customer of change 1\n") }
	:: atomic { flying[0] > 0 -> arrive(0) }
	:: atomic { flying[1] > 0 -> arrive(1) }
	:: atomic { flying[2] > 0 -> arrive(2) }
	od
}

active proctype Killer()
{
end:
	do
	:: atomic { crashes > 0 && !killed[0] -> crashes--; killed[0] = true }
	:: atomic { crashes > 0 && !killed[1] -> crashes--; killed[1] = true }
	od
}

/* A commit is made by the holder of the lease, or not at all: then this run stops. */
inline commit(k, state)
{
	if
	:: atomic { HOLDS -> intent[k] = state; printf("run %d commits: change %d is %e\n", me, k, state) }
	:: !HOLDS -> goto stopped
	fi
}

/* A narrow list, read to its end. */
inline look(k)
{
	atomic { seen = SHOWN(k); printf("run %d looks for change %d, found: %d\n", me, k, seen) }
}

/* The listing of the account, of which a page may move while it is read. */
inline list(k)
{
	if
	:: atomic { seen = SHOWN(k); printf("run %d lists the account, change %d found: %d\n", me, k, seen) }
	:: atomic { SHOWN(k) && misses > 0 ->
		misses--;
		seen = false;
		printf("run %d lists the account, and a page moves: change %d is missed\n", me, k) }
	fi
}

inline settle(k)
{
	WAIT(k);
	look(k);
	if
	:: seen -> commit(k, DONE)
	:: else -> commit(k, FAILED)
	fi
}

/* A create for which no intent is there: nobody may be who it would make. */
inline prove_absence(k)
{
	list(k);
#ifndef NO_SECOND_LOOK
	if
	:: !seen -> WAIT(k); list(k)
	:: else
	fi;
#endif
}

inline send(k)
{
	if
#ifdef NO_INTENT_FIRST
	:: atomic { HOLDS && FREE -> leaving = me }
#else
	:: atomic { HOLDS && FREE -> intent[k] = OPEN; leaving = me; printf("run %d commits the intent of change %d\n", me, k) }
#endif
	:: !HOLDS -> goto stopped
	fi;
	atomic {
		printf("run %d sends change %d\n", me, k);
		assert(mine == token);
		flying[k]++;
		leaving = NOBODY;
		waits[me] = k;
		answered[me] = false
	};
#ifdef NO_INTENT_FIRST
	commit(k, OPEN);
#endif
	if
	:: answered[me] -> waits[me] = CHANGES; commit(k, DONE)
	:: flying[k] == 0 && !answered[me] -> waits[me] = CHANGES; settle(k) /* no answer will come */
	fi
}

active [2] proctype Run()
{
	byte me = _pid - 2;
	byte mine;
	byte k;
	bool seen;

again:
	{
		atomic { FREE -> token++; mine = token; printf("run %d takes the lease\n", me) };
		k = 0;
		do
		:: k < CHANGES && intent[k] == OPEN -> settle(k); k++
		:: k < CHANGES && intent[k] != OPEN -> k++
		:: k == CHANGES -> break
		od;
		k = 0;
		do
		:: k < CHANGES && intent[k] == DONE -> k++
		:: k < CREATES && intent[k] == NOTHING ->
			prove_absence(k);
			if
			:: seen -> commit(k, DONE)
			:: else -> send(k)
			fi
		:: k < CHANGES && (intent[k] == FAILED || (k >= CREATES && intent[k] == NOTHING)) -> send(k)
		:: k < CHANGES && intent[k] == OPEN -> goto stopped /* another run is at it */
		:: k == CHANGES -> break
		od
	} unless {
		atomic {
			killed[me] ->
			printf("run %d is killed, and begins again\n", me);
			killed[me] = false;
			waits[me] = CHANGES;
			answered[me] = false;
			seen = false;
			if
			:: leaving == me -> leaving = NOBODY
			:: else
			fi
		};
		goto again
	};
stopped:
	atomic {
		waits[me] = CHANGES;
		ended++;
		if
		:: ended == 2 ->
			assert(intent[0] == DONE && intent[1] == DONE && intent[2] == DONE);
			assert(made[0] == 1 && made[1] == 1)
		:: else
		fi
	}
}
