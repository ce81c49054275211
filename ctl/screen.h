/* The terminal's screen while cowctl watch has it: pictures drawn over one another, and put back as it was. */
#pragma once

#include <stdio.h>

struct screen_size {
    unsigned columns;
    unsigned lines;
};

/* The alternate screen, without a cursor. */
void screen_enter(void);
void screen_leave(void);

/* What the terminal says now; 80 by 24 where it says nothing. */
struct screen_size screen_size(void);

/* Draws the picture's lines over those of the last one, no more than there is room for. */
void screen_draw(const char *picture, unsigned lines);
