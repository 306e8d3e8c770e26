/*
 * A copy of a server's data that a server can be started on. Blocking.
 */
#ifndef TN_TENOND_BACKUP_H
#define TN_TENOND_BACKUP_H

#include "base/error.h"

/**
 * Copies the database of `data`, whose server must not run, and the files that `to` does not have
 * yet (they are named by their content): a second backup into the same folder is incremental. The
 * admin's token is not copied; its hash is in the database.
 *
 * @return 0; TN_E_AGAIN (the server runs: POST /api/v1/backup copies its database), TN_E_NOTFOUND,
 *         TN_E_ACCESS, TN_E_NOSPACE, TN_E_IO, TN_E_NOMEM
 */
int tn_tenond_backup(const char *data, const char *to, struct tn_error *err);

#endif
