/*
 * Notes of a fingerprint: what a person should know. Inside src/device only.
 */
#ifndef TN_DEVICE_NOTE_H
#define TN_DEVICE_NOTE_H

#include "device/device.h"

/** Adds a note unless it is there already; beyond TN_DEVICE_NOTES_MAX it is dropped. */
void tn_device_note(struct tn_device *device, const char *format, ...) TN_PRINTF(2, 3);

#endif
