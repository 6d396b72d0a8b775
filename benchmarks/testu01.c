/* The words of random_words.py, made here at the speed of C, for the batteries of TestU01.
 *
 *     python benchmarks/random_words.py --replicas 4096 --seed 20 --states states.bin
 *     gcc -O3 -march=native -I... testu01.c -o testu01 libtestu01.a libprobdist.a libmylib.a -lm
 *     ./testu01 states.bin 4096 forwards Crush              # or SmallCrush, BigCrush
 *     ./testu01 states.bin 4096 reversed BigCrush 1 2 3     # some tests, by number
 *     ./testu01 states.bin 4096 forwards words 100000000 | cmp - <(python benchmarks/random_words.py --words 100000000 ...)
 *
 * The last says that they are the same. Word t of all streams comes before word t + 1; reversed: the bits of each.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bbattery.h"
#include "swrite.h"
#include "unif01.h"

enum { LEAST = 4096 }; /* words made at a time */
static uint32_t *a, *b, *c, *d, *words;
static size_t streams, count, place;
static int reversed;
static unsigned long long made;

static inline uint32_t rotate(uint32_t x, int k) { return x << k | x >> (32 - k); }

static uint32_t mirrored(uint32_t x) {
    x = x >> 1 & 0x55555555u | (x & 0x55555555u) << 1;
    x = x >> 2 & 0x33333333u | (x & 0x33333333u) << 2;
    x = x >> 4 & 0x0F0F0F0Fu | (x & 0x0F0F0F0Fu) << 4;
    return __builtin_bswap32(x);
}

/* xoshiro128++, as jaxq/random.py */
static void fill(void) {
    for (size_t t = 0; t < count; t += streams)
        for (size_t i = 0; i < streams; i++) {
            uint32_t e = c[i] ^ a[i], f = d[i] ^ b[i], old = b[i];
            words[t + i] = rotate(a[i] + d[i], 7) + a[i];
            a[i] ^= f, b[i] = old ^ e, c[i] = e ^ old << 9, d[i] = rotate(f, 11);
        }
    for (size_t t = 0; reversed && t < count; t++) words[t] = mirrored(words[t]);
    made += count, place = 0;
}

static unsigned int next(void) {
    if (place == count) fill();
    return words[place++];
}

static void battery(const char *name, int tests, char **numbers) {
    int wanted[200] = {0};
    for (int i = 0; i < tests; i++) wanted[atoi(numbers[i]) % 200] = 1;
    unif01_Gen *gen = unif01_CreateExternGenBits("jaxq.random", next);
    if (!strcmp(name, "BigCrush")) tests ? bbattery_RepeatBigCrush(gen, wanted) : bbattery_BigCrush(gen);
    else if (!strcmp(name, "Crush")) tests ? bbattery_RepeatCrush(gen, wanted) : bbattery_Crush(gen);
    else tests ? bbattery_RepeatSmallCrush(gen, wanted) : bbattery_SmallCrush(gen);
    for (int i = 0; i < bbattery_NTests; i++)
        if (bbattery_pVal[i] >= 0) printf("p-value: %s %.6g\n", bbattery_TestNames[i], bbattery_pVal[i]);
    printf("words: %llu\n", made);
}

int main(int given, char **as) {
    FILE *file = given > 4 ? fopen(as[1], "rb") : NULL;
    streams = given > 4 ? strtoull(as[2], NULL, 10) : 0;
    uint32_t *states = malloc(16 * streams + 1);
    if (!file || !streams || fread(states, 16, streams, file) != streams) {
        fprintf(stderr, "usage: %s STATES STREAMS forwards|reversed BATTERY [TEST...]\n", as[0]);
        return 2;
    }
    a = states, b = a + streams, c = b + streams, d = c + streams;
    reversed = !strcmp(as[3], "reversed");
    count = place = streams * ((LEAST + streams - 1) / streams);
    words = malloc(4 * count);
    if (strcmp(as[4], "words")) battery(as[4], given - 5, as + 5);
    else for (unsigned long long left = strtoull(as[5], NULL, 10); left; left--) {
        uint32_t word = next();
        fwrite(&word, 4, 1, stdout);
    }
    return 0;
}
