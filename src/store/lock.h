/*
 * Locks between processes: flock() on files in locks/, which die with their holder. On a file
 * system without flock a lock is always granted: at worst the same work is done twice.
 */
#ifndef TN_STORE_LOCK_H
#define TN_STORE_LOCK_H

#include "base/clock.h"
#include "store/store.h"

struct tn_lock {
    int fd; /* -1 = not held */
};
#define TN_LOCK_NONE ((struct tn_lock) { .fd = -1 })

/** Called about ten times a second while waiting; `holder` is the holder's pid, or 0. @return false
 * to give up */
typedef bool (*tn_wait_fn)(long holder, tn_nsec waited, void *user);

/**
 * Takes the lock `name` of the first store.
 * @param wait NULL = do not wait
 * @param ret_waited whether another process held it first; may be NULL
 * @return 0, TN_E_AGAIN (held, and `wait` is NULL or gave up), TN_E_IO, TN_E_ACCESS, TN_E_NOSPACE
 */
int tn_lock_take(const struct tn_store *store, const char *name, tn_wait_fn wait, void *user,
                 struct tn_lock *ret_lock, bool *ret_waited, struct tn_error *err);
/** Whether a process holds the lock now; makes nothing. */
bool tn_lock_held(const struct tn_store *store, const char *name);

void tn_lock_done(struct tn_lock *lock);

#endif
