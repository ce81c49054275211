/* file: files that cannot be trusted, or not be read. */
#include "fixture_configuration.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static void test_missing_file(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    read_places(&places, &configuration, -EINVAL,
                "f:0: the file cannot be opened: No such file or directory\n");
}

static void test_unreadable_file(void **state)
{
    const struct config_places places = the_file();
    const bool is_root = geteuid() == 0;
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\n");
    assert_int_equal(chmod(places.file, 0), 0);
    assert_int_equal(chmod(root, 0755), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
    read_places(&places, &configuration, -EINVAL, "f:0: the file cannot be opened: Permission denied\n");
    if (is_root)
        assert_int_equal(seteuid(0), 0);
}

static void test_not_a_regular_file(void **state)
{
    static const char *const makers[] = {"mkdir f", "mkfifo f", "ln -s /dev/null f", "ln -s /dev/zero f",
                                         "ln -s etc f"};
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        run_in_root("rm -rf f");
        run_in_root(makers[i]);
        read_places(&places, &configuration, -EINVAL, "f:0: this is not a regular file\n");
    }
}

static void test_dangling_link(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    run_in_root(
        "ln -s nowhere f && ln -s nowhere etc/cowherd.conf && ln -s nowhere lib/cowherd.conf.d/a.conf");
    read_places(&places, &configuration, -EINVAL,
                "f:0: the file cannot be opened: No such file or directory\n");
    refuse_directories("etc/cowherd.conf:0: the file cannot be opened: No such file or directory\n"
                       "lib/cowherd.conf.d/a.conf:0: the file cannot be opened: No such file or directory\n");
}

static void test_link_to_a_good_file(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    write_text("g", "[daemon]\nbrake = no\n");
    run_in_root("ln -s g f");
    read_places(&places, &configuration, 0, "");
    assert_false(configuration.brake);
    configuration_done(&configuration);
}

static void test_owner(void **state)
{
    struct config_places places = the_file();
    struct configuration configuration;
    char message[128];

    (void)state;
    write_text("f", "[daemon]\n");
    places.owner = getuid() + 1;
    snprintf(message, sizeof(message), "f:0: the file belongs to user %u; it must be user %u's\n", getuid(),
             getuid() + 1);
    read_places(&places, &configuration, -EINVAL, message);
}

/* Every mode with the owner's rw: what others may write is refused. */
static void test_modes(void **state)
{
    const struct config_places places = the_file();
    const bool root_group = getgid() == 0;
    struct configuration configuration;

    (void)state;
    write_text("f", "[daemon]\n");
    for (mode_t mode = 0; mode <= 077; mode++) {
        assert_int_equal(chmod(places.file, 0600 | mode), 0);
        if ((mode & 02) || ((mode & 020) && !root_group)) {
            read_places(&places, &configuration, -EINVAL,
                        "f:0: the file can be written by others than its owner\n");
        } else {
            read_places(&places, &configuration, 0, "");
            configuration_done(&configuration);
        }
    }
}

/* An access control list with a right to write for another user: the mode then shows that for the group. */
static void test_an_access_control_list(void **state)
{
    const struct config_places places = the_file();
    const struct {
        uint32_t version;
        struct {
            uint16_t tag, rights;
            uint32_t id;
        } entries[5];
    } list = {2,
              {{0x01, 6, UINT32_MAX},
               {0x02, 6, 1},
               {0x04, 0, UINT32_MAX},
               {0x10, 6, UINT32_MAX},
               {0x20, 0, UINT32_MAX}}};
    struct configuration configuration;
    struct stat status;

    (void)state;
    write_text("f", "[daemon]\n");
    if (setxattr(places.file, "system.posix_acl_access", &list, sizeof(list), 0) < 0) {
        assert_int_equal(errno, EOPNOTSUPP);
        skip();
    }
    assert_int_equal(stat(places.file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    read_places(&places, &configuration, -EINVAL, "f:0: the file can be written by others than its owner\n");
}

/* Only root can give a file to another group. */
static void test_group_that_is_not_roots(void **state)
{
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    if (geteuid() != 0)
        skip();
    write_text("f", "[daemon]\n");
    assert_int_equal(chown(places.file, 0, 1), 0);
    assert_int_equal(chmod(places.file, 0664), 0);
    read_places(&places, &configuration, -EINVAL, "f:0: the file can be written by others than its owner\n");
    assert_int_equal(chmod(places.file, 0644), 0);
    read_places(&places, &configuration, 0, "");
    configuration_done(&configuration);
}

static void test_noise(void **state)
{
    const size_t n_bytes = MIB;
    unsigned char *noise = malloc(n_bytes);
    uint32_t seed = 1;

    (void)state;
    assert_non_null(noise);
    for (size_t i = 0; i < n_bytes; i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (unsigned char)(seed >> 24);
    }
    refuse_bytes(noise, n_bytes, "f:0: the file is too large: 256 KiB at most\n");
    free(noise);
}

static void test_size_limit(void **state)
{
    char *bytes = malloc(CONFIG_FILE_BYTES_MAX + 1);
    const struct config_places places = the_file();
    struct configuration configuration;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, '\n', CONFIG_FILE_BYTES_MAX + 1);
    refuse_bytes(bytes, CONFIG_FILE_BYTES_MAX + 1, "f:0: the file is too large: 256 KiB at most\n");
    write_bytes("f", bytes, CONFIG_FILE_BYTES_MAX);
    read_places(&places, &configuration, 0, "");
    configuration_done(&configuration);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_missing_file, set_up),
        cmocka_unit_test_setup(test_unreadable_file, set_up),
        cmocka_unit_test_setup(test_not_a_regular_file, set_up),
        cmocka_unit_test_setup(test_dangling_link, set_up),
        cmocka_unit_test_setup(test_link_to_a_good_file, set_up),
        cmocka_unit_test_setup(test_owner, set_up),
        cmocka_unit_test_setup(test_modes, set_up),
        cmocka_unit_test_setup(test_an_access_control_list, set_up),
        cmocka_unit_test_setup(test_group_that_is_not_roots, set_up),
        cmocka_unit_test_setup(test_noise, set_up),
        cmocka_unit_test_setup(test_size_limit, set_up),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
