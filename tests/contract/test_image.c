/* SPDX-License-Identifier: MIT */
/* The boundary: which program or library holds a function, and of which build it is. */
#include "contract.h"

/* "ADDRESS-OFFSET-IDENTITY": a child finds the same function by the offset. */
static int the_function(int number)
{
    return number * 3 + 1;
}

static const void *address_of_function(void)
{
    int (*function)(int) = the_function;
    const void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}

static int child(const char *boot)
{
    struct mproc_plat_image image;
    unsigned long long offset;
    char identity[2 * MPROC_PLAT_IDENTITY_SIZE + 1];
    if (sscanf(boot, "%llu %64s", &offset, identity) != 2 || mproc_plat_image_main(&image) != MPROC_OK)
        return 1;
    for (int i = 0; i < MPROC_PLAT_IDENTITY_SIZE; i++) {
        char byte[3];
        snprintf(byte, sizeof byte, "%02x", image.identity[i]);
        if (memcmp(byte, identity + 2 * i, 2) != 0)
            return 2;
    }
    uintptr_t address = image.base + (uintptr_t) offset;
    int (*function)(int);
    memcpy(&function, &address, sizeof function);
    return function(20);
}

static void a_function_is_found_in_the_program_and_by_a_child(void)
{
    static struct mproc_plat_image image, main_image;
    CHECK_OK(mproc_plat_image_of(address_of_function(), &image));
    CHECK_OK(mproc_plat_image_main(&main_image));
    CU_ASSERT_TRUE(image.main && main_image.main);
    CU_ASSERT_TRUE(strstr(main_image.path, "image") && file_exists(main_image.path));
    CU_ASSERT_STRING_EQUAL(image.path, main_image.path);
    CU_ASSERT_EQUAL(image.base, main_image.base);
    CU_ASSERT_EQUAL(memcmp(image.identity, main_image.identity, sizeof image.identity), 0);
    char boot[200];
    int length = snprintf(boot, sizeof boot, "%llu ",
                          (unsigned long long) ((uintptr_t) address_of_function() - image.base));
    for (int i = 0; i < MPROC_PLAT_IDENTITY_SIZE; i++)
        length += snprintf(boot + length, sizeof boot - (size_t) length, "%02x", image.identity[i]);
    struct mproc_plat_process process = spawn_child(boot, MPROC_PLAT_NONE);
    CU_ASSERT_EQUAL(reap_child(&process), 61);
}

static void the_image_is_found_again_in_this_process(void)
{
    static struct mproc_plat_image image;
    uintptr_t base = 0;
    CHECK_OK(mproc_plat_image_of(address_of_function(), &image));
    CHECK_OK(mproc_plat_image_find(&image, &base));
    CU_ASSERT_EQUAL(base, image.base);
}

static void another_build_is_refused(void)
{
    static struct mproc_plat_image image;
    uintptr_t base = 4711;
    CHECK_OK(mproc_plat_image_main(&image));
    CHECK_OK(mproc_plat_image_check_file(image.path, image.identity));
    image.identity[0] ^= 1;
    CHECK_FAILS(mproc_plat_image_find(&image, &base), MPROC_EIMAGE);
    CU_ASSERT_EQUAL(base, 4711);
    CHECK_FAILS(mproc_plat_image_check_file(image.path, image.identity), MPROC_EIMAGE);
    image.identity[0] ^= 1;
    CHECK_FAILS(mproc_plat_image_check_file(PROGRAM("identity_program"), image.identity), MPROC_EIMAGE);
}

