/* SPDX-License-Identifier: MIT */
/* needs: m; libpng if it is there */
/* Renders the Mandelbrot set: a pool computes lines, each straight into the picture in shared memory.
 *
 *   mandelbrot FILE [WIDTH HEIGHT [WORKERS]]     a PNG, or a PPM where there is no libpng
 *   WORKERS 0 computes without a pool */
#include <mproc.h>

#ifdef HAVE_PNG
#include <png.h>
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 400, CHANNELS = 3 };

struct line {
    mproc_memory picture;
    int number, width, height;
};

static void colour(double steps, unsigned char *pixel)
{
    static const double phases[CHANNELS] = { 3.0, 3.7, 4.4 };
    for (int i = 0; i < CHANNELS; i++)
        pixel[i] = steps >= LIMIT
                       ? 0
                       : (unsigned char) (127.5 * (1 + cos(phases[i] + 0.35 * sqrt(steps))));
}

static double escape(double re, double im)
{
    double x = 0, y = 0;
    for (int i = 0; i < LIMIT; i++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 256)
            return i + 1 - log2(log2(xx + yy) / 2);
        y = 2 * x * y + im;
        x = xx - yy + re;
    }
    return LIMIT;
}

static void render(const struct line *line, unsigned char *pixels)
{
    double scale = 3.0 / line->width;
    for (int i = 0; i < line->width; i++)
        colour(escape(-2.2 + i * scale, (line->number - line->height / 2.0) * scale),
               pixels + (size_t) i * CHANNELS);
}

static int render_line(const void *in, void *out)
{
    const struct line *line = in;
    render(line, out); /* `out` is this line of the picture */
    return 0;
}

static bool write_picture(const char *path, unsigned char *pixels, int width, int height)
{
#ifdef HAVE_PNG
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32) width,
                        .height = (png_uint_32) height,
                        .format = PNG_FORMAT_RGB };
    return png_image_write_to_file(&image, path, 0, pixels, 0, NULL) != 0;
#else
    FILE *file = fopen(path, "wb");
    size_t size = (size_t) width * (size_t) height * CHANNELS;
    if (!file)
        return false;
    fprintf(file, "P6\n%d %d\n255\n", width, height);
    bool written = fwrite(pixels, 1, size, file) == size;
    return fclose(file) == 0 && written;
#endif
}

int main(int argc, char **argv)
{
    mproc_init();

    int width = argc > 3 ? atoi(argv[2]) : 960, height = argc > 3 ? atoi(argv[3]) : 640;
    int workers = argc > 4 ? atoi(argv[4]) : mproc_cpu_count();
    if (argc < 2 || width < 1 || height < 1 || width > 20000 || height > 20000 || workers < 0) {
        fputs("usage: mandelbrot FILE [WIDTH HEIGHT [WORKERS]]\n", stderr);
        return 2;
    }
    mproc_memory picture;
    struct line *lines = malloc((size_t) height * sizeof *lines);
    size_t row = (size_t) width * CHANNELS;
    if (!lines)
        return 1;
    MPROC_MUST(mproc_alloc(&picture, row * (size_t) height));
    unsigned char *pixels = mproc_pointer(picture);
    for (int i = 0; i < height; i++)
        lines[i] = (struct line){ picture, i, width, height };

    mproc_task_options options = { .chunksize = 1, .progress = mproc_progress_bar, .retries = 2 };
    if (workers == 0) {
        for (int i = 0; i < height; i++)
            render(&lines[i], pixels + (size_t) i * row);
    } else {
        mproc_pool *pool;
        MPROC_MUST(mproc_pool_create(&pool, (size_t) workers, NULL));
        MPROC_MUST(mproc_pool_map(pool, render_line, lines, sizeof *lines, pixels, row,
                                  (size_t) height, &options));
        MPROC_MUST(mproc_pool_destroy(pool));
    }
    free(lines);
    if (!write_picture(argv[1], pixels, width, height)) {
        fprintf(stderr, "mandelbrot: cannot write %s\n", argv[1]);
        return 1;
    }
    MPROC_MUST(mproc_free(picture));
    return 0;
}
