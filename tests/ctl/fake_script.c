#include "fake_script.h"
#include "fake_service.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *unescape(char *text)
{
    char *to = text;
    for (char *from = text; *from; to++) {
        unsigned byte;
        if (sscanf(from, "\\x%2x", &byte) == 1) {
            *to = (char)byte;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return text;
}

static void add_many(unsigned n)
{
    char name[32];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "snap%04u", i);
        struct snapshot *snapshot = snapshots_add(name);
        snapshot->used_percent = i * 100.0 / n;
    }
}

static bool add_rung(struct snapshot *snapshot, char *rest)
{
    char *fired = strsep(&rest, " "), *in_time = strsep(&rest, " ");
    if (!rest || snapshot->n_rungs == RUNGS_MAX)
        return false;
    struct rung *rung = &snapshot->rungs[snapshot->n_rungs++];
    rung->fired = strcmp(fired, "yes") == 0;
    snprintf(rung->in_time, sizeof(rung->in_time), "%s", strcmp(in_time, "-") == 0 ? "" : in_time);
    snprintf(rung->reason, sizeof(rung->reason), "%s", rung->in_time[0] ? "it takes 80 ms" : "");
    snprintf(rung->text, sizeof(rung->text), "%s", rest);
    return true;
}

static bool set_action(struct snapshot *snapshot, char *rest)
{
    char *kind = strsep(&rest, " "), *phase = strsep(&rest, " "), *percent = strsep(&rest, " ");
    if (!percent)
        return false;
    snprintf(snapshot->action, TEXT_MAX, "%s", strcmp(kind, "-") == 0 ? "" : kind);
    snprintf(snapshot->phase, TEXT_MAX, "%s", phase);
    snprintf(snapshot->action_rung, TEXT_MAX, "order of root");
    snprintf(snapshot->action_reason, TEXT_MAX, "%s", rest ? rest : "");
    snapshot->progress = strtod(percent, NULL);
    service_changed(snapshot, "Action");
    return true;
}

static bool obey_about(struct snapshot *snapshot, const char *command, char *rest)
{
    if (strcmp(command, "set") == 0) {
        char *property = strsep(&rest, " ");
        return property && service_set(snapshot, property, rest ? rest : "");
    }
    if (strcmp(command, "rung") == 0)
        return add_rung(snapshot, rest);
    if (strcmp(command, "action") == 0)
        return set_action(snapshot, rest);
    if (strcmp(command, "remove") == 0) {
        service_removed(snapshot);
        snapshots_remove(snapshot);
        return true;
    }
    if (strcmp(command, "done") == 0 || strcmp(command, "failed") == 0) {
        char *action = strsep(&rest, " ");
        return action && service_signal_end(snapshot, action, rest, command[0] == 'f') >= 0;
    }
    return false;
}

bool script_obey(char *line)
{
    char *rest = line, *command = strsep(&rest, " ");
    if (strcmp(command, "hang") == 0) {
        service_hang();
        return true;
    }
    if (strcmp(command, "garble") == 0) {
        service_garble();
        return true;
    }
    char *name = rest ? unescape(strsep(&rest, " ")) : NULL;
    if (!name)
        return false;
    if (strcmp(command, "add") == 0)
        return snapshots_add(name);
    if (strcmp(command, "config") == 0) {
        service_read_file(name);
        return true;
    }
    if (strcmp(command, "many") == 0) {
        add_many((unsigned)strtoul(name, NULL, 10));
        return true;
    }
    struct snapshot *snapshot = snapshots_find(name);
    return snapshot && obey_about(snapshot, command, rest);
}