static void a_file_that_is_none_is_refused(void)
{
    static struct mproc_plat_image image;
    char folder[600], path[700];
    CHECK_OK(mproc_plat_image_main(&image));
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("images", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/nothing", folder);
    CHECK_FAILS(mproc_plat_image_check_file(path, image.identity), MPROC_ENOTFOUND);
    static const char *const contents[] = { "", "x", "\177ELF", "MZ", "#!/bin/sh\nexit 0\n" };
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        snprintf(path, sizeof path, "%s/%zu", folder, i);
        FILE *file = fopen(path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fputs(contents[i], file);
        fclose(file);
        CHECK_FAILS(mproc_plat_image_check_file(path, image.identity), MPROC_EIMAGE);
    }
    remove_folder(folder);
}

/* A file that is cut off anywhere in its headers must not lead the reader out of it. */
static void a_damaged_copy_is_refused_or_the_same(void)
{
    static struct mproc_plat_image image;
    static char bytes[4096];
    char folder[600], path[700];
    CHECK_OK(mproc_plat_image_main(&image));
    FILE *file = fopen(image.path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("images", folder, sizeof folder));
    snprintf(path, sizeof path, "%s/damaged", folder);
    for (size_t i = 0; i < 300; i++) {
        size_t at = i * 7 % 512;
        char kept = bytes[at];
        bytes[at] = (char) (i % 3 ? 0xff : 0x7f);
        file = fopen(path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fwrite(bytes, 1, i % 2 ? size : at + 1, file);
        fclose(file);
        bytes[at] = kept;
        mproc_err err = mproc_plat_image_check_file(path, image.identity);
        CU_ASSERT_TRUE(err == MPROC_EIMAGE || err == MPROC_OK);
    }
    remove_folder(folder);
}

static void an_address_outside_all_code_is_refused(void)
{
    static struct mproc_plat_image image;
    static int data;
    int on_the_stack = 0;
    void *heap = malloc(100);
    CHECK_FAILS(mproc_plat_image_of(&data, &image), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_image_of(&on_the_stack, &image), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_image_of(heap, &image), MPROC_EINVAL);
    CHECK_FAILS(mproc_plat_image_of((const void *) (uintptr_t) 16, &image), MPROC_EINVAL);
    free(heap);
}

static void a_library_is_found_loaded_and_told_by_its_path(void)
{
    static struct mproc_plat_image image;
    char path[1000];
    uintptr_t base = 0;
    snprintf(path, sizeof path, "%s/plugin_1%s", TEST_PROGRAMS, system_is_windows() ? ".dll" : ".so");
    void *library = file_exists(path) ? library_open(path) : NULL;
    if (!library) {
        skip("no library can be loaded into this program");
        return;
    }
    const void *target = library_find(library, "plugin_target");
    CHECK_OK(mproc_plat_image_of(target, &image));
    CU_ASSERT_FALSE(image.main);
    CHECK_OK(mproc_plat_image_check_file(image.path, image.identity));
    CHECK_OK(mproc_plat_image_find(&image, &base));
    CU_ASSERT_EQUAL(base, image.base);
    uint64_t unloads = mproc_plat_image_unloads();
    CU_ASSERT_TRUE(unloads == UINT64_MAX || unloads == mproc_plat_image_unloads());
    library_close(library);
    static struct mproc_plat_image other;
    bool unloaded = mproc_plat_image_of(target, &other) == MPROC_EINVAL; /* not with every C library */
    CU_ASSERT_TRUE(!unloaded || unloads == UINT64_MAX || mproc_plat_image_unloads() != unloads);

    /* If it is not there any more it is loaded. */
    base = 0;
    CHECK_OK(mproc_plat_image_find(&image, &base));
    CU_ASSERT_NOT_EQUAL(base, 0);
    image.identity[0] ^= 1;
    CHECK_FAILS(mproc_plat_image_find(&image, &base), MPROC_EIMAGE);
    CHECK_FAILS(mproc_plat_image_check_file(image.path, image.identity), MPROC_EIMAGE);
    strcpy(image.path, "/no/such/library");
    CHECK_FAILS(mproc_plat_image_find(&image, &base), MPROC_EIMAGE);
    CHECK_FAILS(mproc_plat_image_check_file(image.path, image.identity), MPROC_ENOTFOUND);
    keep_what_is_there();
}

MPROC_CONTRACT_SUITE(image, child, MPROC_TEST(a_function_is_found_in_the_program_and_by_a_child),
                     MPROC_TEST(the_image_is_found_again_in_this_process),
                     MPROC_TEST(another_build_is_refused), MPROC_TEST(a_file_that_is_none_is_refused),
                     MPROC_TEST(a_damaged_copy_is_refused_or_the_same),
                     MPROC_TEST(a_library_is_found_loaded_and_told_by_its_path),
                     MPROC_TEST(an_address_outside_all_code_is_refused))
