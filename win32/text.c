/* SPDX-License-Identifier: MIT */
/* UTF-8 and UTF-16. */
#include "win32.h"

#include <stdlib.h>

mproc_err mproc__wide(const char *text, wchar_t **wide)
{
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    if (count <= 0)
        return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(), "a text is not valid UTF-8");
    wchar_t *made = malloc((size_t) count * sizeof *made);
    if (!made)
        return mproc__fail(MPROC_ENOMEM, "no memory for a text of %d characters", count);
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, made, count);
    *wide = made;
    return MPROC_OK;
}

mproc_err mproc__narrow(const wchar_t *wide, char *text, size_t size)
{
    int count = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    if (count <= 0 || (size_t) count > size)
        return mproc__fail(MPROC_EINVAL, "a path needs more than %zu bytes of UTF-8", size);
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int) size, NULL, NULL);
    return MPROC_OK;
}
