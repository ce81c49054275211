/* Texts that belong to somebody. Pure. */
#pragma once

/* Puts a copy of a text, or NULL, in the place of what is there. Returns 0, or -ENOMEM with what was there. */
int text_replace(char **text, const char *with);
