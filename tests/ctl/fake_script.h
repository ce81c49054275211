/* The script: what the fake herd is told to show, one command a line; a name is escaped (\x20 is a blank):
 *   add NAME                     a backup snapshot, half full
 *   many N                       N of them: snap0000 …
 *   set NAME PROPERTY VALUE      a number, yes or no, or a text to the end of the line, empty too
 *   rung NAME yes|no IN_TIME TEXT   one rung more; fired or not; IN_TIME is yes, no or -
 *   action NAME KIND PHASE PERCENT [REASON]
 *   remove NAME
 *   done|failed NAME ACTION [RUNG]   the signal; without a RUNG of an order
 *   config FILE                  it reads this configuration
 *   hang                         answers nothing any more
 *   garble                       answers what nobody understands where all snapshots are asked for
 */
#pragma once

#include <stdbool.h>

/* Does what a line says, which is taken apart. False: it says nothing that can be done. */
bool script_obey(char *line);
