#include "client.h"
#include <errno.h>
#include <string.h>
#include <sysexits.h>

int client_open(sd_bus **ret_bus, struct failure *ret_failure)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_system(&bus);
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(bus, CLIENT_DEADLINE_USEC);
    if (r < 0) {
        sd_bus_unref(bus);
        return failure_set(ret_failure, EX_UNAVAILABLE, "the system bus cannot be reached (%s)",
                           strerror(-r));
    }
    *ret_bus = bus;
    return 0;
}

int client_new_call(sd_bus *bus, const char *interface, const char *method, sd_bus_message **ret_message)
{
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, CLIENT_NAME, CLIENT_PATH, interface, method);
    if (r >= 0)
        r = sd_bus_message_set_auto_start(message, false);
    if (r < 0) {
        sd_bus_message_unref(message);
        return r;
    }
    *ret_message = message;
    return 0;
}

static const char not_running[] = "cowherd is not running";

/* Errors that have an exit code of their own; the daemon's begin with its own name. */
static const struct {
    const char *name;
    int code;
    const char *sentence; /* NULL: the error's own */
} known_errors[] = {
    {SD_BUS_ERROR_SERVICE_UNKNOWN, EX_UNAVAILABLE, not_running},
    {SD_BUS_ERROR_NAME_HAS_NO_OWNER, EX_UNAVAILABLE, not_running},
    {SD_BUS_ERROR_DISCONNECTED, EX_UNAVAILABLE, "the connection to the bus is lost"},
    {"System.Error.ENOTCONN", EX_UNAVAILABLE, "the system bus does not answer"}, /* nor let us in */
    {"System.Error.ECONNRESET", EX_UNAVAILABLE, "the connection to the bus is lost"},
    {SD_BUS_ERROR_NO_REPLY, EX_UNAVAILABLE, "cowherd does not answer"},
    {SD_BUS_ERROR_TIMEOUT, EX_UNAVAILABLE, "cowherd does not answer"},
    {"System.Error.ETIMEDOUT", EX_UNAVAILABLE, "cowherd does not answer"},
    {SD_BUS_ERROR_ACCESS_DENIED, EX_NOPERM, NULL},
    {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EX_NOPERM, NULL},
    {"System.Error.EACCES", EX_NOPERM, NULL},
    {CLIENT_NAME ".Error.NoSuchSnapshot", EX_NOINPUT, NULL},
    {SD_BUS_ERROR_FILE_NOT_FOUND, EX_NOINPUT, NULL},
    {"System.Error.ENOENT", EX_NOINPUT, NULL},
    {SD_BUS_ERROR_UNKNOWN_OBJECT, EX_NOINPUT, NULL},
    {CLIENT_NAME ".Error.BadConfiguration", EX_CONFIG, NULL},
    {SD_BUS_ERROR_INVALID_ARGS, EX_USAGE, NULL},
    {CLIENT_NAME ".Error.BadAmount", EX_USAGE, NULL},
    {"System.Error.EINVAL", EX_USAGE, NULL},
    {CLIENT_NAME ".Error.Busy", 1, NULL},
    {CLIENT_NAME ".Error.Refused", 1, NULL},
    {"System.Error.EBUSY", 1, NULL},
    {"System.Error.EPERM", 1, NULL},
    {SD_BUS_ERROR_NO_MEMORY, EX_OSERR, NULL},
    {SD_BUS_ERROR_LIMITS_EXCEEDED, EX_TEMPFAIL, NULL},
};

int client_failure(const sd_bus_error *error, int r, struct failure *ret_failure)
{
    for (size_t i = 0; i < sizeof(known_errors) / sizeof(known_errors[0]); i++) {
        const char *sentence = known_errors[i].sentence;
        if (!sd_bus_error_has_name(error, known_errors[i].name))
            continue;
        failure_set(ret_failure, known_errors[i].code, "%s",
                    sentence         ? sentence
                    : error->message ? error->message
                                     : error->name);
        ret_failure->is_unguarded = sentence == not_running;
        return -1;
    }
    if (sd_bus_error_is_set(error))
        return failure_set(ret_failure, EX_SOFTWARE, "%s", error->message ? error->message : error->name);
    if (r == -ETIMEDOUT)
        return failure_set(ret_failure, EX_UNAVAILABLE, "cowherd does not answer");
    return failure_set(ret_failure, EX_OSERR, "the bus: %s", strerror(-r));
}

int client_call(sd_bus *bus, sd_bus_message *message, uint64_t deadline_usec, sd_bus_message **ret_reply,
                struct failure *ret_failure)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(bus, message, deadline_usec, &error, ret_reply);
    if (r < 0)
        client_failure(&error, r, ret_failure);
    sd_bus_error_free(&error);
    return r < 0 ? -1 : 0;
}
