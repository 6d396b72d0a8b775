/* Ten workloads in hand-written SIMD C: what one core can do, beside which jaxq is measured (native.py).
 *
 *     gcc -O3 -march=native -o native native.c -lm && ./native mm1 1e9 1       (workload, events, seed)
 *
 * prints one line of JSON: events, CPU seconds, and means to be compared with jaxq's. Sixteen replicas side by side in the
 * 32-bit lanes of a vector, two vectors where one leaves the core waiting; xoshiro128++ in every lane, as in jaxq. What is
 * an event is what it is in jaxq: a uniformised step, a customer (mg1, gd1). One sum is kept, or two.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = 16, BLOCK = 4096 }; /* events that are summed in 32 bits */
typedef uint32_t u32 __attribute__((vector_size(4 * LANES)));
typedef int32_t i32 __attribute__((vector_size(4 * LANES)));
typedef float f32 __attribute__((vector_size(4 * LANES)));
typedef struct { u32 a, b, c, d; } stream;
typedef struct { double first, second, events; } sums;

static uint64_t splitmix(uint64_t *x) {
    uint64_t z = (*x += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static stream seeded(uint64_t *seed) {
    stream s;
    u32 *words[4] = {&s.a, &s.b, &s.c, &s.d};
    for (int i = 0; i < 4; i++)
        for (int lane = 0; lane < LANES; lane++) (*words[i])[lane] = (uint32_t)splitmix(seed);
    return s;
}

static inline u32 rotate(u32 x, int k) { return (x << k) | (x >> (32 - k)); }

static inline u32 next(stream *s) {
    u32 word = rotate(s->a + s->d, 7) + s->a, t = s->b << 9;
    s->c ^= s->a, s->d ^= s->b, s->b ^= s->c, s->a ^= s->d, s->c ^= t;
    s->d = rotate(s->d, 11);
    return word;
}

static inline f32 real(u32 word) { return __builtin_convertvector(word, f32); }
static inline f32 whole_to_real(i32 x) { return __builtin_convertvector(x, f32); }
static inline f32 if_else(i32 mask, f32 x, f32 y) { return (f32)((mask & (i32)x) | (~mask & (i32)y)); }
static inline f32 positive(f32 x) { return (f32)((x > 0.0f) & (i32)x); }
static inline f32 uniform(u32 word) { return real(word) * 0x1p-32f + 0x1p-33f; }

/* -log u: the polynomial of jaxq.random.exponential */
static inline f32 minus_log(f32 u) {
    static const float log1p[9] = {0.99999997f, -0.49999988f, 0.33334186f, -0.25002074f, 0.19956834f,
                                   -0.16562393f, 0.14952267f, -0.14366843f, 0.08722355f};
    i32 bits = (i32)u, exponent = (bits - 0x3F3504F3) >> 23;
    f32 f = (f32)(bits - (exponent << 23)) - 1.0f, series = {};
    for (int k = 8; k >= 0; k--) series = series * f + log1p[k];
    return whole_to_real(exponent) * -0.69314718f - f * series;
}

static double over_lanes(u32 x) { double sum = 0; for (int lane = 0; lane < LANES; lane++) sum += x[lane]; return sum; }
static double over_lanes_f(f32 x) { double sum = 0; for (int lane = 0; lane < LANES; lane++) sum += x[lane]; return sum; }

/* M/M/1, lambda .8, mu 1; number in system */
static sums mm1(double events, uint64_t seed) {
    stream s[2] = {seeded(&seed), seeded(&seed)};
    i32 x[2] = {};
    sums found = {};
    const uint32_t up = (uint32_t)ldexp(0.8 / 1.8, 32);
    for (; found.events < events; found.events += 2 * LANES * BLOCK) {
        u32 area[2] = {};
        for (int i = 0; i < BLOCK; i++)
            for (int g = 0; g < 2; g++) {
                x[g] += ~(i32)(next(&s[g]) < up) | 1; /* 1 or -1 */
                x[g] &= ~(x[g] >> 31);
                area[g] += (u32)x[g];
            }
        found.first += over_lanes(area[0]) + over_lanes(area[1]);
    }
    return found;
}

/* M/M/10, lambda 9, mu 1; number in system */
static sums mm10(double events, uint64_t seed) {
    stream s[2] = {seeded(&seed), seeded(&seed)};
    i32 x[2] = {};
    sums found = {};
    const uint32_t up = (uint32_t)ldexp(9.0 / 19.0, 32), unit = (uint32_t)ldexp(1.0 / 19.0, 32);
    for (; found.events < events; found.events += 2 * LANES * BLOCK) {
        u32 area[2] = {};
        for (int i = 0; i < BLOCK; i++)
            for (int g = 0; g < 2; g++) {
                u32 word = next(&s[g]);
                i32 arrives = word < up, all = x[g] > 10, busy = (x[g] & ~all) | (all & 10);
                x[g] += (~arrives & (i32)(word - up < (u32)busy * unit)) - arrives;
                area[g] += (u32)x[g];
            }
        found.first += over_lanes(area[0]) + over_lanes(area[1]);
    }
    return found;
}

/* M/M/10+M, lambda 12, mu 1, patience 1: all leave at rate 1. The embedded chain with its mean holding times; number in
   system */
static sums mm10m(double events, uint64_t seed) {
    stream s[2] = {seeded(&seed), seeded(&seed)};
    f32 x[2] = {};
    sums found = {};
    double time = 0;
    for (; found.events < events; found.events += 2 * LANES * BLOCK)
        for (int part = 0; part < BLOCK / 64; part++) {
            f32 weights[2] = {}, area[2] = {};
            for (int i = 0; i < 64; i++)
                for (int g = 0; g < 2; g++) {
                    f32 total = x[g] + 12.0f, weight = 1.0f / total;
                    weights[g] += weight, area[g] += weight * x[g];
                    i32 arrives = real(next(&s[g])) * 0x1p-32f * total < 12.0f;
                    x[g] += whole_to_real(~arrives | 1); /* 1 or -1 */
                }
            time += over_lanes_f(weights[0] + weights[1]), found.first += over_lanes_f(area[0] + area[1]);
        }
    found.first *= found.events / time;
    return found;
}

/* M/E2/1 by customer, Lindley's recursion; wait */
static sums mg1(double events, uint64_t seed) {
    stream s[2] = {seeded(&seed), seeded(&seed)};
    f32 wait[2] = {};
    sums found = {};
    for (; found.events < events; found.events += 2 * LANES * BLOCK)
        for (int part = 0; part < BLOCK / 64; part++) {
            f32 area[2] = {};
            for (int i = 0; i < 64; i++)
                for (int g = 0; g < 2; g++) {
                    f32 gap = minus_log(uniform(next(&s[g]))) * 1.25f;
                    f32 size = minus_log(uniform(next(&s[g])) * uniform(next(&s[g]))) * 0.5f;
                    area[g] += wait[g];
                    wait[g] = positive(wait[g] + size - gap);
                }
            found.first += over_lanes_f(area[0] + area[1]);
        }
    return found;
}

/* Poisson .8, service 1, a customer joins if the work is at most 3; joins */
static sums gd1(double events, uint64_t seed) {
    stream s[2] = {seeded(&seed), seeded(&seed)};
    f32 work[2] = {};
    sums found = {};
    for (; found.events < events; found.events += 2 * LANES * BLOCK) {
        u32 joined[2] = {};
        for (int i = 0; i < BLOCK; i++)
            for (int g = 0; g < 2; g++) {
                i32 joins = work[g] <= 3.0f;
                joined[g] -= (u32)joins;
                f32 gap = minus_log(uniform(next(&s[g]))) * 1.25f;
                work[g] = positive(work[g] + if_else(joins, (f32){} + 1.0f, (f32){}) - gap);
            }
        found.first += over_lanes(joined[0]) + over_lanes(joined[1]);
    }
    return found;
}

/* Servers of one type with at least k jobs, in units of one server's share of a word. An arrival takes the first level that
   is not full, a service at ``place`` takes a job from the highest level above it. */
enum { LEVELS = 6 };

static inline void serves(u32 *levels, int most, i32 here, u32 place, uint32_t unit, i32 *left) {
    i32 above = here & (levels[0] > place);
    for (int k = 0; k < most; k++) {
        i32 next_above = k + 1 < most ? above & (levels[k + 1] > place) : (i32){};
        left[k] = above & ~next_above;
        levels[k] -= (u32)left[k] & unit;
        above = next_above;
    }
}

/* Join the shortest of 50 queues, arrival rate 45; jobs */
static sums jsq(double events, uint64_t seed) {
    stream s = seeded(&seed);
    u32 levels[LEVELS] = {}, jobs = {};
    const uint32_t unit = (uint32_t)(4294967296.0 / 95), arrival = 45 * unit, all = 50 * unit;
    sums found = {};
    for (; found.events < events; found.events += LANES * BLOCK) {
        u32 area = {};
        for (int i = 0; i < BLOCK; i++) {
            u32 word = next(&s);
            i32 arrives = word < arrival, full = arrives, left[LEVELS], served = {};
            serves(levels, LEVELS, ~arrives, word - arrival, unit, left);
            for (int k = 0; k < LEVELS; k++) {
                i32 here = full & (levels[k] == all);
                levels[k] += (u32)(full & ~here) & unit;
                full = here, served |= left[k];
            }
            jobs += (u32)served - (u32)arrives;
            area += jobs;
        }
        found.first += over_lanes(area);
    }
    return found;
}

/* 100 servers of rate 20/8 and 400 of 5/8, arrival rate 500 (1 - 2/sqrt 500), shortest queue, ties to the fastest; idle
   servers, servers with two jobs or more */
static inline __attribute__((always_inline)) sums sajsq(double events, uint64_t seed, int most) {
    stream s = seeded(&seed);
    const double rate = 500 * (1 - 2 / sqrt(500.0)), bound = rate + 500;
    const uint32_t fast = (uint32_t)(4294967296.0 * 2.5 / bound), slow = (uint32_t)(4294967296.0 * 0.625 / bound);
    const uint32_t arrival = (uint32_t)(4294967296.0 * rate / bound), second = arrival + 100 * fast;
    u32 a[LEVELS] = {}, b[LEVELS] = {}, idle = (u32){} + 500, two = {};
    sums found = {};
    for (; found.events < events; found.events += LANES * BLOCK) {
        u32 idle_area = {}, two_area = {};
        for (int i = 0; i < BLOCK; i++) {
            u32 word = next(&s);
            i32 arrives = word < arrival, at_fast = ~arrives & (word < second), at_slow = ~arrives & ~at_fast;
            i32 left_a[LEVELS], left_b[LEVELS], moved[2] = {}, full = arrives;
            serves(a, most, at_fast, word - arrival, fast, left_a);
            serves(b, most, at_slow, word - second, slow, left_b);
            for (int k = 0; k < most; k++) {
                i32 full_a = full & (a[k] == 100 * fast), join_a = full & ~full_a;
                i32 full_b = full_a & (b[k] == 400 * slow), join_b = full_a & ~full_b;
                a[k] += (u32)join_a & fast, b[k] += (u32)join_b & slow;
                if (k < 2) moved[k] = (left_a[k] | left_b[k]) - (join_a | join_b);
                full = full_b;
            }
            idle -= (u32)moved[0], two += (u32)moved[1];
            idle_area += idle, two_area += two;
        }
        found.first += over_lanes(idle_area), found.second += over_lanes(two_area);
    }
    return found;
}
static sums sajsq3(double events, uint64_t seed) { return sajsq(events, seed, 3); }
static sums sajsq6(double events, uint64_t seed) { return sajsq(events, seed, 6); }

/* X-model: classes 175, 140; pools 100, 100; mu_11 1, mu_12 1.5, mu_21 1, mu_22 .75; patience 1; own pool first, freed
   servers take class 2 first. The embedded chain with its mean holding times; queues of class 1 and 2. */
static sums xmodel(double events, uint64_t seed) {
    stream s = seeded(&seed);
    f32 a1 = {}, a2 = {}, b1 = {}, b2 = {}, q1 = {}, q2 = {}; /* class 1, 2 in pool a, b */
    sums found = {};
    double time = 0;
    for (; found.events < events; found.events += LANES * BLOCK)
        for (int part = 0; part < BLOCK / 64; part++) {
            f32 weights = {}, area1 = {}, area2 = {};
            for (int i = 0; i < 64; i++) {
                f32 e1 = 1.5f * b1, e2 = 0.75f * b2, c1 = q1 + q2, in_a = a1 + a2;
                f32 total = c1 + in_a + e1 + e2 + 315.0f, weight = 1.0f / total;
                weights += weight, area1 += weight * q1, area2 += weight * q2;
                f32 r = real(next(&s)) * 0x1p-32f * total;
                i32 below[7]; /* abandon 1, 2; leave a 1, 2; leave b 1, 2; arrive 1; else arrive 2 */
                f32 edge = q1;
                below[0] = r < edge, edge += q2, below[1] = r < edge, edge += a1, below[2] = r < edge, edge += a2;
                below[3] = r < edge, edge += e1, below[4] = r < edge, edge += e2, below[5] = r < edge, edge += 175.0f;
                below[6] = r < edge;
                i32 x1 = below[0], x2 = below[1] & ~below[0], la1 = below[2] & ~below[1], la2 = below[3] & ~below[2];
                i32 lb1 = below[4] & ~below[3], lb2 = below[5] & ~below[4], n1 = below[6] & ~below[5], n2 = ~below[6];
                i32 room_a = in_a < 100.0f, room_b = b1 + b2 < 100.0f, w2 = q2 > 0.0f, w1 = (q1 > 0.0f) & ~w2;
                i32 fa = la1 | la2, fb = lb1 | lb2;
                /* masks are -1: subtracting one adds a customer */
                a1 -= whole_to_real((n1 & room_a) + (fa & w1) - la1);
                a2 -= whole_to_real((n2 & ~room_b & room_a) + (fa & w2) - la2);
                b1 -= whole_to_real((n1 & ~room_a & room_b) + (fb & w1) - lb1);
                b2 -= whole_to_real((n2 & room_b) + (fb & w2) - lb2);
                q1 -= whole_to_real((n1 & ~room_a & ~room_b) - x1 - ((fa | fb) & w1));
                q2 -= whole_to_real((n2 & ~room_a & ~room_b) - x2 - ((fa | fb) & w2));
            }
            time += over_lanes_f(weights), found.first += over_lanes_f(area1), found.second += over_lanes_f(area2);
        }
    found.first *= found.events / time, found.second *= found.events / time;
    return found;
}

/* Token pool: 100 servers, lambda .8, mu 1, phi .8, at most 50 tokens, 25 at the start; a job whose server has a
   token goes to the pool, a server without jobs and with room for a token offers its capacity. One replica a lane, its servers in a row; jobs
   in own queues, jobs in the pool */
static sums token_pool(double events, uint64_t seed) {
    enum { N = 100 };
    static int32_t servers[LANES][N]; /* q << 16 | s */
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < N; i++) servers[lane][i] = 25;
    stream s = seeded(&seed);
    i32 own = {}, pool = {};
    sums found = {};
    const uint32_t arrival = (uint32_t)ldexp(0.8 / 1.8, 32), earn = (uint32_t)ldexp(0.8, 32);
    for (; found.events < events; found.events += LANES * BLOCK) {
        u32 own_area = {}, pool_area = {};
        for (int i = 0; i < BLOCK; i++) {
            u32 word = next(&s), decision = next(&s);
            u32 place = ((word >> 16) * N + (((word & 0xFFFF) * N) >> 16)) >> 16, rest = word * N;
            i32 entry;
            for (int lane = 0; lane < LANES; lane++) entry[lane] = servers[lane][place[lane]];
            i32 q = entry >> 16, tokens = entry & 0xFFFF, arrives = rest < arrival;
            i32 request = arrives & (tokens > 0), idle = ~arrives & (q == 0) & (tokens < 50);
            i32 joins = arrives & ~request, leaves = ~arrives & (q > 0), helps = idle & (pool > 0);
            i32 change = leaves - joins, earns = idle & (i32)(decision < earn);
            entry += (change << 16) + request - earns;
            for (int lane = 0; lane < LANES; lane++) servers[lane][place[lane]] = entry[lane];
            own += change, pool += helps - request;
            own_area += (u32)own, pool_area += (u32)pool;
        }
        found.first += over_lanes(own_area), found.second += over_lanes(pool_area);
    }
    return found;
}

int main(int count, char **given) {
    static const struct { const char *name; sums (*run)(double, uint64_t); } all[] = {
        {"mm1", mm1}, {"mm10", mm10}, {"mm10m", mm10m}, {"mg1", mg1}, {"gd1", gd1}, {"jsq", jsq}, {"sajsq3", sajsq3}, {"sajsq6", sajsq6},
        {"xmodel", xmodel}, {"tokenpool", token_pool}};
    for (unsigned k = 0; count == 4 && k < sizeof all / sizeof *all; k++)
        if (!strcmp(given[1], all[k].name)) {
            clock_t began = clock();
            sums found = all[k].run(atof(given[2]), strtoull(given[3], 0, 10));
            double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
            printf("{\"events\": %.0f, \"seconds\": %.6f, \"means\": [%.9g, %.9g]}\n", found.events, seconds,
                   found.first / found.events, found.second / found.events);
            return 0;
        }
    fprintf(stderr, "usage: native mm1|mm10|mm10m|mg1|gd1|jsq|sajsq3|sajsq6|xmodel|tokenpool EVENTS SEED\n");
    return 2;
}
