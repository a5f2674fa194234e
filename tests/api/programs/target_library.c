/* SPDX-License-Identifier: MIT */
/* A shared library or DLL that holds a target. */
#ifdef _WIN32
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
int library_target(void *argument);

int library_target(void *argument)
{
    return *(int *) argument + 1;
}
