/* SPDX-License-Identifier: MIT */
/* UTF-8 and UTF-16. */
#include "win32.h"

#include <stdlib.h>

wchar_t *mproc__wide(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = count > 0 ? malloc((size_t) count * sizeof *wide) : NULL;
    if (!wide) {
        mproc__fail(count > 0 ? MPROC_ENOMEM : MPROC_EINVAL, "%s",
                    count > 0 ? "no memory for a text" : "a text is not valid UTF-8");
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, count);
    return wide;
}

mproc_err mproc__narrow(const wchar_t *wide, char *text, size_t size)
{
    if (WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int) size, NULL, NULL) > 0)
        return MPROC_OK;
    return mproc__fail_system(MPROC_EINVAL, (int) GetLastError(), "a path of more than %zu bytes", size);
}
