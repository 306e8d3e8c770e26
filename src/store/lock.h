/*
 * Locks between processes: flock() on files in locks/, which die with their holder. On a file
 * system without flock a lock is always granted: at worst the same work is done twice.
 */
#ifndef TN_STORE_LOCK_H
#define TN_STORE_LOCK_H

#include "base/clock.h"
#include "store/store.h"

struct tn_lock {
    int fd;        /* -1 = not held */
    tn_nsec noted; /* when its file was last written */
};
#define TN_LOCK_NONE ((struct tn_lock) { .fd = -1 })

/** Who holds a lock, by its file: two lines in 256 bytes, pid and what it is doing. For people and
 * progress; nothing depends on it, and a line may be torn. */
struct tn_lock_holder {
    long pid;        /* 0 = not known */
    char doing[224]; /* printable; "" = not said */
};

/** Called every 20 ms while waiting. @return false to give up */
typedef bool (*tn_wait_fn)(const struct tn_lock_holder *holder, tn_nsec waited, void *user);

/**
 * Takes the lock `name` of the first store.
 * @param wait NULL = do not wait
 * @param ret_waited whether another process held it first; may be NULL
 * @return 0, TN_E_AGAIN (held, and `wait` is NULL or gave up), TN_E_IO, TN_E_ACCESS, TN_E_NOSPACE
 */
int tn_lock_take(const struct tn_store *store, const char *name, tn_wait_fn wait, void *user,
                 struct tn_lock *ret_lock, bool *ret_waited, struct tn_error *err);

/** Says in the lock's file what its holder is doing; more than five times a second is dropped. */
void tn_lock_say(struct tn_lock *lock, const char *doing);

/** Whether a process holds the lock now; makes nothing. */
bool tn_lock_held(const struct tn_store *store, const char *name);

/** Takes a lock that is never held for long; waits up to ten seconds. @return as tn_lock_take() */
int tn_lock_take_briefly(const struct tn_store *store, const char *name, struct tn_lock *ret_lock,
                         struct tn_error *err);

void tn_lock_done(struct tn_lock *lock);

#endif
