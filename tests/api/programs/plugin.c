/* SPDX-License-Identifier: MIT */
/* A library that programs load and unload; all plugins are alike but for their number. */
#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

EXPORTED int plugin_target(void *argument);
EXPORTED int plugin_task(const void *in, void *out);

int plugin_target(void *argument)
{
    (void) argument;
    return PLUGIN_NUMBER;
}

int plugin_task(const void *in, void *out)
{
    (void) in;
    *(int *) out = PLUGIN_NUMBER;
    return 0;
}
