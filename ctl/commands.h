/* The commands of cowctl. Each takes its arguments as main() does, argv[0] being "cowctl COMMAND", and returns the exit
 * code of the program.
 */
#pragma once

int command_check(int argc, char **argv);
int command_drop(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_extend(int argc, char **argv);
int command_hold(int argc, char **argv);
int command_log(int argc, char **argv);
int command_merge(int argc, char **argv);
int command_names(int argc, char **argv);
int command_release(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_status(int argc, char **argv);
int command_watch(int argc, char **argv);
