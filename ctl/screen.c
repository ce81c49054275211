#include "screen.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void screen_enter(void)
{
    fputs("\033[?1049h\033[?25l", stdout);
    fflush(stdout);
}

void screen_leave(void)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
}

struct screen_size screen_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        return (struct screen_size){.columns = 80, .lines = 24};
    return (struct screen_size){.columns = size.ws_col, .lines = size.ws_row};
}

/* Each line is written over the old one, and what is left of that erased: nothing flickers. The last line has no end, or
 * the screen would scroll. */
void screen_draw(const char *picture, unsigned lines)
{
    fputs("\033[H", stdout);
    for (unsigned i = 0; i < lines && *picture; i++) {
        size_t length = strcspn(picture, "\n");
        printf("%s%.*s\033[0m\033[K", i ? "\r\n" : "", (int)length, picture);
        picture += length + (picture[length] == '\n');
    }
    fputs("\033[0m\033[J", stdout);
    fflush(stdout);
}
