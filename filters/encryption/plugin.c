/* plugin.c - how do libcryptsetup's token plugins give us a passphrase?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * libcryptsetup asks a plugin and uses the passphrase at once, on its own device; we want
 * the passphrase.  So the plugin is called as libcryptsetup calls it (the interface that
 * libcryptsetup.h describes for plugins, version 1), with a header of its own in memory
 * that has this token and nothing else: a plugin never sees the disk. */
#include "provider.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <json-c/json.h>
#include <libcryptsetup.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEVICE_SIZE = 16 << 20, METADATA_SIZE = 1 << 20, KEYSLOTS_SIZE = 1 << 20, TYPE_MAX = 64 };

struct plugin {
    void *library;
    crypt_token_open_func open;
    crypt_token_buffer_free_func free; /* NULL: free() */
};

/* ---- a header for it ---------------------------------------------------------- */

static void keep_error(int level, const char *message, void *arg)
{
    char *said = arg;

    if (level != CRYPT_LOG_ERROR)
        return;
    snprintf(said, HEADER_WHY / 2, "%s", message);
    said[strcspn(said, "\n")] = '\0';
}

/* No key slot is there, so the token may name none. */
static int put_token(struct crypt_device *device, int token, struct json_object *object)
{
    struct json_object *copy = NULL;
    int r = json_object_deep_copy(object, &copy, NULL);

    if (r)
        return -ENOMEM;
    json_object_object_add(copy, "keyslots", json_object_new_array());
    r = crypt_token_json_set(device, token, json_object_to_json_string(copy));
    json_object_put(copy);
    return r < 0 ? r : 0;
}

static int make_header(const char *path, const char *uuid, struct crypt_device **ret, char *said)
{
    struct crypt_params_luks2 params = { .sector_size = 512 };
    struct crypt_device *device = NULL;
    int r = crypt_init(&device, path);

    if (r < 0)
        return r;
    crypt_set_log_callback(device, keep_error, said);
    crypt_set_rng_type(device, CRYPT_RNG_URANDOM);
    r = crypt_set_metadata_size(device, METADATA_SIZE, KEYSLOTS_SIZE);
    if (r >= 0)
        r = crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", uuid && *uuid ? uuid : NULL,
                         NULL, 64, &params);
    if (r < 0) {
        crypt_free(device);
        return r;
    }
    *ret = device;
    return 0;
}

/* ---- the plugin --------------------------------------------------------------- */

/* The type comes with the disk: as libcryptsetup, no word that leaves the folder. */
static bool type_is_safe(const char *type)
{
    size_t length = strlen(type);

    if (!length || length > TYPE_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)type[i]) && type[i] != '-' && type[i] != '_')
            return false;
    return true;
}

static int load(const char *type, int token, struct plugin *plugin, char why[HEADER_WHY])
{
    char path[PATH_MAX];

    if (!type_is_safe(type))
        return key_refuse(why, EBADMSG, "token %d of the header has no type that can be", token);
    snprintf(path, sizeof path, "%s/libcryptsetup-token-%s.so", crypt_token_external_path(), type);
    if (access(path, F_OK))
        return key_refuse(why, ENOTSUP,
                          "token %d is of type %s, for which this host has no plugin: install the "
                          "package that has \"%s\".",
                          token, type, path);
    /* it stays: libraries below it may have threads or leave handlers */
    plugin->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!plugin->library)
        return key_refuse(why, ELIBBAD, "token %d: the plugin cannot be loaded: %s", token,
                          dlerror());
    plugin->open = (crypt_token_open_func)dlvsym(plugin->library, CRYPT_TOKEN_ABI_OPEN,
                                                 CRYPT_TOKEN_ABI_VERSION1);
    plugin->free = (crypt_token_buffer_free_func)dlvsym(
        plugin->library, CRYPT_TOKEN_ABI_BUFFER_FREE, CRYPT_TOKEN_ABI_VERSION1);
    if (plugin->open)
        return 0;
    dlclose(plugin->library);
    return key_refuse(why, ELIBBAD, "token %d: \"%s\" is no plugin of libcryptsetup, version 1",
                      token, path);
}

static int refuse_open(int error, int token, const char *type, const char *said,
                       char why[HEADER_WHY])
{
    if (error == ENOANO)
        return key_refuse(why, EACCES,
                          "token %d of type %s wants a PIN, and nobody is there to type it: enrol "
                          "one without a PIN, or use another provider",
                          token, type);
    if (error == EAGAIN)
        return key_refuse(why, ENOENT,
                          "token %d of type %s: the device that it needs, as a TPM, is not there "
                          "or not for the user of the gateway: look at /dev/tpmrm0",
                          token, type);
    return key_refuse(why, error == EPERM ? EACCES : error,
                      "token %d of type %s gave no key: %s%s%s", token, type, strerror(error),
                      *said ? ": " : "", said);
}

static int take(const struct plugin *plugin, char *buffer, size_t size, struct secret *key)
{
    int r = size ? secret_copy(key, buffer, size) : -ENODATA;

    secret_wipe(buffer, size);
    if (plugin->free)
        plugin->free(buffer, size);
    else
        free(buffer);
    return r;
}

int plugin_open_token(const struct key_request *request, int token, const char *type,
                      struct json_object *object, struct secret *key, char why[HEADER_WHY])
{
    struct plugin plugin = { 0 };
    struct crypt_device *device = NULL;
    char path[32], said[HEADER_WHY / 2] = "", *buffer = NULL;
    size_t size = 0;
    int r = load(type, token, &plugin, why);

    if (r)
        return r;
    int fd = memfd_create("weir-token", MFD_CLOEXEC);
    r = fd < 0 || ftruncate(fd, DEVICE_SIZE) ? -errno : 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!r)
        r = make_header(path, request->uuid, &device, said);
    if (!r)
        r = put_token(device, token, object);
    if (!r)
        r = plugin.open(device, token, &buffer, &size, NULL);
    if (r >= 0)
        r = take(&plugin, buffer, size, key);
    if (r < 0)
        r = refuse_open(-r, token, type, said, why);
    crypt_free(device);
    if (fd >= 0)
        close(fd);
    dlclose(plugin.library);
    return r;
}
