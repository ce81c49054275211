/* release-brakes: puts back every limit that cowherd has set and not put back (the unit's ExecStopPost).
 *
 * Exit code 0 where nothing is left, 1 where a limit could not be put back, 71 where the records cannot be read.
 */
#include "cowherd/brake_limit.h"
#include "directories.h"
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int main(void)
{
    int n = brake_limit_release_all(directory_runtime());
    if (n < 0)
        fprintf(stderr, "release-brakes: the records of the limits cannot be read: %s\n", strerror(-n));
    if (n > 0)
        fprintf(stderr, "release-brakes: the limits of %d devices cannot be put back\n", n);
    if (n < 0)
        return EX_OSERR;
    return n > 0 ? 1 : 0;
}
