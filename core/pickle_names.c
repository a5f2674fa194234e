/* SPDX-License-Identifier: MIT */
/* What Python 2 called modules, classes and functions that have another name today. Pickles of protocols 0 to 2
 * have the old names (Python's Lib/_compat_pickle.py): they are translated when they are read, and back when
 * protocol 2 is written. */
#include "object.h"

struct rename {
    const char *old;
    const char *today;
};

/* Modules of which every name has moved. */
static const struct rename modules[] = {
    { "__builtin__", "builtins" },
    { "copy_reg", "copyreg" },
    { "Queue", "queue" },
    { "SocketServer", "socketserver" },
    { "ConfigParser", "configparser" },
    { "repr", "reprlib" },
    { "tkFileDialog", "tkinter.filedialog" },
    { "tkSimpleDialog", "tkinter.simpledialog" },
    { "tkColorChooser", "tkinter.colorchooser" },
    { "tkCommonDialog", "tkinter.commondialog" },
    { "Dialog", "tkinter.dialog" },
    { "Tkdnd", "tkinter.dnd" },
    { "tkFont", "tkinter.font" },
    { "tkMessageBox", "tkinter.messagebox" },
    { "ScrolledText", "tkinter.scrolledtext" },
    { "Tkconstants", "tkinter.constants" },
    { "Tix", "tkinter.tix" },
    { "ttk", "tkinter.ttk" },
    { "Tkinter", "tkinter" },
    { "markupbase", "_markupbase" },
    { "_winreg", "winreg" },
    { "thread", "_thread" },
    { "dummy_thread", "_dummy_thread" },
    { "dbhash", "dbm.bsd" },
    { "dumbdbm", "dbm.dumb" },
    { "dbm", "dbm.ndbm" },
    { "gdbm", "dbm.gnu" },
    { "anydbm", "dbm" },
    { "xmlrpclib", "xmlrpc.client" },
    { "SimpleXMLRPCServer", "xmlrpc.server" },
    { "httplib", "http.client" },
    { "htmlentitydefs", "html.entities" },
    { "HTMLParser", "html.parser" },
    { "Cookie", "http.cookies" },
    { "cookielib", "http.cookiejar" },
    { "BaseHTTPServer", "http.server" },
    { "test.test_support", "test.support" },
    { "commands", "subprocess" },
    { "urlparse", "urllib.parse" },
    { "robotparser", "urllib.robotparser" },
    { "urllib2", "urllib.request" },
    { "_abcoll", "collections.abc" },
};

/* Old modules that are read only: the new one has another old name, or was there before. */
static const struct rename more_modules[] = {
    { "exceptions", "builtins" },
    { "cPickle", "pickle" },
    { "_elementtree", "xml.etree.ElementTree" },
    { "FileDialog", "tkinter.filedialog" },
    { "SimpleDialog", "tkinter.simpledialog" },
    { "DocXMLRPCServer", "xmlrpc.server" },
    { "SimpleHTTPServer", "http.server" },
    { "CGIHTTPServer", "http.server" },
    { "UserDict", "collections" },
    { "UserList", "collections" },
    { "UserString", "collections" },
    { "whichdb", "dbm" },
    { "StringIO", "io" },
    { "cStringIO", "io" },
};

