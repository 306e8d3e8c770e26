/*
 * A copy of a server's data that a server can be started on. Blocking.
 */
#ifndef TN_TENOND_BACKUP_H
#define TN_TENOND_BACKUP_H

#include "base/error.h"

/**
 * Copies the database of `data` and the files that `to` does not have yet (they are named by their
 * content, and linked where `to` is on the same file system): a second backup into the same folder
 * is incremental. The server may run and is not asked. Every file is verified on its way; those
 * that are broken are logged and left out. Killed at any instant, `to` holds the earlier backup or
 * the new one, whole. The admin's token is not copied; its hash is in the database.
 *
 * @return 0; TN_E_CORRUPT (done, but for broken files; or the database itself), TN_E_AGAIN (a
 *         server or another backup has `to`), TN_E_USAGE (`to` is no backup), TN_E_NOTFOUND,
 *         TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
int tn_tenond_backup(const char *data, const char *to, struct tn_error *err);

#endif
