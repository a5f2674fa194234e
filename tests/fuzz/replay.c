/* SPDX-License-Identifier: MIT */
/* main for a fuzz target without libFuzzer: runs it on each file that is named. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        uint8_t *bytes = malloc(1 << 20);
        size_t size = bytes ? fread(bytes, 1, 1 << 20, file) : 0;
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    printf("%d inputs\n", argc - 1);
    return argc < 2;
}
