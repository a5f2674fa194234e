/* SPDX-License-Identifier: MIT */
/* Writing and reading MPROC_BOOT. */
#include "boot.h"

#include <inttypes.h>
#include <stdio.h>

void mproc__boot_write(const struct boot *boot, char text[BOOT_SIZE])
{
    int used = snprintf(text, BOOT_SIZE, "1:%" PRIuPTR ":%" PRIu64 ":%" PRIx64 ":%" PRIuPTR, (uintptr_t) boot->region,
                        boot->limit, boot->record, (uintptr_t) boot->lifeline);
    if (boot->control != MPROC_PLAT_NONE)
        snprintf(text + used, BOOT_SIZE - (size_t) used, ":%" PRIuPTR, (uintptr_t) boot->control);
}

/* By hand: the first sscanf() of a process costs it a dozen microseconds. */
static bool read_number(const char **text, unsigned base, uint64_t *number)
{
    static const char digits[] = "0123456789abcdef";
    const char *start = *text;
    *number = 0;
    for (; **text && **text != ':'; (*text)++) {
        unsigned digit = 0;
        while (digit < base && digits[digit] != **text)
            digit++;
        if (digit == base || *number > (UINT64_MAX - digit) / base)
            return false;
        *number = *number * base + digit;
    }
    return *text != start;
}

static bool read_next_number(const char **text, unsigned base, uint64_t *number)
{
    return *(*text)++ == ':' && read_number(text, base, number);
}

static bool read_next_handle(const char **text, mproc_plat_handle *handle)
{
    uint64_t number;
    if (!read_next_number(text, 10, &number) || number > INTPTR_MAX)
        return false;
    *handle = (mproc_plat_handle) number;
    return true;
}

bool mproc__boot_read(const char *text, struct boot *boot)
{
    uint64_t version;
    boot->control = MPROC_PLAT_NONE;
    return read_number(&text, 10, &version) && version == 1 && read_next_handle(&text, &boot->region) &&
           read_next_number(&text, 10, &boot->limit) && read_next_number(&text, 16, &boot->record) &&
           read_next_handle(&text, &boot->lifeline) &&
           (*text == '\0' || (read_next_handle(&text, &boot->control) && *text == '\0'));
}
