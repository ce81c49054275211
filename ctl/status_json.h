/* cowctl status --json: {"snapshots": […]}, as conf/cowctl-status.schema.json says. */
#pragma once

#include "accounts.h"
#include <stdio.h>

/* Returns 0 or a negative errno. */
int status_json_print(const struct accounts *accounts, FILE *stream);
