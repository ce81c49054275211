/* Search: which files make up the configuration, in the order in which they are read. */
#pragma once

#include "cowherd/configuration.h"

struct config_paths {
    char **items;
    size_t n_items;
};

/* The files of places, masked and hidden ones left out; what cannot be searched is added to the messages as
 * an error. Returns 0 or -ENOMEM. */
int config_paths_find(const struct config_places *places, struct config_paths *ret_paths,
                      struct config_messages *messages);

void config_paths_done(struct config_paths *paths);