/* Single names: module and name, with a newline between as in the pickle. */
static const struct rename names[] = {
    { "__builtin__\nxrange", "builtins\nrange" },
    { "__builtin__\nreduce", "functools\nreduce" },
    { "__builtin__\nintern", "sys\nintern" },
    { "__builtin__\nunichr", "builtins\nchr" },
    { "__builtin__\nunicode", "builtins\nstr" },
    { "__builtin__\nlong", "builtins\nint" },
    { "itertools\nizip", "builtins\nzip" },
    { "itertools\nimap", "builtins\nmap" },
    { "itertools\nifilter", "builtins\nfilter" },
    { "itertools\nifilterfalse", "itertools\nfilterfalse" },
    { "itertools\nizip_longest", "itertools\nzip_longest" },
    { "UserDict\nIterableUserDict", "collections\nUserDict" },
    { "UserList\nUserList", "collections\nUserList" },
    { "UserString\nUserString", "collections\nUserString" },
    { "whichdb\nwhichdb", "dbm\nwhichdb" },
    { "_socket\nfromfd", "socket\nfromfd" },
    { "_multiprocessing\nConnection", "multiprocessing.connection\nConnection" },
    { "multiprocessing.process\nProcess", "multiprocessing.context\nProcess" },
    { "multiprocessing.forking\nPopen", "multiprocessing.popen_fork\nPopen" },
    { "multiprocessing\nAuthenticationError", "multiprocessing.context\nAuthenticationError" },
    { "multiprocessing\nBufferTooShort", "multiprocessing.context\nBufferTooShort" },
    { "multiprocessing\nProcessError", "multiprocessing.context\nProcessError" },
    { "multiprocessing\nTimeoutError", "multiprocessing.context\nTimeoutError" },
    { "urllib\nContentTooShortError", "urllib.error\nContentTooShortError" },
    { "urllib\ngetproxies", "urllib.request\ngetproxies" },
    { "urllib\npathname2url", "urllib.request\npathname2url" },
    { "urllib\nquote_plus", "urllib.parse\nquote_plus" },
    { "urllib\nquote", "urllib.parse\nquote" },
    { "urllib\nunquote_plus", "urllib.parse\nunquote_plus" },
    { "urllib\nunquote", "urllib.parse\nunquote" },
    { "urllib\nurl2pathname", "urllib.request\nurl2pathname" },
    { "urllib\nurlcleanup", "urllib.request\nurlcleanup" },
    { "urllib\nurlencode", "urllib.parse\nurlencode" },
    { "urllib\nurlopen", "urllib.request\nurlopen" },
    { "urllib\nurlretrieve", "urllib.request\nurlretrieve" },
    { "urllib2\nHTTPError", "urllib.error\nHTTPError" },
    { "urllib2\nURLError", "urllib.error\nURLError" },
};

/* Single names that are read only. */
static const struct rename more_names[] = {
    { "__builtin__\nbasestring", "builtins\nstr" },
    { "exceptions\nStandardError", "builtins\nException" },
    { "UserDict\nUserDict", "collections\nUserDict" },
    { "socket\n_socketobject", "socket\nSocketType" },
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static struct mproc__word word(const char *text, size_t size)
{
    return (struct mproc__word){ text, size };
}

/* Whether `text` is the module and the name with a newline between. */
static bool is_pair(const char *text, struct mproc__word module, struct mproc__word name)
{
    const char *newline = strchr(text, '\n');
    return (size_t) (newline - text) == module.size && memcmp(text, module.text, module.size) == 0 &&
           mproc__word_is(name, newline + 1);
}

static bool rename_pair(const struct rename *table, size_t count, bool back, struct mproc__word *module,
                        struct mproc__word *name)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_pair(back ? table[i].today : table[i].old, *module, *name))
            continue;
        const char *to = back ? table[i].old : table[i].today, *end = strchr(to, '\n');
        *module = word(to, (size_t) (end - to));
        *name = word(end + 1, strlen(end + 1));
        return true;
    }
    return false;
}

static bool rename_module(const struct rename *table, size_t count, bool back, struct mproc__word *module)
{
    for (size_t i = 0; i < count; i++) {
        if (!mproc__word_is(*module, back ? table[i].today : table[i].old))
            continue;
        const char *to = back ? table[i].old : table[i].today;
        *module = word(to, strlen(to));
        return true;
    }
    return false;
}

void mproc__name_today(struct mproc__word *module, struct mproc__word *name)
{
    (void) (rename_pair(names, COUNT(names), false, module, name) ||
            rename_pair(more_names, COUNT(more_names), false, module, name) ||
            rename_module(modules, COUNT(modules), false, module) ||
            rename_module(more_modules, COUNT(more_modules), false, module));
}

void mproc__name_in_python_2(struct mproc__word *module, struct mproc__word *name)
{
    (void) (rename_pair(names, COUNT(names), true, module, name) ||
            rename_module(modules, COUNT(modules), true, module));
}
