/* SPDX-License-Identifier: MIT */
/* The classes and functions that may occur in a pickle of data. They are names: nothing is called. */
#include "object.h"

#include "error.h"

static const struct mproc__known makers[] = {
    { MPROC__KNOWN_SET, "builtins", "set" },
    { MPROC__KNOWN_FROZENSET, "builtins", "frozenset" },
    { MPROC__KNOWN_BYTEARRAY, "builtins", "bytearray" },
    { MPROC__KNOWN_BYTES, "builtins", "bytes" },
    { MPROC__KNOWN_ENCODE, "_codecs", "encode" },
};

#define BUILTIN(name) { MPROC__KNOWN_EXCEPTION, "builtins", #name }
#define OS_ERROR(name) { MPROC__KNOWN_OS_ERROR, "builtins", #name }
static const struct mproc__known exceptions[] = {
    BUILTIN(BaseException),
    BUILTIN(Exception),
    BUILTIN(ArithmeticError),
    BUILTIN(AssertionError),
    BUILTIN(AttributeError),
    BUILTIN(BaseExceptionGroup),
    OS_ERROR(BlockingIOError),
    OS_ERROR(BrokenPipeError),
    BUILTIN(BufferError),
    BUILTIN(BytesWarning),
    OS_ERROR(ChildProcessError),
    OS_ERROR(ConnectionAbortedError),
    OS_ERROR(ConnectionError),
    OS_ERROR(ConnectionRefusedError),
    OS_ERROR(ConnectionResetError),
    BUILTIN(DeprecationWarning),
    BUILTIN(EOFError),
    BUILTIN(EncodingWarning),
    BUILTIN(ExceptionGroup),
    OS_ERROR(FileExistsError),
    OS_ERROR(FileNotFoundError),
    BUILTIN(FloatingPointError),
    BUILTIN(FutureWarning),
    BUILTIN(GeneratorExit),
    BUILTIN(ImportError),
    BUILTIN(ImportWarning),
    BUILTIN(IndentationError),
    BUILTIN(IndexError),
    OS_ERROR(InterruptedError),
    OS_ERROR(IsADirectoryError),
    BUILTIN(KeyError),
    BUILTIN(KeyboardInterrupt),
    BUILTIN(LookupError),
    BUILTIN(MemoryError),
    BUILTIN(ModuleNotFoundError),
    BUILTIN(NameError),
    OS_ERROR(NotADirectoryError),
    BUILTIN(NotImplementedError),
    OS_ERROR(OSError),
    BUILTIN(OverflowError),
    BUILTIN(PendingDeprecationWarning),
    OS_ERROR(PermissionError),
    OS_ERROR(ProcessLookupError),
    BUILTIN(PythonFinalizationError),
    BUILTIN(RecursionError),
    BUILTIN(ReferenceError),
    BUILTIN(ResourceWarning),
    BUILTIN(RuntimeError),
    BUILTIN(RuntimeWarning),
    BUILTIN(StopAsyncIteration),
    BUILTIN(StopIteration),
    BUILTIN(SyntaxError),
    BUILTIN(SyntaxWarning),
    BUILTIN(SystemError),
    BUILTIN(SystemExit),
    BUILTIN(TabError),
    OS_ERROR(TimeoutError),
    BUILTIN(TypeError),
    BUILTIN(UnboundLocalError),
    BUILTIN(UnicodeDecodeError),
    BUILTIN(UnicodeEncodeError),
    BUILTIN(UnicodeError),
    BUILTIN(UnicodeTranslateError),
    BUILTIN(UnicodeWarning),
    BUILTIN(UserWarning),
    BUILTIN(ValueError),
    BUILTIN(Warning),
    BUILTIN(ZeroDivisionError),
    { MPROC__KNOWN_EXCEPTION, "_pickle", "PickleError" },
    { MPROC__KNOWN_EXCEPTION, "_pickle", "PicklingError" },
    { MPROC__KNOWN_EXCEPTION, "_pickle", "UnpicklingError" },
    { MPROC__KNOWN_EXCEPTION, "_queue", "Empty" },
    { MPROC__KNOWN_EXCEPTION, "binascii", "Error" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures._base", "BrokenExecutor" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures._base", "CancelledError" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures._base", "InvalidStateError" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures._base", "TimeoutError" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures.process", "BrokenProcessPool" },
    { MPROC__KNOWN_EXCEPTION, "concurrent.futures.thread", "BrokenThreadPool" },
    { MPROC__KNOWN_EXCEPTION, "json.decoder", "JSONDecodeError" },
    { MPROC__KNOWN_EXCEPTION, "queue", "Empty" },
    { MPROC__KNOWN_EXCEPTION, "queue", "Full" },
    { MPROC__KNOWN_EXCEPTION, "queue", "ShutDown" },
    { MPROC__KNOWN_OS_ERROR, "socket", "gaierror" },
    { MPROC__KNOWN_OS_ERROR, "socket", "herror" },
    { MPROC__KNOWN_OS_ERROR, "socket", "timeout" },
    { MPROC__KNOWN_EXCEPTION, "struct", "error" },
    { MPROC__KNOWN_EXCEPTION, "subprocess", "CalledProcessError" },
    { MPROC__KNOWN_EXCEPTION, "subprocess", "SubprocessError" },
    { MPROC__KNOWN_EXCEPTION, "subprocess", "TimeoutExpired" },
    { MPROC__KNOWN_EXCEPTION, "threading", "BrokenBarrierError" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.context", "AuthenticationError" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.context", "BufferTooShort" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.context", "ProcessError" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.context", "TimeoutError" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.managers", "RemoteError" },
    { MPROC__KNOWN_EXCEPTION, "multiprocessing.pool", "MaybeEncodingError" },
};

/* Names under which Python finds a class too, that it does not write itself. */
static const struct {
    const char *module;
    const char *name;
    const char *known_module;
    const char *known_name;
} aliases[] = {
    { "builtins", "EnvironmentError", "builtins", "OSError" },
    { "builtins", "IOError", "builtins", "OSError" },
    { "builtins", "WindowsError", "builtins", "OSError" },
    { "concurrent.futures", "BrokenExecutor", "concurrent.futures._base", "BrokenExecutor" },
    { "concurrent.futures", "CancelledError", "concurrent.futures._base", "CancelledError" },
    { "concurrent.futures", "InvalidStateError", "concurrent.futures._base", "InvalidStateError" },
    { "concurrent.futures", "TimeoutError", "concurrent.futures._base", "TimeoutError" },
    { "json", "JSONDecodeError", "json.decoder", "JSONDecodeError" },
    { "multiprocessing", "AuthenticationError", "multiprocessing.context", "AuthenticationError" },
    { "multiprocessing", "BufferTooShort", "multiprocessing.context", "BufferTooShort" },
    { "multiprocessing", "ProcessError", "multiprocessing.context", "ProcessError" },
    { "multiprocessing", "TimeoutError", "multiprocessing.context", "TimeoutError" },
    { "pickle", "PickleError", "_pickle", "PickleError" },
    { "pickle", "PicklingError", "_pickle", "PicklingError" },
    { "pickle", "UnpicklingError", "_pickle", "UnpicklingError" },
    { "socket", "error", "builtins", "OSError" },
};

static const struct mproc__known *look_up(const struct mproc__known *table, size_t count, struct mproc__word module,
                                          struct mproc__word name)
{
    for (size_t i = 0; i < count; i++)
        if (mproc__word_is(name, table[i].name) && mproc__word_is(module, table[i].module))
            return &table[i];
    return NULL;
}

const struct mproc__known *mproc__known(struct mproc__word module, struct mproc__word name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (mproc__word_is(name, aliases[i].name) && mproc__word_is(module, aliases[i].module)) {
            module = (struct mproc__word){ aliases[i].known_module, strlen(aliases[i].known_module) };
            name = (struct mproc__word){ aliases[i].known_name, strlen(aliases[i].known_name) };
            break;
        }
    const struct mproc__known *found = look_up(makers, sizeof makers / sizeof makers[0], module, name);
    return found ? found : look_up(exceptions, sizeof exceptions / sizeof exceptions[0], module, name);
}

/* ---- exceptions, globals, instances ---- */

static mproc_err create_global(mproc_object **object, const char *module, const char *name, bool exception)
{
    if (!object || !module || !name)
        return mproc__fail(MPROC_EINVAL, "A class needs a module and a name; one of them is NULL");
    size_t module_size = strlen(module), name_size = strlen(name);
    if (!mproc__utf8_valid(module, module_size) || !mproc__utf8_valid(name, name_size) || !module_size || !name_size)
        return mproc__fail(MPROC_EINVAL, "The names of a class must be UTF-8, and not empty");
    const struct mproc__known *known = mproc__known((struct mproc__word){ module, module_size },
                                                    (struct mproc__word){ name, name_size });
    if (exception && !mproc__is_exception_class(known))
        return mproc__fail(MPROC_EINVAL, "%.100s.%.100s is no exception that mproc knows", module, name);
    struct mproc__zone *zone = mproc__zone_create(sizeof(struct mproc__global) + module_size + name_size +
                                                  2 * sizeof(struct mproc__text) + 64);
    if (!zone)
        return mproc__fail_memory("the name of a class");
    mproc_object *m = mproc__make_text(zone, MPROC_TYPE_STR, module, module_size, MPROC__HELD);
    mproc_object *n = mproc__make_text(zone, MPROC_TYPE_STR, name, name_size, MPROC__HELD);
    mproc_object *global = m && n ? mproc__make_global(zone, m, n, 0) : NULL;
    if (!global) {
        mproc__zone_release(zone);
        return mproc__fail_memory("the name of a class");
    }
    *object = global;
    return MPROC_OK;
}

mproc_err mproc_global_create(mproc_object **object, const char *module, const char *name)
{
    return create_global(object, module, name, false);
}

mproc_err mproc_global_get(const mproc_object *object, const char **module, const char **name)
{
    if (!object || mproc__type(object) != MPROC_TYPE_GLOBAL)
        return mproc__fail_type(object, "global");
    const struct mproc__global *global = (const struct mproc__global *) object;
    if (module)
        *module = mproc__text(global->names[0]);
    if (name)
        *name = mproc__text(global->names[1]);
    return MPROC_OK;
}

static bool has_type(const mproc_object *object, mproc_type type)
{
    return object && mproc__type(object) == type;
}

static mproc_err check_parts(const mproc_instance_parts *parts)
{
    if (!has_type(parts->callable, MPROC_TYPE_GLOBAL) && !has_type(parts->callable, MPROC_TYPE_INSTANCE))
        return mproc__fail(MPROC_EINVAL, "An instance's callable must be a global or an instance");
    if (!has_type(parts->args, MPROC_TYPE_TUPLE))
        return mproc__fail(MPROC_EINVAL, "An instance's args must be a tuple");
    if ((unsigned) parts->recipe > MPROC_RECIPE_NEW_EX ||
        has_type(parts->kwargs, MPROC_TYPE_DICT) != (parts->recipe == MPROC_RECIPE_NEW_EX))
        return mproc__fail(MPROC_EINVAL, "An instance has kwargs, a dict, if its recipe is MPROC_RECIPE_NEW_EX");
    if ((parts->items && !has_type(parts->items, MPROC_TYPE_LIST)) ||
        (parts->pairs && (!has_type(parts->pairs, MPROC_TYPE_LIST) || parts->pairs->lower % 2)))
        return mproc__fail(MPROC_EINVAL, "An instance's items and pairs must be lists, pairs of even length");
    if (parts->state_setter && (!parts->state || (!has_type(parts->state_setter, MPROC_TYPE_GLOBAL) &&
                                                  !has_type(parts->state_setter, MPROC_TYPE_INSTANCE))))
        return mproc__fail(MPROC_EINVAL, "An instance's state_setter must be a global or an instance, with a state");
    return MPROC_OK;
}

mproc_err mproc_instance_create(mproc_object **object, const mproc_instance_parts *parts)
{
    if (!object || !parts)
        return mproc__fail(MPROC_EINVAL, "mproc_instance_create: object or parts is NULL");
    mproc_err err = check_parts(parts);
    if (err != MPROC_OK)
        return err;
    mproc_object *all[PART_COUNT] = { parts->callable, parts->args,  parts->kwargs,      parts->state,
                                      parts->items,    parts->pairs, parts->state_setter };
    /* with a setter its pickle refers to it */
    unsigned flags = parts->state_setter ? MPROC__SHARED : 0;
    mproc_object *instance = mproc__make_instance(NULL, parts->recipe, parts->callable, NULL, flags);
    if (!instance)
        return mproc__fail_memory("an instance");
    ((struct mproc__instance *) instance)->parts[PART_CALLABLE] = NULL;
    for (int i = 0; i < PART_COUNT; i++) {
        if (all[i] && !mproc__hold_item(instance, all[i])) {
            mproc_object_release(instance);
            return mproc__fail_memory("an instance");
        }
        ((struct mproc__instance *) instance)->parts[i] = all[i];
    }
    *object = instance;
    return MPROC_OK;
}

mproc_err mproc_instance_get(const mproc_object *object, mproc_instance_parts *parts)
{
    if (!parts)
        return mproc__fail(MPROC_EINVAL, "mproc_instance_get: parts is NULL; say where to put them");
    if (!has_type(object, MPROC_TYPE_INSTANCE) && !has_type(object, MPROC_TYPE_EXCEPTION))
        return mproc__fail_type(object, "instance or exception");
    mproc_object *const *all = ((const struct mproc__instance *) object)->parts;
    *parts = (mproc_instance_parts){ (mproc_recipe) object->lower, all[PART_CALLABLE], all[PART_ARGS],
                                     all[PART_KWARGS], all[PART_STATE], all[PART_ITEMS], all[PART_PAIRS],
                                     all[PART_SETTER] };
    return MPROC_OK;
}

mproc_err mproc_exception_create(mproc_object **object, const char *module, const char *name, mproc_object *args)
{
    mproc_object *class, *none = NULL;
    if (!object || (args && !has_type(args, MPROC_TYPE_TUPLE)))
        return mproc__fail(MPROC_EINVAL, "An exception's args must be a tuple, or NULL for none");
    mproc_err err = create_global(&class, module, name, true);
    if (err != MPROC_OK)
        return err;
    if (!args)
        err = mproc_tuple_create(&none, NULL, 0);
    mproc_instance_parts parts = { .recipe = MPROC_RECIPE_CALL, .callable = class, .args = args ? args : none };
    if (err == MPROC_OK)
        err = mproc_instance_create(object, &parts);
    mproc_object_release(none);
    mproc_object_release(class);
    return err;
}

mproc_err mproc_exception_get(const mproc_object *object, const char **module, const char **name,
                              mproc_object **args)
{
    if (!has_type(object, MPROC_TYPE_EXCEPTION))
        return mproc__fail_type(object, "exception");
    mproc_object *const *parts = ((const struct mproc__instance *) object)->parts;
    if (args)
        *args = parts[PART_ARGS];
    return mproc_global_get(parts[PART_CALLABLE], module, name);
}
