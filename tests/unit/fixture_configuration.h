/* Configurations as read from real files, in a directory of the test's own. */
#pragma once

#include "cowherd/configuration.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* That directory; made and removed by the group of tests. */
extern char root[];
int make_root(void **state);
int remove_root(void **state);

/* Every test starts with the three directories etc, run and lib there, empty. */
int set_up(void **state);

/* A path there; good for four at a time. */
const char *path_of(const char *name);

/* A command of the shell, there. */
void run_in_root(const char *command);

void write_bytes(const char *name, const void *bytes, size_t n_bytes);
void write_text(const char *name, const char *text);

/* The places: the file "f" alone, or the three directories. */
struct config_places the_file(void);
struct config_places the_directories(void);

/* Reads with the messages that are expected, a line each: "NAME:LINE: text", warnings with "warning: " before the text. The
 * result is 0 where none of them is an error. */
void read_places(const struct config_places *places, struct configuration *configuration, int expected,
                 const char *expected_messages);

/* The file "f" with this text, or these bytes, is taken or refused. */
void accept_text(const char *text, struct configuration *configuration);
void accept_text_with(const char *text, const char *warnings, struct configuration *configuration);
void refuse_text(const char *text, const char *messages);
void refuse_bytes(const void *bytes, size_t n_bytes, const char *messages);

/* What is in the directories is. */
void accept_directories(struct configuration *configuration);
void refuse_directories(const char *messages);

/* The section that is there without any. */
void assert_default_policy(const struct policy *policy);
